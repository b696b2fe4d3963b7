//! The search among a person's keys: for words, by how they stand, and in which order.

use std::cmp::Reverse;

use super::key::{Key, KeyUse};
use super::token::Token;
use super::verdict::Verdict;
use crate::clock::Timestamp;
use crate::models::people::search::FewTexts;
use crate::models::text_enum::text_enum;

/// A search for keys.
#[derive(Clone, Debug)]
pub struct KeySearch {
    /// Only keys with each of these words in their name or note.
    pub words: Option<FewTexts>,
    /// Only keys that stand so.
    pub standing: Option<Standing>,
    /// The order.
    pub order: KeyOrder,
}

text_enum! {
    /// How a key stands with its owner, who looks for those that need a decision. A key may stand in several ways, or in
    /// none of these.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Standing(as_str, label) {
        /// It works, and has been used lately; see [`Verdict::InUse`].
        InUse = ("in_use", "In use"),
        /// It works, but nobody would miss it; see [`Verdict::is_safe_to_end`].
        SafeToEnd = ("safe_to_end", "Safe to end"),
        /// It works, and whether anybody needs it is not known yet; see [`Verdict::TooEarly`].
        TooEarly = ("too_early", "Too early to say"),
        /// No use of it is recorded.
        NeverUsed = ("never_used", "No use recorded"),
        /// It is suspended.
        Suspended = ("suspended", "Suspended"),
        /// It works, but not for long; see [`Key::expires_soon`].
        ExpiringSoon = ("expires_soon", "Expires within 7 days"),
        /// It has expired.
        Expired = ("expired", "Expired"),
    }
}

text_enum! {
    /// The order of keys.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum KeyOrder(as_str, label) {
        /// By creation, latest first.
        #[default]
        Newest = ("newest", "Newest first"),
        /// By last use, latest first. Those that were never used come last.
        LastUsed = ("last_used", "Last used first"),
        /// By name, whatever the case.
        Name = ("name", "By name"),
        /// By expiry, earliest first. Those that do not expire come last.
        Expiry = ("expiry", "Expires first"),
    }
}

impl Standing {
    /// Whether a key with this last use stands so.
    pub fn is_of(self, key: &Key, last_use: Option<KeyUse>, now: Timestamp) -> bool {
        let (works, verdict) = (key.works(now), key.evidence(last_use).verdict(now));
        match self {
            Self::InUse => works && verdict == Verdict::InUse,
            Self::SafeToEnd => works && verdict.is_safe_to_end(),
            Self::TooEarly => works && verdict == Verdict::TooEarly,
            Self::NeverUsed => last_use.is_none(),
            Self::ExpiringSoon => key.expires_soon(now),
            Self::Expired => key.is_expired(now),
            Self::Suspended => !key.is_expired(now) && key.suspension(now).is_some(),
        }
    }
}

impl KeySearch {
    /// The `keys` that are searched for, in order; `last_use` returns the last use of one secret.
    pub fn find(&self, keys: Vec<Key>, last_use: impl Fn(&Token) -> Option<Timestamp>, now: Timestamp) -> Vec<Key> {
        let with_use = keys.into_iter().map(|key| (key.last_use(&last_use), key));
        let mut found: Vec<_> = with_use.filter(|(last_use, key)| self.accepts(key, *last_use, now)).collect();
        found.sort_by_key(|(_, key)| Reverse((key.created_on, key.id)));
        // These sorts are stable: of equal ones the newest comes first.
        match self.order {
            KeyOrder::Newest => {}
            KeyOrder::LastUsed => found.sort_by_key(|(last_use, _)| Reverse(last_use.map(|last_use| last_use.on))),
            KeyOrder::Name => found.sort_by_cached_key(|(_, key)| key.name.as_deref().map(str::to_lowercase)),
            KeyOrder::Expiry => found.sort_by_key(|(_, key)| (key.expires_on.is_none(), key.expires_on)),
        }
        found.into_iter().map(|(_, key)| key).collect()
    }

    fn accepts(&self, key: &Key, last_use: Option<KeyUse>, now: Timestamp) -> bool {
        let text = || format!("{}\n{}", key.name.as_deref().unwrap_or_default(), key.note);
        self.words.as_ref().is_none_or(|words| words.are_in(&text()))
            && self.standing.is_none_or(|standing| standing.is_of(key, last_use, now))
    }
}
