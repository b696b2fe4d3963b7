//! The one thread that writes behind: last uses, what is told about sign-ins, where keys are used, that keys have
//! expired, and what becomes of suspended ones. It forgets what is remembered for a time only.

use std::cell::Cell;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::oneshot;

use super::last_use::LastUse;
use super::service_uses::ServiceUses;
use super::sign_ins::SignIns;
use super::unrecorded::Unrecorded;
use super::wake_up::{Listening, TICK, WakeUp};
use super::write::write;
use crate::clock::Clock;
use crate::db::url::DatabaseUrl;
use crate::db::{BUSY_TIMEOUT, Database, DbConnection, DbError, connect};
use crate::metrics::{Flushes, Metrics};
use crate::models::audit::AuditEntry;
use crate::models::event::Event;
use crate::models::keys::idempotency::OnceOnly;
use crate::models::keys::key::Key;
use crate::models::keys::refused_use::RefusedUse;
use crate::models::keys::token::Token;
use crate::models::keys::unused;
use crate::models::mails::outbox::{self, Outbox};
use crate::models::mails::{expiring, weekly};
use crate::models::retention::Retention;
use crate::models::services::uses::ServiceUse;
use crate::panics::{Panic, ThreadPanics};

/// How often it looks for keys that have expired.
const EXPIRY_TICK: Duration = Duration::from_secs(60);
/// How often it writes where keys are used: each time a row for every key and service.
const SERVICE_USES_TICK: Duration = Duration::from_secs(60);
/// How often it tries to write everything before the process stops all the same.
const LAST_TRIES: u32 = 5;
/// SQLite's write-ahead log is emptied when it has grown to this: under steady reads nothing else does it.
const WAL_BYTES: u64 = 8 << 20;

/// The thread, its connection, and what it writes.
pub struct Recorder {
    /// When each token was last used.
    pub last_use: Arc<LastUse>,
    /// Sign-ins that were refused, or came by Basic.
    pub sign_ins: Arc<SignIns>,
    /// Where keys are used.
    pub service_uses: Arc<ServiceUses>,
    wake_up: Arc<WakeUp>,
    thread: Mutex<Option<JoinHandle<bool>>>,
}

impl Recorder {
    /// Starts the thread. A first use waits for its write at most `patience`, and is then kept in the file `unrecorded`
    /// until it is written; `retention` says how long rows are kept.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn start(
        database: Database,
        clock: Clock,
        (patience, retention): (Duration, Retention),
        unrecorded: Option<&Path>,
        metrics: &Metrics,
    ) -> std::io::Result<Self> {
        let wake_up = Arc::new(WakeUp::default());
        let (flushes, panics) = (metrics.flushes.clone(), metrics.panics.of("recorder"));
        let (unrecorded, left) = unrecorded.map_or_else(|| (Unrecorded::nowhere(), Vec::new()), Unrecorded::open);
        let last_use = LastUse::new(clock.clone(), patience, wake_up.clone(), unrecorded, flushes.clone());
        if let Err(error) = database.read_now(|connection| last_use.take_over(connection, &left)) {
            tracing::error!(%error, "the first uses that a crash left unwritten are not known until the next start");
        }
        let last_use = Arc::new(last_use);
        let sign_ins = Arc::new(SignIns::default());
        let service_uses = Arc::new(ServiceUses::new(clock.clone(), wake_up.clone()));
        let writer = Writer {
            database,
            connection: None,
            last_use: last_use.clone(),
            sign_ins: sign_ins.clone(),
            service_uses: service_uses.clone(),
            clock,
            flushes,
            panics,
            retention,
            suspended_keys_tried: metrics.suspended_keys_tried.clone(),
            looked_up_to: Cell::new(0),
            read_only: false,
        };
        let thread = std::thread::Builder::new().name("recorder".into()).spawn({
            let wake_up = wake_up.clone();
            move || {
                let listening = Listening(wake_up);
                writer.run(&listening.0)
            }
        })?;
        Ok(Self { last_use, sign_ins, service_uses, wake_up, thread: Mutex::new(Some(thread)) })
    }

    /// Writes what is due, and returns when that is done or has failed.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        {
            let mut flags = self.wake_up.flags();
            if flags.ended {
                return;
            }
            flags.flushes.push(done);
        }
        self.wake_up.condition.notify_one();
        // An error says that it is done, or that the thread has ended.
        let _ = wait.await;
    }

    /// Whether the thread is there.
    pub fn is_running(&self) -> bool {
        !self.wake_up.flags().ended
    }

    /// Writes everything that is pending, and ends the thread. Blocks until that is done; `false`: it could not be.
    pub fn stop(&self) -> bool {
        self.wake_up.flags().stop = true;
        self.wake_up.condition.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        thread.is_none_or(|thread| {
            thread.join().unwrap_or_else(|_| {
                tracing::error!("the recorder has panicked");
                false
            })
        })
    }
}

