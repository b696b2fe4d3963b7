//! Where keys are used: on which services, when last and by whom, and how often a day. Counted in memory, so that it
//! costs the question nothing, and written behind by the [`Recorder`](super::Recorder) about once a minute.
//!
//! It is a long file because the counts are private: what is counted, written and shown must agree about what is where.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::NaiveDate;
use diesel::QueryResult;
use diesel::result::{DatabaseErrorKind::SerializationFailure, Error::DatabaseError};
use tokio::sync::Notify;

use super::wake_up::WakeUp;
use super::write::write;
use crate::clock::{Clock, Timestamp, ahead_of};
use crate::db::{Database, DbConnection, DbError, TransactionId, TransactionState, wait_for_locks};
use crate::models::client::{Caller, LatestCaller};
use crate::models::services::uses::{KeyOnService, LastServiceUse, ServiceUsage, ServiceUse};

/// Counts that are kept in memory, at most: one for each key, service and day.
const MOST_COUNTS: usize = 40_000;
/// So many are written at once: there is to be room for more while they are.
const WAKE_AT: usize = MOST_COUNTS / 2;
/// Keys on services that are written in one transaction, at most: others want to write too.
const BATCH: usize = 500;
/// How long others' locks are waited for: a program's first use waits for its write no longer than this and a bit more.
const LOCK_PATIENCE: Duration = Duration::from_millis(200);
/// The same when the process is about to stop, and nobody waits for it.
const LAST_LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// How often a page looks whose rows are written meanwhile, and how long it waits for the end of that.
const LOOKS: u32 = 4;
const PAGE_PATIENCE: Duration = Duration::from_millis(250);

/// A question that was answered with yes: somebody used a key on a service.
#[derive(Clone, Copy, Debug)]
pub struct ServiceCall<'a> {
    /// The key, by its first secret: [`Token::key`](crate::models::keys::token::Token::key).
    pub key_id: i64,
    /// The service.
    pub service_id: i64,
    /// Whoever called the service.
    pub address: IpAddr,
    /// What they say they are, as it was sent; may be empty.
    pub agent: &'a [u8],
    /// When.
    pub at: Timestamp,
}

impl ServiceCall<'_> {
    fn of(&self) -> KeyOnService {
        KeyOnService { key_id: self.key_id, service_id: self.service_id }
    }

    fn caller(&self) -> Caller<'_> {
        Caller { address: self.address, agent: self.agent }
    }
}

/// The uses that are not yet written. Bounded, whatever happens to the database.
pub struct ServiceUses {
    clock: Clock,
    wake_up: Arc<WakeUp>,
    state: Mutex<Counts>,
    /// Told whenever what was committed has been taken out.
    settled: Notify,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Counts {
    /// What was counted since the last write began.
    counted: Uses,
    /// What was counted before, and is being written or could not be. Nothing is added to it, so that what has been
    /// committed can be taken out as it is.
    unwritten: Uses,
    /// The recorder knows that there is much to write.
    has_woken: bool,
    /// It has been told that some are dropped.
    has_told: bool,
    /// How often `counted` has become `unwritten`.
    writes: u64,
    /// Of `unwritten`, what may be in the database already: it is being committed.
    committing: Option<RangeInclusive<KeyOnService>>,
    /// Those of `unwritten` that are in the database if a transaction was committed whose end is not known.
    in_doubt: Option<(TransactionId, Vec<KeyOnService>)>,
}

#[derive(Default)]
struct Uses {
    /// In the order in which they are written; those of one key are together.
    of: BTreeMap<KeyOnService, Use>,
    counts: usize,
}

struct Use {
    last: Timestamp,
    by: LatestCaller,
    /// How often on each day; seldom more than one.
    days: Vec<(NaiveDate, i64)>,
}

impl ServiceUses {
    /// Nothing counted. `wake_up` wakes the thread that writes when there is much.
    pub fn new(clock: Clock, wake_up: Arc<WakeUp>) -> Self {
        Self { clock, wake_up, state: Mutex::default(), settled: Notify::new(), dropped: AtomicU64::new(0) }
    }

    /// Counts a use. In memory only: nothing is waited for but a short lock, and nothing allocated for a key that was
    /// used on this service before by the same.
    pub fn count(&self, call: &ServiceCall<'_>) {
        let wake = {
            let mut state = self.state();
            // What waits already has room for more of the same, which keeps all within twice as many.
            let has_room =
                state.counted.counts + state.unwritten.counts < MOST_COUNTS || state.unwritten.has_count_for(call);
            if !state.counted.add(call, has_room, &self.clock) {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                if !std::mem::replace(&mut state.has_told, true) {
                    tracing::warn!(
                        waiting = MOST_COUNTS,
                        "some uses of keys on services are not counted: as many as are kept in memory wait to be written"
                    );
                }
            }
            let is_much = state.counted.counts >= WAKE_AT;
            is_much && !std::mem::replace(&mut state.has_woken, true)
        };
        if wake {
            self.wake_up.wake_for_service_uses();
        }
    }

