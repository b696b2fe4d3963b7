//! Services behind a reverse proxy: where they are, whom they admit, and how keys are used on them.

pub mod administration;
pub mod adoption;
pub mod overview;
pub mod scopes_of_keys;
pub mod service;
pub mod settings;
pub mod uses;
