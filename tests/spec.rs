//! What Latchkey does, as people and programs see it: through HTTP and the command line, on both databases.

#![expect(clippy::disallowed_methods, reason = "tests write what others could have written")]

mod support;

mod api;
mod architecture;
mod audit;
mod authority_lost;
mod backup;
mod bounds;
mod browser;
mod clients;
mod commands;
mod database_settings;
mod deleted_meanwhile;
mod documentation;
mod embedded;
mod every_key;
mod faults;
mod fuzz;
mod import;
mod keys;
mod last_use;
mod last_use_model;
mod limits;
mod mail;
mod metrics;
mod migrations;
mod pages;
mod panics;
mod proxies;
mod service_accounts;
mod service_uses;
mod settings;
mod several_processes;
mod strangers;
mod times;
mod tokens;
mod traced_errors;
mod unrecorded;
mod verdict_model;
mod write_ahead_log;
