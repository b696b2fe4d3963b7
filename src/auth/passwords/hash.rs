//! How passwords are hashed: Argon2id.

use std::sync::atomic::{AtomicU64, Ordering};

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, SaltString};

use crate::auth::credentials::Password;
use crate::secret::{random_base62, random_bytes};

/// Argon2id with the parameters that OWASP recommends (19 MiB, 2 passes, 1 lane), as a PHC string.
///
/// # Panics
/// If the operating system has no randomness to give.
pub fn hash(password: &Password) -> String {
    let salt = SaltString::encode_b64(&random_bytes::<16>()).expect("16 bytes are a salt");
    let hash = Argon2::default().hash_password(password.expose().as_bytes(), &salt);
    hash.expect("the default parameters are valid").to_string()
}

/// Of a password that nobody knows.
pub(super) fn hash_of_nobody() -> String {
    hash(&Password::new(random_base62(20)))
}

pub(super) fn counted_hash(password: &Password, calls: &AtomicU64) -> String {
    calls.fetch_add(1, Ordering::SeqCst);
    hash(password)
}
