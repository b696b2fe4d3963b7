//! Latchkey: a self-hosted home for API keys that know when they were last used.

#![warn(missing_docs)]

pub mod api;
pub mod app;
pub mod auth;
pub mod clock;
pub mod commands;
pub mod config;
pub mod db;
pub mod documents;
pub mod error;
pub mod import;
pub mod json_lines;
pub mod last_use;
pub mod logging;
pub mod lookups;
pub mod metrics;
pub mod migrations;
pub mod models;
pub mod pages;
pub mod recorder;
pub mod request_log;
pub mod resource;
#[expect(missing_docs, reason = "tables and columns, which the migrations explain")]
pub mod schema;
pub mod secret_key;
pub mod server;
pub mod service_uses;
pub mod services_file;
pub mod sign_ins;
pub mod static_files;
