//! What happened to a person's account: the activity that they see.

use chrono::{TimeDelta, Timelike};
use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Timestamp as SqlTimestamp};

use super::client::Client;
use super::keys::token::{Token, TokenAction};
use super::people::user::User;
use super::stored_as_text;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::db::schema::events;

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
    /// The first time that a program used a key, or a new secret of it.
    KeyFirstUsed,
    /// Its name, note, scopes or expiry.
    KeyChanged,
    /// Another secret for the same key.
    KeyRotated,
    /// It is refused from now on.
    KeyExpired,
    /// One that had expired was removed by itself.
    KeyCleared,
    /// A program presented one that had expired.
    ExpiredKeyRefused,
    /// A program asked for what the key may not do.
    ScopeRefused,
    /// A key whose secret somebody reported: it has been revoked.
    KeyLeaked,
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
    /// A service was added, by this administrator.
    ServiceAdded,
    /// A service's settings were changed, by this administrator.
    ServiceChanged,
    /// A service was removed for good, by this administrator.
    ServiceRemoved,
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
            Self::KeyChanged => "key_changed",
            Self::KeyRotated => "key_rotated",
            Self::KeyExpired => "key_expired",
            Self::KeyCleared => "key_cleared",
            Self::ExpiredKeyRefused => "expired_key_refused",
            Self::ScopeRefused => "scope_refused",
            Self::KeyLeaked => "key_leaked",
            Self::PasswordChanged => "password_changed",
            Self::Locked => "locked",
            Self::Unlocked => "unlocked",
            Self::AccountCreated => "account_created",
            Self::AccountChanged => "account_changed",
            Self::AccountDeleted => "account_deleted",
            Self::AdminGranted => "admin_granted",
            Self::AdminRevoked => "admin_revoked",
            Self::SecondFactorCleared => "second_factor_cleared",
            Self::ServiceAdded => "service_added",
            Self::ServiceChanged => "service_changed",
            Self::ServiceRemoved => "service_removed",
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
            Self::KeyChanged,
            Self::KeyRotated,
            Self::KeyExpired,
            Self::KeyCleared,
            Self::ExpiredKeyRefused,
            Self::ScopeRefused,
            Self::KeyLeaked,
            Self::PasswordChanged,
            Self::Locked,
            Self::Unlocked,
            Self::AccountCreated,
            Self::AccountChanged,
            Self::AccountDeleted,
            Self::AdminGranted,
            Self::AdminRevoked,
            Self::SecondFactorCleared,
            Self::ServiceAdded,
            Self::ServiceChanged,
            Self::ServiceRemoved,
        ];
        known.into_iter().find(|action| action.as_str() == text).unwrap_or(Self::Unknown)
    }
}

stored_as_text!(EventAction);

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
    /// What the key was called then.
    pub token_name: Option<String>,
    /// By which key or session it was done, in words.
    pub credential: Option<String>,
    /// What else there is to say.
    pub detail: Option<String>,
}

