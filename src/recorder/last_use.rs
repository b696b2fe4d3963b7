//! Last use: when each token last authenticated a request. The time shown is always true, and recording it does not
//! slow down the request.
//!
//! This is a write-behind cache. Uses are kept in memory, one entry for each token, and the thread of the
//! [`Recorder`](super::Recorder) writes them about once a minute, however many requests there are. Only the very first
//! use of a token is waited for: it is in the database before the response is sent, so that no crash can make a used
//! key read "Never used". First uses that arrive together share a transaction. `docs/last-use.md` has the rules and
//! the reasons.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use diesel::QueryResult;
use tokio::sync::watch;

use super::pending::{FirstUse, Pending};
use super::unrecorded::{Unrecorded, UnrecordedUse};
use super::wake_up::WakeUp;
use super::write::write;
use crate::clock::{Clock, Timestamp, iso8601, latest_true};
use crate::db::DbConnection;
use crate::metrics::Flushes;
use crate::models::client::{Caller, Client, LatestCaller};
use crate::models::event::{EventAction, NewEvent};
use crate::models::keys::key::{Key, KeyUse};
use crate::models::keys::recording::{RecordIf, TokenUse, UsedBy};
use crate::models::keys::token::Token;
use crate::models::tx::Tx;

/// Uses written in one transaction, at most: others want to write too.
const BATCH: usize = 1000;

/// Uses that are not written yet, or were a moment ago. The number of entries is bounded by the number of tokens, not of
/// requests.
pub struct LastUse {
    clock: Clock,
    patience: Duration,
    wake_up: Arc<WakeUp>,
    pending: Mutex<HashMap<i64, Pending>>,
    unrecorded: Arc<Unrecorded>,
    answered_unwritten: AtomicU64,
    flushes: Flushes,
}

impl LastUse {
    /// Starts with nothing pending. A first use is waited for `patience` at most, and then kept in `unrecorded` until it
    /// is written; `wake_up` wakes the recorder's thread.
    pub fn new(
        clock: Clock,
        patience: Duration,
        wake_up: Arc<WakeUp>,
        unrecorded: Unrecorded,
        flushes: Flushes,
    ) -> Self {
        let (pending, answered_unwritten) = (Mutex::default(), AtomicU64::new(0));
        Self { clock, patience, wake_up, pending, unrecorded: Arc::new(unrecorded), answered_unwritten, flushes }
    }

    /// Takes over the uses that processes have left which died before these were written: they are pending again. Whatever
    /// else is in `left` has been recorded, or is about tokens that are gone.
    ///
    /// # Errors
    /// Returns an error if the query fails. The uses stay in the file.
    pub fn take_over(&self, connection: &mut DbConnection, left: &[UnrecordedUse]) -> QueryResult<()> {
        if left.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = left.iter().map(|it| it.token_id).collect();
        let mut tokens = Token::find_all(connection, &ids)?;
        for it in left {
            let found = tokens.remove(&it.token_id).and_then(|token| Some((it.used_on(&token)?, token)));
            match found.filter(|(used_on, token)| token.recorded_use().is_none_or(|recorded| recorded < *used_on)) {
                Some((used_on, token)) => self.expect_again(used_on, token, it.client()),
                None => self.unrecorded.forget([it.token_id]),
            }
        }
        self.wake_up.wake();
        Ok(())
    }

    fn expect_again(&self, used_on: Timestamp, token: Token, client: Client) {
        tracing::warn!(token_id = token.id, "a crash left a use of this key unwritten; later ones may be missing");
        let (id, address) = (token.id, client.address().parse().ok());
        let by = address.map(|address| LatestCaller::new(Caller { address, agent: client.agent().as_bytes() }));
        let mut pending =
            Pending { by, gap_until: Some(self.clock.now()), is_kept: true, ..Pending::new(&token, used_on) };
        if pending.recorded_on.is_none() {
            pending.first_use = Some(FirstUse { answered: true, ..FirstUse::new(token, client) });
        }
        self.pending().insert(id, pending);
    }

