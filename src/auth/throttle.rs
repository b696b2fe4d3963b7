//! Slows down guessing and flooding: wrong passwords are counted by address, and by address and login; requests that
//! anybody may send by address.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use lru::LruCache;
use tokio::sync::OwnedMutexGuard;

use crate::clock::{Clock, Timestamp};
use crate::secret::{Digest, Secret};

/// Wrong passwords for one login from one address.
const FOR_A_LOGIN: Limit = Limit { most: 10, within: TimeDelta::minutes(15) };
/// Wrong passwords from one address.
const FOR_AN_ADDRESS: Limit = Limit { most: 100, within: TimeDelta::minutes(15) };
/// Counters in memory, of each kind; the one that was asked for longest ago makes room.
const COUNTERS: NonZeroUsize = NonZeroUsize::new(50_000).unwrap();

/// Held while an attempt is on its way.
type LoginCounter = Arc<tokio::sync::Mutex<Counter>>;

/// The counters. A login is never refused because of what other addresses do.
///
/// A crate for rate limiting such as governor, which [`Rates`](super::rates::Rates) uses, cannot do this: it takes one off
/// when something begins, and here it is known only at the end whether it counts. Until then an attempt counts as wrong,
/// and if it was right it is given back.
pub struct Throttle {
    clock: Clock,
    addresses: Mutex<LruCache<IpAddr, AddressCounter>>,
    logins: Mutex<LruCache<(IpAddr, Digest), LoginCounter>>,
}

/// How many of something there may be, before one has to wait.
#[derive(Clone, Copy)]
struct Limit {
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
struct AddressCounter {
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
        self.times += 1;
    }
}

impl AddressCounter {
    fn refuses(&mut self, now: Timestamp) -> Option<RetryAfter> {
        // Those on their way count as wrong, or a hundred at once would be as many more tries.
        let most = FOR_AN_ADDRESS.most.saturating_sub(self.trying);
        self.counter.refuses(now, Limit { most, ..FOR_AN_ADDRESS })
    }
}

impl Throttle {
    /// Nothing counted yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, addresses: Mutex::new(LruCache::new(COUNTERS)), logins: Mutex::new(LruCache::new(COUNTERS)) }
    }

    /// Lets one password be tried, or says when. Attempts for one login from one address go one after the other, so
    /// that those that come at once are counted like those that come in turn.
    ///
    /// # Errors
    /// [`RetryAfter`].
    pub async fn attempt(&self, address: IpAddr, login: &str) -> Result<Attempt<'_>, RetryAfter> {
        let address = counted_address(address);
        // Before the login gets a counter: who is refused anyway must not push those of others out of the memory.
        let refused = self.addresses().get_mut(&address).and_then(|it| it.refuses(self.clock.now()));
        if let Some(wait) = refused {
            return Err(wait);
        }
        // Digested: people type passwords and keys where the login belongs, and those are not for keeping.
        let login = Secret::presented(login.to_ascii_lowercase()).digest();
        let counter = self.logins().get_or_insert((address, login), Arc::default).clone();
        let mut counter = counter.lock_owned().await;
        let now = self.clock.now();
        if let Some(wait) = counter.refuses(now, FOR_A_LOGIN) {
            return Err(wait);
        }
        let mut addresses = self.addresses();
        let of_address = addresses.get_or_insert_mut(address, AddressCounter::default);
        if let Some(wait) = of_address.refuses(now) {
            return Err(wait);
        }
        of_address.trying += 1;
        Ok(Attempt { throttle: self, key: (address, login), counter })
    }

    fn addresses(&self) -> MutexGuard<'_, LruCache<IpAddr, AddressCounter>> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn logins(&self) -> MutexGuard<'_, LruCache<(IpAddr, Digest), LoginCounter>> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One password on its way. Dropped, it was right, or not tried.
pub struct Attempt<'a> {
    throttle: &'a Throttle,
    key: (IpAddr, Digest),
    counter: OwnedMutexGuard<Counter>,
}

impl Attempt<'_> {
    /// It was wrong.
    pub fn wrong(mut self) {
        let now = self.throttle.clock.now();
        self.counter.count(now);
        if let Some(of_address) = self.throttle.addresses().get_mut(&self.key.0) {
            of_address.counter.count(now);
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(of_address) = self.throttle.addresses().get_mut(&self.key.0) {
            of_address.trying = of_address.trying.saturating_sub(1);
        }
        // A counter that counts nothing takes the place of one that does. The map and this attempt hold it: if nobody
        // else does, it can go.
        let mut logins = self.throttle.logins();
        if self.counter.times == 0 && logins.peek(&self.key).is_some_and(|counter| Arc::strong_count(counter) == 2) {
            logins.pop(&self.key);
        }
    }
}

/// Requests that anybody may send: 60 a minute and 600 an hour from one address.
///
/// These are fixed windows, each of which begins with the first request in it. The token bucket of governor, which
/// [`Rates`](super::rates::Rates) uses, gives one back every second: an address could send 119 in its first minute, where
/// 60 are promised, and whoever is refused would be told to come back in a second, for one more.
pub struct RateLimit {
    clock: Clock,
    addresses: Mutex<LruCache<IpAddr, [Counter; RATES.len()]>>,
}

/// The longest first: it says the later time to come back.
const RATES: [Limit; 2] =
    [Limit { most: 600, within: TimeDelta::hours(1) }, Limit { most: 60, within: TimeDelta::minutes(1) }];

impl RateLimit {
    /// Nothing counted yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, addresses: Mutex::new(LruCache::new(COUNTERS)) }
    }

    /// Lets one request from `address` pass, or says when. Those that are refused are not counted.
    ///
    /// # Errors
    /// [`RetryAfter`].
    pub fn pass(&self, address: IpAddr) -> Result<(), RetryAfter> {
        let now = self.clock.now();
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = addresses.get_or_insert_mut(counted_address(address), Default::default);
        let refused = counters.iter_mut().zip(RATES).find_map(|(counter, rate)| counter.refuses(now, rate));
        match refused {
            Some(wait) => Err(wait),
            None => {
                counters.iter_mut().for_each(|counter| counter.count(now));
                Ok(())
            }
        }
    }
}

/// What is counted as one: an IPv4 address, or the /64 that an IPv6 subscriber has at least.
fn counted_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}
