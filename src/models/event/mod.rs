//! A person's activity: the events of their account, which they can look up.
//!
//! It is a long file because what is written of an event, how long it is kept and how it is told must agree.

pub mod action;

use std::fmt;

use chrono::{TimeDelta, Timelike};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Timestamp as SqlTimestamp};

pub use self::action::EventAction;
use super::audit::{About, Doer, KeyThen, NewEntry, Written};
use super::client::Client;
use super::keys::token::{Token, TokenAction};
use super::mails::facts::Facts;
use super::mails::kind::MailKind;
use super::mails::told;
use super::people::user::User;
use super::retention::{BATCH, Perishable};
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::db::schema::events;

/// A row of `events`.
#[derive(Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = events)]
pub struct Event {
    /// The id. It is never used again.
    pub id: i64,
    /// What happened.
    pub action: EventAction,
    /// The kind of key that the event is about.
    pub token_action: Option<TokenAction>,
    /// The last four characters of the secret of that key.
    pub token_hint: Option<String>,
    /// The client's address; empty for the command line.
    pub address: String,
    /// The client's user agent.
    pub agent: String,
    /// How many times it happened since `created_on`.
    pub times: i64,
    /// When it happened, or happened first.
    pub created_on: Timestamp,
    /// When it happened last.
    pub updated_on: Timestamp,
    /// The login of the other person involved: who did it, or whose account was deleted.
    pub other_login: Option<String>,
    /// The name that the key had at the time.
    pub token_name: Option<String>,
    /// The key or session that it was done with, in words.
    pub credential: Option<String>,
    /// Further details, in words.
    pub detail: Option<String>,
}

/// The most events of one kind that are kept for a person. When there is one more, the oldest goes. A kind has a bound
/// of its own so that a flood of one, such as keys made and revoked in a loop, hides nothing of the others.
pub const MOST_OF_A_KIND: i64 = 1000;

/// So many of what happens to a person again and again within a day are entries of the audit log of their own, and so
/// many refusals, which strangers can cause. Of the others only the first in an hour is, so that no loop fills the disk;
/// the log of the process has them all.
const MOST_ENTRIES_A_DAY: i64 = 1000;
const MOST_REFUSALS_A_DAY: i64 = 100;

/// What stands for the addresses that are not told apart. It is stored, so it is for ever.
const OTHER_ADDRESSES: &str = "other addresses";

/// So many of a person's sign-ins are looked through for an address.
const LATEST_SIGN_INS: i64 = 50;

/// An event to be recorded: in the activity of a person, and in the audit log. Unless told otherwise, it takes its client
/// and time from the transaction.
#[must_use = "it is told only once it is recorded"]
pub struct NewEvent<'a> {
    about: About,
    action: EventAction,
    token: Option<&'a Token>,
    detail: Option<String>,
    client: Option<&'a Client>,
    at: Option<Timestamp>,
    mail: Option<MailKind>,
}

/// Where an event came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// The command line.
    CommandLine,
    /// Nowhere: Latchkey did it by itself.
    Automatic,
    /// The address of a client.
    Address(&'a str),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CommandLine => "command line",
            Self::Automatic => "automatic",
            Self::Address(address) => address,
        })
    }
}

impl Event {
    /// How they are removed. Those that the person has not yet been told of stay.
    pub const PERISHABLE: Perishable = Perishable {
        table: "events",
        key: "id",
        since: "updated_on",
        older: "<",
        condition: "id NOT IN (SELECT event_id FROM notices)",
    };

