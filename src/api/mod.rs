//! What programs call: a file a resource, as Redmine's clients know it (`docs/api.md`).

pub mod account;
pub mod activity;
pub mod document;
pub mod format;
pub mod forward_auth;
pub mod health;
pub mod idempotency;
pub mod json;
pub mod openapi;
pub mod problem;
pub mod revoke;
pub mod services;
pub mod tokens;
pub mod users;
