//! The database: one connection type for SQLite and PostgreSQL, and the pool.

pub mod lookups;
pub mod migrations;
#[expect(missing_docs, reason = "tables and columns, which the migrations explain")]
pub mod schema;
pub mod url;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::prelude::*;
use diesel::r2d2::R2D2Connection;
use diesel::result::{DatabaseErrorKind, Error as QueryError};
use diesel::sql_types::{BigInt, Nullable, Text};
use tokio::sync::Semaphore;

use self::url::DatabaseUrl;
use crate::panics::catch;

diesel::define_sql_function! {
    /// Folds ASCII letters, and only those, on both databases where the column is a login or mail (see the migration).
    fn lower(text: Text) -> Text;
}

/// Connections that requests share, at most.
const POOL_SIZE: u32 = 8;
/// How long a request waits for one of them.
pub(crate) const POOL_PATIENCE: Duration = Duration::from_secs(3);

/// How long a SQLite connection waits for others.
pub(crate) const BUSY_TIMEOUT: &str = "PRAGMA busy_timeout = 5000";

pub use either::*;

/// What the derived code adds has no documentation of its own.
#[allow(missing_docs)]
mod either {
    use diesel::{PgConnection, SqliteConnection};

    /// A connection to either database.
    #[derive(diesel::MultiConnection)]
    pub enum DbConnection {
        /// The embedded default.
        Sqlite(SqliteConnection),
        /// For several processes.
        Postgres(PgConnection),
    }
}

/// Why the database could not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DbError {
    /// It is away; this connection is of no more use.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Somebody else holds what is needed, for longer than is waited.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// It answers, but cannot be written to now.
    #[error("the database cannot be written to: {0}")]
    ReadOnly(String),
    /// Its disk is full.
    #[error("the database has no room: {0}")]
    Full(String),
    /// A mistake of ours.
    #[error("the query failed: {0}")]
    Query(Arc<QueryError>),
}

impl From<QueryError> for DbError {
    fn from(error: QueryError) -> Self {
        use DatabaseErrorKind::{ClosedConnection, ReadOnlyTransaction, SerializationFailure, UnableToSendCommand};
        let text = one_line(&error.to_string());
        let says = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
        let kind = match &error {
            QueryError::DatabaseError(kind, _) => Some(kind),
            _ => None,
        };
        let broken = matches!(error, QueryError::BrokenTransactionManager);
        if broken || matches!(kind, Some(ClosedConnection | UnableToSendCommand)) || says(UNAVAILABLE) {
            Self::Unavailable(text)
        } else if matches!(kind, Some(ReadOnlyTransaction)) || says(READ_ONLY) {
            Self::ReadOnly(text)
        } else if says(FULL) {
            Self::Full(text)
        } else if matches!(kind, Some(SerializationFailure)) || says(BUSY) {
            Self::Busy(text)
        } else {
            Self::Query(error.into())
        }
    }
}

// What SQLite and PostgreSQL say, in English, when it is the state of the database, not the query, that is wrong.
const UNAVAILABLE: &[&str] = &[
    "unable to open database file",
    "server closed the connection",
    "terminating connection",
    "the database system is",
    "connection to server",
    "no connection to the server",
    "could not receive data from server",
    "could not send data to server",
    "SSL connection has been closed",
];
const READ_ONLY: &[&str] = &["readonly database"];
const FULL: &[&str] = &["is full", "disk I/O error", "No space left on device"];
const BUSY: &[&str] = &["is locked", "due to statement timeout", "due to lock timeout", "deadlock detected"];

