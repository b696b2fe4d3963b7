//! Service accounts: those that a person owns and, for administrators, making one and giving it to others.

pub mod activity;
pub mod add;
pub mod own;
pub mod owners;

/// The logins that a field with one on each line, or with commas between, has.
fn logins(text: &str) -> Vec<String> {
    crate::models::services::settings::words(text)
}
