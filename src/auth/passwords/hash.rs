//! Password hashing with Argon2id.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, SaltString};

use crate::auth::credentials::Password;
use crate::secret::{random_base62, random_bytes};

/// Hashes a password with a random salt, by Argon2id with the parameters that OWASP recommends (19 MiB, 2 passes, 1
/// lane). Returns a PHC string.
///
/// # Panics
/// Panics if the operating system cannot provide randomness.
pub(super) fn hash(password: &Password) -> String {
    let salt = SaltString::encode_b64(&random_bytes::<16>()).expect("16 bytes are a salt");
    let hash = Argon2::default().hash_password(password.expose().as_bytes(), &salt);
    hash.expect("the default parameters are valid").to_string()
}

/// The hash of a password that nobody knows. It is verified against if there is no such login, so that an attempt costs
/// the same and takes as long (user enumeration). One for the process: it takes a while to make.
pub(super) fn nobodys_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| hash(&Password::new(random_base62(20))))
}

pub(super) fn counted_hash(password: &Password, calls: &AtomicU64) -> String {
    calls.fetch_add(1, Ordering::SeqCst);
    hash(password)
}
