//! Latchkey: a self-hosted home for API keys that know when they were last used.
//!
//! Applications that have Latchkey inside use [`embed`]. Everything else is public for this project's own tests only.

#![warn(missing_docs)]

#[doc(hidden)]
pub mod api;
#[doc(hidden)]
pub mod app;
#[doc(hidden)]
pub mod auth;
#[doc(hidden)]
pub mod callers;
#[doc(hidden)]
pub mod clock;
#[doc(hidden)]
pub mod commands;
#[doc(hidden)]
pub mod config;
#[doc(hidden)]
pub mod db;
#[doc(hidden)]
pub mod documents;
pub mod embed;
#[doc(hidden)]
pub mod forward_auth;
mod guessable;
#[doc(hidden)]
pub mod http;
#[doc(hidden)]
pub mod import;
#[doc(hidden)]
pub mod logging;
#[doc(hidden)]
pub mod mail;
pub mod metrics;
#[doc(hidden)]
pub mod models;
#[doc(hidden)]
pub mod pages;
#[doc(hidden)]
pub mod panics;
#[doc(hidden)]
pub mod recorder;
#[doc(hidden)]
pub mod secret;
#[doc(hidden)]
pub mod server;
mod spans;
#[doc(hidden)]
pub mod threads;
