//! Mail on pages: what a person wants to be told, and, for administrators, what was not delivered.

pub mod undelivered;
pub mod wishes;
