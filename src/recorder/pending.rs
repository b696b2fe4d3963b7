//! A use of a token that is in memory only, until the recorder has written it.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::unrecorded::UnrecordedUse;
use crate::clock::{Timestamp, ahead_of};
use crate::models::client::{Client, LatestCaller};
use crate::models::keys::recording::WRITE_INTERVAL;
use crate::models::keys::token::Token;

/// How long a use stays in memory after it was written. Whoever reads rows and then asks for what is pending finds what
/// was written in between in neither of them, unless it stays for as long as that can take.
const STAYS: Duration = Duration::from_secs(30);

/// A use of a token that is not written yet, or was a moment ago.
pub(super) struct Pending {
    /// When that was.
    pub used_on: Timestamp,
    /// Who used the token then; `None`: nobody knows.
    pub by: Option<LatestCaller>,
    /// The last use in the token's row when that was last read.
    pub recorded_on: Option<Timestamp>,
    /// What there is to do because it is the first one.
    pub first_use: Option<FirstUse>,
    /// The key whose secret the token is; `None`: it is a session.
    pub of_key: Option<OfKey>,
    /// Whether a use is in the file, because it could not be written.
    pub is_kept: bool,
    /// When it was written; `None`: it is not, as far as is known.
    pub written_at: Option<Instant>,
    /// Set if this start found the use in the file of a process that died: uses until then are not known.
    pub gap_until: Option<Timestamp>,
}

/// The key of a token, and what tells the token from a later one with its id.
pub(super) struct OfKey {
    /// The id of the key.
    pub key_id: i64,
    /// When the token was created.
    pub created_on: Timestamp,
}

/// The first use of a token.
pub(super) struct FirstUse {
    /// The token.
    pub token: Token,
    /// Who used it.
    pub client: Client,
    /// Requests that wait for the write subscribe to this; they continue when it is dropped.
    pub written: watch::Sender<()>,
    /// Whether a request was answered before the write. Other requests need not wait either, then.
    pub answered: bool,
}

impl FirstUse {
    /// The first use of `token`, by `client`, that nobody has answered yet.
    pub fn new(token: Token, client: Client) -> Self {
        Self { token, client, written: watch::Sender::default(), answered: false }
    }
}

impl Pending {
    /// A use of `token`, of which nobody knows yet who made it.
    pub fn new(token: &Token, used_on: Timestamp) -> Self {
        let key = OfKey { key_id: token.key(), created_on: token.created_on };
        Self {
            used_on,
            by: None,
            recorded_on: token.recorded_use(),
            first_use: None,
            of_key: token.action.is_key().then_some(key),
            is_kept: false,
            written_at: None,
            gap_until: None,
        }
    }

    /// What is kept of the use in the file; `None`: whether a session was used decides nothing.
    pub fn to_keep(&self, token_id: i64) -> Option<UnrecordedUse> {
        let key = self.of_key.as_ref()?;
        let nobody = || Client::new("", "");
        let client = self.by.as_ref().map_or_else(nobody, |by| Client::new(by.address(), by.agent()));
        Some(UnrecordedUse::new((token_id, key.created_on), self.used_on, &client))
    }

    /// Notes what the row says. Only of what lies in the future the latest is forgotten: it can have given way.
    pub fn note_row(&mut self, recorded_on: Option<Timestamp>, now: Timestamp) {
        let is_true = |time: &Timestamp| *time <= ahead_of(now);
        self.recorded_on = match recorded_on.filter(is_true) {
            None => recorded_on.or(self.recorded_on),
            Some(recorded_on) => self.recorded_on.filter(is_true).max(Some(recorded_on)),
        };
    }

    /// Whether the row has no later use, or one that has to give way.
    pub fn is_unwritten(&self, now: Timestamp) -> bool {
        let gives_way = |recorded_on: Timestamp| {
            recorded_on < self.used_on || (recorded_on > self.used_on && recorded_on > ahead_of(now))
        };
        self.first_use.is_some() || self.recorded_on.is_none_or(gives_way)
    }

    /// Whether somebody may ask for it: it is not written, or somebody may have read the row before it was.
    pub fn is_wanted(&self, now: Timestamp) -> bool {
        self.is_unwritten(now) || self.written_at.is_some_and(|at| at.elapsed() < STAYS)
    }

    /// Whether it can be written now: later uses are, a minute after the use before.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let is_writable = |recorded_on| recorded_on + WRITE_INTERVAL <= now || recorded_on > ahead_of(now);
        self.first_use.is_none() && self.recorded_on.is_none_or(is_writable)
    }
}