/// Opens one connection, set up as every connection of ours is.
///
/// # Errors
/// In one line, without the password: what the database's own library says.
pub fn connect(url: &DatabaseUrl) -> ConnectionResult<DbConnection> {
    let refused = |error: QueryError| ConnectionError::BadConnection(one_line(&error.to_string()));
    match url {
        DatabaseUrl::Sqlite(path) => {
            make_private(path);
            let mut connection = SqliteConnection::establish(&path.to_string_lossy())?;
            // busy_timeout comes first: connections that are opened side by side wait for each other's WAL.
            // synchronous=FULL: what a response has promised survives a power cut.
            // mmap_size: a table that is larger than a connection's cache is read where the system has it in memory,
            // without a call and a copy for every page.
            let pragmas = [
                BUSY_TIMEOUT,
                "PRAGMA journal_mode = WAL",
                "PRAGMA synchronous = FULL",
                "PRAGMA foreign_keys = ON",
                "PRAGMA mmap_size = 2147418112",
            ];
            for pragma in pragmas {
                diesel::sql_query(pragma).execute(&mut connection).map_err(refused)?;
            }
            Ok(DbConnection::Sqlite(connection))
        }
        DatabaseUrl::Postgres(url) => {
            // Before libpq does it in its own way: OpenSSL must not be taken down at the end of the process, while the
            // pool may be making a connection on another thread.
            openssl_sys::init();
            let url = with_patience(url);
            let mut connection = PgConnection::establish(&url)
                .map_err(|error| ConnectionError::BadConnection(one_line(&error.to_string())))?;
            // What others lock is waited for as long as SQLite's writer is. Each statement is planned once, for any
            // values: for a lookup of a few secrets PostgreSQL would do it every time, which takes longer than to run it.
            let settings = [
                "TIME ZONE 'UTC'",
                "lock_timeout = 5000",
                "statement_timeout = 20000",
                "plan_cache_mode = force_generic_plan",
            ];
            for setting in settings {
                diesel::sql_query(format!("SET {setting}")).execute(&mut connection).map_err(refused)?;
            }
            // A role may have it off; what a response has promised survives a crash of the server all the same.
            let durable = "SELECT set_config('synchronous_commit', 'on', false)
                           WHERE current_setting('synchronous_commit') = 'off'";
            diesel::sql_query(durable).execute(&mut connection).map_err(refused)?;
            Ok(DbConnection::Postgres(connection))
        }
    }
}

/// Makes the file, if there is none, for its owner's eyes only: it holds mail addresses and password hashes. SQLite
/// makes those beside it alike.
fn make_private(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt;
    // What cannot be made is SQLite's to complain about.
    let _ = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
}

/// How long a connection is waited for, and how soon one that died in silence is given up: in libpq's words.
const PATIENCE: [(&str, &str); 5] = [
    ("connect_timeout", "3"),
    ("tcp_user_timeout", "10000"),
    ("keepalives_idle", "30"),
    ("keepalives_interval", "10"),
    ("keepalives_count", "3"),
];

/// `url`, with [`PATIENCE`] where it says nothing about it.
fn with_patience(url: &str) -> String {
    let mut url = url.to_owned();
    for (name, value) in PATIENCE {
        if !url.contains(&format!("{name}=")) {
            let separator = if url.contains('?') { '&' } else { '?' };
            url = format!("{url}{separator}{name}={value}");
        }
    }
    url
}

/// What libraries say in several lines, in one.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Why a transaction was rolled back: the database's own error, or a refusal of what was asked for.
pub trait WriteError: From<QueryError> + From<DbError> {
    /// The database's own error, if it is one.
    fn database_error(&self) -> Option<&DbError>;

    /// The same, taken out.
    ///
    /// # Errors
    /// Itself, if it is a refusal.
    fn into_database_error(self) -> Result<DbError, Self>
    where
        Self: Sized;
}

impl WriteError for DbError {
    fn database_error(&self) -> Option<&DbError> {
        Some(self)
    }

    fn into_database_error(self) -> Result<Self, Self> {
        Ok(self)
    }
}

