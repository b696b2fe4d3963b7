//! Last use: when each token last authenticated a request. What is said about it is true, and recording it costs the
//! request nothing.
//!
//! A use is kept in memory, one entry a token, and written behind by the one thread of the [`Recorder`](super::Recorder),
//! about once a minute however many requests there are. Only a token's very first use is waited for: it is in the
//! database before the response is sent, so that no crash can make a used key read "Never used". First uses that
//! arrive together share a transaction. `docs/architecture.md` has the rules and why they are so.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use diesel::QueryResult;
use tokio::sync::watch;

use super::wake_up::WakeUp;
use super::write::write;
use crate::clock::{Clock, Timestamp};
use crate::db::DbConnection;
use crate::metrics::Flushes;
use crate::models::client::Client;
use crate::models::event::{EventAction, NewEvent};
use crate::models::keys::token::{RecordIf, Token, TokenUse, WRITE_INTERVAL};
use crate::models::tx::Tx;

/// Uses written in one transaction, at most: others want to write too.
const BATCH: usize = 1000;

/// The uses that are not yet written. Bounded by the number of tokens, not of requests.
pub struct LastUse {
    clock: Clock,
    patience: Duration,
    wake_up: Arc<WakeUp>,
    pending: Mutex<HashMap<i64, Pending>>,
    answered_unwritten: AtomicU64,
    flushes: Flushes,
}

struct Pending {
    used_on: Timestamp,
    /// What the token's row said when it was last seen.
    recorded_on: Option<Timestamp>,
    first_use: Option<FirstUse>,
}

struct FirstUse {
    token: Token,
    client: Client,
    /// Requests that wait for the write watch it; they go on when it is dropped.
    written: watch::Sender<()>,
    /// A request has been answered before the write, so that a crash can lose it and waiting protects nothing more.
    answered: bool,
}

impl Pending {
    fn is_unwritten(&self) -> bool {
        self.first_use.is_some() || self.recorded_on.is_none_or(|recorded_on| recorded_on < self.used_on)
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.first_use.is_none() && self.recorded_on.is_none_or(|recorded_on| recorded_on + WRITE_INTERVAL <= now)
    }
}

impl LastUse {
    /// Nothing pending. A first use waits for its write at most `patience`; `wake_up` wakes the thread that writes it.
    pub fn new(clock: Clock, patience: Duration, wake_up: Arc<WakeUp>, flushes: Flushes) -> Self {
        Self { clock, patience, wake_up, pending: Mutex::default(), answered_unwritten: AtomicU64::new(0), flushes }
    }

    /// Records that `token`, whose row was just read, authenticated a request. In memory only, but for a first use,
    /// which is durable when this returns, or `patience` has passed, whichever is first. `client` is asked for then.
    pub async fn touch(&self, token: &Token, client: impl FnOnce() -> Client) {
        let Some(mut written) = self.note(token, client) else { return };
        if tokio::time::timeout(self.patience, written.changed()).await.is_ok() {
            return;
        }
        if let Some(first_use) = self.pending().get_mut(&token.id).and_then(|pending| pending.first_use.as_mut()) {
            first_use.answered = true;
            self.answered_unwritten.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(token_id = token.id, "answered before the first use was written; a crash now would lose it");
        }
    }

    /// Notes a use; gives what a first use has to wait for.
    fn note(&self, token: &Token, client: impl FnOnce() -> Client) -> Option<watch::Receiver<()>> {
        // Later than the creation, so that only rows that Rails wrote read as never used.
        let used_on = self.clock.now().max(token.created_on + TimeDelta::microseconds(1));
        let recorded_on = token.recorded_use();
        let mut all = self.pending();
        let pending = all.entry(token.id).or_insert(Pending { used_on, recorded_on, first_use: None });
        pending.used_on = pending.used_on.max(used_on);
        pending.recorded_on = pending.recorded_on.max(recorded_on);
        if pending.recorded_on.is_some() {
            return None;
        }
        let first_use = pending.first_use.get_or_insert_with(|| {
            let (token, client) = (token.clone(), client());
            FirstUse { token, client, written: watch::Sender::default(), answered: false }
        });
        if first_use.answered {
            return None;
        }
        let written = first_use.written.subscribe();
        drop(all);
        self.wake_up.wake();
        Some(written)
    }

