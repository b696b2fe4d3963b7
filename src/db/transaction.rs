//! Transactions that may write.

use std::cell::RefCell;
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::prelude::*;
use diesel::result::Error as QueryError;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::connection::DbConnection;

/// Runs `work` in a transaction that may write: on SQLite it takes the write lock at once, because a transaction
/// that reads first and then writes fails with "database is locked", whatever the busy_timeout.
///
/// # Errors
/// Those of `work`, after which it is rolled back.
pub fn transaction<T, E: From<QueryError>>(
    connection: &mut DbConnection,
    work: impl FnOnce(&mut DbConnection) -> Result<T, E>,
) -> Result<T, E> {
    type Transactions = <DbConnection as diesel::Connection>::TransactionManager;
    begin(connection)?;
    AFTERWARDS.set(Some(Vec::new()));
    let done = work(connection);
    let afterwards = AFTERWARDS.take();
    match done {
        Ok(value) => {
            Transactions::commit_transaction(connection)?;
            afterwards.into_iter().flatten().for_each(|it| it());
            Ok(value)
        }
        Err(error) => {
            // Fails itself if the connection is gone; the error that counts is the first.
            let _ = Transactions::rollback_transaction(connection);
            Err(error)
        }
    }
}

/// What is to be done after a commit.
type Afterwards = Vec<Box<dyn FnOnce()>>;

thread_local! {
    /// What is to be done after the commit of the transaction that is under way on this thread; `None`: there is none.
    static AFTERWARDS: RefCell<Option<Afterwards>> = const { RefCell::new(None) };
}

/// Does `work` once the [`transaction`] that is under way on this thread is committed, and never if it is rolled back;
/// at once if there is none.
pub(crate) fn after_commit(work: impl FnOnce() + 'static) {
    let now = AFTERWARDS.with_borrow_mut(|afterwards| match afterwards {
        Some(afterwards) => {
            afterwards.push(Box::new(work));
            None
        }
        None => Some(work),
    });
    now.into_iter().for_each(|work| work());
}

/// Begins a transaction that may write; see [`transaction`].
pub(crate) fn begin(connection: &mut DbConnection) -> QueryResult<()> {
    match connection {
        DbConnection::Sqlite(sqlite) => AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE"),
        // Whatever the session's default is: behind PgBouncer it may be that of another session.
        DbConnection::Postgres(postgres) => {
            AnsiTransactionManager::begin_transaction_sql(postgres, "BEGIN ISOLATION LEVEL READ COMMITTED")
        }
    }
}

/// Has the transaction that is under way wait for others' locks so long and no longer. SQLite has one lock only, which
/// it has by then.
///
/// # Errors
/// Those of the query.
pub fn wait_for_locks(connection: &mut DbConnection, patience: Duration) -> QueryResult<()> {
    let DbConnection::Postgres(postgres) = connection else { return Ok(()) };
    let set = format!("SET LOCAL lock_timeout = {}", patience.as_millis());
    diesel::sql_query(set).execute(postgres).map(|_| ())
}

/// The number of a transaction, by which PostgreSQL knows what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionId(i64);

/// What came of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionState {
    /// Nothing yet.
    UnderWay,
    /// What it changed is there.
    Committed,
    /// It has changed nothing.
    RolledBack,
}

impl TransactionId {
    /// That of the transaction that is under way. `None` on SQLite, where a commit that fails has changed nothing.
    ///
    /// # Errors
    /// Those of the query.
    pub fn current(connection: &mut DbConnection) -> QueryResult<Option<Self>> {
        let DbConnection::Postgres(postgres) = connection else { return Ok(None) };
        let id = diesel::select(diesel::dsl::sql::<BigInt>("txid_current()")).get_result(postgres)?;
        Ok(Some(Self(id)))
    }

    /// What came of it, for one whose connection broke while it was committed.
    ///
    /// # Errors
    /// Those of the query.
    pub fn state(self, connection: &mut DbConnection) -> QueryResult<TransactionState> {
        let DbConnection::Postgres(postgres) = connection else { return Ok(TransactionState::RolledBack) };
        // A number that is yet to come is that of a server that has gone: this one took its place before it had it all.
        let query =
            "SELECT CASE WHEN $1 < txid_snapshot_xmax(txid_current_snapshot()) THEN txid_status($1) END AS state";
        let found: StateOfTransaction = diesel::sql_query(query).bind::<BigInt, _>(self.0).get_result(postgres)?;
        Ok(match found.state.as_deref() {
            Some("committed") => TransactionState::Committed,
            Some("in progress") => TransactionState::UnderWay,
            _ => TransactionState::RolledBack,
        })
    }
}

#[derive(QueryableByName)]
struct StateOfTransaction {
    #[diesel(sql_type = Nullable<Text>)]
    state: Option<String>,
}
