//! People: their rows, their own profiles, and what administrators can do about them.

pub mod account;
pub mod administration;
pub mod adoption;
pub mod by_login;
pub mod new_address;
pub mod order;
pub mod ownership;
pub mod refusal;
pub mod search;
pub mod service_account;
pub mod status_filter;
pub mod user;
