//! People: their rows, what they say about themselves, and what administrators do about them.

pub mod account;
pub mod administration;
pub mod user;
