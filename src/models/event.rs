//! What happened to a person's account: the activity that they see.

use chrono::{TimeDelta, Timelike};
use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Timestamp as SqlTimestamp};

use super::client::Client;
use super::keys::token::{Token, TokenAction};
use super::people::user::User;
use super::text_enum::{stored_as_text, text_enum};
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::db::schema::events;

text_enum! {
    /// What happened. In its words, `{key}` stands for what people call the key that it is about.
    #[derive(AsExpression, FromSqlRow, Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[diesel(sql_type = Text)]
    pub enum EventAction(as_str, words) {
        /// By password, in a browser.
        SignedIn = ("signed_in", "Signed in"),
        /// A password that was wrong.
        SignInRefused = ("sign_in_refused", "Wrong password"),
        /// A key where there was none.
        KeyCreated = ("key_created", "{key} created"),
        /// A key in place of another.
        KeyReset = ("key_reset", "{key} reset"),
        /// A key ended.
        KeyRevoked = ("key_revoked", "{key} revoked"),
        /// The first time that a program used a key, or a new secret of it.
        KeyFirstUsed = ("key_first_used", "{key} first used"),
        /// Its name, note, scopes or expiry.
        KeyChanged = ("key_changed", "{key} changed"),
        /// Another secret for the same key.
        KeyRotated = ("key_rotated", "{key} rotated"),
        /// It is refused from now on.
        KeyExpired = ("key_expired", "{key} expired"),
        /// One that had expired was removed by itself.
        KeyCleared = ("key_cleared", "{key}, long expired, removed"),
        /// A program presented one that had expired.
        ExpiredKeyRefused = ("expired_key_refused", "{key} refused: it has expired"),
        /// A program asked for what the key may not do.
        ScopeRefused = ("scope_refused", "{key} refused: it may not do this"),
        /// A key whose secret somebody reported: it has been revoked.
        KeyLeaked = ("key_leaked", "{key} revoked: its secret was reported as leaked"),
        /// A new password.
        PasswordChanged = ("password_changed", "Password changed"),
        /// Shut out.
        Locked = ("locked", "Account locked"),
        /// Let in again.
        Unlocked = ("unlocked", "Account unlocked"),
        /// An account was made, by an administrator.
        AccountCreated = ("account_created", "Account created"),
        /// Login, names or mail were changed by an administrator.
        AccountChanged = ("account_changed", "Account changed"),
        /// Somebody else's account was deleted.
        AccountDeleted = ("account_deleted", "Account deleted"),
        /// Made an administrator.
        AdminGranted = ("admin_granted", "Made an administrator"),
        /// An administrator no more.
        AdminRevoked = ("admin_revoked", "Administrator no more"),
        /// A second factor is no longer asked for.
        SecondFactorCleared = ("second_factor_cleared", "Second factor cleared"),
        /// A service was added, by this administrator.
        ServiceAdded = ("service_added", "Service added"),
        /// A service's settings were changed, by this administrator.
        ServiceChanged = ("service_changed", "Service changed"),
        /// A service was removed for good, by this administrator.
        ServiceRemoved = ("service_removed", "Service removed"),
        /// Something that a newer release knows.
        Unknown = ("unknown", "Something that this release does not know"),
    }
}

// An older release tells of it without knowing what it was.
stored_as_text!(EventAction, otherwise Unknown);

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
        let what = self.action.words().replace("{key}", &self.key_title());
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
