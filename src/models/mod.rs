//! The rows of the database, their queries and their rules. Nothing in here knows of HTTP.

pub mod address_networks;
pub mod audit;
pub mod audit_search;
pub mod client;
pub mod cursor;
pub mod event;
pub mod groups;
pub mod ids;
pub mod kept_in;
pub mod keys;
pub mod mails;
pub mod natural;
pub mod people;
pub mod retention;
pub mod rules;
pub mod services;
mod system_user;
pub(crate) mod text_enum;
pub mod tx;
pub(crate) mod visible;
