//! The suspension of a key: since when, until when, and what becomes of the key then. That a suspension has ended holds
//! without anybody's help, because whoever looks a secret up compares the time.

use std::str::FromStr;

use chrono::TimeDelta;
use diesel::dsl;
use diesel::prelude::*;

use crate::clock::{Timestamp, end_in_words};
use crate::db::schema::tokens;
use crate::models::text_enum::text_enum;

/// The suspension of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// When the key was suspended.
    pub since: Timestamp,
    /// How the suspension ends.
    pub end: SuspensionEnd,
}

/// How a suspension ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuspensionEnd {
    /// Somebody has to switch the key on again.
    Open,
    /// The key works again from this time on.
    Resumed(Timestamp),
    /// The key is revoked at this time.
    Revoked(Timestamp),
}

text_enum! {
    /// How long a key is suspended.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum SuspensionSpan(as_str, label) {
        /// One hour.
        Hour = ("1h", "1 hour"),
        /// One day.
        #[default]
        Day = ("1d", "1 day"),
        /// Seven days.
        Week = ("7d", "7 days"),
        /// Until somebody switches the key on again.
        Open = ("until-switched-on", "Until it is switched on again"),
    }
}

text_enum! {
    /// What becomes of the key when its suspension ends by itself.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum Afterwards(as_str, label) {
        /// It works again.
        #[default]
        Resume = ("resume", "The key works again"),
        /// It is revoked.
        Revoke = ("revoke", "The key is revoked"),
    }
}

/// A request to suspend a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewSuspension {
    span: SuspensionSpan,
    afterwards: Afterwards,
}

/// What is wrong with a suspension that nobody ends, and that is to end by revoking the key.
pub const NEVER_REVOKED: &str =
    "A key that stays suspended until it is switched on again is never revoked: choose 1h, 1d or 7d";

impl FromStr for SuspensionSpan {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::of_text(text.trim()).ok_or("must be 1h, 1d, 7d or until-switched-on")
    }
}

impl SuspensionSpan {
    /// How long it is; `None`: it has no end.
    pub fn length(self) -> Option<TimeDelta> {
        match self {
            Self::Hour => Some(TimeDelta::hours(1)),
            Self::Day => Some(TimeDelta::days(1)),
            Self::Week => Some(TimeDelta::days(7)),
            Self::Open => None,
        }
    }
}

impl FromStr for Afterwards {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::of_text(text.trim()).ok_or("must be resume or revoke")
    }
}

impl NewSuspension {
    /// A suspension for `span`, and what becomes of the key then.
    ///
    /// # Errors
    /// Returns [`NEVER_REVOKED`] if the two contradict each other.
    pub fn new(span: SuspensionSpan, afterwards: Afterwards) -> Result<Self, &'static str> {
        match (span, afterwards) {
            (SuspensionSpan::Open, Afterwards::Revoke) => Err(NEVER_REVOKED),
            _ => Ok(Self { span, afterwards }),
        }
    }

    /// How a suspension ends that begins at `now`.
    pub(super) fn end(self, now: Timestamp) -> SuspensionEnd {
        match (self.span.length(), self.afterwards) {
            (None, _) => SuspensionEnd::Open,
            (Some(length), Afterwards::Resume) => SuspensionEnd::Resumed(now + length),
            (Some(length), Afterwards::Revoke) => SuspensionEnd::Revoked(now + length),
        }
    }
}

impl SuspensionEnd {
    /// When the suspension ends by itself; `None`: it does not.
    pub fn at(self) -> Option<Timestamp> {
        match self {
            Self::Open => None,
            Self::Resumed(at) | Self::Revoked(at) => Some(at),
        }
    }

    /// When the key works again if nobody does anything; `None`: it does not.
    fn works_again(self) -> Option<Timestamp> {
        match self {
            Self::Resumed(at) => Some(at),
            Self::Open | Self::Revoked(_) => None,
        }
    }

    /// Whether a key with this end would work again earlier than with the end `other`.
    pub(super) fn gives_back_before(self, other: Self) -> bool {
        self.works_again().is_some_and(|at| other.works_again().is_none_or(|then| at < then))
    }

    /// What becomes of the key then.
    pub fn afterwards(self) -> Afterwards {
        match self {
            Self::Open | Self::Resumed(_) => Afterwards::Resume,
            Self::Revoked(_) => Afterwards::Revoke,
        }
    }

    /// The end, to follow "suspended".
    pub fn in_words(self) -> String {
        match self {
            Self::Open => "until it is switched on again".to_owned(),
            Self::Resumed(at) => format!("until {}, then it works again", end_in_words(at)),
            Self::Revoked(at) => format!("until {}, then it is revoked", end_in_words(at)),
        }
    }
}

impl Suspension {
    /// Whether the key is refused because of it. A key that is to be revoked is refused until it is.
    pub fn holds(&self, now: Timestamp) -> bool {
        match self.end {
            SuspensionEnd::Open | SuspensionEnd::Revoked(_) => true,
            SuspensionEnd::Resumed(at) => now < at,
        }
    }

    /// Whether the time has come at which the key is revoked.
    pub(super) fn revokes(&self, now: Timestamp) -> bool {
        matches!(self.end, SuspensionEnd::Revoked(at) if at <= now)
    }
}

/// The columns that say whether a key is suspended, for all rows of the key.
pub(super) type SuspensionColumns = (
    dsl::Eq<tokens::suspended_on, Option<Timestamp>>,
    dsl::Eq<tokens::suspended_until, Option<Timestamp>>,
    dsl::Eq<tokens::revoked_then, bool>,
);

/// The columns for `suspension`; `None`: the key is not suspended.
pub(super) fn columns(suspension: Option<Suspension>) -> SuspensionColumns {
    let end = suspension.map_or(SuspensionEnd::Open, |suspension| suspension.end);
    (
        tokens::suspended_on.eq(suspension.map(|suspension| suspension.since)),
        tokens::suspended_until.eq(end.at()),
        tokens::revoked_then.eq(end.afterwards() == Afterwards::Revoke),
    )
}

/// The rows of a key.
#[diesel::dsl::auto_type]
pub(super) fn secrets_of(key_id: i64) -> _ {
    tokens::table.filter(tokens::id.eq(key_id).or(tokens::key_id.eq(key_id)))
}
