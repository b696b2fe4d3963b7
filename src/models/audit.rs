//! The audit log: what happened to anybody's keys and account, and to services. It outlives whom it is about, and is
//! only added to, but that what is old enough is removed.
//!
//! It is a long file because all that writes to the log stands in it, and an entry says much.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamp as SqlTimestamp};

use super::retention::Perishable;
use super::system_user;
use crate::clock::Timestamp;
use crate::db::schema::{audit_entries, users};
use crate::db::{DbConnection, after_commit};
use crate::logging;

/// What is true of every entry: the condition of the index for the log without a filter. It is no value that is bound, as
/// the databases would not know the index by it.
pub(super) const EVERY_ENTRY: &str = "audit_entries.times > 0";

/// Rows that are written by one statement.
const ROWS_AT_ONCE: usize = 1000;

/// A row of `audit_entries`. Its texts are those of the time, whatever became of the person or key.
#[derive(Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = audit_entries)]
pub struct AuditEntry {
    /// The id. It is never used again.
    pub id: i64,
    /// When it happened; of what is counted, when it happened last.
    pub created_on: Timestamp,
    /// What happened: the text of an [`EventAction`](super::event::EventAction), which a newer release may have added.
    pub action: String,
    /// How many times it had happened by then, where that is counted.
    pub times: i64,
    /// The id of the person whom it is about; `None`: it is about nobody, as with a service.
    pub user_id: Option<i64>,
    /// The login of that person.
    pub user_login: Option<String>,
    /// The id of the person who did it; `None`: see `actor`.
    pub actor_id: Option<i64>,
    /// The login of the person who did it, or one of the names of [`Doer`], which can be no logins.
    pub actor: String,
    /// The id of the person as whom the actor did it; `None`: as themself.
    pub acting_as_id: Option<i64>,
    /// The login of that person.
    pub acting_as: Option<String>,
    /// The id of the key that it is about.
    pub token_id: Option<i64>,
    /// The kind of that key.
    pub token_action: Option<String>,
    /// The name of that key.
    pub token_name: Option<String>,
    /// The last characters of the secret of that key.
    pub token_hint: Option<String>,
    /// The client's address; empty if there was none.
    pub address: String,
    /// The client's user agent.
    pub agent: String,
    /// The key or session that it was done with, in words; of a command, the operating system's user.
    pub credential: Option<String>,
    /// What else there is to say, in words.
    pub detail: Option<String>,
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doer {
    /// The id of the person; `None`: it was nobody who has an account, or the person whom the entry is about.
    pub id: Option<i64>,
    /// The login of the person, or a name that can be no login; `None`: the person whom the entry is about.
    pub name: Option<String>,
    /// The id and login of the person as whom they did it.
    pub acting_as: Option<(i64, String)>,
}

impl Doer {
    /// The name of whoever used the command line. Like those below it has a blank, which no login has, and is stored, so
    /// it is for ever.
    const COMMAND_LINE: &str = "command line";
    /// The name of Latchkey, for what it did by itself.
    const LATCHKEY: &str = "Latchkey itself";
    /// The name of whoever did something without having signed in.
    const NOBODY: &str = "not signed in";
    /// The names that are no logins.
    pub const OTHERS: [&str; 3] = [Self::COMMAND_LINE, Self::LATCHKEY, Self::NOBODY];

    /// A person with this id and login.
    pub fn person(id: i64, login: &str) -> Self {
        Self { id: Some(id), name: Some(login.to_owned()), acting_as: None }
    }

    /// The person whom the entry is about.
    pub fn themself() -> Self {
        Self { id: None, name: None, acting_as: None }
    }

    /// Whoever can start a command.
    pub fn command_line() -> Self {
        Self { name: Some(Self::COMMAND_LINE.to_owned()), ..Self::themself() }
    }

    /// Latchkey itself.
    pub fn latchkey() -> Self {
        Self { name: Some(Self::LATCHKEY.to_owned()), ..Self::themself() }
    }

    /// Somebody who has not signed in.
    pub fn nobody() -> Self {
        Self { name: Some(Self::NOBODY.to_owned()), ..Self::themself() }
    }
}

/// The person whom an entry is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// Nobody: it is about a service, or everybody.
    Nobody,
    /// The person with this id.
    Person(i64),
    /// A person who is gone, with the id and login that they had.
    Gone(i64, String),
}

