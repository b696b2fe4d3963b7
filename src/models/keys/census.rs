//! How many keys there are, by kind and verdict, and how many expire soon. The database counts them.

use chrono::TimeDelta;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Timestamp as SqlTimestamp};

use super::token::TokenAction;
use super::verdict::{IN_USE_FOR, UNUSED_AFTER, Verdict};
use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::db::schema::tokens;

/// The numbers of keys at a time. Expired keys are not counted. Uses that are not written yet do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// For each kind and each verdict, how many keys have it.
    pub keys: Vec<(TokenAction, Verdict, i64)>,
    /// For each of [`Census::EXPIRING`], how many keys expire within so many days.
    pub expiring: [(i64, i64); 2],
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = Text)]
    action: String,
    #[diesel(sql_type = Text)]
    verdict: String,
    #[diesel(sql_type = BigInt)]
    keys: i64,
}

/// [`Evidence::verdict`](super::verdict::Evidence::verdict) as the database counts by it. A key's first secret stands for
/// it. Only keys that were rotated have more, so that few rows have to be grouped.
const BY_VERDICT: &str = "
    WITH later AS (
        SELECT key_id, max(CASE WHEN updated_on > created_on THEN updated_on END) AS used_on,
               max(recorded_since) AS recorded_since
        FROM tokens WHERE key_id IS NOT NULL GROUP BY key_id
    ), known AS (
        SELECT tokens.action, tokens.created_on,
               tokens.updated_on > tokens.created_on OR later.used_on IS NOT NULL AS is_used,
               tokens.updated_on > tokens.created_on AND tokens.updated_on > $1 OR later.used_on > $1 AS is_in_use,
               tokens.recorded_since AS recorded_since, later.recorded_since AS later_since
        FROM tokens LEFT JOIN later ON later.key_id = tokens.id
        WHERE tokens.key_id IS NULL AND tokens.action IN ('api', 'feeds', 'access')
              AND (tokens.expires_on IS NULL OR tokens.expires_on > $2)
    ), judged AS (
        SELECT action, CASE
            WHEN is_in_use THEN 'in_use'
            WHEN is_used AND created_on <= $1 AND coalesce(recorded_since <= $1, TRUE)
                 AND coalesce(later_since <= $1, TRUE) THEN 'idle'
            WHEN is_used THEN 'too_early'
            WHEN created_on <= $3 AND coalesce(recorded_since <= $3, TRUE)
                 AND coalesce(later_since <= $3, TRUE) THEN 'unused'
            ELSE 'too_early' END AS verdict
        FROM known
    )
    SELECT action, verdict, count(*) AS keys FROM judged GROUP BY action, verdict";

impl Census {
    /// The spans within which expiring keys are counted, in days.
    pub const EXPIRING: [i64; 2] = [7, 30];

    /// Counts the keys as they are at `now`.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn take(connection: &mut DbConnection, now: Timestamp) -> QueryResult<Self> {
        let counted = diesel::sql_query(BY_VERDICT)
            .bind::<SqlTimestamp, _>(now - IN_USE_FOR)
            .bind::<SqlTimestamp, _>(now)
            .bind::<SqlTimestamp, _>(now - UNUSED_AFTER);
        let counted: Vec<Counted> = match connection {
            DbConnection::Sqlite(sqlite) => counted.load(sqlite),
            DbConnection::Postgres(postgres) => counted.load(postgres),
        }?;
        let of = |action: TokenAction, verdict: Verdict| {
            let is_it = |it: &&Counted| it.action == action.as_str() && it.verdict == verdict.as_str();
            counted.iter().find(is_it).map_or(0, |it| it.keys)
        };
        let each = TokenAction::KEYS.into_iter().flat_map(|action| Verdict::ALL.map(|verdict| (action, verdict)));
        let keys = each.map(|(action, verdict)| (action, verdict, of(action, verdict))).collect();
        let [soon, later] = Self::EXPIRING.map(|days| (days, now + TimeDelta::days(days)));
        let expiring = [(soon.0, expiring(connection, now, soon.1)?), (later.0, expiring(connection, now, later.1)?)];
        Ok(Self { keys, expiring })
    }
}

/// How many keys work at `now`, and have expired `by` then.
fn expiring(connection: &mut DbConnection, now: Timestamp, by: Timestamp) -> QueryResult<i64> {
    tokens::table
        .filter(tokens::key_id.is_null())
        .filter(tokens::expires_on.gt(now))
        .filter(tokens::expires_on.le(by))
        .count()
        .get_result(connection)
}
