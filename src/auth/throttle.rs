//! Slows down guessing and flooding: passwords are counted by the network that they come from, and by network and login;
//! requests that anybody may send by network. Who was here before is counted apart from strangers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use chrono::TimeDelta;
use ipnet::IpNet;
use lru::LruCache;
use tokio::sync::OwnedMutexGuard;

use crate::clock::{Clock, Timestamp};
use crate::models::address_networks::{narrowest, networks};
use crate::secret::{Digest, Secret};

/// Wrong passwords for one login from a narrowest network. Wider ones may do some times as much.
const FOR_A_LOGIN: Limit = Limit { most: 10, within: TimeDelta::minutes(15) };
/// Passwords from a narrowest network that were wrong or not looked at. Wider ones may do some times as much.
const FOR_ALL_LOGINS: Limit = Limit { most: 100, within: TimeDelta::minutes(15) };
/// Counters in memory; the one that was asked for longest ago makes room (LRU cache).
const COUNTERS: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();
/// Turns in memory before those that nobody waits for are looked for.
const TURNS: usize = 1000;

/// Where a password comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A session of the same person, by its id.
    Session(i64),
    /// A browser in which the same person has signed in before, by what its cookie says.
    KnownBrowser(Digest),
    /// An address from which the same person has signed in before.
    KnownAddress(IpAddr),
    /// Anywhere else.
    Stranger(IpAddr),
}

/// Which queue a password waits in to be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// For people who were here before, and for everybody who is signed in. It comes first.
    Known,
    /// For everybody else.
    Stranger,
}

impl Origin {
    /// The queue for it.
    pub fn lane(self) -> Lane {
        match self {
            Self::Session(_) | Self::KnownBrowser(_) | Self::KnownAddress(_) => Lane::Known,
            Self::Stranger(_) => Lane::Stranger,
        }
    }

    /// What is counted as one.
    fn narrowest(self) -> Source {
        match self {
            Self::Session(id) => Source::Session(id),
            Self::KnownBrowser(mark) => Source::KnownBrowser(mark),
            Self::KnownAddress(address) => Source::KnownAddress(narrowest(address)),
            Self::Stranger(address) => Source::Strangers(narrowest(address)),
        }
    }

    /// Everything that a password for `login` from here counts for.
    fn counts_for(self, login: Digest) -> Vec<Level> {
        let narrowest =
            Level { of: Of { from: self.narrowest(), login: Some(login) }, limit: FOR_A_LOGIN, places: None };
        // Strangers can neither fill nor empty the counters of people who were here before.
        let Self::Stranger(address) = self else { return vec![narrowest] };
        let levels = networks(address).flat_map(|network| {
            let from = Source::Strangers(network.net);
            let times = |limit: Limit| Limit { most: limit.most * network.times, ..limit };
            [
                Level { of: Of { from, login: Some(login) }, limit: times(FOR_A_LOGIN), places: None },
                Level { of: Of { from, login: None }, limit: times(FOR_ALL_LOGINS), places: Some(network.places) },
            ]
        });
        levels.collect()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    Session(i64),
    KnownBrowser(Digest),
    KnownAddress(IpNet),
    Strangers(IpNet),
}

/// What has a counter of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Of {
    from: Source,
    /// `None`: of all logins.
    login: Option<Digest>,
}

struct Level {
    of: Of,
    limit: Limit,
    /// How many may be on their way at the same time; `None`: any number.
    places: Option<u32>,
}

/// Why a password is not tried.
#[derive(Debug)]
pub enum Turned {
    /// Too many were wrong.
    TooMany(RetryAfter),
    /// Too many from the same network wait to be hashed.
    Busy,
}

/// The counters.
///
/// A crate for rate limiting such as governor, which [`Rates`](super::rates::Rates) uses, cannot do this: it takes one off
/// when something begins, and here it is known only at the end whether it counts. Until then an attempt counts as wrong,
/// and if it was right it is given back.
pub struct Throttle {
    clock: Clock,
    counters: Mutex<LruCache<Of, Tally>>,
    turns: Mutex<HashMap<Of, Weak<tokio::sync::Mutex<()>>>>,
}

