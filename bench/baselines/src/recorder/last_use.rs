//! Replaces the `last_use` of the product, with the functions that other modules call, by the ways to record a use that
//! it is compared with. `DATABASE_URL` is the database.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use actix_web::web;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tokio::sync::Semaphore;

use crate::clock::{Clock, Timestamp};
use crate::db::schema::tokens;
use crate::db::url::DatabaseUrl;
use crate::db::{DbConnection, connect};
use crate::metrics::Flushes;
use crate::models::client::Caller;
use crate::models::keys::key::{Key, KeyUse};
use crate::models::keys::recording::{UsedBy, WRITE_INTERVAL};
use crate::models::keys::token::Token;
use crate::recorder::unrecorded::{Unrecorded, UnrecordedUse};
use crate::recorder::wake_up::WakeUp;

/// How a baseline records that a token was used. There is a program for each.
#[derive(Clone, Copy, Debug)]
pub enum Recording {
    /// With an UPDATE in every request.
    OnEveryRequest,
    /// With an UPDATE in each request that finds the use in the row at least a minute old.
    OnceAMinute,
    /// Without recording at all.
    Never,
}

static RECORDING: OnceLock<Recording> = OnceLock::new();

/// Chooses how this process records uses, and runs the product's command line.
pub fn run(recording: Recording) -> std::process::ExitCode {
    let _ = RECORDING.set(recording);
    crate::commands::run()
}

/// Records uses in the way that was chosen.
pub struct LastUse {
    clock: Clock,
    recording: Recording,
    writers: Arc<Writers>,
}

impl LastUse {
    /// Uses the database that `DATABASE_URL` names.
    ///
    /// # Panics
    /// Panics if `DATABASE_URL` is missing or invalid, or no way to record was chosen.
    pub fn new(clock: Clock, _: Duration, _: Arc<WakeUp>, _: Unrecorded, _: Flushes) -> Self {
        let url = std::env::var("DATABASE_URL").expect("DATABASE_URL is set").parse().expect("DATABASE_URL is right");
        let recording = *RECORDING.get().expect("the program has said how it records");
        Self { clock, recording, writers: Arc::new(Writers::new(url)) }
    }

    /// Does nothing: nobody leaves a use behind.
    ///
    /// # Errors
    /// Never.
    pub fn take_over(&self, _: &mut DbConnection, _: &[UnrecordedUse]) -> QueryResult<()> {
        Ok(())
    }

    /// Does nothing: no use waits.
    pub fn keep_waiting(&self) {}

    /// Records a use, and returns when it is written.
    pub async fn touch(&self, token: &Token, _: Caller<'_>) {
        let now = self.clock.now();
        let due = match self.recording {
            Recording::OnEveryRequest => true,
            Recording::OnceAMinute => token.updated_on.is_none_or(|updated_on| updated_on + WRITE_INTERVAL <= now),
            Recording::Never => false,
        };
        if due && let Err(error) = self.writers.write(token.id, now).await {
            tracing::error!(%error, "a use was not recorded");
        }
    }

    /// The last use in the row.
    pub fn of(&self, token: &Token) -> Option<Timestamp> {
        token.recorded_use()
    }

    /// Who used a key last, as its row says.
    pub fn used_by(&self, key: &Key, last_use: KeyUse) -> Option<UsedBy> {
        key.used_by(last_use).cloned()
    }

    /// Always 0: nothing is pending.
    pub fn pending_uses(&self) -> usize {
        0
    }

    /// Always 0: every request waits for its write.
    pub fn answered_unwritten(&self) -> u64 {
        0
    }

    /// Does nothing: nothing is pending.
    ///
    /// # Errors
    /// Never.
    pub fn write_first_uses(&self, _: &mut DbConnection) -> QueryResult<()> {
        Ok(())
    }

    /// Does nothing: nothing is pending.
    ///
    /// # Errors
    /// Never.
    pub fn write_due(&self, _: &mut DbConnection) -> QueryResult<()> {
        Ok(())
    }

    /// Does nothing: nothing is pending.
    ///
    /// # Errors
    /// Never.
    pub fn write_all(&self, _: &mut DbConnection) -> QueryResult<()> {
        Ok(())
    }
}

/// The connections that write. Each baseline is as fast as it can be without a design of its own: SQLite, which has one
/// writer, gets one connection, so that nobody sleeps on a busy database, and no fsync for each statement; PostgreSQL
/// gets eight connections.
struct Writers {
    url: DatabaseUrl,
    turns: Semaphore,
    idle: Mutex<Vec<DbConnection>>,
}

impl Writers {
    fn new(url: DatabaseUrl) -> Self {
        let connections = if url.file().is_some() { 1 } else { 8 };
        Self { url, turns: Semaphore::new(connections), idle: Mutex::default() }
    }

    async fn write(self: &Arc<Self>, token_id: i64, used_on: Timestamp) -> Result<(), String> {
        let _turn = self.turns.acquire().await.map_err(|error| error.to_string())?;
        let this = self.clone();
        let written = web::block(move || this.write_now(token_id, used_on)).await;
        written.map_err(|error| error.to_string())?
    }

    fn write_now(&self, token_id: i64, used_on: Timestamp) -> Result<(), String> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = idle.map_or_else(|| self.connect(), Ok)?;
        let update = diesel::update(tokens::table.find(token_id)).set(tokens::updated_on.eq(used_on));
        update.execute(&mut connection).map_err(|error| error.to_string())?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(())
    }

    fn connect(&self) -> Result<DbConnection, String> {
        let mut connection = connect(&self.url).map_err(|error| error.to_string())?;
        if let DbConnection::Sqlite(sqlite) = &mut connection {
            sqlite.batch_execute("PRAGMA synchronous = NORMAL").map_err(|error| error.to_string())?;
        }
        Ok(connection)
    }
}
