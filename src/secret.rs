//! Secrets: generated once, shown once, and stored only as a digest.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};

use crate::guessable;

const PREFIX: &str = "lk_";
const RANDOM_LENGTH: usize = 40;
const CHECKSUM_LENGTH: usize = 6;
/// The fewest characters, and the fewest different ones, of a key that was made elsewhere. A key is tried as often as
/// somebody likes, so it must have more in it than a password.
const FEWEST: usize = 20;
const FEWEST_DIFFERENT: usize = 8;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The secret text that a client presents. Its `Debug` output is `Secret(…)`, so that it cannot end up in a log by
/// accident, and its memory is overwritten when it is dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Generates a secret: `lk_`, 40 random base62 characters, and a checksum of 6 characters. The prefix and checksum
    /// let secret scanners find leaked ones, and mistyped ones be refused without a query.
    ///
    /// # Panics
    /// Panics if the operating system cannot provide randomness: nothing safe could follow.
    pub fn generate() -> Self {
        let mut text = String::from(PREFIX);
        text.push_str(&random_base62(RANDOM_LENGTH));
        let checksum = checksum(&text);
        text.push_str(&checksum);
        Self(text.into())
    }

    /// A secret that a client presented, in any form: imported keys keep theirs.
    pub fn presented(text: impl Into<String>) -> Self {
        Self(text.into().into())
    }

    /// The text of the secret, to show it once or to store it in a cookie.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The SHA-256 digest of the text, which is what the database stores. It is case-sensitive. The secrets are random,
    /// so a salt or key stretching would add nothing.
    pub fn digest(&self) -> Digest {
        Digest(Sha256::digest(self.expose()).into())
    }

    /// The last characters, by which people recognise a key: four, and never more than a quarter of it.
    pub fn hint(&self) -> String {
        let length = self.expose().chars().count();
        self.expose().chars().skip(length - (length / 4).min(4)).collect()
    }

    /// Why a key that was made elsewhere is not fit to let anybody in; `None` if it is.
    pub fn weakness(&self) -> Option<String> {
        let text = self.expose();
        if text.chars().count() < FEWEST {
            Some(format!("has fewer than {FEWEST} characters"))
        } else if guessable::different(text) < FEWEST_DIFFERENT {
            Some(format!("has fewer than {FEWEST_DIFFERENT} different characters"))
        } else if guessable::told_once(text) < FEWEST {
            Some("only repeats or counts".to_owned())
        } else {
            None
        }
    }

    /// Whether the text has the form of our secrets but the wrong checksum: a typo, which is refused without a query.
    pub fn is_mistyped(&self) -> bool {
        let text = self.expose();
        let ours = text.len() == PREFIX.len() + RANDOM_LENGTH + CHECKSUM_LENGTH
            && text.starts_with(PREFIX)
            && text[PREFIX.len()..].bytes().all(|byte| byte.is_ascii_alphanumeric());
        ours && {
            let (body, given) = text.split_at(PREFIX.len() + RANDOM_LENGTH);
            checksum(body) != given
        }
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The SHA-256 digest of a secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The 32 bytes of the digest.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Random bytes from the operating system, fit for secrets. All randomness comes from here.
///
/// # Panics
/// Panics if the operating system cannot provide randomness.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn random_bytes<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

/// A text of `length` random base62 characters, without modulo bias: each character is equally likely.
///
/// # Panics
/// Panics if the operating system cannot provide randomness.
pub fn random_base62(length: usize) -> String {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let bytes = random_bytes::<64>();
        // 248 is the largest multiple of 62 in a byte: what lies above would favour the first letters.
        let fair = bytes.iter().filter(|byte| **byte < 248).map(|byte| char::from(BASE62[usize::from(byte % 62)]));
        text.extend(fair.take(length - text.len()));
    }
    text
}

