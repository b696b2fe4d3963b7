//! The connections that all requests of a process share.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use diesel::prelude::*;
use diesel::r2d2::R2D2Connection;
use tokio::sync::Semaphore;

use super::connection::{DbConnection, connect};
use super::error::{DbError, WriteError, one_line};
use super::transaction::transaction;
use super::url::DatabaseUrl;
use crate::panics::catch;

/// Connections that requests share, at most.
const POOL_SIZE: u32 = 8;
/// How long a request waits for one of them.
pub(crate) const POOL_PATIENCE: Duration = Duration::from_secs(3);

/// A pooled connection; `None`: it was closed, being of no more use.
struct Pooled(Option<DbConnection>);

struct Manager {
    url: DatabaseUrl,
    closing: Closing,
}

/// Held, shared, by the threads of the pools that make a connection; `true`: none is made any more.
type Closing = Arc<RwLock<bool>>;

impl diesel::r2d2::ManageConnection for Manager {
    type Connection = Pooled;
    type Error = ConnectionError;

    fn connect(&self) -> Result<Pooled, ConnectionError> {
        let closing = self.closing.read().unwrap_or_else(PoisonError::into_inner);
        if *closing {
            return Err(ConnectionError::BadConnection("the database is closed".into()));
        }
        connect(&self.url).map(|connection| Pooled(Some(connection)))
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
    closing: Closing,
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
        let closing = Closing::default();
        let readers = Pool::of(url, POOL_SIZE, &closing);
        let writers = match url {
            DatabaseUrl::Sqlite(_) => Pool::of(url, 1, &closing),
            DatabaseUrl::Postgres(_) => readers.clone(),
        };
        Ok(Self { readers, writers, in_use: Arc::default(), closing, url: url.clone() })
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
        self.close_idle(false);
    }

    /// Closes every connection that nobody uses, for good. SQLite then leaves nothing behind but its file, which it does
    /// not where a process ends with a connection open.
    pub fn close(&self) {
        self.close_idle(true);
    }

    fn close_idle(&self, for_good: bool) {
        // A pool makes a new connection as soon as an idle one is taken: it waits until all of these are closed. One that
        // was being made just now is closed the next time.
        let mut closing = self.closing.write().unwrap_or_else(PoisonError::into_inner);
        *closing = for_good;
        let idle_of = |pool: &Pool| std::iter::from_fn(|| pool.connections.try_get()).collect::<Vec<_>>();
        let mut idle = idle_of(&self.readers);
        idle.extend(idle_of(&self.writers));
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
    fn of(url: &DatabaseUrl, size: u32, closing: &Closing) -> Self {
        // Tested where it matters (see `run`), not with a query of its own before every other.
        let connections = diesel::r2d2::Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            .connection_timeout(POOL_PATIENCE)
            .test_on_check_out(false)
            .error_handler(Box::new(LogPoolError(closing.clone())))
            .build_unchecked(Manager { url: url.clone(), closing: closing.clone() });
        Self { connections, turns: Arc::new(Semaphore::new(size as usize)) }
    }
}

#[derive(Debug)]
struct LogPoolError(Closing);

impl diesel::r2d2::HandleError<ConnectionError> for LogPoolError {
    fn handle_error(&self, error: ConnectionError) {
        // After the end nobody wants one, and "stopped" is the last line of the log.
        if !*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            tracing::warn!(%error, "no connection to the database");
        }
    }
}