/// Why something is not written, and waits.
#[derive(Debug, thiserror::Error)]
enum Unwritten {
    #[error(transparent)]
    Database(#[from] DbError),
    #[error("{0}")]
    Panicked(Panic),
}

impl From<Panic> for Unwritten {
    fn from(panic: Panic) -> Self {
        Self::Panicked(panic)
    }
}

struct Writer {
    database: Database,
    connection: Option<DbConnection>,
    last_use: Arc<LastUse>,
    sign_ins: Arc<SignIns>,
    service_uses: Arc<ServiceUses>,
    clock: Clock,
    flushes: Flushes,
    panics: ThreadPanics,
    retention: Retention,
    suspended_keys_tried: Gauge,
    /// The id up to which it has looked for keys that nobody uses.
    looked_up_to: Cell<i64>,
    /// The last attempt found the database read-only.
    read_only: bool,
}

impl Writer {
    fn run(mut self, wake_up: &WakeUp) -> bool {
        let mut failing = false;
        let mut looked = Instant::now();
        let mut looked_for_expired: Option<Instant> = None;
        let mut wrote_service_uses = Instant::now();
        let mut service_uses_wait = false;
        loop {
            // After a failure first uses wait for the next tick: trying each time one comes would not help them.
            let flags = wake_up.wait(failing);
            if flags.stop {
                return self.finish();
            }
            let look = looked.elapsed() >= TICK || !flags.flushes.is_empty();
            let uses = self.write(|this, connection| {
                this.last_use.write_first_uses(connection)?;
                if look { this.last_use.write_due(connection) } else { Ok(()) }
            });
            match (&uses, failing) {
                (Err(error), false) => tracing::warn!(%error, "uses wait in memory until they can be written"),
                (Ok(()), true) => tracing::info!("uses are written again"),
                _ => {}
            }
            failing = uses.is_err();
            if failing {
                self.last_use.keep_waiting();
            }
            if look {
                // On their own: what is wrong with these must not hold up first uses.
                if let Err(error) = self.write(|this, connection| this.sign_ins.write(connection)) {
                    tracing::warn!(%error, "what is told of sign-ins waits in memory until it can be written");
                }
                if looked_for_expired.is_none_or(|at| at.elapsed() >= EXPIRY_TICK) || !flags.flushes.is_empty() {
                    looked_for_expired = Some(Instant::now());
                    if let Err(error) = self.write(Self::clean_up) {
                        tracing::warn!(%error, "what has expired or is old could not be told or removed yet");
                    }
                }
                self.shrink_wal();
                looked = Instant::now();
            }
            let is_due = service_uses_wait || wrote_service_uses.elapsed() >= SERVICE_USES_TICK;
            if flags.service_uses || !flags.flushes.is_empty() || (look && is_due) {
                wrote_service_uses = Instant::now();
                let written = self.write(|this, connection| {
                    this.service_uses.write(connection, |connection| this.last_use.write_first_uses(connection))
                });
                match (&written, service_uses_wait) {
                    (Err(error), false) => {
                        tracing::warn!(%error, "uses of keys on services wait in memory until they can be written");
                    }
                    (Ok(()), true) => tracing::info!("uses of keys on services are written again"),
                    _ => {}
                }
                service_uses_wait = written.is_err();
            }
        }
    }

