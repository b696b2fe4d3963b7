//! The recorder's transactions.

use diesel::QueryResult;

use crate::clock::Timestamp;
use crate::db::{DbConnection, transaction};
use crate::models::tx::Tx;

/// Does `work` in a transaction of the recorder. Nothing is authorized again: what it writes was allowed when it
/// happened.
#[expect(clippy::disallowed_methods, reason = "the recorder acts in nobody's name")]
pub(super) fn write<T>(
    connection: &mut DbConnection,
    now: Timestamp,
    work: impl FnOnce(&mut Tx<'_>) -> QueryResult<T>,
) -> QueryResult<T> {
    transaction(connection, |connection| work(&mut Tx::of_recorder(connection, now)))
}
