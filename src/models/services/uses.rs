//! Where keys are used: for each key and service the last use, and how often that was on each day.

use std::cmp::Reverse;
use std::collections::HashSet;

use chrono::{NaiveDate, TimeDelta};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Date, Text, Timestamp as SqlTimestamp};

use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::db::schema::{service_use_counts, service_uses, services, tokens};

/// Days that are shown, today included.
pub const DAYS: usize = 90;
/// The span of them. What is older is removed.
const KEPT: TimeDelta = TimeDelta::days(DAYS as i64);
/// Rows that are written by one statement, at most.
const ROWS: usize = 1000;
/// Old counts that are removed in one transaction, at most: others want to write too.
const BATCH: i64 = 1000;

/// A key on a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyOnService {
    /// The key, by its first secret.
    pub key_id: i64,
    /// The service.
    pub service_id: i64,
}

/// The latest use of a key on a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastServiceUse {
    /// When.
    pub on: Timestamp,
    /// The address of whoever called the service.
    pub address: String,
    /// What they say they are; may be empty.
    pub agent: String,
}

/// Uses of a key on a service, to be added to those before.
#[derive(Clone, Debug)]
pub struct ServiceUse {
    /// Which.
    pub of: KeyOnService,
    /// The latest.
    pub last: LastServiceUse,
    /// How many on each day, in UTC.
    pub days: Vec<(NaiveDate, i64)>,
}

/// How a key is used on a service.
#[derive(Clone, Debug)]
pub struct ServiceUsage {
    /// Which service.
    pub service_id: i64,
    /// Its name.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// The latest use; `None`: there is none.
    pub last: Option<LastServiceUse>,
    /// How often on each of the last 90 days, in UTC, with those without use; today is the last.
    pub days: Vec<(NaiveDate, i64)>,
}

/// Both databases know these upserts, diesel only those of each.
const LATER: &str = "ON CONFLICT (token_id, service_id) DO UPDATE
     SET last_used_on = excluded.last_used_on, address = excluded.address, agent = excluded.agent
     WHERE service_uses.last_used_on <= excluded.last_used_on";
const MORE: &str =
    "ON CONFLICT (token_id, service_id, day) DO UPDATE SET times = service_use_counts.times + excluded.times";

impl ServiceUse {
    /// Adds `uses`, of which each is of another key or service, to what is recorded. Those of keys and services that are
    /// gone are nobody's.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn record(connection: &mut DbConnection, uses: &[Self]) -> QueryResult<()> {
        let there = Self::still_there(connection, uses)?;
        let counts: Vec<Count> = there.iter().flat_map(|it| it.days.iter().map(|count| (it.of, *count))).collect();
        for rows in there.chunks(ROWS) {
            match connection {
                DbConnection::Sqlite(sqlite) => add_uses_sqlite(sqlite, rows)?,
                DbConnection::Postgres(postgres) => add_uses_postgres(postgres, rows)?,
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

    /// Those whose key and service are there, and cannot go before the end of the transaction; SQLite has one writer. In
    /// order: processes that write about the same ones would deadlock otherwise.
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
    /// Those of the query.
    pub fn any_to_forget(connection: &mut DbConnection, today: NaiveDate) -> QueryResult<bool> {
        let old = service_use_counts::table.filter(service_use_counts::day.lt(today - KEPT));
        let found = old.select(service_use_counts::token_id).first::<i64>(connection).optional()?;
        Ok(found.is_some())
    }

    /// Forgets counts of days that are no longer shown, some at a time.
    ///
    /// # Errors
    /// Those of the query.
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
            // Another process does what it has locked.
            DbConnection::Postgres(postgres) => old("FOR UPDATE SKIP LOCKED").execute(postgres),
        }
        .map(|_| ())
    }
}