/// How many of something there may be, before one has to wait.
#[derive(Clone, Copy)]
pub struct Limit {
    most: u32,
    /// The time in which they are counted, since the first.
    within: TimeDelta,
}

/// Too many; come back after this time.
#[derive(Debug)]
pub struct RetryAfter(pub Duration);

#[derive(Clone, Copy, Default)]
struct Counter {
    times: u32,
    since: Timestamp,
}

#[derive(Default)]
struct Tally {
    counter: Counter,
    trying: u32,
}

impl Counter {
    fn refuses(&mut self, now: Timestamp, limit: Limit) -> Option<RetryAfter> {
        let Limit { most, within } = limit;
        // A clock that was set back must not make the wait longer than the limit's time.
        if now >= self.since + within || now < self.since {
            *self = Self { times: 0, since: now };
        }
        (self.times >= most).then(|| RetryAfter((self.since + within - now).to_std().unwrap_or_default()))
    }

    fn count(&mut self, now: Timestamp) {
        if self.times == 0 {
            self.since = now;
        }
        self.times = self.times.saturating_add(1);
    }
}

impl Tally {
    fn refuses(&mut self, now: Timestamp, limit: Limit) -> Option<RetryAfter> {
        // Those on their way count as wrong, or a hundred at once would be as many more tries.
        self.counter.refuses(now, Limit { most: limit.most.saturating_sub(self.trying), ..limit })
    }
}

/// The counters while they are locked.
struct Counters<'a>(MutexGuard<'a, LruCache<Of, Tally>>);

impl Counters<'_> {
    /// Refuses what is too much already. Who is refused gets no counter, and so makes nobody else's forgotten.
    fn check(&mut self, levels: &[Level], now: Timestamp) -> Result<(), RetryAfter> {
        let refusals =
            levels.iter().filter_map(|level| self.0.get_mut(&level.of).and_then(|it| it.refuses(now, level.limit)));
        refusals.max_by_key(|RetryAfter(wait)| *wait).map_or(Ok(()), Err)
    }

    fn has_place(&self, levels: &[Level]) -> bool {
        levels.iter().all(|level| {
            let trying = self.0.peek(&level.of).map_or(0, |tally| tally.trying);
            level.places.is_none_or(|places| trying < places)
        })
    }

    fn count(&mut self, of: Of, now: Timestamp) {
        self.0.get_or_insert_mut(of, Tally::default).counter.count(now);
    }
}

impl Throttle {
    /// Nothing counted yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, counters: Mutex::new(LruCache::new(COUNTERS)), turns: Mutex::default() }
    }

    /// Lets one password be tried, or says when. Attempts for one login from one place go one after the other, so that
    /// those that come at once are counted like those that come in turn.
    ///
    /// # Errors
    /// [`Turned`].
    pub async fn attempt(&self, origin: Origin, login: &str) -> Result<Attempt<'_>, Turned> {
        // Digested: people type passwords and keys where the login belongs, and those are not for keeping.
        let login = Secret::presented(login.to_ascii_lowercase()).digest();
        let levels = origin.counts_for(login);
        self.counters().check(&levels, self.clock.now()).map_err(Turned::TooMany)?;
        let turn = self.turn(Of { from: origin.narrowest(), login: Some(login) }).lock_owned().await;
        let (now, mut counters) = (self.clock.now(), self.counters());
        counters.check(&levels, now).map_err(Turned::TooMany)?;
        if !counters.has_place(&levels) {
            // What is turned away counts too, though not as a wrong password: nobody has looked at it.
            levels.iter().filter(|level| level.of.login.is_none()).for_each(|level| counters.count(level.of, now));
            return Err(Turned::Busy);
        }
        for level in &levels {
            counters.0.get_or_insert_mut(level.of, Tally::default).trying += 1;
        }
        let of = levels.into_iter().map(|level| level.of).collect();
        Ok(Attempt { throttle: self, of, outcome: Outcome::NotLookedAt, _turn: turn })
    }

    fn counters(&self) -> Counters<'_> {
        Counters(self.counters.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn turn(&self, of: Of) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= TURNS {
            turns.retain(|_, turn| turn.strong_count() > 0);
        }
        if let Some(turn) = turns.get(&of).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        turns.insert(of, Arc::downgrade(&turn));
        turn
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Right,
    Wrong,
    NotLookedAt,
}

