//! Latchkey, built from the same sources with another `last_use`. A baseline differs from the product only in how it
//! records a use.

use mimalloc::MiMalloc;

/// The product's, so that what differs is not the allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[path = "../../../src/api/mod.rs"]
pub mod api;
#[path = "../../../src/app.rs"]
pub mod app;
#[path = "../../../src/auth/mod.rs"]
pub mod auth;
#[path = "../../../src/callers/mod.rs"]
pub mod callers;
#[path = "../../../src/clock.rs"]
pub mod clock;
#[path = "../../../src/commands/mod.rs"]
pub mod commands;
#[path = "../../../src/config/mod.rs"]
pub mod config;
#[path = "../../../src/db/mod.rs"]
pub mod db;
#[path = "../../../src/documents/mod.rs"]
pub mod documents;
#[path = "../../../src/embed.rs"]
pub mod embed;
#[path = "../../../src/forward_auth/mod.rs"]
pub mod forward_auth;
#[path = "../../../src/guessable/mod.rs"]
mod guessable;
#[path = "../../../src/http/mod.rs"]
pub mod http;
#[path = "../../../src/import/mod.rs"]
pub mod import;
#[path = "../../../src/logging/mod.rs"]
pub mod logging;
#[path = "../../../src/mail/mod.rs"]
pub mod mail;
#[path = "../../../src/metrics.rs"]
pub mod metrics;
#[path = "../../../src/models/mod.rs"]
pub mod models;
#[path = "../../../src/pages/mod.rs"]
pub mod pages;
#[path = "../../../src/panics.rs"]
pub mod panics;
pub mod recorder;
#[path = "../../../src/secret.rs"]
pub mod secret;
#[path = "../../../src/server/mod.rs"]
pub mod server;
#[path = "../../../src/spans.rs"]
pub mod spans;
#[path = "../../../src/threads.rs"]
pub mod threads;
