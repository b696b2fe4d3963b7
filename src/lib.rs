//! Latchkey: a self-hosted home for API keys that know when they were last used.

pub mod app;
pub mod auth;
pub mod clock;
pub mod config;
pub mod db;
pub mod error;
pub mod last_use;
pub mod models;
pub mod recorder;
pub mod schema;
pub mod sign_ins;