    /// Where the event came from.
    pub fn place(&self) -> Place<'_> {
        match self.address.as_str() {
            "" => Place::CommandLine,
            Client::AUTOMATIC => Place::Automatic,
            address => Place::Address(address),
        }
    }

    /// The event in a few words, with the login of who did it if that was somebody else.
    pub fn headline(&self) -> String {
        let what = self.action.words().replace("{key}", &self.key_title());
        match (&self.other_login, self.action) {
            (Some(whose), EventAction::AccountDeleted) => format!("{what}: {whose}"),
            (Some(who), _) => format!("{what} by {who}"),
            (None, _) => what,
        }
    }

    /// The title of the key that the event is about.
    pub fn key_title(&self) -> String {
        let label = self.token_action.map_or("Key", TokenAction::label);
        self.token_name.as_ref().map_or_else(|| label.to_owned(), |name| format!("{label} “{name}”"))
    }

    /// Further details, and the key or session that was used; may be empty. Nobody needs to be told that a sign-in used
    /// the password, or that the refused key was the one that was used.
    pub fn remark(&self) -> String {
        let is_said = !matches!(self.action, EventAction::SignedIn | EventAction::ScopeRefused);
        let by = self.credential.as_ref().filter(|_| is_said);
        let parts = [self.detail.clone(), by.map(|credential| format!("by {credential}"))];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// The end of the secret of the key that the event is about; empty if it is about no key.
    pub fn key_hint(&self) -> String {
        self.token_hint.as_ref().map(|hint| format!("····{hint}")).unwrap_or_default()
    }

    /// A page of a person's events, latest first: at most `most` of them, after the first `skip`.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn latest(connection: &mut DbConnection, user_id: i64, skip: i64, most: i64) -> QueryResult<Vec<Self>> {
        events::table
            .filter(events::user_id.eq(user_id))
            .order((events::updated_on.desc(), events::id.desc()))
            .limit(most)
            .offset(skip)
            .select(Self::as_select())
            .load(connection)
    }

    /// The addresses of a person's latest sign-ins on the page since a time.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn sign_in_addresses(
        connection: &mut DbConnection,
        user_id: i64,
        since: Timestamp,
    ) -> QueryResult<Vec<String>> {
        events::table
            .filter(events::user_id.eq(user_id))
            .filter(events::action.eq(EventAction::SignedIn))
            .filter(events::updated_on.ge(since))
            .order(events::id.desc())
            .limit(LATEST_SIGN_INS)
            .select(events::address)
            .load(connection)
    }

    /// Whether there have been so many events of a kind about a person within a day that another one, at `at`, gets no
    /// entry of its own in the audit log: it is not the first in its hour.
    fn is_flood(connection: &mut DbConnection, user_id: i64, action: EventAction, at: Timestamp) -> QueryResult<bool> {
        let most = if action.is_refusal() { MOST_REFUSALS_A_DAY } else { MOST_ENTRIES_A_DAY };
        let of_kind = events::table.filter(events::user_id.eq(user_id)).filter(events::action.eq(action));
        let last = of_kind.order(events::id.desc()).offset(most - 1).limit(1).select(events::updated_on);
        let is_since = |since: Timestamp, last: Option<Timestamp>| last.is_some_and(|last| last > since);
        if !is_since(at - TimeDelta::days(1), last.first(connection).optional()?) {
            return Ok(false);
        }
        let latest = of_kind.order(events::id.desc()).select(events::updated_on).first(connection).optional()?;
        Ok(is_since(Refusals::hour(at), latest))
    }

    /// Removes the oldest events of a kind if a person has more than [`MOST_OF_A_KIND`].
    fn bound(connection: &mut DbConnection, user_id: i64, action: EventAction) -> QueryResult<()> {
        let of_kind = events::table.filter(events::user_id.eq(user_id)).filter(events::action.eq(action));
        let last = of_kind.order(events::id.desc()).offset(MOST_OF_A_KIND).limit(1).select(events::id);
        let Some(last) = last.first::<i64>(connection).optional()? else { return Ok(()) };
        let old = of_kind.filter(events::id.le(last)).order(events::id).limit(BATCH).select(events::id);
        // Rows that are locked are already being removed by another process, which could end in a deadlock.
        let old: Vec<i64> = match connection {
            DbConnection::Sqlite(it) => old.load(it),
            DbConnection::Postgres(it) => old.for_update().skip_locked().load(it),
        }?;
        diesel::delete(events::table.filter(events::id.eq_any(old))).execute(connection).map(|_| ())
    }
}

impl<'a> NewEvent<'a> {
    /// A new event about a person.
    pub fn of_person(user_id: i64, action: EventAction) -> Self {
        Self::about(About::Person(user_id), action)
    }

    /// A new event about a person who has just been deleted. It stands in the activity of whoever did it.
    pub fn of_deleted(user: &User, action: EventAction) -> Self {
        Self::about(About::Gone(user.id, user.login.clone()), action)
    }

    /// A new event about no person, such as one about a service. It stands in the activity of whoever did it.
    pub fn of_nobody(action: EventAction) -> Self {
        Self::about(About::Nobody, action)
    }

    fn about(about: About, action: EventAction) -> Self {
        Self { about, action, token: None, detail: None, client: None, at: None, mail: MailKind::of_event(action) }
    }

    /// A new event about a key. The secret `token` of it is the one that is shown.
    pub fn of_key(token: &'a Token, action: EventAction) -> Self {
        Self { token: Some(token), ..Self::of_person(token.user_id, action) }
    }

