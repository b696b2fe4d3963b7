//! What may be asked of a key: what it is to be called, what it may do and until when, and the rules about that.

use std::collections::BTreeSet;
use std::str::FromStr;

use chrono::{NaiveDate, NaiveTime, SubsecRound, TimeDelta};
use diesel::prelude::*;

use super::authority::Authority;
use super::scope::KeyScopes;
use crate::clock::{Timestamp, iso8601};
use crate::config::Config;
use crate::models::people::user::User;
use crate::models::rules::{FieldError, Labelled, unprintable};
use crate::models::services::scopes_of_keys;
use crate::models::text_enum::text_enum;
use crate::models::tx::Tx;

/// The most characters of a name.
pub const LONGEST_NAME: usize = 100;
/// The most characters of a note.
pub const LONGEST_NOTE: usize = 500;

/// The parts of an access token that a rule can be broken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyField {
    /// `name`
    Name,
    /// `note`
    Note,
    /// `scopes`
    Scopes,
    /// `expires_on`
    Expiry,
}

impl Labelled for KeyField {
    fn label(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Note => "Note",
            Self::Scopes => "Scopes",
            Self::Expiry => "Expiry",
        }
    }
}

/// What holds for everybody's access tokens: settings.
#[derive(Clone, Copy, Debug)]
pub struct KeyPolicy {
    /// How many a person may have.
    pub most_per_user: usize,
    /// How long one lives unless something else is chosen; `None`: it does not expire.
    pub usual_lifetime: Option<TimeDelta>,
    /// How long one may live; `None`: for ever.
    pub longest_lifetime: Option<TimeDelta>,
}

impl KeyPolicy {
    /// The one that the settings make.
    pub fn of(config: &Config) -> Self {
        Self {
            most_per_user: config.access_tokens_per_user.into(),
            usual_lifetime: config.access_token_lifetime.limit(),
            longest_lifetime: config.access_token_longest_lifetime.limit(),
        }
    }

    /// When a key expires for which nothing else was chosen: the usual time, or as late as it may.
    pub fn usual_expiry(&self, authority: &Authority, now: Timestamp) -> Option<Timestamp> {
        let after = |span: Option<TimeDelta>| span.map(|span| now + span);
        let limits = [after(self.usual_lifetime), after(self.longest_lifetime), authority.expires_on];
        limits.into_iter().flatten().min()
    }
}

/// When a key is to expire, as people and programs write it: `never`, a number of days such as `30d`, a date, at whose
/// end it expires, or an RFC 3339 time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It does not.
    Never,
    /// So many days from now.
    InDays(u16),
    /// Then, in UTC.
    On(Timestamp),
}

impl FromStr for Expiry {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("never") {
            return Ok(Self::Never);
        }
        if let Some(days) = text.strip_suffix('d').and_then(|days| days.parse().ok()) {
            return Ok(Self::InDays(days));
        }
        if let Some(end) = text.parse::<NaiveDate>().ok().and_then(|date| date.succ_opt()) {
            return Ok(Self::On(end.and_time(NaiveTime::MIN)));
        }
        let time = chrono::DateTime::parse_from_rfc3339(text).map(|time| Self::On(time.naive_utc().trunc_subsecs(6)));
        time.map_err(|_| "must be never, a number of days such as 30d, a date such as 2027-01-31 or an RFC 3339 time")
    }
}

impl Expiry {
    /// The time, counted from `now`; `None`: never.
    pub fn from(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::InDays(days) => Some(now + TimeDelta::days(days.into())),
            Self::On(time) => Some(time),
        }
    }
}

text_enum! {
    /// How long the secret before goes on working after a rotation.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum Grace(as_str, label) {
        /// It stops at once.
        None = ("0", "not at all"),
        /// An hour.
        Hour = ("1h", "1 hour"),
        /// A day.
        #[default]
        Day = ("1d", "1 day"),
        /// Seven days.
        Week = ("7d", "7 days"),
    }
}

impl Grace {
    /// The span.
    pub fn span(self) -> TimeDelta {
        match self {
            Self::None => TimeDelta::zero(),
            Self::Hour => TimeDelta::hours(1),
            Self::Day => TimeDelta::days(1),
            Self::Week => TimeDelta::days(7),
        }
    }
}