/// The key that an entry is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyThen {
    /// The id.
    pub id: i64,
    /// The kind.
    pub action: &'static str,
    /// The name.
    pub name: Option<String>,
    /// The last characters of the secret.
    pub hint: String,
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is stored, and goes to the log of the process.
    Stored,
    /// It is one of a flood, and goes to the log of the process only.
    LoggedOnly,
}

/// An entry to be written.
pub struct NewEntry<'a> {
    /// What happened.
    pub action: &'static str,
    /// How many times.
    pub times: i64,
    /// When.
    pub created_on: Timestamp,
    /// Whom it is about.
    pub about: About,
    /// Who did it.
    pub doer: Doer,
    /// The key that it is about.
    pub key: Option<KeyThen>,
    /// The client's address; empty: there was none.
    pub address: &'a str,
    /// The client's user agent.
    pub agent: &'a str,
    /// The key or session that it was done with.
    pub credential: Option<&'a str>,
    /// What else there is to say.
    pub detail: Option<&'a str>,
}

/// What the database knows of an entry that it has stored.
#[derive(QueryableByName)]
struct Stored {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

impl NewEntry<'_> {
    /// Writes the entry in the transaction that is under way. Its line goes to the log when that is committed.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn write(self, connection: &mut DbConnection, written: Written) -> QueryResult<()> {
        let mut entry = self.with_logins(connection)?;
        if written == Written::Stored {
            entry.id = entry.store(connection)?;
        }
        after_commit(move || entry.log());
        Ok(())
    }

    /// The entry with the logins of this time, and no id yet.
    fn with_logins(self, connection: &mut DbConnection) -> QueryResult<AuditEntry> {
        let Doer { id: actor_id, name: actor, acting_as } = self.doer;
        let (user_id, user_login) = match self.about {
            About::Nobody => (None, None),
            About::Gone(id, login) => (Some(id), Some(login)),
            About::Person(id) => {
                let login = users::table.find(id).select(users::login).first(connection).optional()?;
                (Some(id), login)
            }
        };
        let (acting_as_id, acting_as) = acting_as.unzip();
        let key = self.key.as_ref();
        Ok(AuditEntry {
            id: 0,
            created_on: self.created_on,
            action: self.action.to_owned(),
            times: self.times,
            actor_id: if actor.is_some() { actor_id } else { user_id },
            actor: actor.or_else(|| user_login.clone()).unwrap_or_else(|| Doer::NOBODY.to_owned()),
            user_id,
            user_login,
            acting_as_id,
            acting_as,
            token_id: key.map(|key| key.id),
            token_action: key.map(|key| key.action.to_owned()),
            token_name: key.and_then(|key| key.name.clone()),
            token_hint: key.map(|key| key.hint.clone()),
            address: self.address.to_owned(),
            agent: self.agent.to_owned(),
            credential: self.credential.map(str::to_owned),
            detail: self.detail.map(str::to_owned),
        })
    }
}

/// An account, or a key of one, that an import has made.
pub struct MovedIn {
    /// The id of the person, who is there by now.
    pub user_id: i64,
    /// The key; `None`: it is the account.
    pub key: Option<KeyThen>,
}

/// A row for [`MovedIn`].
#[derive(Insertable)]
#[diesel(table_name = audit_entries)]
struct MovedInRow<'a> {
    created_on: Timestamp,
    action: &'static str,
    user_id: i64,
    user_login: Option<&'a str>,
    actor: &'static str,
    token_id: Option<i64>,
    token_action: Option<&'static str>,
    token_hint: Option<&'a str>,
    address: &'static str,
    agent: &'static str,
    credential: &'static str,
    detail: &'static str,
}

