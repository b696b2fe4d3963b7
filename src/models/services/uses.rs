//! The use of keys on services: for each key and service the last use, and a count for each day.

use std::cmp::Reverse;
use std::collections::HashSet;

use chrono::{NaiveDate, TimeDelta};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Date, Text, Timestamp as SqlTimestamp};

use crate::clock::{Timestamp, ahead_of};
use crate::db::DbConnection;
use crate::db::schema::{service_use_counts, service_uses, services, tokens};
use crate::models::kept_in::KeptIn;

/// How many days are shown, including today.
pub const DAYS: usize = 90;
/// The same as a span of time. Older counts are removed.
const KEPT: TimeDelta = TimeDelta::days(DAYS as i64);
/// The most rows that one statement writes.
const ROWS: usize = 1000;
/// The most counts that are removed in one transaction. Small batches let other writers in between.
const BATCH: i64 = 1000;

/// A key and a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyOnService {
    /// The id of the key, which is that of its first secret.
    pub key_id: i64,
    /// The id of the service.
    pub service_id: i64,
}

/// The latest use of a key on a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastServiceUse {
    /// When it was used.
    pub on: Timestamp,
    /// The client's address.
    pub address: String,
    /// The client's user agent; may be empty.
    pub agent: String,
}

/// Uses of a key on a service, to be added to those in the database.
#[derive(Clone, Debug)]
pub struct ServiceUse {
    /// The key and the service.
    pub of: KeyOnService,
    /// The latest of the uses.
    pub last: LastServiceUse,
    /// The number of uses on each day, in UTC.
    pub days: Vec<(NaiveDate, i64)>,
}

/// How a key is used on a service.
#[derive(Clone, Debug)]
pub struct ServiceUsage {
    /// The id of the service.
    pub service_id: i64,
    /// The name of the service.
    pub name: String,
    /// The title of the service.
    pub title: String,
    /// Whether the service is open: one that has left the file refuses every request.
    pub is_open: bool,
    /// The latest use; `None`: the key was never used there.
    pub last: Option<LastServiceUse>,
    /// The number of uses on each of the last 90 days, in UTC, ending today. Days without use are included.
    pub days: Vec<(NaiveDate, i64)>,
}

/// Both databases accept these upserts, but Diesel has one only for each of them separately.
const LATER: &str = "ON CONFLICT (token_id, service_id) DO UPDATE
     SET last_used_on = excluded.last_used_on, address = excluded.address, agent = excluded.agent
     WHERE service_uses.last_used_on <= excluded.last_used_on OR service_uses.last_used_on >";
const MORE: &str =
    "ON CONFLICT (token_id, service_id, day) DO UPDATE SET times = service_use_counts.times + excluded.times";