    /// Where a key is used, latest first: what `database` knows by `today`, and what is not written yet.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn of(&self, database: &Database, key_id: i64, today: NaiveDate) -> Result<Vec<ServiceUsage>, DbError> {
        let mut looks_left = LOOKS;
        loop {
            looks_left -= 1;
            let settled = self.settled.notified();
            let before = self.state().unwritten_of(key_id);
            let mut all = database.read(move |connection| ServiceUsage::of_key(connection, key_id, today)).await?;
            let is_committing = {
                let state = self.state();
                // What was committed meanwhile would be missing, or be there twice.
                let is_committing = state.committing.as_ref().is_some_and(|range| touches(range, key_id));
                if looks_left == 0 || (!is_committing && state.unwritten_of(key_id) == before) {
                    for usage in &mut all {
                        let of = KeyOnService { key_id, service_id: usage.service_id };
                        let pending = [&state.unwritten, &state.counted].map(|uses| uses.of.get(&of));
                        let now = self.clock.now();
                        pending.into_iter().flatten().for_each(|it| usage.add(it.last(), it.days.iter().copied(), now));
                    }
                    return Ok(ServiceUsage::latest_first(all));
                }
                is_committing
            };
            if is_committing {
                // Whether it has ended or not: it looks again.
                let _ = tokio::time::timeout(PAGE_PATIENCE, settled).await;
            }
        }
    }

    /// The latest use of each service, by its id, of those that are not written yet. To be asked before the database is:
    /// what is written meanwhile is then known twice, and not at all the other way round.
    pub fn latest(&self) -> BTreeMap<i64, Timestamp> {
        let mut latest: BTreeMap<i64, Timestamp> = BTreeMap::new();
        let state = self.state();
        for (of, it) in state.unwritten.of.iter().chain(&state.counted.of) {
            let known = latest.entry(of.service_id).or_insert(it.last);
            *known = it.last.max(*known);
        }
        latest
    }

    /// The latest use of each of these keys on each service, of those that are not written yet. Ask before the database is.
    pub fn latest_of(&self, key_ids: &[i64]) -> Vec<(KeyOnService, Timestamp)> {
        let (state, mut latest) = (self.state(), Vec::new());
        for uses in [&state.unwritten, &state.counted] {
            let of_keys = key_ids.iter().flat_map(|id| uses.of.range(of_key(*id)));
            latest.extend(of_keys.map(|(of, it)| (*of, it.last)));
        }
        latest
    }

    /// Keys on services with a use that is not written yet.
    pub fn pending(&self) -> usize {
        let state = self.state();
        state.counted.of.len() + state.unwritten.of.len()
    }

    /// Uses that were not counted, because too many waited to be written.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Writes everything that was counted until now. What cannot be written stays. It does not wait for others' locks as
    /// long as they do; between its transactions `meanwhile` does what must not wait for all of it.
    ///
    /// # Errors
    /// Those of the queries, and of `meanwhile`.
    pub fn write(
        &self,
        connection: &mut DbConnection,
        meanwhile: impl FnMut(&mut DbConnection) -> QueryResult<()>,
    ) -> QueryResult<()> {
        self.write_within(connection, LOCK_PATIENCE, meanwhile)
    }

