//! How long rows are kept that come with what people do, and how those are removed that are older.

use chrono::TimeDelta;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Timestamp as SqlTimestamp};

use crate::clock::Timestamp;
use crate::config::Config;
use crate::db::DbConnection;

/// The most rows that are removed in one transaction. Small batches let other writers in between.
pub const BATCH: i64 = 1000;

/// The settings for it. `None`: for ever.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retention {
    /// How long events are kept.
    pub activity: Option<TimeDelta>,
    /// How long entries of the audit log are kept.
    pub audit: Option<TimeDelta>,
    /// How long expired access tokens and sessions that are over are kept.
    pub expired: Option<TimeDelta>,
    /// How long a key may go unused before it ends.
    pub unused_keys: Option<TimeDelta>,
    /// How long requests with an idempotency key are remembered.
    pub idempotency: Option<TimeDelta>,
    /// How long a session lasts since the sign-in.
    pub session_lifetime: Option<TimeDelta>,
    /// How long a session lasts since it was last used.
    pub session_timeout: Option<TimeDelta>,
}

impl Retention {
    /// What the settings say.
    pub fn of(config: &Config) -> Self {
        Self {
            activity: config.activity_retention.limit(),
            audit: config.audit_kept.limit(),
            expired: config.expired_retention.limit(),
            unused_keys: config.unused_keys.limit(),
            idempotency: config.idempotency_retention.limit(),
            session_lifetime: config.session_lifetime.limit(),
            session_timeout: config.session_timeout.limit(),
        }
    }
}

/// The time before which something is old that is kept for `kept`; the beginning of all times if it is kept for ever.
pub fn kept_since(now: Timestamp, kept: Option<TimeDelta>) -> Timestamp {
    kept.and_then(|kept| now.checked_sub_signed(kept)).unwrap_or_default()
}

/// Rows that are kept for a time only.
#[derive(Clone, Copy, Debug)]
pub struct Perishable {
    /// The table.
    pub table: &'static str,
    /// The columns of its primary key.
    pub key: &'static str,
    /// The column that says since when a row is kept.
    pub since: &'static str,
    /// How that compares with the time before which rows are old: `<`, or `<=` if the last moment does not belong to it.
    pub older: &'static str,
    /// What else is true of each row that may go.
    pub condition: &'static str,
}

impl Perishable {
    /// Whether [`Perishable::forget_old`] has anything to do.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn any_to_forget(
        &self,
        connection: &mut DbConnection,
        now: Timestamp,
        kept: Option<TimeDelta>,
    ) -> QueryResult<bool> {
        #[derive(QueryableByName)]
        struct Found {
            #[diesel(sql_type = Bool)]
            found: bool,
        }
        let query = format!("SELECT EXISTS (SELECT 1 {}) AS found", self.old());
        let found: Found =
            diesel::sql_query(query).bind::<SqlTimestamp, _>(kept_since(now, kept)).get_result(connection)?;
        Ok(found.found)
    }

    /// Removes a batch of rows that are older than `kept`. Rows that are locked are left out, as another process is removing
    /// them.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn forget_old(
        &self,
        connection: &mut DbConnection,
        now: Timestamp,
        kept: Option<TimeDelta>,
    ) -> QueryResult<()> {
        let wait = if let DbConnection::Postgres(_) = connection { "FOR UPDATE SKIP LOCKED" } else { "" };
        let Self { table, key, since, .. } = self;
        let query = format!(
            "DELETE FROM {table} WHERE ({key}) IN (SELECT {key} {} ORDER BY {since} LIMIT $2 {wait})",
            self.old()
        );
        let deletion = diesel::sql_query(query).bind::<SqlTimestamp, _>(kept_since(now, kept));
        deletion.bind::<BigInt, _>(BATCH).execute(connection).map(|_| ())
    }

    /// The rows that are older than the time that is bound.
    fn old(&self) -> String {
        let Self { table, since, older, condition, .. } = self;
        format!("FROM {table} WHERE {since} {older} $1 AND {condition}")
    }
}