impl ServiceUse {
    /// Adds `uses` to those in the database; each pair of a key and a service must appear once. Uses of keys and
    /// services that have been deleted are dropped. A last use that lies in the future of `now` gives way.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn record(connection: &mut DbConnection, uses: &[Self], now: Timestamp) -> QueryResult<()> {
        let there = Self::still_there(connection, uses)?;
        let counts: Vec<Count> = there.iter().flat_map(|it| it.days.iter().map(|count| (it.of, *count))).collect();
        for rows in there.chunks(ROWS) {
            match connection {
                DbConnection::Sqlite(sqlite) => add_uses_sqlite(sqlite, rows, now)?,
                DbConnection::Postgres(postgres) => add_uses_postgres(postgres, rows, now)?,
            }
        }
        for rows in counts.chunks(ROWS) {
            match connection {
                DbConnection::Sqlite(sqlite) => add_counts_sqlite(sqlite, rows)?,
                DbConnection::Postgres(postgres) => add_counts_postgres(postgres, rows)?,
            }
        }
        Ok(())
    }

    /// The uses whose key and service still exist. These cannot be deleted before the transaction ends; SQLite needs no
    /// lock, as it has one writer. The locks are taken in the order of ids, because processes that write about the same
    /// keys would deadlock otherwise.
    fn still_there<'a>(connection: &mut DbConnection, uses: &'a [Self]) -> QueryResult<Vec<&'a Self>> {
        let key_ids: HashSet<i64> = uses.iter().map(|it| it.of.key_id).collect();
        let service_ids: HashSet<i64> = uses.iter().map(|it| it.of.service_id).collect();
        let keys = tokens::table.filter(tokens::id.eq_any(key_ids)).order(tokens::id).select(tokens::id);
        let services =
            services::table.filter(services::id.eq_any(service_ids)).order(services::id).select(services::id);
        let (keys, services): (HashSet<i64>, HashSet<i64>) = match connection {
            DbConnection::Sqlite(it) => (ids(keys.load(it)?), ids(services.load(it)?)),
            DbConnection::Postgres(it) => {
                (ids(keys.for_key_share().load(it)?), ids(services.for_key_share().load(it)?))
            }
        };
        let mut there: Vec<&Self> =
            uses.iter().filter(|it| keys.contains(&it.of.key_id) && services.contains(&it.of.service_id)).collect();
        there.sort_unstable_by_key(|it| it.of);
        Ok(there)
    }

    /// Whether [`ServiceUse::forget_old`] has anything to do.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn any_to_forget(connection: &mut DbConnection, today: NaiveDate) -> QueryResult<bool> {
        let old = service_use_counts::table.filter(service_use_counts::day.lt(today - KEPT));
        let found = old.select(service_use_counts::token_id).first::<i64>(connection).optional()?;
        Ok(found.is_some())
    }

    /// Removes a batch of counts for days that are no longer shown.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn forget_old(connection: &mut DbConnection, today: NaiveDate) -> QueryResult<()> {
        let old = |wait: &str| {
            let query = format!(
                "DELETE FROM service_use_counts WHERE (token_id, service_id, day) IN (
                     SELECT token_id, service_id, day FROM service_use_counts
                     WHERE day < $1 ORDER BY day, token_id, service_id LIMIT $2 {wait}
                 )"
            );
            diesel::sql_query(query).bind::<Date, _>(today - KEPT).bind::<BigInt, _>(BATCH)
        };
        match connection {
            DbConnection::Sqlite(sqlite) => old("").execute(sqlite),
            // Rows that are locked are already being removed by another process.
            DbConnection::Postgres(postgres) => old("FOR UPDATE SKIP LOCKED").execute(postgres),
        }
        .map(|_| ())
    }
}

impl ServiceUsage {
    /// How a key is used on each service, including those where it was never used.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn of_key(connection: &mut DbConnection, key_id: i64, today: NaiveDate) -> QueryResult<Vec<Self>> {
        type Row = (i64, String, String, KeptIn, Option<(Timestamp, String, String)>);
        let of_key = service_uses::service_id.eq(services::id).and(service_uses::token_id.eq(key_id));
        let last = (service_uses::last_used_on, service_uses::address, service_uses::agent);
        let rows: Vec<Row> = services::table
            .left_join(service_uses::table.on(of_key))
            .select((services::id, services::name, services::title, services::kept_in, last.nullable()))
            .load(connection)?;
        let counts: Vec<(i64, NaiveDate, i64)> = service_use_counts::table
            .filter(service_use_counts::token_id.eq(key_id))
            .filter(service_use_counts::day.gt(today - KEPT))
            .select((service_use_counts::service_id, service_use_counts::day, service_use_counts::times))
            .load(connection)?;
        let usage = rows.into_iter().map(|(service_id, name, title, kept_in, last)| {
            let is_open = !kept_in.is_closed();
            let mut usage = Self { service_id, name, title, is_open, last: None, days: last_days(today) };
            usage.last = last.map(|(on, address, agent)| LastServiceUse { on, address, agent });
            usage.count(counts.iter().filter(|(id, ..)| *id == service_id).map(|(_, day, times)| (*day, *times)));
            usage
        });
        Ok(usage.collect())
    }

    /// Adds later uses: the latest one, and the number of uses on each day. What was recorded while a clock was ahead of
    /// `now` gives way.
    pub fn add(&mut self, last: LastServiceUse, days: impl IntoIterator<Item = (NaiveDate, i64)>, now: Timestamp) {
        if self.last.as_ref().is_none_or(|known| known.on <= last.on || known.on > ahead_of(now)) {
            self.last = Some(last);
        }
        self.count(days);
    }

    fn count(&mut self, days: impl IntoIterator<Item = (NaiveDate, i64)>) {
        for (day, times) in days {
            // Days outside the range are not shown: they are too old, or in the future because the clock was set back.
            if let Ok(place) = self.days.binary_search_by_key(&day, |(counted, _)| *counted) {
                self.days[place].1 += times;
            }
        }
    }

    /// The services where the key was used, the latest use first.
    pub fn latest_first(mut all: Vec<Self>) -> Vec<Self> {
        all.retain(|it| it.last.is_some());
        all.sort_by_cached_key(|it| (Reverse(it.last.as_ref().map(|last| last.on)), it.name.clone()));
        all
    }

    /// The number of uses on all these days.
    pub fn total(&self) -> i64 {
        self.days.iter().map(|(_, times)| times).sum()
    }

    /// The day with most uses, and how many; the latest one if there are several. `None`: there were no uses.
    pub fn busiest(&self) -> Option<(NaiveDate, i64)> {
        self.days.iter().copied().filter(|(_, times)| *times > 0).max_by_key(|(_, times)| *times)
    }
}

