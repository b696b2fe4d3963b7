//! The stored form of a password: an Argon2id hash, either of the password or of the hash that Redmine had stored.

use std::sync::atomic::{AtomicU64, Ordering};

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordVerifier};

use super::redmine::{self, RedmineHash};
use crate::auth::credentials::Password;

/// Whether `stored` is a hash that passwords can be verified against. The hash of another system is not.
pub(super) fn is_ours(stored: &str) -> bool {
    let phc = redmine::unwrap(stored).map_or(stored, |(_, phc)| phc);
    PasswordHash::new(phc).is_ok_and(|stored| stored.algorithm == argon2::ARGON2ID_IDENT)
}

/// Whether `password` matches `stored`. Adds 1 to `calls` only if Argon2id really runs, which it does once for either
/// kind of stored hash.
pub(super) fn matches(password: &Password, stored: &str, calls: &AtomicU64) -> bool {
    let moved_in = redmine::unwrap(stored);
    let (asked, phc) = match &moved_in {
        Some((salt, phc)) => (RedmineHash::of(password, salt).as_password(), *phc),
        None => (password.clone(), stored),
    };
    PasswordHash::new(phc).is_ok_and(|stored| {
        calls.fetch_add(1, Ordering::SeqCst);
        Argon2::default().verify_password(asked.expose().as_bytes(), &stored).is_ok()
    })
}
