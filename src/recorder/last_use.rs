//! Last use: when each token last authenticated a request. The time shown is always true, and recording it does not
//! slow down the request.
//!
//! This is a write-behind cache. Uses are kept in memory, one entry for each token, and the thread of the
//! [`Recorder`](super::Recorder) writes them about once a minute, however many requests there are. Only the very first
//! use of a token is waited for: it is in the database before the response is sent, so that no crash can make a used
//! key read "Never used". First uses that arrive together share a transaction. `docs/last-use.md` has the rules and
//! the reasons.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use diesel::QueryResult;
use tokio::sync::watch;

use super::unrecorded::{Unrecorded, UnrecordedUse};
use super::wake_up::WakeUp;
use super::write::write;
use crate::clock::{Clock, Timestamp, ahead_of, iso8601, latest_true};
use crate::db::DbConnection;
use crate::metrics::Flushes;
use crate::models::client::{Caller, Client, LatestCaller};
use crate::models::event::{EventAction, NewEvent};
use crate::models::keys::key::{Key, KeyUse};
use crate::models::keys::token::{RecordIf, Token, TokenUse, UsedBy, WRITE_INTERVAL};
use crate::models::tx::Tx;

/// Uses written in one transaction, at most: others want to write too.
const BATCH: usize = 1000;

/// Uses that are not written yet. The number of entries is bounded by the number of tokens, not of requests.
pub struct LastUse {
    clock: Clock,
    patience: Duration,
    wake_up: Arc<WakeUp>,
    pending: Mutex<HashMap<i64, Pending>>,
    unrecorded: Arc<Unrecorded>,
    answered_unwritten: AtomicU64,
    flushes: Flushes,
}

struct Pending {
    used_on: Timestamp,
    /// Who used the token then; `None`: nobody knows.
    by: Option<LatestCaller>,
    /// The last use in the token's row when that was last read.
    recorded_on: Option<Timestamp>,
    first_use: Option<FirstUse>,
}

struct FirstUse {
    token: Token,
    client: Client,
    /// Requests that wait for the write subscribe to this; they continue when it is dropped.
    written: watch::Sender<()>,
    /// Whether a request was answered before the write. Other requests need not wait either, then.
    answered: bool,
    /// Set if this start found the use in the file of a process that died: uses until then are not known.
    gap_until: Option<Timestamp>,
}

impl FirstUse {
    fn new(token: Token, client: Client) -> Self {
        Self { token, client, written: watch::Sender::default(), answered: false, gap_until: None }
    }
}

impl Pending {
    /// Notes what the row says. Only of what lies in the future the latest is forgotten: it can have given way.
    fn note_row(&mut self, recorded_on: Option<Timestamp>, now: Timestamp) {
        let is_true = |time: &Timestamp| *time <= ahead_of(now);
        self.recorded_on = match recorded_on.filter(is_true) {
            None => recorded_on.or(self.recorded_on),
            Some(recorded_on) => self.recorded_on.filter(is_true).max(Some(recorded_on)),
        };
    }

    fn is_unwritten(&self, now: Timestamp) -> bool {
        let gives_way = |recorded_on: Timestamp| {
            recorded_on < self.used_on || (recorded_on > self.used_on && recorded_on > ahead_of(now))
        };
        self.first_use.is_some() || self.recorded_on.is_none_or(gives_way)
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let is_writable = |recorded_on| recorded_on + WRITE_INTERVAL <= now || recorded_on > ahead_of(now);
        self.first_use.is_none() && self.recorded_on.is_none_or(is_writable)
    }
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

    /// Takes over the first uses that processes have left which died before these were written: they are pending again.
    /// Whatever else is in `left` has been recorded, or is about tokens that are gone.
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
            let found = tokens.remove(&it.token_id).filter(|token| token.recorded_use().is_none());
            match found.and_then(|token| Some((it.used_on(&token)?, token))) {
                Some((used_on, token)) => self.expect_again(used_on, token, it.client()),
                None => self.unrecorded.forget([it.token_id]),
            }
        }
        self.wake_up.wake();
        Ok(())
    }

    fn expect_again(&self, used_on: Timestamp, token: Token, client: Client) {
        tracing::warn!(
            token_id = token.id,
            "a crash left the first use of this key unwritten; later ones may be missing"
        );
        let (id, gap_until) = (token.id, Some(self.clock.now()));
        let address = client.address().parse().ok();
        let by = address.map(|address| LatestCaller::new(Caller { address, agent: client.agent().as_bytes() }));
        let first_use = Some(FirstUse { answered: true, gap_until, ..FirstUse::new(token, client) });
        self.pending().insert(id, Pending { used_on, by, recorded_on: None, first_use });
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
        // Whether a session was ever used decides nothing.
        let kept = if token.action.is_key() { self.unrecorded.keep(unwritten).await } else { Ok(()) };
        if let Some(first_use) = self.pending().get_mut(&token.id).and_then(|pending| pending.first_use.as_mut()) {
            first_use.answered = true;
            self.answered_unwritten.fetch_add(1, Ordering::Relaxed);
            tell_answered(token.id, kept);
        }
    }

    /// The first use of a token, if it is not written yet.
    fn unwritten(&self, token_id: i64) -> Option<UnrecordedUse> {
        let all = self.pending();
        let pending = all.get(&token_id)?;
        let first_use = pending.first_use.as_ref()?;
        Some(UnrecordedUse::new(&first_use.token, pending.used_on, &first_use.client))
    }

    /// Adds a use to the pending ones. For a first use, returns what to wait for.
    fn note(&self, token: &Token, caller: Caller<'_>) -> Option<watch::Receiver<()>> {
        // Keep the use later than the creation: equal times mean "never used", as in rows that Rails wrote.
        let now = self.clock.now();
        let used_on = now.max(token.created_on + TimeDelta::microseconds(1));
        let recorded_on = token.recorded_use();
        let mut all = self.pending();
        let pending = all.entry(token.id).or_insert(Pending { used_on, by: None, recorded_on, first_use: None });
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
            pending.retain(|_, pending| pending.is_unwritten(now));
            let wanted = pending.iter().filter(|(_, pending)| wanted(pending));
            let by = |pending: &Pending| pending.by.as_ref().map(used_by);
            wanted.map(|(id, it)| TokenUse { token_id: *id, used_on: it.used_on, by: by(it) }).collect()
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

    /// Records the first uses of keys in their owners' activity, and the gaps after those that a crash had left
    /// unwritten.
    fn tell_first_uses(&self, tx: &mut Tx<'_>, token_ids: &[i64]) -> QueryResult<()> {
        for id in token_ids {
            let first_use = self.pending().get(id).and_then(|pending| {
                let first_use = pending.first_use.as_ref().filter(|it| it.token.action.is_key())?;
                let FirstUse { token, client, gap_until, .. } = first_use;
                Some((token.clone(), client.clone(), *gap_until, pending.used_on))
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

    /// Removes the uses that the rows now have, and those of deleted tokens. The rest stays pending.
    fn settle(&self, batch: &[TokenUse], recorded: &HashMap<i64, Option<Timestamp>>) {
        let (mut all, now) = (self.pending(), self.clock.now());
        let mut settled = Vec::new();
        for TokenUse { token_id, .. } in batch {
            let Some(pending) = all.get_mut(token_id) else { continue };
            if pending.first_use.as_ref().is_some_and(|first_use| first_use.answered) {
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
                    if !pending.is_unwritten(now) {
                        all.remove(token_id);
                    }
                }
            }
        }
        settled.retain(|id| all.get(id).is_none_or(|pending| pending.first_use.is_none()));
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