    /// Writes everything: the process is about to stop.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn write_all(&self, connection: &mut DbConnection) -> QueryResult<()> {
        self.write_within(connection, LAST_LOCK_PATIENCE, |_| Ok(()))
    }

    fn write_within(
        &self,
        connection: &mut DbConnection,
        patience: Duration,
        mut meanwhile: impl FnMut(&mut DbConnection) -> QueryResult<()>,
    ) -> QueryResult<()> {
        self.settle_doubt(connection)?;
        // What could not be written before, and then what was counted since.
        self.write_unwritten(connection, patience, &mut meanwhile)?;
        {
            let mut state = self.state();
            state.unwritten = std::mem::take(&mut state.counted);
            state.writes += 1;
            state.has_woken = false;
        }
        self.write_unwritten(connection, patience, &mut meanwhile)?;
        self.state().has_told = false;
        Ok(())
    }

    fn write_unwritten(
        &self,
        connection: &mut DbConnection,
        patience: Duration,
        meanwhile: &mut impl FnMut(&mut DbConnection) -> QueryResult<()>,
    ) -> QueryResult<()> {
        // In order: two processes that write about the same keys would deadlock otherwise.
        let all: Vec<KeyOnService> = self.state().unwritten.of.keys().copied().collect();
        for batch in all.chunks(BATCH) {
            self.write_batch(connection, patience, batch)?;
            meanwhile(connection)?;
        }
        Ok(())
    }

    fn write_batch(
        &self,
        connection: &mut DbConnection,
        patience: Duration,
        batch: &[KeyOnService],
    ) -> QueryResult<()> {
        let uses = {
            let state = self.state();
            let uses = batch.iter().filter_map(|of| Some(state.unwritten.of.get(of)?.to_write(*of)));
            uses.collect::<Vec<_>>()
        };
        let written = write(connection, self.clock.now(), |tx| {
            wait_for_locks(tx.connection, patience)?;
            ServiceUse::record(tx.connection, &uses, tx.now)?;
            // Last, so that it is known only of one whose commit was tried.
            let id = TransactionId::current(tx.connection)?;
            let mut state = self.state();
            state.committing = batch.first().zip(batch.last()).map(|(first, last)| *first..=*last);
            // Until it is known that it has been committed: whoever commits it may not come back, but panic.
            state.in_doubt = id.map(|id| (id, batch.to_vec()));
            Ok(())
        });
        let mut state = self.state();
        if written.is_ok() {
            state.forget(batch);
            state.in_doubt = None;
        }
        state.committing = None;
        drop(state);
        self.settled.notify_waiters();
        written
    }

    /// A connection that breaks during a commit, or a panic, leaves open what came of it: counted twice is as wrong as lost.
    fn settle_doubt(&self, connection: &mut DbConnection) -> QueryResult<()> {
        let id = {
            let mut state = self.state();
            // Whoever committed something may have panicked: nobody does now.
            state.committing = None;
            state.in_doubt.as_ref().map(|(id, _)| *id)
        };
        let Some(id) = id else { return Ok(()) };
        let found = id.state(connection)?;
        let mut state = self.state();
        match found {
            TransactionState::UnderWay => {
                let text = "what came of the transaction before is not known yet".to_owned();
                return Err(DatabaseError(SerializationFailure, Box::new(text)));
            }
            TransactionState::Committed => {
                let written = state.in_doubt.take().map(|(_, batch)| batch).unwrap_or_default();
                state.forget(&written);
            }
            TransactionState::RolledBack => state.in_doubt = None,
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, Counts> {
        // Each entry is whole between any two statements, so that a panic elsewhere leaves nothing half-done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// What of a key waits in `unwritten`, and in which of them: it is another by the time that any of it is committed.
    fn unwritten_of(&self, key_id: i64) -> (u64, Vec<KeyOnService>) {
        let of_key = self.unwritten.of.range(of_key(key_id));
        (self.writes, of_key.map(|(of, _)| *of).collect())
    }

    /// Takes out what is in the database.
    fn forget(&mut self, written: &[KeyOnService]) {
        for of in written {
            if let Some(it) = self.unwritten.of.remove(of) {
                self.unwritten.counts -= it.days.len();
            }
        }
    }
}

/// A key on any service.
fn of_key(key_id: i64) -> RangeInclusive<KeyOnService> {
    KeyOnService { key_id, service_id: i64::MIN }..=KeyOnService { key_id, service_id: i64::MAX }
}

fn touches(range: &RangeInclusive<KeyOnService>, key_id: i64) -> bool {
    (range.start().key_id..=range.end().key_id).contains(&key_id)
}

impl Uses {
    /// Whether uses like this one are counted here.
    fn has_count_for(&self, call: &ServiceCall<'_>) -> bool {
        let known = self.of.get(&call.of());
        known.is_some_and(|it| it.days.iter().any(|(day, _)| *day == call.at.date()))
    }

    /// `false`: there was no room for one more count, and it was not counted.
    fn add(&mut self, call: &ServiceCall<'_>, has_room: bool, clock: &Clock) -> bool {
        let day = call.at.date();
        match self.of.entry(call.of()) {
            Entry::Occupied(mut entry) => {
                let it = entry.get_mut();
                it.see(call, clock);
                // Today's is the last, unless a clock was set back.
                if let Some((_, times)) = it.days.iter_mut().rev().find(|(counted, _)| *counted == day) {
                    *times += 1;
                    return true;
                }
                if has_room {
                    it.days.push((day, 1));
                }
            }
            Entry::Vacant(entry) if has_room => {
                entry.insert(Use::new(call, day));
            }
            Entry::Vacant(_) => {}
        }
        self.counts += usize::from(has_room);
        has_room
    }
}

impl Use {
    fn new(call: &ServiceCall<'_>, day: NaiveDate) -> Self {
        Self { last: call.at, by: LatestCaller::new(call.caller()), days: vec![(day, 1)] }
    }

    /// Keeps when, from where and by whom, unless something later is known that does not lie in the future.
    fn see(&mut self, call: &ServiceCall<'_>, clock: &Clock) {
        if call.at < self.last && self.last <= ahead_of(clock.now()) {
            return;
        }
        self.last = call.at;
        self.by.see(call.caller());
    }

    fn to_write(&self, of: KeyOnService) -> ServiceUse {
        ServiceUse { of, last: self.last(), days: self.days.clone() }
    }

    fn last(&self) -> LastServiceUse {
        LastServiceUse { on: self.last, address: self.by.address(), agent: self.by.agent().to_owned() }
    }
}
