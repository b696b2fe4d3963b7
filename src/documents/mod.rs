//! Things as programs read them: the same documents from the API and from the command line.

pub mod audit;
pub mod audit_export;
pub mod export;
pub mod group;
pub mod key;
pub mod key_export;
pub mod listed_key;
pub mod named;
pub mod person;
pub mod refused_use;
pub mod service;
pub mod service_usage;