    /// Adds details; nothing is added if `detail` is empty.
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()).filter(|detail| !detail.is_empty()), ..self }
    }

    /// Sets the client and the time, where these are not those of the transaction.
    pub fn done_by(self, client: &'a Client, at: Timestamp) -> Self {
        Self { client: Some(client), at: Some(at), ..self }
    }

    /// Says that the key may do more now, from more places or for longer: its owner is told by mail.
    pub fn giving_more(self) -> Self {
        Self { mail: Some(MailKind::KeyWidened), ..self }
    }

    /// Says that nobody is told by mail, because the event is one of very many.
    pub fn without_mail(self) -> Self {
        Self { mail: None, ..self }
    }

    /// Records the event in the person's activity and in the audit log, and puts the mail about it into the outbox.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn record(self, tx: &mut Tx<'_>) -> QueryResult<()> {
        let Self { about, action, token, detail, client, at, mail } = self;
        let (doer, at) = (tx.doer(client), at.unwrap_or(tx.now));
        let client = client.unwrap_or(&tx.client);
        // What is done about many, once each, is no flood.
        let (whose, is_flood) = match about {
            About::Person(id) => (Some(id), Event::is_flood(tx.connection, id, action, at)?),
            About::Gone(..) | About::Nobody => (tx.author().map(|author| author.id), false),
        };
        if let Some(user_id) = whose {
            // Who did it, if that is not the person themself, or whose account was deleted.
            let other_login = match &about {
                About::Person(id) => tx.other_than(*id).or(client.administrator()),
                About::Gone(_, login) => Some(login.as_str()),
                About::Nobody => client.administrator(),
            };
            let other_login = other_login.map(str::to_owned);
            // Before the event is there: it is compared with earlier ones.
            if let (About::Person(_), Some(kind), false) = (&about, mail, is_flood) {
                let facts = Facts { by: other_login.clone(), detail: detail.clone(), ..Facts::of_client(client, at) };
                let facts = match token {
                    Some(token) => facts.about(token),
                    None => facts,
                };
                told::tell(tx.connection, (user_id, kind), &facts, tx.now)?;
            }
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
                events::detail.eq(detail.as_deref()),
                events::created_on.eq(at),
                events::updated_on.eq(at),
                events::other_login.eq(other_login),
                events::audited.eq(true),
            );
            diesel::insert_into(events::table).values(values).execute(tx.connection)?;
            Event::bound(tx.connection, user_id, action)?;
        }
        let entry = NewEntry {
            action: action.as_str(),
            times: 1,
            created_on: at,
            about,
            doer,
            key: token.map(key_then),
            address: client.audited_address(),
            agent: &client.agent,
            credential: client.credential.as_deref().or_else(|| tx.system_user(client)),
            detail: detail.as_deref(),
        };
        entry.write(tx.connection, if is_flood { Written::LoggedOnly } else { Written::Stored })
    }
}

fn key_then(token: &Token) -> KeyThen {
    KeyThen { id: token.key(), action: token.action.as_str(), name: token.name.clone(), hint: token.hint.clone() }
}

/// A valid key that was refused because it has expired, is suspended, lacks a scope, or may not be used from an address. It
/// is recorded at most once an hour; of addresses, each is.
#[derive(Clone, Debug)]
pub struct RefusedKey {
    /// The secret that was presented.
    pub token: Token,
    /// Why it was refused.
    pub action: EventAction,
    /// The scope that the key lacks.
    pub missing: Option<String>,
    /// The client that presented the key.
    pub client: Client,
    /// When it was refused.
    pub at: Timestamp,
}

impl RefusedKey {
    /// How many addresses that a key may not be used from are recorded separately within an hour. Any others are told as
    /// one, so that nobody who has a secret and many addresses can fill the disk.
    pub const MOST_ADDRESSES: usize = 20;

    /// Records the refusal, unless the same one of this key was recorded within the last hour. It is also recorded if
    /// the key is gone by now, but not if its owner is.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn record(&self, tx: &mut Tx<'_>) -> QueryResult<()> {
        let is_gone = User::lock_row(tx.connection, self.token.user_id).optional()?.is_none();
        if is_gone {
            return Ok(());
        }
        // Check again after the lock: another process may have recorded it in the meantime.
        let Some(client) = self.untold(tx.connection)? else { return Ok(()) };
        let detail = self.missing.as_ref().map(|scope| format!("needs {scope}")).unwrap_or_default();
        NewEvent::of_key(&self.token, self.action).detail(detail).done_by(&client, self.at).record(tx)
    }

    /// The client to tell of; `None`: the same refusal of this key was recorded within the last hour.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn untold(&self, connection: &mut DbConnection) -> QueryResult<Option<Client>> {
        let told: Vec<String> = events::table
            .filter(events::user_id.eq(self.token.user_id))
            .filter(events::updated_on.gt(self.at - TimeDelta::hours(1)))
            .filter(events::action.eq(self.action))
            .filter(events::token_id.eq(self.token.key()))
            .select(events::address)
            .load(connection)?;
        let is_told = |address: &str| told.iter().any(|told| told == address);
        Ok(match self.place() {
            None if told.is_empty() => Some(self.client.clone()),
            Some(address) if !is_told(address) && told.len() < Self::MOST_ADDRESSES => Some(self.client.clone()),
            Some(address) if !is_told(address) && !is_told(OTHER_ADDRESSES) => {
                let mut client = self.client.clone();
                client.address = OTHER_ADDRESSES.to_owned();
                Some(client)
            }
            _ => None,
        })
    }

    /// The address that the refusal is about; `None`: it is about the key, wherever it is used.
    pub(crate) fn place(&self) -> Option<&str> {
        (self.action == EventAction::ElsewhereKeyRefused).then_some(self.client.address.as_str())
    }
}

