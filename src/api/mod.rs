//! What programs call: a file a resource, as Redmine's clients know it (`docs/api.md`).

pub mod account;
pub mod activity;
pub mod described;
pub mod document;
pub mod health;
pub mod idempotency;
pub mod json;
pub mod openapi;
pub mod revoke;
pub mod services;
pub mod tokens;
pub mod users;
