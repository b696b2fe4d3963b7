//! Passwords that were imported from Redmine, which stores `SHA1(salt + SHA1(password))` in lower-case hex: a hash that
//! can be brute-forced at billions of guesses a second. Latchkey never stores it as it is. The import hashes it once
//! more with Argon2id, and the next sign-in replaces that with the plain Argon2id hash of the password.

use std::fmt;

use sha1::{Digest as _, Sha1};

use super::hash::hash;
use crate::auth::credentials::Password;

/// Marks a wrapped Redmine hash, which a PHC string never starts with. A release that does not know the prefix treats
/// the value as no password.
const PREFIX: &str = "redmine-sha1:";

/// A hash as Redmine stores it. It must never be stored here. Its `Debug` output is `RedmineHash(…)`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RedmineHash {
    hex: String,
    salt: Vec<u8>,
}

impl RedmineHash {
    /// The most bytes of a salt in Redmine's column. It is stored beside the hash.
    pub const LONGEST_SALT: usize = 64;

    /// Parses Redmine's columns `hashed_password` and `salt`; `None` if no password can have this hash.
    pub fn parse(hashed_password: &[u8], salt: &[u8]) -> Option<Self> {
        let is_lower_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let hex = std::str::from_utf8(hashed_password).ok()?;
        (hex.len() == 40 && hex.bytes().all(|byte| is_lower_hex(&byte)))
            .then(|| Self { hex: hex.into(), salt: salt.into() })
    }

    /// The hash that Redmine would store for `password` and `salt`.
    pub fn of(password: &Password, salt: &[u8]) -> Self {
        let inner = hex(&Sha1::digest(password.expose().as_bytes()));
        Self { hex: hex(&Sha1::new().chain_update(salt).chain_update(inner).finalize()), salt: salt.into() }
    }

    /// Whether it is the hash of `password`.
    pub fn is_of(&self, password: &Password) -> bool {
        Self::of(password, &self.salt) == *self
    }

    /// The hash as the text that Argon2id hashes or verifies.
    pub(super) fn as_password(&self) -> Password {
        Password::new(self.hex.as_str())
    }

    /// The hash wrapped in Argon2id, as the database stores it.
    pub fn wrap(&self) -> String {
        format!("{PREFIX}{}:{}", hex(&self.salt), hash(&self.as_password()))
    }
}

impl fmt::Debug for RedmineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedmineHash(…)")
    }
}

/// The salt and the PHC string in a hash that [`RedmineHash::wrap`] returned; `None` if `stored` is of another kind.
pub(super) fn unwrap(stored: &str) -> Option<(Vec<u8>, &str)> {
    let (salt, phc) = stored.strip_prefix(PREFIX)?.split_once(':')?;
    let digit = |at: usize| salt.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let salt: Option<Vec<u8>> = (0..salt.len()).step_by(2).map(digit).collect();
    Some((salt?, phc))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Redmine's own `User.hash_password("#{salt}#{User.hash_password clear}")` returned this hash for the admin in its
    /// fixtures.
    #[test]
    fn the_hash_is_that_of_redmine() {
        let fixture =
            RedmineHash::parse(b"b5b6ff9543bf1387374cdfa27a54c96d236a7150", b"82090c953c4a0000a7db253b0691a6b4");
        assert_eq!(fixture, Some(RedmineHash::of(&Password::new("admin"), b"82090c953c4a0000a7db253b0691a6b4")));
    }

    #[test]
    fn what_no_password_can_hash_to_is_no_hash() {
        let good = "b5b6ff9543bf1387374cdfa27a54c96d236a7150";
        for bad in ["", &good[1..], &good.to_uppercase(), &format!("{good}0"), &good.replace('b', "g")] {
            assert_eq!(RedmineHash::parse(bad.as_bytes(), b"salt"), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn salt_and_hash_come_out_as_they_went_in(salt in proptest::collection::vec(any::<u8>(), 0..70)) {
            let stored = format!("{PREFIX}{}:$argon2id$…", hex(&salt));
            prop_assert_eq!(unwrap(&stored), Some((salt, "$argon2id$…")));
        }

        #[test]
        fn nothing_else_is_taken_for_one(text in "(redmine-sha1:)?\\PC{0,40}") {
            if let Some((salt, phc)) = unwrap(&text) {
                prop_assert_eq!(text.to_lowercase(), format!("{PREFIX}{}:{phc}", hex(&salt)).to_lowercase());
            }
        }
    }
}
