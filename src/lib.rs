//! Latchkey: a self-hosted home for API keys that know when they were last used.

#![warn(missing_docs)]

pub mod api;
pub mod app;
pub mod auth;
pub mod callers;
pub mod clock;
pub mod commands;
pub mod config;
pub mod db;
pub mod documents;
pub mod forward_auth;
pub mod http;
pub mod import;
pub mod logging;
pub mod metrics;
pub mod models;
pub mod pages;
pub mod recorder;
pub mod secret;
pub mod server;
