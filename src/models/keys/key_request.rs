//! Requests to create, change or rotate a key, and the rules for its name, note, scopes and expiry.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::str::FromStr;

use chrono::{NaiveTime, TimeDelta};
use diesel::prelude::*;

use super::authority::Authority;
use super::networks::{self, NetworkLimit, Networks};
use super::scope::KeyScopes;
use crate::clock::{Timestamp, end_in_words, expiry_in_words, parse_date, parse_time};
use crate::config::{Config, LONGEST};
use crate::models::people::user::User;
use crate::models::rules::{FieldError, Labelled, Problem};
use crate::models::services::scopes_of_keys;
use crate::models::text_enum::text_enum;
use crate::models::tx::Tx;

/// The most characters of a name.
pub const LONGEST_NAME: usize = 100;
/// The most characters of a note.
pub const LONGEST_NOTE: usize = 500;

/// The fields of an access token that are validated.
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
    /// `networks`
    Networks,
    /// Why the key does not end although nobody uses it
    Reason,
}

impl Labelled for KeyField {
    fn label(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Note => "Note",
            Self::Scopes => "Scopes",
            Self::Expiry => "Expiration",
            Self::Networks => "Allowed networks",
            Self::Reason => "Reason",
        }
    }
}

/// The settings that apply to everybody's access tokens.
#[derive(Clone, Copy, Debug)]
pub struct KeyPolicy {
    /// The most access tokens that a person may have.
    pub most_per_user: usize,
    /// The lifetime of a token for which nothing else was chosen; `None`: it does not expire.
    pub usual_lifetime: Option<TimeDelta>,
    /// The longest lifetime that can be chosen; `None`: no limit.
    pub longest_lifetime: Option<TimeDelta>,
}

impl KeyPolicy {
    /// The policy that the settings define.
    pub fn of(config: &Config) -> Self {
        Self {
            most_per_user: config.access_tokens_per_user.into(),
            usual_lifetime: config.usual_token_lifetime().limit(),
            longest_lifetime: config.access_token_longest_lifetime.limit(),
        }
    }

    /// The expiry of a key for which nothing else was chosen: the usual one, unless a limit is earlier.
    pub fn usual_expiry(&self, authority: &Authority, now: Timestamp) -> Option<Timestamp> {
        let after = |span: Option<TimeDelta>| span.map(|span| now + span);
        let limits = [after(self.usual_lifetime), after(self.longest_lifetime), authority.expires_on];
        limits.into_iter().flatten().min()
    }
}

/// When a key is to expire, as people and programs write it: `never`, a number of days such as `30d`, a date (the key
/// expires at the end of it), or an RFC 3339 time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// The key does not expire.
    Never,
    /// The key expires after so many days.
    InDays(u16),
    /// The key expires at this time, in UTC.
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
        let end_of = |date: chrono::NaiveDate| date.succ_opt().map(|next| next.and_time(NaiveTime::MIN));
        let time = parse_date(text).and_then(end_of).or_else(|| parse_time(text)).map(Self::On);
        time.ok_or("must be never, a number of days such as 30d, a date such as 2027-01-31 or an RFC 3339 time")
    }
}

impl Expiry {
    /// The expiry as a time, counted from `now`; `None`: never.
    pub fn from(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::InDays(days) => Some(now + TimeDelta::days(days.into())),
            Self::On(time) => Some(time),
        }
    }
}

text_enum! {
    /// The grace period of a rotation: how long the old secret works on.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum Grace(as_str, label) {
        /// The old secret stops at once.
        None = ("0", "not at all"),
        /// One hour.
        Hour = ("1h", "1 hour"),
        /// One day.
        #[default]
        Day = ("1d", "1 day"),
        /// Seven days.
        Week = ("7d", "7 days"),
    }
}

impl Grace {
    /// The length of the grace period.
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

/// A request to create an access token.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The name: 1 to 100 characters.
    pub name: String,
    /// The note; may be empty.
    pub note: String,
    /// What the token may do.
    pub scopes: KeyScopes,
    /// When the token expires; `None`: as the policy says.
    pub expiry: Option<Expiry>,
    /// Where the token may be used from; `None`: wherever the author may.
    pub networks: Option<NetworkLimit>,
}

/// A request to change a key. A field that is `None` stays as it is; a key that is no access token has only networks.
#[derive(Clone, Debug, Default)]
pub struct KeyChanges {
    /// The new name.
    pub name: Option<String>,
    /// The new note.
    pub note: Option<String>,
    /// The new scopes.
    pub scopes: Option<KeyScopes>,
    /// The new expiry.
    pub expiry: Option<Expiry>,
    /// The new networks.
    pub networks: Option<NetworkLimit>,
}

impl KeyChanges {
    /// Where a key may be used from, and nothing else.
    pub fn of_networks(limit: NetworkLimit) -> Self {
        Self { networks: Some(limit), ..Self::default() }
    }

