//! What happened to a person's account: the activity that they see.

use chrono::{TimeDelta, Timelike};
use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Timestamp as SqlTimestamp};

use super::stored_as_text;
use super::token::{Token, TokenAction};
use super::user::unprintable;
use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::schema::events;

/// What happened.
#[derive(AsExpression, FromSqlRow, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[diesel(sql_type = Text)]
pub enum EventAction {
    /// By password, in a browser.
    SignedIn,
    /// A password that was wrong.
    SignInRefused,
    /// A key where there was none.
    KeyCreated,
    /// A key in place of another.
    KeyReset,
    /// A key ended.
    KeyRevoked,
    /// The first time that a program used a key.
    KeyFirstUsed,
    /// A new password.
    PasswordChanged,
    /// Shut out.
    Locked,
    /// Let in again.
    Unlocked,
    /// An account was made, by an administrator.
    AccountCreated,
    /// Login, names or mail were changed by an administrator.
    AccountChanged,
    /// Somebody else's account was deleted.
    AccountDeleted,
    /// Made an administrator.
    AdminGranted,
    /// An administrator no more.
    AdminRevoked,
    /// A second factor is no longer asked for.
    SecondFactorCleared,
    /// Something that a newer release knows.
    Unknown,
}

impl EventAction {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignedIn => "signed_in",
            Self::SignInRefused => "sign_in_refused",
            Self::KeyCreated => "key_created",
            Self::KeyReset => "key_reset",
            Self::KeyRevoked => "key_revoked",
            Self::KeyFirstUsed => "key_first_used",
            Self::PasswordChanged => "password_changed",
            Self::Locked => "locked",
            Self::Unlocked => "unlocked",
            Self::AccountCreated => "account_created",
            Self::AccountChanged => "account_changed",
            Self::AccountDeleted => "account_deleted",
            Self::AdminGranted => "admin_granted",
            Self::AdminRevoked => "admin_revoked",
            Self::SecondFactorCleared => "second_factor_cleared",
            Self::Unknown => "unknown",
        }
    }

    fn parse(text: &str) -> Self {
        let known = [
            Self::SignedIn,
            Self::SignInRefused,
            Self::KeyCreated,
            Self::KeyReset,
            Self::KeyRevoked,
            Self::KeyFirstUsed,
            Self::PasswordChanged,
            Self::Locked,
            Self::Unlocked,
            Self::AccountCreated,
            Self::AccountChanged,
            Self::AccountDeleted,
            Self::AdminGranted,
            Self::AdminRevoked,
            Self::SecondFactorCleared,
        ];
        known.into_iter().find(|action| action.as_str() == text).unwrap_or(Self::Unknown)
    }
}

stored_as_text!(EventAction);

/// Where something was done from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    address: String,
    agent: String,
}

impl Client {
    /// The longest agent that is kept, in characters.
    const LONGEST_AGENT: usize = 255;

    /// A client at `address`, with what it says it is: cut to what is worth keeping, and printable.
    pub fn new(address: impl ToString, agent: &str) -> Self {
        let printable = agent.chars().filter(|c| !unprintable(*c)).take(Self::LONGEST_AGENT);
        Self { address: address.to_string(), agent: printable.collect() }
    }

    /// Somebody at the machine itself.
    pub fn command_line() -> Self {
        Self { address: String::new(), agent: String::new() }
    }
}

/// A row of `events`.
#[derive(Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = events)]
pub struct Event {
    /// Never given twice.
    pub id: i64,
    /// What happened.
    pub action: EventAction,
    /// The kind of key that it is about.
    pub token_action: Option<TokenAction>,
    /// The last four characters of that key.
    pub token_hint: Option<String>,
    /// The client's address; empty: the command line.
    pub address: String,
    /// What the client says it is.
    pub agent: String,
    /// How often, since `created_on`.
    pub times: i64,
    /// When, or when first.
    pub created_on: Timestamp,
    /// When last.
    pub updated_on: Timestamp,
    /// The other person whom it is about: who did it, or whose account was deleted.
    pub other_login: Option<String>,
}

impl Event {
    /// What happened, and who did it where that was somebody else, in a few words.
    pub fn headline(&self) -> String {
        let what = self.what_happened();
        match (&self.other_login, self.action) {
            (Some(whose), EventAction::AccountDeleted) => format!("{what}: {whose}"),
            (Some(who), _) => format!("{what} by {who}"),
            (None, _) => what,
        }
    }

    fn what_happened(&self) -> String {
        let key = self.token_action.map_or("Key", TokenAction::label);
        match self.action {
            EventAction::SignedIn => "Signed in".to_owned(),
            EventAction::SignInRefused => "Wrong password".to_owned(),
            EventAction::KeyCreated => format!("{key} created"),
            EventAction::KeyReset => format!("{key} reset"),
            EventAction::KeyRevoked => format!("{key} revoked"),
            EventAction::KeyFirstUsed => format!("{key} first used"),
            EventAction::PasswordChanged => "Password changed".to_owned(),
            EventAction::Locked => "Account locked".to_owned(),
            EventAction::Unlocked => "Account unlocked".to_owned(),
            EventAction::AccountCreated => "Account created".to_owned(),
            EventAction::AccountChanged => "Account changed".to_owned(),
            EventAction::AccountDeleted => "Account deleted".to_owned(),
            EventAction::AdminGranted => "Made an administrator".to_owned(),
            EventAction::AdminRevoked => "Administrator no more".to_owned(),
            EventAction::SecondFactorCleared => "Second factor cleared".to_owned(),
            EventAction::Unknown => "Something that this release does not know".to_owned(),
        }
    }

