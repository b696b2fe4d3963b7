//! When tokens were used and by whom, and the statement that records it.

use std::collections::HashMap;

use chrono::TimeDelta;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamp as SqlTimestamp};

use super::token::Token;
use crate::clock::{Timestamp, ahead_of};
use crate::db::schema::tokens;
use crate::db::{DbConnection, Stored};

/// A use of a token that is to be written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenUse {
    /// The id of the token.
    pub token_id: i64,
    /// When the token was used, which is earlier than the write.
    pub used_on: Timestamp,
    /// Who used it; `None`: nobody knows.
    pub by: Option<UsedBy>,
}

/// Who used a token: where the request came from, and what it said that it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsedBy {
    /// The client's address.
    pub address: String,
    /// The client's user agent; may be empty.
    pub agent: String,
}

impl UsedBy {
    /// As people read it: `from 192.0.2.7 by curl/8.5`.
    pub fn in_words(&self) -> String {
        match self.agent.as_str() {
            "" => format!("from {}", self.address),
            agent => format!("from {} by {agent}", self.address),
        }
    }
}

/// The columns of a row that say who used the token last. No request needs them, so they are no part of [`Token`].
#[derive(Queryable, Selectable, Debug)]
#[diesel(table_name = tokens)]
pub(super) struct LastClient {
    last_address: Option<String>,
    last_agent: Option<String>,
    /// The use that they belong to.
    #[diesel(deserialize_as = Stored<Option<Timestamp>>)]
    last_client_on: Option<Timestamp>,
}

impl LastClient {
    /// Who was last to use `token`, to which these columns belong. A release before this one writes a later use without
    /// them: then they tell of an earlier use, and nobody knows.
    pub(super) fn of(self, token: &Token) -> Option<UsedBy> {
        let is_latest = self.last_client_on.is_some() && self.last_client_on == token.recorded_use();
        let address = self.last_address.filter(|_| is_latest)?;
        Some(UsedBy { address, agent: self.last_agent.unwrap_or_default() })
    }
}

/// When a use is written. Whatever the condition, last use never moves backwards, unless the use in the row lies in the
/// future of `now` (the time of the write): it was recorded while a clock was ahead, and gives way to a true one.
#[derive(Clone, Copy, Debug)]
pub enum RecordIf {
    /// Only if the token has never been used.
    FirstUse,
    /// Only if the use in the row is at least a minute old.
    UnwrittenForAMinute {
        /// The time of the write.
        now: Timestamp,
    },
    /// Only if the use is later than the one in the row.
    Later,
    /// However late the one in the row was written; for a clean shutdown.
    AtTheEnd {
        /// The time of the write.
        now: Timestamp,
    },
}

impl TokenUse {
    fn address(&self) -> Option<&str> {
        self.by.as_ref().map(|by| by.address.as_str())
    }

    fn agent(&self) -> Option<&str> {
        self.by.as_ref().map(|by| by.agent.as_str())
    }
}

/// The shortest time between two writes of one token's use.
pub const WRITE_INTERVAL: TimeDelta = TimeDelta::minutes(1);

impl Token {
    /// Writes uses with who they were by. They must be sorted by id. Returns the ids of the rows that were changed.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn record_uses(connection: &mut DbConnection, uses: &[TokenUse], record_if: RecordIf) -> QueryResult<Vec<i64>> {
        match connection {
            _ if uses.is_empty() => Ok(Vec::new()),
            DbConnection::Sqlite(sqlite) => record_sqlite(sqlite, uses, record_if),
            DbConnection::Postgres(postgres) => record_postgres(postgres, uses, record_if),
        }
    }

    /// The last use in each of these rows. Deleted tokens have no entry.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn recorded_uses(connection: &mut DbConnection, ids: &[i64]) -> QueryResult<HashMap<i64, Option<Timestamp>>> {
        let rows = Self::find_all(connection, ids)?;
        Ok(rows.into_iter().map(|(id, token)| (id, token.recorded_use())).collect())
    }

    /// Notes that uses of a key are recorded without a gap only from `since` on. `key_id` is the id of the key, which is
    /// that of its first secret, so that the note stays for as long as the key does.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn record_from(connection: &mut DbConnection, key_id: i64, since: Timestamp) -> QueryResult<()> {
        let is_earlier = tokens::recorded_since.is_null().or(tokens::recorded_since.lt(since).assume_not_null());
        let key = tokens::table.find(key_id).filter(is_earlier);
        diesel::update(key).set(tokens::recorded_since.eq(since)).execute(connection).map(|_| ())
    }
}