fn checksum(body: &str) -> String {
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut digits = [b'0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_new_secret_has_our_form_and_is_no_other() {
        let secrets: std::collections::BTreeSet<String> =
            (0..1000).map(|_| Secret::generate().expose().to_owned()).collect();
        assert_eq!(secrets.len(), 1000);
        for secret in secrets {
            assert!(secret.starts_with("lk_") && secret.len() == 49, "{secret}");
            assert!(secret[3..].bytes().all(|byte| byte.is_ascii_alphanumeric()), "{secret}");
            assert!(!Secret::presented(secret.as_str()).is_mistyped(), "{secret}");
        }
    }

    /// Secret scanners compute the checksum, so it must never change: CRC-32 over everything before it, in base62,
    /// digits first.
    #[test]
    fn the_checksum_is_that_of_the_documents() {
        let body = format!("lk_{}", "0".repeat(40));
        assert_eq!(crc32fast::hash(body.as_bytes()), 0x3601_2EBF);
        assert_eq!(checksum(&body), "0zJgFz");
        assert!(!Secret::presented(format!("{body}0zJgFz")).is_mistyped());
        assert!(Secret::presented(format!("{body}0zJgF0")).is_mistyped());
    }

    #[test]
    fn every_letter_of_base62_is_as_likely() {
        let text = random_base62(62 * 1000);
        assert_eq!(text.len(), 62 * 1000);
        for letter in BASE62 {
            let times = text.bytes().filter(|byte| byte == letter).count();
            // The bounds are more than nine standard deviations away, so chance alone never breaks this test.
            assert!((700..1300).contains(&times), "{} came {times} times", char::from(*letter));
        }
    }

    #[test]
    fn what_can_be_guessed_is_no_key() {
        for weak in [
            "",
            "1",
            "password",
            "0123456789abcdef012",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "0101010101010101010101010101010101010101",
            "1234567890123456789012345678901234567890",
            "abcdefghijklmnopqrstuvwxyz0123456789",
            "changeme-changeme-changeme-changeme",
            &"k3y-8f2a".repeat(5),
        ] {
            assert!(Secret::presented(weak).weakness().is_some(), "{weak}");
        }
        for fit in ["da39a3ee5e6b4b0d3255bfef95601890afd80709", "Xk29sPq0ZbT7wLr4VnYc"] {
            assert_eq!(Secret::presented(fit).weakness(), None, "{fit}");
        }
        assert_eq!(Secret::generate().weakness(), None);
    }

    proptest! {
        /// Redmine's keys are 40 hexadecimal digits.
        #[test]
        fn a_key_of_redmine_is_fit(bytes in any::<[u8; 20]>()) {
            let key: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            prop_assume!(guessable::different(&key) >= FEWEST_DIFFERENT);
            prop_assert_eq!(Secret::presented(key).weakness(), None);
        }

        #[test]
        fn one_wrong_letter_or_two_swapped_are_known(at in 3..49usize, other in "[0-9A-Za-z]", swap in 3..48usize) {
            let secret = Secret::generate().expose().to_owned();
            let mut mistyped = secret.clone();
            mistyped.replace_range(at..=at, &other);
            prop_assert_eq!(Secret::presented(mistyped.clone()).is_mistyped(), mistyped != secret);
            let mut swapped = secret.clone().into_bytes();
            swapped.swap(swap, swap + 1);
            let swapped = String::from_utf8(swapped).expect("ASCII");
            prop_assert_eq!(Secret::presented(swapped.clone()).is_mistyped(), swapped != secret);
        }

        #[test]
        fn secrets_of_another_form_are_left_to_the_database(text in "\\PC{0,60}|[0-9a-f]{40}|lk_[^0-9A-Za-z]{46}") {
            let ours = text.len() == 49 && text.starts_with("lk_") && text[3..].bytes().all(|it| it.is_ascii_alphanumeric());
            prop_assume!(!ours);
            prop_assert!(!Secret::presented(text).is_mistyped());
        }

        #[test]
        fn a_secret_is_known_by_its_end_and_never_printed(text in "\\PC{0,40}") {
            let secret = Secret::presented(text.as_str());
            let (hint, length) = (secret.hint().chars().count(), text.chars().count());
            prop_assert!(text.ends_with(&secret.hint()) && hint <= 4 && hint * 4 <= length);
            prop_assert_eq!(hint, (length / 4).min(4));
            prop_assert_eq!(format!("{secret:?}"), "Secret(…)");
            prop_assert!(secret.digest() == Secret::presented(text.as_str()).digest());
            let longer = Secret::presented(text + " ");
            prop_assert!(secret.digest() != longer.digest());
        }
    }
}
