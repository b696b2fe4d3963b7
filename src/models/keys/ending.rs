//! When a key ends by itself because nobody uses it. The rule is one function of what is known of its use, what its
//! owner was told, and the time; `unused.rs` acts by it.

use std::collections::HashMap;

use chrono::TimeDelta;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamp as SqlTimestamp};

use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::db::schema::key_endings;

/// How long the owner is told before the key is suspended, at least.
pub const TOLD_FOR: TimeDelta = TimeDelta::days(14);
/// How long after that it is revoked, if nobody switches it on again.
pub const REVOKED_AFTER: TimeDelta = TimeDelta::days(30);

/// A row of `key_endings`. A key without a row has the default.
#[derive(Queryable, Selectable, Clone, Debug, Default, PartialEq, Eq)]
#[diesel(table_name = key_endings)]
pub struct Ending {
    /// Since when the owner is told; `None`: they are not.
    pub told_on: Option<Timestamp>,
    /// When somebody switched the key on again; `None`: never.
    pub counted_from: Option<Timestamp>,
    /// Why the key does not end; `None`: it does.
    pub exempt_because: Option<String>,
}

/// Where a key stands on its way to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// Nobody need do anything yet.
    Kept,
    /// The owner is to be told.
    ToBeTold,
    /// The owner has been told, and the key is suspended at this time unless it is used.
    Told(Timestamp),
    /// The key is to be suspended.
    Due,
}

impl Ending {
    /// Where a key stands that may have been used until `quiet_since`, and ends `after` so much time without a use. Whatever
    /// the setting was before, the owner is told for [`TOLD_FOR`].
    pub fn course(&self, quiet_since: Timestamp, after: TimeDelta, now: Timestamp) -> Course {
        if self.exempt_because.is_some() {
            return Course::Kept;
        }
        let earliest = self.quiet_since(quiet_since) + after;
        match self.told_on.filter(|told_on| *told_on > self.quiet_since(quiet_since)) {
            None if now < earliest - TOLD_FOR => Course::Kept,
            None => Course::ToBeTold,
            Some(told_on) => match earliest.max(told_on + TOLD_FOR) {
                ends_on if now < ends_on => Course::Told(ends_on),
                _ => Course::Due,
            },
        }
    }

    /// Whether the key would end if keys ended `after` so much time without a use.
    pub fn would_end(&self, quiet_since: Timestamp, after: TimeDelta, now: Timestamp) -> bool {
        self.exempt_because.is_none() && self.quiet_since(quiet_since) + after <= now
    }

    fn quiet_since(&self, quiet_since: Timestamp) -> Timestamp {
        self.counted_from.map_or(quiet_since, |from| from.max(quiet_since))
    }

    /// What is kept about the key with this id.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn of_key(connection: &mut DbConnection, key_id: i64) -> QueryResult<Self> {
        let row = key_endings::table.find(key_id).select(Self::as_select()).first(connection).optional()?;
        Ok(row.unwrap_or_default())
    }

    /// What is kept about the keys with these ids, by the ids. Keys about which nothing is kept have no entry.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn of_keys(connection: &mut DbConnection, ids: &[i64]) -> QueryResult<HashMap<i64, Self>> {
        let of_them = key_endings::table.filter(key_endings::token_id.eq_any(ids));
        let rows: Vec<(i64, Self)> = of_them.select((key_endings::token_id, Self::as_select())).load(connection)?;
        Ok(rows.into_iter().collect())
    }

    /// Notes since when the owner is told.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn tell(connection: &mut DbConnection, key_id: i64, now: Timestamp) -> QueryResult<()> {
        set_time(connection, "told_on", (key_id, now))
    }

    /// Counts from now on how long the key goes unused.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn count_from(connection: &mut DbConnection, key_id: i64, now: Timestamp) -> QueryResult<()> {
        set_time(connection, "counted_from", (key_id, now))
    }

    /// Notes why the key does not end; `None`: it ends as any other.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn exempt(connection: &mut DbConnection, key_id: i64, because: Option<&str>) -> QueryResult<()> {
        diesel::sql_query(upsert("exempt_because"))
            .bind::<BigInt, _>(key_id)
            .bind::<Nullable<Text>, _>(because)
            .execute(connection)
            .map(|_| ())
    }
}

fn set_time(connection: &mut DbConnection, column: &str, (key_id, time): (i64, Timestamp)) -> QueryResult<()> {
    let statement = diesel::sql_query(upsert(column)).bind::<BigInt, _>(key_id).bind::<SqlTimestamp, _>(time);
    statement.execute(connection).map(|_| ())
}

/// Both databases accept this upsert, but Diesel has one only for each of them separately.
fn upsert(column: &str) -> String {
    format!(
        "INSERT INTO key_endings (token_id, {column}) VALUES ($1, $2)
         ON CONFLICT (token_id) DO UPDATE SET {column} = excluded.{column}"
    )
}