impl FromStr for Grace {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::of_text(text.trim()).ok_or("must be 0, 1h, 1d or 7d")
    }
}

/// An access token to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What it is called: 1 to 100 characters.
    pub name: String,
    /// What else there is to say about it; may be empty.
    pub note: String,
    /// What it may do.
    pub scopes: KeyScopes,
    /// When it expires; `None`: as is usual here.
    pub expiry: Option<Expiry>,
}

/// What is to change about an access token; `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct KeyChanges {
    /// What it is called.
    pub name: Option<String>,
    /// What else there is to say about it.
    pub note: Option<String>,
    /// What it may do.
    pub scopes: Option<KeyScopes>,
    /// When it expires.
    pub expiry: Option<Expiry>,
}

/// What is wrong with `scopes` for a key of `owner` that has `kept` already: a service need not admit them any more.
pub(super) fn scope_errors(
    tx: &mut Tx<'_>,
    owner: &User,
    scopes: &KeyScopes,
    kept: &KeyScopes,
) -> QueryResult<Vec<FieldError<KeyField>>> {
    let wrong = |problem: String| Ok(vec![FieldError::new(KeyField::Scopes, problem)]);
    if scopes.is_empty() {
        return wrong("cannot be empty: choose what it may do".into());
    }
    if scopes.own.are_for_administrators() && !owner.admin {
        return wrong("of users and services are for administrators only".into());
    }
    if let Some(own) = tx.authority().exceeded_by(scopes) {
        return wrong(format!("cannot be more than those of the key that you use: {own}"));
    }
    let mut added = scopes.services.difference(&kept.services).peekable();
    if added.peek().is_none() {
        return Ok(Vec::new());
    }
    // Whether there is a service that does not admit them is nothing that they are told.
    let offered: BTreeSet<_> =
        scopes_of_keys::offered_to(tx.connection, owner.id)?.into_iter().map(|it| it.1).collect();
    match added.find(|scope| !offered.contains(*scope)) {
        Some(scope) => wrong(format!("cannot be {scope}: no service offers it to {}", owner.login)),
        None => Ok(Vec::new()),
    }
}

/// What is wrong with the time when a key is to expire.
pub(super) fn expiry_errors(
    tx: &Tx<'_>,
    policy: &KeyPolicy,
    expires_on: Option<Timestamp>,
) -> Vec<FieldError<KeyField>> {
    let wrong = |problem: String| vec![FieldError::new(KeyField::Expiry, problem)];
    let (now, authority) = (tx.now, tx.authority());
    if expires_on.is_some_and(|expires_on| expires_on <= now) {
        return wrong("must be in the future".into());
    }
    if expires_on.is_some_and(|expires_on| expires_on > now + FARTHEST) {
        return wrong("cannot be more than 100 years away: never is possible, too".into());
    }
    if !authority.outlives(expires_on) {
        let own = authority.expires_on.map(iso8601).unwrap_or_default();
        return wrong(format!("cannot be later than that of the key that you use: {own}"));
    }
    match policy.longest_lifetime {
        Some(longest) if expires_on.is_none_or(|it| it > now + longest + DAY) => {
            wrong(format!("cannot be more than {} days away", longest.num_days()))
        }
        _ => Vec::new(),
    }
}

/// A date expires at its end: what is so many days away on the calendar is let through.
const DAY: TimeDelta = TimeDelta::days(1);

/// Both databases hold times up to the year 9999 alike.
const FARTHEST: TimeDelta = TimeDelta::days(36_525);

/// A note may have lines.
pub(super) fn note_errors(note: &str) -> Vec<FieldError<KeyField>> {
    let mut errors = Vec::new();
    if note.chars().count() > LONGEST_NOTE {
        let problem = format!("is too long (maximum is {} characters)", LONGEST_NOTE);
        errors.push(FieldError::new(KeyField::Note, problem));
    }
    if note.chars().any(|c| unprintable(c) && !"\r\n\t".contains(c)) {
        errors.push(FieldError::new(KeyField::Note, "is invalid"));
    }
    errors
}

pub(super) fn expiry_text(expires_on: Option<Timestamp>) -> String {
    expires_on.map_or_else(|| "does not expire".to_owned(), |expires_on| format!("expires {}", iso8601(expires_on)))
}