/// One password on its way. Dropped, it was not looked at: no thread had time for it, or the client went away. That
/// counts for the network, as it took a place that others wanted, and not for the login.
pub struct Attempt<'a> {
    throttle: &'a Throttle,
    of: Vec<Of>,
    outcome: Outcome,
    _turn: OwnedMutexGuard<()>,
}

impl Attempt<'_> {
    /// It was right, or need not be tried.
    pub fn right(mut self) {
        self.outcome = Outcome::Right;
    }

    /// It was wrong.
    pub fn wrong(mut self) {
        self.outcome = Outcome::Wrong;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let (now, mut counters) = (self.throttle.clock.now(), self.throttle.counters());
        for of in &self.of {
            let counts = match self.outcome {
                Outcome::Right => false,
                Outcome::Wrong => true,
                Outcome::NotLookedAt => of.login.is_none(),
            };
            if let Some(tally) = counters.0.get_mut(of) {
                tally.trying = tally.trying.saturating_sub(1);
            }
            if counts {
                counters.count(*of, now);
            }
            // A counter that counts nothing would take the place of one that does.
            if counters.0.peek(of).is_some_and(|tally| tally.counter.times == 0 && tally.trying == 0) {
                counters.0.pop(of);
            }
        }
    }
}

/// Requests that anybody may send: 60 a minute and 600 an hour from one narrowest network, some times as many from wider
/// ones.
///
/// These are fixed windows, each of which begins with the first request in it. The token bucket of governor, which
/// [`Rates`](super::rates::Rates) uses, gives one back every second: an address could send 119 in its first minute, where
/// 60 are promised, and whoever is refused would be told to come back in a second, for one more.
pub struct NetworkRate {
    clock: Clock,
    rates: NetworkLimits,
    networks: Mutex<LruCache<IpNet, [Counter; 2]>>,
}

/// What an address may do. The longer time comes first: it says the later time to come back.
pub type NetworkLimits = [Limit; 2];

/// Reports of leaked secrets: a scanner may have found many.
pub const LEAK_REPORTS: NetworkLimits =
    [Limit { most: 600, within: TimeDelta::hours(1) }, Limit { most: 60, within: TimeDelta::minutes(1) }];
/// Requests for a link to choose a password.
pub const RECOVERY_REQUESTS: NetworkLimits =
    [Limit { most: 20, within: TimeDelta::hours(1) }, Limit { most: 10, within: TimeDelta::minutes(1) }];

impl NetworkRate {
    /// Nothing counted yet of what is limited to `rates`.
    pub fn new(clock: Clock, rates: NetworkLimits) -> Self {
        Self { clock, rates, networks: Mutex::new(LruCache::new(COUNTERS)) }
    }

    /// Lets one request from `address` pass, or says when. Those that are refused are not counted.
    ///
    /// # Errors
    /// [`RetryAfter`].
    pub fn pass(&self, address: IpAddr) -> Result<(), RetryAfter> {
        let now = self.clock.now();
        let mut counted = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        for network in networks(address) {
            let Some(counters) = counted.get_mut(&network.net) else { continue };
            let times = |limit: Limit| Limit { most: limit.most * network.times, ..limit };
            let refused =
                counters.iter_mut().zip(self.rates).find_map(|(counter, rate)| counter.refuses(now, times(rate)));
            if let Some(wait) = refused {
                return Err(wait);
            }
        }
        for network in networks(address) {
            let counters = counted.get_or_insert_mut(network.net, Default::default);
            counters.iter_mut().for_each(|counter| counter.count(now));
        }
        Ok(())
    }
}
