//! The API as programs know it: who may come in, and what each address answers.

mod account_rules;
mod account_shown;
mod account_updated;
mod activity_atom;
mod any_bytes;
mod authentication;
mod bodies;
mod documented;
mod errors;
mod forward_auth;
mod groups;
mod health;
mod openapi;
mod parameters;
mod power;
pub mod scopes;
mod services;
mod tokens;
mod users;
mod users_current;
mod well_known;