    /// Ends suspensions whose time is over, removes what is kept for a time only, a batch of each, and counts what the
    /// metrics say of the database.
    fn clean_up(&self, connection: &mut DbConnection) -> diesel::QueryResult<()> {
        let (now, kept) = (self.clock.now(), &self.retention);
        for token in Key::with_ended_suspension(connection, now)? {
            write(connection, now, |tx| Key::end_suspension(tx, &token))?;
        }
        if let Some(after) = kept.unused_keys {
            let (quiet, up_to) = unused::look(connection, self.looked_up_to.get(), (after, now))?;
            for token in quiet {
                write(connection, now, |tx| unused::follow(tx, &token, after, |secret| self.last_use.of(secret)))?;
            }
            self.looked_up_to.set(up_to);
        }
        if let Some(outbox) = Outbox::open(connection)? {
            for token in expiring::due(connection, now)? {
                write(connection, now, |tx| expiring::warn(tx, &token, |secret| self.last_use.of(secret)))?;
            }
            if weekly::is_due(connection, now)? {
                write(connection, now, |tx| weekly::tell(tx, outbox))?;
            }
        }
        // Asked first: nothing is written, or waited for, where there is nothing to do.
        if Key::any_to_tell_or_clear(connection, now, kept.expired)? {
            write(connection, now, |tx| Key::tell_and_clear_expired(tx, kept.expired))?;
        }
        if Token::any_ended_session(connection, now, kept)? {
            write(connection, now, |tx| Token::forget_ended_sessions(tx.connection, now, kept))?;
        }
        for (rows, kept) in [
            (OnceOnly::PERISHABLE, kept.idempotency),
            (Event::PERISHABLE, kept.activity),
            (RefusedUse::PERISHABLE, kept.activity),
            (AuditEntry::PERISHABLE, kept.audit),
            (outbox::PERISHABLE, Some(outbox::KEPT)),
        ] {
            if rows.any_to_forget(connection, now, kept)? {
                write(connection, now, |tx| rows.forget_old(tx.connection, now, kept))?;
            }
        }
        if ServiceUse::any_to_forget(connection, now.date())? {
            write(connection, now, |tx| ServiceUse::forget_old(tx.connection, now.date()))?;
        }
        self.suspended_keys_tried.set(RefusedUse::tried_keys(connection, now)?);
        Ok(())
    }

    /// Whether everything could be written.
    fn finish(mut self) -> bool {
        for tries_left in (0..LAST_TRIES).rev() {
            let written = self.write(|this, connection| {
                // Each is tried: what is wrong with one must not keep the others out.
                let uses = this.last_use.write_all(connection);
                let sign_ins = this.sign_ins.write(connection);
                let service_uses = this.service_uses.write_all(connection);
                uses.and(sign_ins).and(service_uses)
            });
            let Err(error) = written else { return true };
            let (pending, on_services) = (self.last_use.pending_uses(), self.service_uses.pending());
            self.last_use.keep_waiting();
            if tries_left == 0 {
                tracing::error!(%error, pending, on_services, "stopped with uses that could not be written");
            } else {
                tracing::warn!(%error, pending, on_services, "trying again to write the last uses");
                std::thread::sleep(TICK);
            }
        }
        false
    }

    fn write(
        &mut self,
        work: impl FnOnce(&Self, &mut DbConnection) -> diesel::QueryResult<()>,
    ) -> Result<(), Unwritten> {
        let written = self.attempt(work);
        let was_read_only = self.read_only;
        self.read_only = matches!(written, Err(Unwritten::Database(DbError::ReadOnly(_))));
        // On SQLite nothing can be written until every connection from that time is closed; on PostgreSQL each of them
        // would still refuse its next write.
        let is_sqlite = matches!(self.database.url(), DatabaseUrl::Sqlite(_));
        if (self.read_only && is_sqlite) || (was_read_only && written.is_ok()) {
            self.database.close_connections();
        }
        if written.is_err() {
            self.flushes.failures.inc();
        }
        written
    }

    /// Tries to do `work`. Its panic is one more reason why it is not done.
    fn attempt(
        &mut self,
        work: impl FnOnce(&Self, &mut DbConnection) -> diesel::QueryResult<()>,
    ) -> Result<(), Unwritten> {
        let panics = self.panics.clone();
        Ok(panics.survive(|| self.with_connection(work))??)
    }

    /// Does `work` on the connection, which is made when there is none and given up when it fails or panics.
    fn with_connection(
        &mut self,
        work: impl FnOnce(&Self, &mut DbConnection) -> diesel::QueryResult<()>,
    ) -> Result<(), DbError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(self.database.url()).map_err(|error| DbError::Unavailable(error.to_string()))?,
        };
        work(self, &mut connection)?;
        self.connection = Some(connection);
        Ok(())
    }

    fn shrink_wal(&mut self) {
        let Some(file) = self.database.url().file() else { return };
        let mut wal = file.as_os_str().to_owned();
        wal.push("-wal");
        let grown = std::fs::metadata(&wal).is_ok_and(|wal| wal.len() > WAL_BYTES);
        if !grown || self.connection.is_none() {
            return;
        }
        // Without waiting for anybody: it would keep other writers away for as long as somebody reads, as a backup does.
        let emptied = self.attempt(|_, connection| {
            connection.batch_execute("PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)")?;
            connection.batch_execute(BUSY_TIMEOUT)
        });
        if let Err(error) = emptied {
            tracing::debug!(%error, "the write-ahead log could not be emptied yet");
        }
    }
}