    /// Keeps the uses of keys that could not be written in the file, each once. First uses are kept by whoever waits for
    /// them.
    pub fn keep_waiting(&self) {
        let now = self.clock.now();
        let waiting: Vec<UnrecordedUse> = {
            let mut all = self.pending();
            let waits =
                |pending: &Pending| !pending.is_kept && pending.first_use.is_none() && pending.is_unwritten(now);
            let waiting = all.iter_mut().filter(|(_, pending)| waits(pending));
            waiting.filter_map(|(id, pending)| pending.to_keep(*id).inspect(|_| pending.is_kept = true)).collect()
        };
        if waiting.is_empty() {
            return;
        }
        match self.unrecorded.keep_all(&waiting) {
            Ok(()) => tracing::debug!(keys = waiting.len(), "uses that cannot be written are in their file"),
            // There is none: nobody has named a folder for it.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(%error, keys = waiting.len(), "a crash now would lose uses that cannot be written");
            }
        }
    }

    /// Records that `token`, whose row was just read, authenticated a request of `caller`. This only changes memory,
    /// except for a first use: then it returns when the use is durable, or after `patience`.
    pub async fn touch(&self, token: &Token, caller: Caller<'_>) {
        let Some(mut written) = self.note(token, caller) else { return };
        if tokio::time::timeout(self.patience, written.changed()).await.is_ok() {
            return;
        }
        // Boxed: it is seldom called, and would make the future of every request larger.
        Box::pin(self.answer_unwritten(token)).await;
    }

    async fn answer_unwritten(&self, token: &Token) {
        let Some(unwritten) = self.unwritten(token.id) else { return };
        let kept = match unwritten {
            Some(unwritten) => self.unrecorded.keep(unwritten).await,
            None => Ok(()),
        };
        if let Some(pending) = self.pending().get_mut(&token.id)
            && let Some(first_use) = &mut pending.first_use
        {
            first_use.answered = true;
            pending.is_kept = true;
            self.answered_unwritten.fetch_add(1, Ordering::Relaxed);
            tell_answered(token.id, kept);
        }
    }

    /// The first use of a token, as it is kept, if it is not written yet.
    fn unwritten(&self, token_id: i64) -> Option<Option<UnrecordedUse>> {
        let all = self.pending();
        let pending = all.get(&token_id).filter(|pending| pending.first_use.is_some())?;
        Some(pending.to_keep(token_id))
    }

    /// Adds a use to the pending ones. For a first use, returns what to wait for.
    fn note(&self, token: &Token, caller: Caller<'_>) -> Option<watch::Receiver<()>> {
        // Keep the use later than the creation: equal times mean "never used", as in rows that Rails wrote.
        let now = self.clock.now();
        let used_on = now.max(token.created_on + TimeDelta::microseconds(1));
        let recorded_on = token.recorded_use();
        let mut all = self.pending();
        let pending = all.entry(token.id).or_insert_with(|| Pending::new(token, used_on));
        pending.used_on = latest_true(Some(pending.used_on), Some(used_on), now).unwrap_or(used_on);
        if pending.used_on == used_on {
            pending.by.get_or_insert_with(|| LatestCaller::new(caller)).see(caller);
        }
        pending.note_row(recorded_on, now);
        if pending.recorded_on.is_some() {
            return None;
        }
        let first_use = pending.first_use.get_or_insert_with(|| FirstUse::new(token.clone(), Client::of(caller)));
        if first_use.answered {
            return None;
        }
        let written = first_use.written.subscribe();
        drop(all);
        self.wake_up.wake();
        Some(written)
    }

    /// The last use of a token: the pending one, if it is later than the one in the row, or that lies in the future.
    pub fn of(&self, token: &Token) -> Option<Timestamp> {
        let pending = self.pending().get(&token.id).map(|pending| pending.used_on);
        latest_true(token.recorded_use(), pending, self.clock.now())
    }

    /// Who was last to use a key, at `last_use`: the pending one, or the one in its row; `None`: nobody knows.
    pub fn used_by(&self, key: &Key, last_use: KeyUse) -> Option<UsedBy> {
        let all = self.pending();
        let mut pending = key.secrets().filter_map(|secret| all.get(&secret.id));
        match pending.find(|pending| pending.used_on == last_use.on).and_then(|pending| pending.by.as_ref()) {
            Some(by) => Some(used_by(by)),
            None => key.used_by(last_use).cloned(),
        }
    }

    /// How many tokens have a use that is not written yet.
    pub fn pending_uses(&self) -> usize {
        let now = self.clock.now();
        self.pending().values().filter(|pending| pending.is_unwritten(now)).count()
    }

    /// How many requests were answered before the first use of their token was written.
    pub fn answered_unwritten(&self) -> u64 {
        self.answered_unwritten.load(Ordering::Relaxed)
    }

    /// Writes the first uses. Uses that cannot be written stay pending.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn write_first_uses(&self, connection: &mut DbConnection) -> QueryResult<()> {
        self.write(connection, RecordIf::FirstUse, |pending| pending.first_use.is_some())
    }

    /// Writes the uses of tokens that were not written for a minute. Uses that cannot be written stay pending.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn write_due(&self, connection: &mut DbConnection) -> QueryResult<()> {
        let now = self.clock.now();
        self.write(connection, RecordIf::UnwrittenForAMinute { now }, |pending| pending.is_due(now))
    }

    /// Writes all uses, because the process is about to stop.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn write_all(&self, connection: &mut DbConnection) -> QueryResult<()> {
        self.write_first_uses(connection)?;
        self.write(connection, RecordIf::AtTheEnd { now: self.clock.now() }, |_| true)
    }

    fn write(
        &self,
        connection: &mut DbConnection,
        record_if: RecordIf,
        wanted: impl Fn(&Pending) -> bool,
    ) -> QueryResult<()> {
        let mut uses: Vec<TokenUse> = {
            let (mut pending, now) = (self.pending(), self.clock.now());
            pending.retain(|_, pending| pending.is_wanted(now));
            let wanted = pending.iter().filter(|(_, pending)| pending.is_unwritten(now) && wanted(pending));
            let by = |pending: &Pending| pending.by.as_ref().map(used_by);
            wanted.map(|(id, it)| TokenUse { token_id: *id, used_on: it.used_on, by: by(it) }).collect()
        };
        uses.sort_unstable();
        for batch in uses.chunks(BATCH) {
            let started = Instant::now();
            let recorded = write(connection, self.clock.now(), |tx| {
                let written = Token::record_uses(tx.connection, batch, record_if)?;
                match record_if {
                    RecordIf::FirstUse => self.tell_first_uses(tx, &written)?,
                    _ => self.note_gaps(tx, &written)?,
                }
                let ids: Vec<i64> = batch.iter().map(|it| it.token_id).collect();
                Token::recorded_uses(tx.connection, &ids)
            })?;
            self.flushes.duration.observe(started.elapsed().as_secs_f64());
            self.settle(batch, &recorded);
        }
        Ok(())
    }

    /// Records the first uses of keys in their owners' activity, and the gaps after those that a crash had left
    /// unwritten.
    fn tell_first_uses(&self, tx: &mut Tx<'_>, token_ids: &[i64]) -> QueryResult<()> {
        for id in token_ids {
            let first_use = self.pending().get(id).and_then(|pending| {
                let first_use = pending.first_use.as_ref().filter(|it| it.token.action.is_key())?;
                let FirstUse { token, client, .. } = first_use;
                Some((token.clone(), client.clone(), pending.gap_until, pending.used_on))
            });
            if let Some((token, client, gap_until, used_on)) = first_use {
                let first_used = NewEvent::of_key(&token, EventAction::KeyFirstUsed).done_by(&client, used_on);
                let Some(until) = gap_until else {
                    first_used.record(tx)?;
                    continue;
                };
                Token::record_from(tx.connection, token.key(), until)?;
                first_used.detail(format!("uses from then until {} may be missing", iso8601(until))).record(tx)?;
            }
        }
        Ok(())
    }

    /// Notes the gaps after later uses of keys that a crash had left unwritten.
    fn note_gaps(&self, tx: &mut Tx<'_>, token_ids: &[i64]) -> QueryResult<()> {
        for id in token_ids {
            let gap = self.pending().get(id).and_then(|it| Some((it.of_key.as_ref()?.key_id, it.gap_until?)));
            if let Some((key_id, until)) = gap {
                Token::record_from(tx.connection, key_id, until)?;
            }
        }
        Ok(())
    }

    /// Notes which uses the rows now have, and removes those of deleted tokens. The rest stays pending.
    fn settle(&self, batch: &[TokenUse], recorded: &HashMap<i64, Option<Timestamp>>) {
        let (mut all, now) = (self.pending(), self.clock.now());
        let mut settled = Vec::new();
        for TokenUse { token_id, used_on, .. } in batch {
            let Some(pending) = all.get_mut(token_id) else { continue };
            // A row that another process has just written keeps the use waiting.
            let is_settled = recorded.get(token_id).is_none_or(|recorded_on| *recorded_on >= Some(*used_on));
            if is_settled && std::mem::take(&mut pending.is_kept) {
                settled.push(*token_id);
            }
            match recorded.get(token_id) {
                None => {
                    all.remove(token_id);
                }
                Some(recorded_on) => {
                    pending.note_row(*recorded_on, now);
                    if recorded_on.is_some() {
                        pending.first_use = None;
                    }
                    if is_settled {
                        pending.gap_until = None;
                    }
                    if !pending.is_unwritten(now) {
                        pending.written_at = Some(Instant::now());
                    }
                }
            }
        }
        drop(all);
        self.unrecorded.forget(settled);
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<i64, Pending>> {
        // Ignore poisoning: every entry is complete between two statements, so a panic elsewhere leaves nothing
        // half-done.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn used_by(latest: &LatestCaller) -> UsedBy {
    UsedBy { address: latest.address(), agent: latest.agent().to_owned() }
}

/// Says that a request was answered before the first use of its token was written, and what a crash would lose now.
fn tell_answered(token_id: i64, kept: std::io::Result<()>) {
    match kept {
        Ok(()) => tracing::warn!(
            token_id,
            "answered before the first use was written; a crash now would lose later uses, and leave a gap"
        ),
        Err(error) => {
            tracing::warn!(token_id, %error, "answered before the first use was written; a crash now would lose it");
        }
    }
}