/// The last 90 days in order, including today, each with a count of zero.
fn last_days(today: NaiveDate) -> Vec<(NaiveDate, i64)> {
    (today - KEPT).iter_days().skip(1).take(DAYS).map(|day| (day, 0)).collect()
}

type Count = (KeyOnService, (NaiveDate, i64));

fn ids(rows: Vec<i64>) -> HashSet<i64> {
    rows.into_iter().collect()
}

/// `row` repeated `rows` times, separated by commas.
fn values(row: &str, rows: usize) -> String {
    vec![row; rows].join(", ")
}

fn add_uses_sqlite(connection: &mut SqliteConnection, rows: &[&ServiceUse], now: Timestamp) -> QueryResult<()> {
    let values = values("(?, ?, ?, ?, ?)", rows.len());
    let insert = "INSERT INTO service_uses (token_id, service_id, last_used_on, address, agent)";
    let mut statement = diesel::sql_query(format!("{insert} VALUES {values} {LATER} ?")).into_boxed();
    for ServiceUse { of, last, .. } in rows {
        statement = statement.bind::<BigInt, _>(of.key_id).bind::<BigInt, _>(of.service_id);
        statement = statement.bind::<SqlTimestamp, _>(last.on);
        statement = statement.bind::<Text, _>(&last.address).bind::<Text, _>(&last.agent);
    }
    statement.bind::<SqlTimestamp, _>(ahead_of(now)).execute(connection).map(|_| ())
}

fn add_uses_postgres(connection: &mut PgConnection, rows: &[&ServiceUse], now: Timestamp) -> QueryResult<()> {
    let statement = format!(
        "INSERT INTO service_uses (token_id, service_id, last_used_on, address, agent)
         SELECT * FROM unnest($1, $2, $3, $4, $5) ORDER BY 1, 2 {LATER} $6"
    );
    diesel::sql_query(statement)
        .bind::<Array<BigInt>, _>(rows.iter().map(|it| it.of.key_id).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(rows.iter().map(|it| it.of.service_id).collect::<Vec<_>>())
        .bind::<Array<SqlTimestamp>, _>(rows.iter().map(|it| it.last.on).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rows.iter().map(|it| it.last.address.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rows.iter().map(|it| it.last.agent.as_str()).collect::<Vec<_>>())
        .bind::<SqlTimestamp, _>(ahead_of(now))
        .execute(connection)
        .map(|_| ())
}

fn add_counts_sqlite(connection: &mut SqliteConnection, rows: &[Count]) -> QueryResult<()> {
    let values = values("(?, ?, ?, ?)", rows.len());
    let insert = "INSERT INTO service_use_counts (token_id, service_id, day, times)";
    let mut statement = diesel::sql_query(format!("{insert} VALUES {values} {MORE}")).into_boxed();
    for (of, (day, times)) in rows {
        statement = statement.bind::<BigInt, _>(of.key_id).bind::<BigInt, _>(of.service_id);
        statement = statement.bind::<Date, _>(*day).bind::<BigInt, _>(*times);
    }
    statement.execute(connection).map(|_| ())
}

fn add_counts_postgres(connection: &mut PgConnection, rows: &[Count]) -> QueryResult<()> {
    let statement = format!(
        "INSERT INTO service_use_counts (token_id, service_id, day, times)
         SELECT * FROM unnest($1, $2, $3, $4) ORDER BY 1, 2, 3 {MORE}"
    );
    diesel::sql_query(statement)
        .bind::<Array<BigInt>, _>(rows.iter().map(|(of, _)| of.key_id).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(rows.iter().map(|(of, _)| of.service_id).collect::<Vec<_>>())
        .bind::<Array<Date>, _>(rows.iter().map(|(_, (day, _))| *day).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(rows.iter().map(|(_, (_, times))| *times).collect::<Vec<_>>())
        .execute(connection)
        .map(|_| ())
}