    /// Which key it is about, by the end of its secret; empty: none.
    pub fn key_hint(&self) -> String {
        self.token_hint.as_ref().map(|hint| format!("····{hint}")).unwrap_or_default()
    }

    /// Records what happened to a person, or to `token` of theirs.
    ///
    /// # Errors
    /// Those of the query.
    pub fn record(
        connection: &mut DbConnection,
        user_id: i64,
        action: EventAction,
        token: Option<&Token>,
        client: &Client,
        at: Timestamp,
    ) -> QueryResult<()> {
        Self::insert(connection, user_id, action, token, client, None, at)
    }

    /// Records what happened to a person and has to do with another, whose login is `other_login`.
    ///
    /// # Errors
    /// Those of the query.
    pub fn record_with(
        connection: &mut DbConnection,
        user_id: i64,
        action: EventAction,
        other_login: &str,
        client: &Client,
        at: Timestamp,
    ) -> QueryResult<()> {
        Self::insert(connection, user_id, action, None, client, Some(other_login), at)
    }

    fn insert(
        connection: &mut DbConnection,
        user_id: i64,
        action: EventAction,
        token: Option<&Token>,
        client: &Client,
        other_login: Option<&str>,
        at: Timestamp,
    ) -> QueryResult<()> {
        let values = (
            events::user_id.eq(user_id),
            events::action.eq(action),
            events::token_id.eq(token.map(|token| token.id)),
            events::token_action.eq(token.map(|token| token.action)),
            events::token_hint.eq(token.map(|token| token.hint.as_str())),
            events::address.eq(&client.address),
            events::agent.eq(&client.agent),
            events::created_on.eq(at),
            events::updated_on.eq(at),
            events::other_login.eq(other_login),
        );
        diesel::insert_into(events::table).values(values).execute(connection).map(|_| ())
    }

    /// The latest of a person's events, latest first: `most` of them, after the first `skip`.
    ///
    /// # Errors
    /// Those of the query.
    pub fn latest(connection: &mut DbConnection, user_id: i64, skip: i64, most: i64) -> QueryResult<Vec<Self>> {
        events::table
            .filter(events::user_id.eq(user_id))
            .order((events::updated_on.desc(), events::id.desc()))
            .limit(most)
            .offset(skip)
            .select(Self::as_select())
            .load(connection)
    }
}

/// Refused sign-ins that are told together: those of one person from one address in one hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// Whose sign-in.
    pub user_id: i64,
    /// The address, and the agent of the last of them.
    pub client: Client,
    /// How many.
    pub times: i64,
    /// When first.
    pub first_on: Timestamp,
    /// When last.
    pub last_on: Timestamp,
}

impl Refusals {
    /// Addresses of one hour that are told apart for one person; the others share one row, so that a stranger with
    /// many of them cannot fill the disk.
    const MOST_ADDRESSES: i64 = 100;

    /// The hour that `time` is counted in.
    pub fn hour(time: Timestamp) -> Timestamp {
        time - TimeDelta::nanoseconds(
            i64::from(time.minute() * 60 + time.second()) * 1_000_000_000 + i64::from(time.nanosecond()),
        )
    }

    /// Adds them to the row of their hour. Those of a person who has been deleted meanwhile are nobody's.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn record(&self, connection: &mut DbConnection) -> QueryResult<()> {
        let hour = Self::hour(self.first_on);
        let refused = events::table
            .filter(events::user_id.eq(self.user_id))
            .filter(events::action.eq(EventAction::SignInRefused))
            .filter(events::hour.eq(hour));
        let told: i64 = refused.count().get_result(connection)?;
        let known: i64 = refused.filter(events::address.eq(&self.client.address)).count().get_result(connection)?;
        let address = if known == 0 && told >= Self::MOST_ADDRESSES { "other addresses" } else { &self.client.address };
        // Both databases know this upsert, diesel only that of each.
        let upsert = "INSERT INTO events (user_id, action, address, agent, times, hour, created_on, updated_on)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE EXISTS (SELECT 1 FROM users WHERE users.id = $1)
             ON CONFLICT (user_id, action, address, hour) DO UPDATE
             SET times = events.times + excluded.times, agent = excluded.agent, updated_on = excluded.updated_on";
        diesel::sql_query(upsert)
            .bind::<BigInt, _>(self.user_id)
            .bind::<Text, _>(EventAction::SignInRefused)
            .bind::<Text, _>(address)
            .bind::<Text, _>(&self.client.agent)
            .bind::<BigInt, _>(self.times)
            .bind::<SqlTimestamp, _>(hour)
            .bind::<SqlTimestamp, _>(self.first_on)
            .bind::<SqlTimestamp, _>(self.last_on)
            .execute(connection)
            .map(|_| ())
    }

    /// The address that they are counted by.
    pub fn address(&self) -> &str {
        &self.client.address
    }
}
