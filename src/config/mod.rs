//! The settings: how they are read, and what each of their values means.

pub mod bind_address;
pub mod environment;
pub mod mail;
pub mod per_minute;
pub mod public_url;
pub mod secret_key;
pub mod security_contact;
pub mod settings;
pub mod smtp_url;
pub mod span;
pub mod start_error;

pub use self::settings::{Config, LONGEST, parse_switch};
