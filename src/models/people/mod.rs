//! People: their rows, their own profiles, and what administrators can do about them.

pub mod account;
pub mod administration;
pub mod order;
pub mod search;
pub mod status_filter;
pub mod user;