/// Refused sign-ins that are counted in one row: those of one person, from one address, within one hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// The person who was to be signed in.
    pub user_id: i64,
    /// The address, and the user agent of the last attempt.
    pub client: Client,
    /// How many attempts there were.
    pub times: i64,
    /// When the first attempt was.
    pub first_on: Timestamp,
    /// When the last attempt was.
    pub last_on: Timestamp,
}

impl Refusals {
    /// How many addresses are recorded separately for one person and hour. Any others share one row, so that a
    /// brute-force attack from many addresses cannot fill the disk.
    const MOST_ADDRESSES: i64 = 100;

    /// The beginning of the hour that `time` falls in.
    pub fn hour(time: Timestamp) -> Timestamp {
        time - TimeDelta::nanoseconds(
            i64::from(time.minute() * 60 + time.second()) * 1_000_000_000 + i64::from(time.nanosecond()),
        )
    }

    /// Adds the attempts to the row of their hour (an upsert). The audit log gets an entry for the first of them, and
    /// another each time that there are ten times as many. Does nothing if the person has been deleted in the meantime.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn record(&self, connection: &mut DbConnection) -> QueryResult<()> {
        let hour = Self::hour(self.first_on);
        let refused = events::table
            .filter(events::user_id.eq(self.user_id))
            .filter(events::action.eq(EventAction::SignInRefused))
            .filter(events::hour.eq(hour));
        let told: i64 = refused.count().get_result(connection)?;
        let known: i64 = refused.filter(events::address.eq(&self.client.address)).count().get_result(connection)?;
        let address = if known == 0 && told >= Self::MOST_ADDRESSES { OTHER_ADDRESSES } else { &self.client.address };
        let is_flood = Event::is_flood(connection, self.user_id, EventAction::SignInRefused, self.first_on)?;
        // Both databases accept this upsert, but Diesel has one only for each of them separately.
        let upsert =
            "INSERT INTO events (user_id, action, address, agent, times, hour, created_on, updated_on, audited)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, TRUE WHERE EXISTS (SELECT 1 FROM users WHERE users.id = $1)
             ON CONFLICT (user_id, action, address, hour) DO UPDATE
             SET times = events.times + excluded.times, agent = excluded.agent, updated_on = excluded.updated_on
             RETURNING times";
        let counted: Option<Counted> = diesel::sql_query(upsert)
            .bind::<BigInt, _>(self.user_id)
            .bind::<Text, _>(EventAction::SignInRefused)
            .bind::<Text, _>(address)
            .bind::<Text, _>(&self.client.agent)
            .bind::<BigInt, _>(self.times)
            .bind::<SqlTimestamp, _>(hour)
            .bind::<SqlTimestamp, _>(self.first_on)
            .bind::<SqlTimestamp, _>(self.last_on)
            .get_result(connection)
            .optional()?;
        let Some(Counted { times }) = counted else { return Ok(()) };
        Event::bound(connection, self.user_id, EventAction::SignInRefused)?;
        let before = times - self.times;
        if before > 0 && before.ilog10() == times.ilog10() {
            return Ok(());
        }
        let entry = NewEntry {
            action: EventAction::SignInRefused.as_str(),
            times,
            created_on: self.last_on,
            about: About::Person(self.user_id),
            doer: Doer::nobody(),
            key: None,
            address,
            agent: &self.client.agent,
            credential: None,
            detail: None,
        };
        entry.write(connection, if is_flood { Written::LoggedOnly } else { Written::Stored })
    }

    /// The address that the attempts came from.
    pub fn address(&self) -> &str {
        &self.client.address
    }
}

/// How many there are of what is counted in one row.
#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = BigInt)]
    times: i64,
}
