//! Services behind a reverse proxy: their addresses, who may use them, and how keys are used on them.

pub mod administration;
mod admissions;
pub mod admitted;
pub mod adoption;
pub mod overview;
pub mod scopes_of_keys;
pub mod service;
pub mod setting;
pub mod setting_rules;
pub mod settings;
pub mod used_on;
pub mod uses;