/// Makes an error of those who write of an enum with a variant `Database` that holds a [`DbError`].
macro_rules! write_error {
    ($name:ty) => {
        impl From<diesel::result::Error> for $name {
            fn from(error: diesel::result::Error) -> Self {
                crate::db::DbError::from(error).into()
            }
        }

        impl crate::db::WriteError for $name {
            fn database_error(&self) -> Option<&crate::db::DbError> {
                match self {
                    Self::Database(error) => Some(error),
                    _ => None,
                }
            }

            fn into_database_error(self) -> Result<crate::db::DbError, Self> {
                match self {
                    Self::Database(error) => Ok(error),
                    refusal => Err(refusal),
                }
            }
        }
    };
}
pub(crate) use write_error;

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
    match work(connection) {
        Ok(value) => Ok(Transactions::commit_transaction(connection).map(|()| value)?),
        Err(error) => {
            // Fails itself if the connection is gone; the error that counts is the first.
            let _ = Transactions::rollback_transaction(connection);
            Err(error)
        }
    }
}

/// Runs `work` in a part of the transaction that is under way: what it has written is taken back if it fails, and
/// what was written before stays.
///
/// # Errors
/// Those of `work`.
pub(crate) fn savepoint<T, E: From<QueryError>>(
    connection: &mut DbConnection,
    work: impl FnOnce(&mut DbConnection) -> Result<T, E>,
) -> Result<T, E> {
    diesel::Connection::transaction(connection, work)
}

