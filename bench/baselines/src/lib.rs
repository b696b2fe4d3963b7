//! Latchkey once more, from its own sources, with another `last_use`: so that a baseline differs from the product in
//! how it records a use, and in nothing else.

#[path = "../../../src/api/mod.rs"]
pub mod api;
#[path = "../../../src/app.rs"]
pub mod app;
#[path = "../../../src/auth/mod.rs"]
pub mod auth;
#[path = "../../../src/clock.rs"]
pub mod clock;
#[path = "../../../src/commands/mod.rs"]
pub mod commands;
#[path = "../../../src/config.rs"]
pub mod config;
#[path = "../../../src/db.rs"]
pub mod db;
#[path = "../../../src/error.rs"]
pub mod error;
#[path = "../../../src/import/mod.rs"]
pub mod import;
#[path = "../../../src/logging.rs"]
pub mod logging;
#[path = "../../../src/metrics.rs"]
pub mod metrics;
#[path = "../../../src/models/mod.rs"]
pub mod models;
#[path = "../../../src/pages/mod.rs"]
pub mod pages;
#[path = "../../../src/recorder.rs"]
pub mod recorder;
#[path = "../../../src/request_log.rs"]
pub mod request_log;
#[path = "../../../src/resource.rs"]
pub mod resource;
#[path = "../../../src/schema.rs"]
pub mod schema;
#[path = "../../../src/secret_key.rs"]
pub mod secret_key;
#[path = "../../../src/server.rs"]
pub mod server;
#[path = "../../../src/sign_ins.rs"]
pub mod sign_ins;
#[path = "../../../src/static_files.rs"]
pub mod static_files;

pub mod last_use;
