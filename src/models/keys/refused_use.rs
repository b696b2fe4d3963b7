//! Who was refused with a suspended key: on which service, from which address, by which program, how often and when.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Timestamp as SqlTimestamp};

use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::db::schema::{refused_uses, services, tokens};
use crate::models::client::Client;
use crate::models::retention::Perishable;

/// How many clients are told apart for one key. Any others share one row, so that nobody can fill the disk with made-up
/// addresses and programs.
const MOST_CLIENTS: i64 = 100;
/// The address in the row that all others share.
const OTHER_ADDRESSES: &str = "other addresses";

/// The client of refused requests with a suspended key, and where it sent them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RefusedClient {
    /// The id of the key.
    pub key_id: i64,
    /// The name of the service; empty: the requests were for Latchkey itself.
    pub service: String,
    /// The address.
    pub address: String,
    /// The user agent; may be empty.
    pub agent: String,
}

/// Requests of one client that were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedUses {
    /// How many there were.
    pub times: i64,
    /// When the first was refused.
    pub first_on: Timestamp,
    /// When the last was refused.
    pub last_on: Timestamp,
}

/// Requests with a suspended key that were refused, of one client.
#[derive(Queryable, Clone, Debug, PartialEq, Eq)]
pub struct RefusedUse {
    /// The name of the service; empty: the requests were for Latchkey itself.
    pub service: String,
    /// The title of the service, if it is still there.
    pub title: Option<String>,
    /// The address.
    pub address: String,
    /// The user agent; may be empty.
    pub agent: String,
    /// How many there were.
    pub times: i64,
    /// When the first was refused.
    pub first_on: Timestamp,
    /// When the last was refused.
    pub last_on: Timestamp,
}

impl RefusedClient {
    /// The `client` of a request to `service` with the key that has this id.
    pub fn new(key_id: i64, service: &str, client: Client) -> Self {
        Self { key_id, service: service.to_owned(), address: client.address, agent: client.agent }
    }

    /// The client that stands for those of the same key that are not told apart.
    pub fn among_others(self) -> Self {
        Self { service: String::new(), address: OTHER_ADDRESSES.to_owned(), agent: String::new(), ..self }
    }

    /// Adds `uses` to those in the database. Those of keys that are gone are dropped.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn record(connection: &mut DbConnection, uses: &BTreeMap<&Self, RefusedUses>) -> QueryResult<()> {
        let ids: BTreeSet<i64> = uses.keys().map(|client| client.key_id).collect();
        let keys = tokens::table.filter(tokens::id.eq_any(ids)).order(tokens::id).select(tokens::id);
        // Lock the keys, so that none is deleted or suspended anew meanwhile. SQLite has one writer.
        let there: Vec<i64> = match connection {
            DbConnection::Sqlite(it) => keys.load(it),
            DbConnection::Postgres(it) => keys.for_share().load(it),
        }?;
        // In order: two processes that write about the same clients would deadlock otherwise.
        let mut kept = uses.iter().filter(|(client, _)| there.contains(&client.key_id));
        kept.try_for_each(|(client, uses)| client.add(connection, *uses))
    }

    /// Adds `uses` to those in the database (an upsert).
    fn add(&self, connection: &mut DbConnection, uses: RefusedUses) -> QueryResult<()> {
        let of_key = refused_uses::table.filter(refused_uses::token_id.eq(self.key_id));
        let same = of_key
            .filter(refused_uses::service.eq(&self.service))
            .filter(refused_uses::address.eq(&self.address))
            .filter(refused_uses::agent.eq(&self.agent));
        let (known, told): (i64, i64) = (same.count().get_result(connection)?, of_key.count().get_result(connection)?);
        let shared;
        let client = match known == 0 && told >= MOST_CLIENTS {
            true => {
                shared = self.clone().among_others();
                &shared
            }
            false => self,
        };
        // Both databases accept this upsert, but Diesel has one only for each of them separately.
        let upsert = "INSERT INTO refused_uses (token_id, service, address, agent, times, first_on, last_on)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (token_id, service, address, agent) DO UPDATE
             SET times = refused_uses.times + excluded.times, last_on = excluded.last_on";
        diesel::sql_query(upsert)
            .bind::<BigInt, _>(client.key_id)
            .bind::<Text, _>(&client.service)
            .bind::<Text, _>(&client.address)
            .bind::<Text, _>(&client.agent)
            .bind::<BigInt, _>(uses.times)
            .bind::<SqlTimestamp, _>(uses.first_on)
            .bind::<SqlTimestamp, _>(uses.last_on)
            .execute(connection)
            .map(|_| ())
    }
}

impl RefusedUses {
    /// One request at this time.
    pub fn one(at: Timestamp) -> Self {
        Self { times: 1, first_on: at, last_on: at }
    }

    /// These requests and `others`.
    pub fn and(self, others: Self) -> Self {
        Self {
            times: self.times + others.times,
            first_on: self.first_on.min(others.first_on),
            last_on: self.last_on.max(others.last_on),
        }
    }
}

impl RefusedUse {
    /// How they are removed: after their last refusal.
    pub const PERISHABLE: Perishable = Perishable {
        table: "refused_uses",
        key: "token_id, service, address, agent",
        since: "last_on",
        older: "<",
        condition: "TRUE",
    };

    /// Who was refused with a key during its suspension, or its last one; the latest first.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn of_key(connection: &mut DbConnection, key_id: i64) -> QueryResult<Vec<Self>> {
        refused_uses::table
            .left_join(services::table.on(services::name.eq(refused_uses::service)))
            .filter(refused_uses::token_id.eq(key_id))
            .order((refused_uses::last_on.desc(), refused_uses::times.desc(), refused_uses::address))
            .select((
                refused_uses::service,
                services::title.nullable(),
                refused_uses::address,
                refused_uses::agent,
                refused_uses::times,
                refused_uses::first_on,
                refused_uses::last_on,
            ))
            .load(connection)
    }

    /// Forgets who was refused with a key.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn forget(connection: &mut DbConnection, key_id: i64) -> QueryResult<()> {
        let of_key = refused_uses::table.filter(refused_uses::token_id.eq(key_id));
        diesel::delete(of_key).execute(connection).map(|_| ())
    }

    /// How many keys are suspended that somebody has tried since.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn tried_keys(connection: &mut DbConnection, now: Timestamp) -> QueryResult<i64> {
        let holds = tokens::revoked_then
            .or(tokens::suspended_until.is_null())
            .or(tokens::suspended_until.gt(now).assume_not_null());
        let tried = diesel::dsl::exists(refused_uses::table.filter(refused_uses::token_id.eq(tokens::id)));
        tokens::table
            .filter(tokens::key_id.is_null())
            .filter(tokens::suspended_on.is_not_null())
            .filter(holds)
            .filter(tried)
            .count()
            .get_result(connection)
    }
}