#[derive(QueryableByName)]
struct Written {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// The SQL condition to overwrite a use in a row, and its parameters, for which `placeholders` stand.
fn is_written_over(record_if: RecordIf, placeholders: [&str; 2]) -> (String, Vec<Timestamp>) {
    let later = "tokens.updated_on < used.used_on";
    let from_a_clock_ahead = |from: &str| format!("tokens.updated_on > used.used_on AND tokens.updated_on > {from}");
    let [first, second] = placeholders;
    match record_if {
        RecordIf::FirstUse => ("tokens.updated_on <= tokens.created_on".to_owned(), Vec::new()),
        RecordIf::UnwrittenForAMinute { now } => {
            let condition = format!("{later} AND tokens.updated_on <= {first} OR {}", from_a_clock_ahead(second));
            (condition, vec![now - WRITE_INTERVAL, ahead_of(now)])
        }
        RecordIf::Later => (later.to_owned(), Vec::new()),
        RecordIf::AtTheEnd { now } => (format!("{later} OR {}", from_a_clock_ahead(first)), vec![ahead_of(now)]),
    }
}

/// What a use changes in its row. Address and agent stand beside the time of the use that they belong to.
const WRITTEN: &str = "updated_on = used.used_on, last_client_on = used.used_on,
     last_address = used.address, last_agent = used.agent";

/// Writes a batch in one statement on SQLite, too. Looking up a prepared statement takes longer than updating one row.
fn record_sqlite(connection: &mut SqliteConnection, uses: &[TokenUse], record_if: RecordIf) -> QueryResult<Vec<i64>> {
    let ((condition, times), values) =
        (is_written_over(record_if, ["?"; 2]), vec!["(?, ?, ?, ?)"; uses.len()].join(", "));
    let mut statement = diesel::sql_query(format!(
        "WITH used (id, used_on, address, agent) AS (VALUES {values})
         UPDATE tokens SET {WRITTEN} FROM used
         WHERE tokens.id = used.id AND (tokens.updated_on IS NULL OR ({condition}))
         RETURNING tokens.id"
    ))
    .into_boxed();
    for it in uses {
        statement = statement.bind::<BigInt, _>(it.token_id).bind::<SqlTimestamp, _>(it.used_on);
        statement = statement.bind::<Nullable<Text>, _>(it.address()).bind::<Nullable<Text>, _>(it.agent());
    }
    for time in times {
        statement = statement.bind::<SqlTimestamp, _>(time);
    }
    let written: Vec<Written> = statement.load(connection)?;
    Ok(written.into_iter().map(|row| row.id).collect())
}

/// On PostgreSQL the statement first locks its rows in the order of their ids: overlapping batches of several processes
/// would deadlock otherwise. The condition appears twice: the first avoids locks that are not needed, the second checks
/// again what another process may have written while the lock was waited for.
fn record_postgres(connection: &mut PgConnection, uses: &[TokenUse], record_if: RecordIf) -> QueryResult<Vec<i64>> {
    let (condition, times) = is_written_over(record_if, ["$5", "$6"]);
    let statement = format!(
        "WITH due AS (
             SELECT tokens.id, used.used_on, used.address, used.agent
             FROM tokens JOIN unnest($1, $2, $3, $4) AS used (id, used_on, address, agent) ON used.id = tokens.id
             WHERE tokens.updated_on IS NULL OR ({condition})
             ORDER BY tokens.id FOR NO KEY UPDATE OF tokens
         )
         UPDATE tokens SET {WRITTEN} FROM due AS used
         WHERE tokens.id = used.id AND (tokens.updated_on IS NULL OR ({condition}))
         RETURNING tokens.id"
    );
    let statement = diesel::sql_query(statement)
        .into_boxed()
        .bind::<Array<BigInt>, _>(uses.iter().map(|it| it.token_id).collect::<Vec<_>>())
        .bind::<Array<SqlTimestamp>, _>(uses.iter().map(|it| it.used_on).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(uses.iter().map(TokenUse::address).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(uses.iter().map(TokenUse::agent).collect::<Vec<_>>());
    let statement = times.into_iter().fold(statement, |statement, time| statement.bind::<SqlTimestamp, _>(time));
    let written: Vec<Written> = statement.load(connection)?;
    Ok(written.into_iter().map(|row| row.id).collect())
}
