//! Secrets: made once, shown once, and stored only as digests.

use std::fmt;

use sha2::{Digest as _, Sha256};

const PREFIX: &str = "lk_";
const RANDOM_LENGTH: usize = 40;
const CHECKSUM_LENGTH: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The text that a client presents. It prints as `Secret(…)`, so that no log can hold it by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A new secret: `lk_`, 40 base62 characters from the operating system's generator, and a checksum of 6, so that
    /// scanners can find leaked ones and a mistyped one is known without a query.
    ///
    /// # Panics
    /// If the operating system has no randomness to give: nothing safe can be done then.
    pub fn generate() -> Self {
        let mut text = String::from(PREFIX);
        text.push_str(&random_base62(RANDOM_LENGTH));
        let checksum = checksum(&text);
        text.push_str(&checksum);
        Self(text)
    }

    /// What a client presented, in whatever form: keys moved in from elsewhere keep theirs.
    pub fn presented(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, to show it the one time, or to find it in a cookie.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored: SHA-256 over the text, case-sensitive. The secrets are random, so neither salt nor stretching
    /// would add anything.
    pub fn digest(&self) -> Digest {
        Digest(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The last four characters, to recognise a key by.
    pub fn hint(&self) -> String {
        let mut last: Vec<char> = self.0.chars().rev().take(4).collect();
        last.reverse();
        last.into_iter().collect()
    }

    /// Whether it has our form but not its checksum: a slip of the hand that no database needs to be asked about.
    pub fn is_mistyped(&self) -> bool {
        let ours = self.0.len() == PREFIX.len() + RANDOM_LENGTH + CHECKSUM_LENGTH
            && self.0.starts_with(PREFIX)
            && self.0[PREFIX.len()..].bytes().all(|byte| byte.is_ascii_alphanumeric());
        ours && {
            let (body, given) = self.0.split_at(PREFIX.len() + RANDOM_LENGTH);
            checksum(body) != given
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The SHA-256 of a secret: what the database knows of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// `length` characters of base62, each as likely as the others.
///
/// # Panics
/// If the operating system has no randomness to give.
pub fn random_base62(length: usize) -> String {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut bytes = [0u8; 64];
        getrandom::fill(&mut bytes).expect("the operating system gives randomness");
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