    /// Whether a key of any kind can be changed so.
    pub(super) fn are_of_networks_only(&self) -> bool {
        let Self { name, note, scopes, expiry, networks } = self;
        networks.is_some() && name.is_none() && note.is_none() && scopes.is_none() && expiry.is_none()
    }
}

/// What is wrong with `scopes` for a key of `owner`. Scopes in `kept`, which the key already has, are always accepted:
/// a service may have stopped admitting the owner since.
pub(super) fn scope_errors(
    tx: &mut Tx<'_>,
    owner: &User,
    scopes: &KeyScopes,
    kept: &KeyScopes,
) -> QueryResult<Vec<FieldError<KeyField>>> {
    let wrong = |problem: String| Ok(vec![FieldError::new(KeyField::Scopes, Problem::Sentence(problem))]);
    if scopes.is_empty() {
        return wrong("Choose at least one scope".into());
    }
    if scopes.own.are_for_administrators() && !owner.admin {
        return wrong("Only administrators can use the scopes of users and services".into());
    }
    if let Some(own) = tx.authority().exceeded_by(scopes) {
        if tx.authority().is_of_owner() {
            return wrong(format!("The keys of a service account can do no more than you may yourself: {own}"));
        }
        return wrong(format!("A key cannot create or change a key with more scopes than its own, which are {own}"));
    }
    let mut added = scopes.services.difference(&kept.services).peekable();
    if added.peek().is_none() {
        return Ok(Vec::new());
    }
    // The error does not say whether such a service exists: people must not learn of services that do not admit them.
    let offered: BTreeSet<_> =
        scopes_of_keys::offered_to(tx.connection, owner.id)?.into_iter().map(|it| it.1).collect();
    match added.find(|scope| !offered.contains(*scope)) {
        Some(scope) => wrong(format!("No service offers the scope {scope} to {}", owner.login)),
        None => Ok(Vec::new()),
    }
}

/// What is wrong with an expiry.
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
        return wrong("cannot be more than 100 years away; use never for no expiration".into());
    }
    if !authority.outlives(expires_on) {
        let own = authority.expires_on.map(end_in_words).unwrap_or_default();
        return wrong(format!("cannot be later than that of the key you use: {own}"));
    }
    match policy.longest_lifetime {
        Some(longest) if expires_on.is_none_or(|it| it > now + longest + slack(longest)) => match longest.num_days() {
            0 => wrong(format!("cannot be more than {} minutes away", longest.num_minutes())),
            days => wrong(format!("cannot be more than {days} days away")),
        },
        _ => Vec::new(),
    }
}

/// What is wrong with the networks that a key is to be used from.
pub(super) fn network_errors(tx: &Tx<'_>, networks: Option<&Networks>) -> Vec<FieldError<KeyField>> {
    let wrong = |problem: String| vec![FieldError::new(KeyField::Networks, Problem::Sentence(problem))];
    let authority = tx.authority();
    match networks {
        Some(networks) if networks.is_empty() => wrong("Name at least one address or network".into()),
        Some(networks) if networks.len() > networks::MOST => {
            wrong(format!("A key can have at most {} allowed networks, not {}", networks::MOST, networks.len()))
        }
        networks if !authority.reaches(networks) => {
            let own = authority.networks.as_ref().map(Networks::summary).unwrap_or_default();
            wrong(format!("A key cannot allow another key more networks than its own, which are {own}"))
        }
        _ => Vec::new(),
    }
}

/// The address from which the author writes, if a key that is limited like this will not work from there; `None`: it will,
/// or the author has no address, or knows.
pub(super) fn shut_out(tx: &Tx<'_>, limit: &NetworkLimit) -> Option<IpAddr> {
    let networks = limit.networks.as_ref().filter(|_| !limit.is_confirmed)?;
    tx.client.address().parse().ok().filter(|address| !networks.contain(*address))
}

/// Where a key may be used from, for the owner's activity.
pub(super) fn networks_text(networks: Option<&Networks>) -> String {
    let from = networks.map_or_else(|| "anywhere".to_owned(), Networks::summary);
    format!("may be used from {from}")
}

/// A date means the end of its day, so a limit in days allows one day more.
fn slack(longest: TimeDelta) -> TimeDelta {
    if longest < TimeDelta::days(1) { TimeDelta::zero() } else { TimeDelta::days(1) }
}

/// The farthest expiry that is accepted, which is also the longest lifetime of the settings. Up to the year 9999, both
/// databases store times in the same way.
const FARTHEST: TimeDelta = match TimeDelta::from_std(LONGEST) {
    Ok(farthest) => farthest,
    Err(_) => TimeDelta::MAX,
};

pub(super) fn expiry_text(expires_on: Option<Timestamp>) -> String {
    expires_on.map_or_else(|| "does not expire".to_owned(), expiry_in_words)
}