impl ServiceUsage {
    /// How a key is used on each service that there is, used or not; by `today`.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn of_key(connection: &mut DbConnection, key_id: i64, today: NaiveDate) -> QueryResult<Vec<Self>> {
        type Row = (i64, String, String, Option<(Timestamp, String, String)>);
        let of_key = service_uses::service_id.eq(services::id).and(service_uses::token_id.eq(key_id));
        let last = (service_uses::last_used_on, service_uses::address, service_uses::agent);
        let rows: Vec<Row> = services::table
            .left_join(service_uses::table.on(of_key))
            .select((services::id, services::name, services::title, last.nullable()))
            .load(connection)?;
        let counts: Vec<(i64, NaiveDate, i64)> = service_use_counts::table
            .filter(service_use_counts::token_id.eq(key_id))
            .filter(service_use_counts::day.gt(today - KEPT))
            .select((service_use_counts::service_id, service_use_counts::day, service_use_counts::times))
            .load(connection)?;
        let usage = rows.into_iter().map(|(service_id, name, title, last)| {
            let mut usage = Self { service_id, name, title, last: None, days: last_days(today) };
            if let Some((on, address, agent)) = last {
                let counts = counts.iter().filter(|(id, ..)| *id == service_id).map(|(_, day, times)| (*day, *times));
                usage.add(LastServiceUse { on, address, agent }, counts);
            }
            usage
        });
        Ok(usage.collect())
    }

    /// Adds uses: the latest of them, and how many on each day.
    pub fn add(&mut self, last: LastServiceUse, days: impl IntoIterator<Item = (NaiveDate, i64)>) {
        if self.last.as_ref().is_none_or(|known| known.on <= last.on) {
            self.last = Some(last);
        }
        for (day, times) in days {
            // What lies outside, by a clock that was set back or long ago, is not shown.
            if let Ok(place) = self.days.binary_search_by_key(&day, |(counted, _)| *counted) {
                self.days[place].1 += times;
            }
        }
    }

    /// Where the key is used at all, latest first.
    pub fn latest_first(mut all: Vec<Self>) -> Vec<Self> {
        all.retain(|it| it.last.is_some());
        all.sort_by_cached_key(|it| (Reverse(it.last.as_ref().map(|last| last.on)), it.name.clone()));
        all
    }

    /// How often in all of these days.
    pub fn total(&self) -> i64 {
        self.days.iter().map(|(_, times)| times).sum()
    }

    /// The day with most, the latest of several, and how many; `None`: there are none.
    pub fn busiest(&self) -> Option<(NaiveDate, i64)> {
        self.days.iter().copied().filter(|(_, times)| *times > 0).max_by_key(|(_, times)| *times)
    }
}

/// The last 90 days, today included, in order, without a use.
fn last_days(today: NaiveDate) -> Vec<(NaiveDate, i64)> {
    (today - KEPT).iter_days().skip(1).take(DAYS).map(|day| (day, 0)).collect()
}

type Count = (KeyOnService, (NaiveDate, i64));

fn ids(rows: Vec<i64>) -> HashSet<i64> {
    rows.into_iter().collect()
}

/// As many times `row` as there are rows.
fn values(row: &str, rows: usize) -> String {
    vec![row; rows].join(", ")
}

fn add_uses_sqlite(connection: &mut SqliteConnection, rows: &[&ServiceUse]) -> QueryResult<()> {
    let values = values("(?, ?, ?, ?, ?)", rows.len());
    let insert = "INSERT INTO service_uses (token_id, service_id, last_used_on, address, agent)";
    let mut statement = diesel::sql_query(format!("{insert} VALUES {values} {LATER}")).into_boxed();
    for ServiceUse { of, last, .. } in rows {
        statement = statement.bind::<BigInt, _>(of.key_id).bind::<BigInt, _>(of.service_id);
        statement = statement.bind::<SqlTimestamp, _>(last.on);
        statement = statement.bind::<Text, _>(&last.address).bind::<Text, _>(&last.agent);
    }
    statement.execute(connection).map(|_| ())
}

fn add_uses_postgres(connection: &mut PgConnection, rows: &[&ServiceUse]) -> QueryResult<()> {
    let statement = format!(
        "INSERT INTO service_uses (token_id, service_id, last_used_on, address, agent)
         SELECT * FROM unnest($1, $2, $3, $4, $5) ORDER BY 1, 2 {LATER}"
    );
    diesel::sql_query(statement)
        .bind::<Array<BigInt>, _>(rows.iter().map(|it| it.of.key_id).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(rows.iter().map(|it| it.of.service_id).collect::<Vec<_>>())
        .bind::<Array<SqlTimestamp>, _>(rows.iter().map(|it| it.last.on).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rows.iter().map(|it| it.last.address.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rows.iter().map(|it| it.last.agent.as_str()).collect::<Vec<_>>())
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
