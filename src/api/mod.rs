//! The API for programs, with a file for each resource. Its paths and formats are those that clients of Redmine know
//! (`docs/api.md`).

pub mod account;
pub mod activity;
pub mod audit;
pub mod described;
pub mod groups;
pub mod health;
pub mod idempotency;
pub mod json;
pub mod keys;
pub mod openapi;
pub mod parameters;
pub mod people_search;
pub mod redmine_groups;
pub mod revoke;
pub mod services;
mod strict_query;
pub mod tokens;
pub mod users;
pub mod well_known;