impl MovedIn {
    /// Writes the entries of what an import has made: it makes too much to write each by itself. `actions` are what
    /// happened to accounts, and to keys.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn write(
        moved: &[Self],
        connection: &mut DbConnection,
        now: Timestamp,
        (account, key): (&'static str, &'static str),
    ) -> QueryResult<()> {
        let ids: Vec<i64> = moved.iter().map(|moved| moved.user_id).collect();
        let logins = users::table.filter(users::id.eq_any(ids)).select((users::id, users::login));
        let logins: HashMap<i64, String> = logins.load(connection)?.into_iter().collect();
        let rows: Vec<MovedInRow<'_>> = moved
            .iter()
            .map(|moved| MovedInRow {
                created_on: now,
                action: if moved.key.is_some() { key } else { account },
                user_id: moved.user_id,
                user_login: logins.get(&moved.user_id).map(String::as_str),
                actor: Doer::COMMAND_LINE,
                token_id: moved.key.as_ref().map(|key| key.id),
                token_action: moved.key.as_ref().map(|key| key.action),
                token_hint: moved.key.as_ref().map(|key| key.hint.as_str()),
                address: "",
                agent: "",
                credential: system_user::in_words(),
                detail: "moved in",
            })
            .collect();
        match connection {
            DbConnection::Sqlite(sqlite) => {
                for row in &rows {
                    diesel::insert_into(audit_entries::table).values(row).execute(sqlite)?;
                }
            }
            DbConnection::Postgres(postgres) => {
                // PostgreSQL accepts at most 65535 parameters in a statement.
                for rows in rows.chunks(ROWS_AT_ONCE) {
                    diesel::insert_into(audit_entries::table).values(rows).execute(postgres)?;
                }
            }
        }
        Ok(())
    }
}

impl AuditEntry {
    /// How they are removed. Nothing else removes any.
    pub const PERISHABLE: Perishable =
        Perishable { table: "audit_entries", key: "id", since: "created_on", older: "<", condition: EVERY_ENTRY };

    /// Whether somebody was refused something.
    pub fn is_refused(&self) -> bool {
        self.action.ends_with("refused")
    }

    fn store(&self, connection: &mut DbConnection) -> QueryResult<i64> {
        // Both databases have RETURNING, but Diesel only for each of them separately.
        let insert = "INSERT INTO audit_entries (created_on, action, times, user_id, user_login, actor_id, actor,
             acting_as_id, acting_as, token_id, token_action, token_name, token_hint, address, agent, credential, detail)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) RETURNING id";
        let stored: Stored = diesel::sql_query(insert)
            .bind::<SqlTimestamp, _>(self.created_on)
            .bind::<Text, _>(&self.action)
            .bind::<BigInt, _>(self.times)
            .bind::<Nullable<BigInt>, _>(self.user_id)
            .bind::<Nullable<Text>, _>(&self.user_login)
            .bind::<Nullable<BigInt>, _>(self.actor_id)
            .bind::<Text, _>(&self.actor)
            .bind::<Nullable<BigInt>, _>(self.acting_as_id)
            .bind::<Nullable<Text>, _>(&self.acting_as)
            .bind::<Nullable<BigInt>, _>(self.token_id)
            .bind::<Nullable<Text>, _>(&self.token_action)
            .bind::<Nullable<Text>, _>(&self.token_name)
            .bind::<Nullable<Text>, _>(&self.token_hint)
            .bind::<Text, _>(&self.address)
            .bind::<Text, _>(&self.agent)
            .bind::<Nullable<Text>, _>(&self.credential)
            .bind::<Nullable<Text>, _>(&self.detail)
            .get_result(connection)?;
        Ok(stored.id)
    }

    /// Writes the entry to the log of the process. Collectors read these lines: target, message and members are for ever
    /// (`docs/operations.md`).
    fn log(&self) {
        tracing::info!(
            target: logging::AUDIT,
            id = (self.id > 0).then_some(self.id),
            action = self.action,
            refused = self.is_refused(),
            times = self.times,
            user = self.user_login,
            user_id = self.user_id,
            actor = self.actor,
            actor_id = self.actor_id,
            acting_as = self.acting_as,
            acting_as_id = self.acting_as_id,
            key_id = self.token_id,
            key_kind = self.token_action,
            key_name = self.token_name,
            key_hint = self.token_hint,
            address = text(&self.address),
            agent = text(&self.agent),
            credential = self.credential,
            detail = self.detail,
            "audit"
        );
    }

    /// The latest ids, at most `most` of them.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn latest_ids(connection: &mut DbConnection, most: i64) -> QueryResult<BTreeSet<i64>> {
        let latest = audit_entries::table.order(audit_entries::id.desc()).limit(most).select(audit_entries::id);
        Ok(latest.load(connection)?.into_iter().collect())
    }
}

/// The text, if there is any.
fn text(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