/// Something that has happened, to be recorded: by whom, from where and when the transaction knows, unless it is said.
#[must_use = "it is told only once it is recorded"]
pub struct NewEvent<'a> {
    user_id: i64,
    action: EventAction,
    token: Option<&'a Token>,
    other_login: Option<String>,
    detail: Option<String>,
    client: Option<&'a Client>,
    at: Option<Timestamp>,
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

    /// What people call the key that it is about.
    pub fn key_title(&self) -> String {
        let label = self.token_action.map_or("Key", TokenAction::label);
        self.token_name.as_ref().map_or_else(|| label.to_owned(), |name| format!("{label} “{name}”"))
    }

    /// What else there is to say in a few words, and by which key or session it was done; empty: nothing. That somebody
    /// signs in by password, and that a key is refused by which it was tried, goes without saying.
    pub fn remark(&self) -> String {
        let is_said = !matches!(self.action, EventAction::SignedIn | EventAction::ScopeRefused);
        let by = self.credential.as_ref().filter(|_| is_said);
        let parts = [self.detail.clone(), by.map(|credential| format!("by {credential}"))];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    fn what_happened(&self) -> String {
        let key = self.key_title();
        match self.action {
            EventAction::SignedIn => "Signed in".to_owned(),
            EventAction::SignInRefused => "Wrong password".to_owned(),
            EventAction::KeyCreated => format!("{key} created"),
            EventAction::KeyReset => format!("{key} reset"),
            EventAction::KeyRevoked => format!("{key} revoked"),
            EventAction::KeyFirstUsed => format!("{key} first used"),
            EventAction::KeyChanged => format!("{key} changed"),
            EventAction::KeyRotated => format!("{key} rotated"),
            EventAction::KeyExpired => format!("{key} expired"),
            EventAction::KeyCleared => format!("{key}, long expired, removed"),
            EventAction::ExpiredKeyRefused => format!("{key} refused: it has expired"),
            EventAction::ScopeRefused => format!("{key} refused: it may not do this"),
            EventAction::KeyLeaked => format!("{key} revoked: its secret was reported as leaked"),
            EventAction::PasswordChanged => "Password changed".to_owned(),
            EventAction::Locked => "Account locked".to_owned(),
            EventAction::Unlocked => "Account unlocked".to_owned(),
            EventAction::AccountCreated => "Account created".to_owned(),
            EventAction::AccountChanged => "Account changed".to_owned(),
            EventAction::AccountDeleted => "Account deleted".to_owned(),
            EventAction::AdminGranted => "Made an administrator".to_owned(),
            EventAction::AdminRevoked => "Administrator no more".to_owned(),
            EventAction::SecondFactorCleared => "Second factor cleared".to_owned(),
            EventAction::ServiceAdded => "Service added".to_owned(),
            EventAction::ServiceChanged => "Service changed".to_owned(),
            EventAction::ServiceRemoved => "Service removed".to_owned(),
            EventAction::Unknown => "Something that this release does not know".to_owned(),
        }
    }

    /// Which key it is about, by the end of its secret; empty: none.
    pub fn key_hint(&self) -> String {
        self.token_hint.as_ref().map(|hint| format!("····{hint}")).unwrap_or_default()
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

impl<'a> NewEvent<'a> {
    /// What happened to a person.
    pub fn of_person(user_id: i64, action: EventAction) -> Self {
        Self { user_id, action, token: None, other_login: None, detail: None, client: None, at: None }
    }

    /// What happened to a key, by the secret of it that it is known by.
    pub fn of_key(token: &'a Token, action: EventAction) -> Self {
        Self { token: Some(token), ..Self::of_person(token.user_id, action) }
    }

    /// The login of the other person whom it is about: who did it, or whose account was deleted; `None`: nobody.
    pub fn with(self, other_login: Option<&str>) -> Self {
        Self { other_login: other_login.map(str::to_owned), ..self }
    }

    /// What else there is to say; empty: nothing.
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()).filter(|detail| !detail.is_empty()), ..self }
    }

    /// Who did it, and when, where that is not whoever writes now.
    pub fn done_by(self, client: &'a Client, at: Timestamp) -> Self {
        Self { client: Some(client), at: Some(at), ..self }
    }

    /// Records it in the person's activity.
    ///
    /// # Errors
    /// Those of the query.
    pub fn record(self, tx: &mut Tx<'_>) -> QueryResult<()> {
        let Self { user_id, action, token, other_login, detail, client, at } = self;
        let (client, at) = (client.unwrap_or(&tx.client), at.unwrap_or(tx.now));
        let values = (
            events::user_id.eq(user_id),
            events::action.eq(action),
            events::token_id.eq(token.map(Token::key)),
            events::token_action.eq(token.map(|token| token.action)),
            events::token_hint.eq(token.map(|token| token.hint.as_str())),
            events::token_name.eq(token.and_then(|token| token.name.as_deref())),
            events::address.eq(&client.address),
            events::agent.eq(&client.agent),
            events::credential.eq(client.credential.as_deref()),
            events::detail.eq(detail),
            events::created_on.eq(at),
            events::updated_on.eq(at),
            events::other_login.eq(other_login.or_else(|| client.administrator().map(str::to_owned))),
        );
        diesel::insert_into(events::table).values(values).execute(tx.connection).map(|_| ())
    }
}

/// A key that was right, and refused all the same: told at most once an hour.
#[derive(Clone, Debug)]
pub struct RefusedKey {
    /// Which.
    pub token: Token,
    /// Why: it has expired, or may not do what was asked for.
    pub action: EventAction,
    /// The scope that was missing.
    pub missing: Option<String>,
    /// Who presented it.
    pub client: Client,
    /// When.
    pub at: Timestamp,
}

impl RefusedKey {
    /// Tells it, unless the same was told of this key within the hour before. What is told of a key that is gone by now
    /// is told all the same, unless its owner is gone, too.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn record(&self, tx: &mut Tx<'_>) -> QueryResult<()> {
        let is_gone = User::lock_row(tx.connection, self.token.user_id).optional()?.is_none();
        // Another process may have told it meanwhile.
        if is_gone || self.is_told(tx.connection)? {
            return Ok(());
        }
        let detail = self.missing.as_ref().map(|scope| format!("needs {scope}")).unwrap_or_default();
        NewEvent::of_key(&self.token, self.action).detail(detail).done_by(&self.client, self.at).record(tx)
    }

    /// Whether the same was told of this key within the hour before.
    ///
    /// # Errors
    /// Those of the query.
    pub fn is_told(&self, connection: &mut DbConnection) -> QueryResult<bool> {
        let told: i64 = events::table
            .filter(events::user_id.eq(self.token.user_id))
            .filter(events::updated_on.gt(self.at - TimeDelta::hours(1)))
            .filter(events::action.eq(self.action))
            .filter(events::token_id.eq(self.token.key()))
            .count()
            .get_result(connection)?;
        Ok(told > 0)
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
