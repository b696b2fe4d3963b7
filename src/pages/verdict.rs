//! The verdict on a key, and who used it last, as pages show them.

use crate::app::App;
use crate::clock::Timestamp;
use crate::models::keys::key::{Key, KeyUse};
use crate::models::keys::verdict::{Evidence, Verdict};

/// The verdict on a key, which stands beside its last use.
pub struct ShownVerdict {
    /// The verdict in a few words, for tables.
    pub label: &'static str,
    /// The verdict and what it follows from.
    pub text: String,
    /// Whether nobody will miss the key.
    pub is_safe_to_end: bool,
}

impl ShownVerdict {
    /// What follows from `evidence` at `now`.
    pub fn of(evidence: &Evidence, now: Timestamp) -> Self {
        let verdict = evidence.verdict(now);
        let text = match verdict {
            // The last use stands right above.
            Verdict::InUse => verdict.label().to_owned(),
            Verdict::Idle | Verdict::Unused | Verdict::TooEarly => evidence.in_words(now),
        };
        Self { label: verdict.label(), text, is_safe_to_end: verdict.is_safe_to_end() }
    }
}

/// Where the last use of a key came from, in words; `None`: nobody knows.
pub fn used_by(app: &App, key: &Key, last_use: Option<KeyUse>) -> Option<String> {
    last_use.and_then(|last_use| app.recorder.last_use.used_by(key, last_use)).map(|used_by| used_by.in_words())
}