    /// The last use of a token, of which `token` is the row: what that says, or a later use that is still pending.
    pub fn of(&self, token: &Token) -> Option<Timestamp> {
        let pending = self.pending().get(&token.id).map(|pending| pending.used_on);
        token.recorded_use().max(pending)
    }

    /// Tokens with a use that is not written yet.
    pub fn pending_uses(&self) -> usize {
        self.pending().values().filter(|pending| pending.is_unwritten()).count()
    }

    /// Requests that were answered before their token's first use was written.
    pub fn answered_unwritten(&self) -> u64 {
        self.answered_unwritten.load(Ordering::Relaxed)
    }

    /// Writes the first uses. What cannot be written stays pending.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn write_first_uses(&self, connection: &mut DbConnection) -> QueryResult<()> {
        self.write(connection, RecordIf::FirstUse, |pending| pending.first_use.is_some())
    }

    /// Writes the uses that have waited for their minute. What cannot be written stays pending.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn write_due(&self, connection: &mut DbConnection) -> QueryResult<()> {
        let now = self.clock.now();
        self.write(connection, RecordIf::UnwrittenForAMinute { now }, |pending| pending.is_due(now))
    }

    /// Writes everything, the minute or not: the process is about to stop.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn write_all(&self, connection: &mut DbConnection) -> QueryResult<()> {
        self.write_first_uses(connection)?;
        self.write(connection, RecordIf::Later, |_| true)
    }

    fn write(
        &self,
        connection: &mut DbConnection,
        record_if: RecordIf,
        wanted: impl Fn(&Pending) -> bool,
    ) -> QueryResult<()> {
        let mut uses: Vec<TokenUse> = {
            let mut pending = self.pending();
            pending.retain(|_, pending| pending.is_unwritten());
            let wanted = pending.iter().filter(|(_, pending)| wanted(pending));
            wanted.map(|(id, pending)| TokenUse { token_id: *id, used_on: pending.used_on }).collect()
        };
        uses.sort_unstable();
        for batch in uses.chunks(BATCH) {
            let started = Instant::now();
            let recorded = write(connection, self.clock.now(), |tx| {
                let written = Token::record_uses(tx.connection, batch, record_if)?;
                if let RecordIf::FirstUse = record_if {
                    self.tell_first_uses(tx, &written)?;
                }
                let ids: Vec<i64> = batch.iter().map(|it| it.token_id).collect();
                Token::recorded_uses(tx.connection, &ids)
            })?;
            self.flushes.duration.observe(started.elapsed().as_secs_f64());
            self.settle(batch, &recorded);
        }
        Ok(())
    }

    /// Puts the first uses of keys into their owners' activity.
    fn tell_first_uses(&self, tx: &mut Tx<'_>, token_ids: &[i64]) -> QueryResult<()> {
        for id in token_ids {
            let first_use = self.pending().get(id).and_then(|pending| {
                let first_use = pending.first_use.as_ref().filter(|it| it.token.action.is_key())?;
                Some((first_use.token.clone(), first_use.client.clone(), pending.used_on))
            });
            if let Some((token, client, used_on)) = first_use {
                let first_used = NewEvent::of_key(&token, EventAction::KeyFirstUsed).done_by(&client, used_on);
                first_used.record(tx)?;
            }
        }
        Ok(())
    }

    /// Forgets what the rows now say, and the uses of tokens that are gone; the rest stays pending.
    fn settle(&self, batch: &[TokenUse], recorded: &HashMap<i64, Option<Timestamp>>) {
        let mut all = self.pending();
        for TokenUse { token_id, .. } in batch {
            let Some(pending) = all.get_mut(token_id) else { continue };
            match recorded.get(token_id) {
                None => {
                    all.remove(token_id);
                }
                Some(recorded_on) => {
                    pending.recorded_on = pending.recorded_on.max(*recorded_on);
                    if recorded_on.is_some() {
                        pending.first_use = None;
                    }
                    if !pending.is_unwritten() {
                        all.remove(token_id);
                    }
                }
            }
        }
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<i64, Pending>> {
        // Each entry is whole between any two statements, so that a panic elsewhere leaves nothing half-done.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