/// Begins a transaction that may write; see [`transaction`].
pub(crate) fn begin(connection: &mut DbConnection) -> QueryResult<()> {
    match connection {
        DbConnection::Sqlite(sqlite) => AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE"),
        DbConnection::Postgres(postgres) => AnsiTransactionManager::begin_transaction(postgres),
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

/// A pooled connection; `None`: it was closed, being of no more use.
struct Pooled(Option<DbConnection>);

struct Manager(DatabaseUrl);

impl diesel::r2d2::ManageConnection for Manager {
    type Connection = Pooled;
    type Error = ConnectionError;

    fn connect(&self) -> Result<Pooled, ConnectionError> {
        connect(&self.0).map(|connection| Pooled(Some(connection)))
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<(), ConnectionError> {
        let closed = || ConnectionError::BadConnection("closed".into());
        let ping = pooled.0.as_mut().ok_or_else(closed)?.ping();
        ping.map_err(|error| ConnectionError::BadConnection(error.to_string()))
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        std::thread::panicking() || pooled.0.as_mut().is_none_or(R2D2Connection::is_broken)
    }
}

/// The database that all requests of a process share. Its clones share its pools.
#[derive(Clone)]
pub struct Database {
    readers: Pool,
    /// PostgreSQL's are the same. SQLite has one writer at a time, and those that wait must not hold what readers need.
    writers: Pool,
    /// Held, shared, by everybody who holds a connection.
    in_use: Arc<RwLock<()>>,
    url: DatabaseUrl,
}

/// A connection that is in use, and what says so.
struct CheckedOut<'a> {
    pooled: diesel::r2d2::PooledConnection<Manager>,
    _in_use: RwLockReadGuard<'a, ()>,
}

impl CheckedOut<'_> {
    /// Runs `work`, and closes the connection if that shows it to be of no more use.
    fn run<T, E: WriteError>(&mut self, work: impl FnOnce(&mut DbConnection) -> Result<T, E>) -> Result<T, E> {
        let Some(connection) = self.pooled.0.as_mut() else {
            return Err(DbError::Unavailable("the connection is closed".into()).into());
        };
        let done = work(connection);
        let broken = done.as_ref().err().and_then(WriteError::database_error);
        if let Some(DbError::Unavailable(_) | DbError::ReadOnly(_)) = broken {
            self.pooled.0 = None;
        }
        done
    }

    /// The same for `queries` that only read.
    fn ask<T>(&mut self, queries: impl FnOnce(&mut DbConnection) -> QueryResult<T>) -> Result<T, DbError> {
        self.run(|connection| queries(connection).map_err(DbError::from))
    }
}

impl Database {
    /// A pool for `url`, with one connection made to see that it can be.
    ///
    /// # Errors
    /// What the database says if it cannot be reached.
    pub fn open(url: &DatabaseUrl) -> Result<Self, DbError> {
        connect(url).map_err(|error| DbError::Unavailable(error.to_string()))?;
        let readers = Pool::of(url, POOL_SIZE);
        let writers = match url {
            DatabaseUrl::Sqlite(_) => Pool::of(url, 1),
            DatabaseUrl::Postgres(_) => readers.clone(),
        };
        Ok(Self { readers, writers, in_use: Arc::default(), url: url.clone() })
    }

    /// Which database it is.
    pub fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// How many connections there are to read by, and how many of them are idle.
    pub fn pool_state(&self) -> diesel::r2d2::State {
        self.readers.connections.state()
    }

    /// Runs `query`, one short indexed read. SQLite answers it from memory in less time than it takes to hand it to
    /// another thread, so there it runs where it is called.
    ///
    /// # Errors
    /// [`DbError`]; a connection that turns out to be gone is replaced once, as a read can be repeated.
    pub async fn lookup<T, F>(&self, query: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: Fn(&mut DbConnection) -> QueryResult<T> + Send + 'static,
    {
        // Only if a connection is idle: nothing is waited for where other requests are served.
        if let (DatabaseUrl::Sqlite(_), Some(mut connection)) = (&self.url, self.idle()) {
            match connection.ask(&query) {
                Err(DbError::Unavailable(_)) => {}
                done => return done,
            }
        }
        self.read(query).await
    }

    /// Runs `queries`, which only read, on a thread where waiting is allowed.
    ///
    /// # Errors
    /// As [`Database::lookup`].
    pub async fn read<T, F>(&self, queries: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: Fn(&mut DbConnection) -> QueryResult<T> + Send + 'static,
    {
        self.in_turn(&self.readers, move |this| this.read_now(queries)).await
    }

    /// Runs `work` in a transaction that may write; see [`transaction`]. Handlers have a
    /// [`Mandate`](crate::callers::mandate::Mandate) instead.
    ///
    /// # Errors
    /// Those of `work` and of the database, after which nothing is changed.
    #[expect(clippy::disallowed_methods, reason = "the same on another thread")]
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: WriteError + Send + 'static,
        F: FnOnce(&mut DbConnection) -> Result<T, E> + Send + 'static,
    {
        self.in_turn(&self.writers, move |this| this.write_now(work)).await
    }

    /// [`Database::write`] on the thread that calls it.
    ///
    /// # Errors
    /// As [`Database::write`].
    #[expect(clippy::disallowed_methods, reason = "whoever calls this is asked for a reason already")]
    pub fn write_now<T, E: WriteError>(&self, work: impl FnOnce(&mut DbConnection) -> Result<T, E>) -> Result<T, E> {
        let mut connection = self.checkout(&self.writers)?;
        // A write cannot be repeated when its connection breaks half-way, so it starts on one that answers.
        for _ in 0..POOL_SIZE {
            if connection.ask(R2D2Connection::ping).is_ok() {
                break;
            }
            connection.pooled.0 = None;
            drop(connection);
            connection = self.checkout(&self.writers)?;
        }
        connection.run(|connection| transaction(connection, work))
    }

    /// [`Database::read`] on the thread that calls it.
    ///
    /// # Errors
    /// As [`Database::lookup`].
    pub fn read_now<T>(&self, queries: impl Fn(&mut DbConnection) -> QueryResult<T>) -> Result<T, DbError> {
        // A restart of the server breaks every idle connection; each is tried at most once.
        for _ in 0..POOL_SIZE {
            match self.checkout(&self.readers)?.ask(&queries) {
                Err(DbError::Unavailable(_)) => {}
                done => return done,
            }
        }
        self.checkout(&self.readers)?.ask(queries)
    }

    /// Closes every connection, when those in use have come back: those that were made while the database was
    /// read-only go on believing so. On SQLite they share what they know of the write-ahead log, and even a new one
    /// cannot write until the last of them is closed.
    pub fn close_connections(&self) {
        let _in_use_by_none = self.in_use.write().unwrap_or_else(PoisonError::into_inner);
        let idle_of = |pool: &Pool| std::iter::from_fn(|| pool.connections.try_get()).collect::<Vec<_>>();
        let mut idle = idle_of(&self.readers);
        idle.extend(idle_of(&self.writers));
        // All of them, before the pool makes the first new one.
        idle.iter_mut().for_each(|pooled| pooled.0 = None);
    }

    fn idle(&self) -> Option<CheckedOut<'_>> {
        let in_use = self.in_use.try_read().ok()?;
        self.readers.connections.try_get().map(|pooled| CheckedOut { pooled, _in_use: in_use })
    }

    /// Does `work` on a thread where waiting is allowed, when `pool` has a connection for it.
    async fn in_turn<T, E>(
        &self,
        pool: &Pool,
        work: impl FnOnce(&Self) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let turn = tokio::time::timeout(POOL_PATIENCE, pool.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(DbError::Unavailable("all connections are in use".into()).into());
        };
        let this = self.clone();
        let done = actix_web::web::block(move || {
            // Until the end of the work, even if nobody waits for it any more.
            let _turn = turn;
            catch(|| work(&this))
        });
        match done.await {
            Ok(Ok(done)) => done,
            // A mistake of whoever asked for the work, and no state of the database.
            Ok(Err(panic)) => panic.resume(),
            Err(_) => Err(DbError::Unavailable("the thread that asked it is gone".into()).into()),
        }
    }

    fn checkout(&self, pool: &Pool) -> Result<CheckedOut<'_>, DbError> {
        let in_use = self.in_use.read().unwrap_or_else(PoisonError::into_inner);
        let pooled = pool.connections.get().map_err(|error| DbError::Unavailable(one_line(&error.to_string())))?;
        Ok(CheckedOut { pooled, _in_use: in_use })
    }
}

/// Connections that are shared. Its clones are the same.
#[derive(Clone)]
struct Pool {
    connections: diesel::r2d2::Pool<Manager>,
    /// As many as there may be connections: who waits for one waits here, where it takes no thread.
    turns: Arc<Semaphore>,
}

impl Pool {
    fn of(url: &DatabaseUrl, size: u32) -> Self {
        // Tested where it matters (see `run`), not with a query of its own before every other.
        let connections = diesel::r2d2::Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            .connection_timeout(POOL_PATIENCE)
            .test_on_check_out(false)
            .error_handler(Box::new(LogPoolError))
            .build_unchecked(Manager(url.clone()));
        Self { connections, turns: Arc::new(Semaphore::new(size as usize)) }
    }
}

#[derive(Debug)]
struct LogPoolError;

impl diesel::r2d2::HandleError<ConnectionError> for LogPoolError {
    fn handle_error(&self, error: ConnectionError) {
        tracing::warn!(%error, "no connection to the database");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_died_is_given_up_soon_unless_the_url_says_otherwise() {
        let all =
            "connect_timeout=3&tcp_user_timeout=10000&keepalives_idle=30&keepalives_interval=10&keepalives_count=3";
        assert_eq!(with_patience("postgres://h/d"), format!("postgres://h/d?{all}"));
        assert_eq!(with_patience("postgres://h?sslmode=require"), format!("postgres://h?sslmode=require&{all}"));
        let said = with_patience("postgres://h/d?connect_timeout=9");
        assert!(said.starts_with("postgres://h/d?connect_timeout=9&tcp_user_timeout=10000"), "{said}");
    }
}
