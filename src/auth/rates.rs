//! Rate limits for credentials: a token bucket for each key on each service, and for each credential on Latchkey's own
//! API. It holds as many requests as are allowed per minute and refills within a minute. Each process counts for itself.

use std::hash::{BuildHasher, RandomState};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::header::{HeaderName, HeaderValue};
use governor::clock::Clock as _;
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use lru::LruCache;

use crate::clock::{Clock, whole_seconds};

/// The number of locks that the buckets are spread over (sharding), so that requests do not wait for each other.
const SHARDS: usize = 16;
/// The number of buckets kept in memory for each lock. The least recently used one is evicted (LRU cache), and starts
/// full when it is needed again.
const BUCKETS: NonZeroUsize = NonZeroUsize::new(4_000).unwrap();
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const MINUTE: Duration = Duration::from_secs(60);

/// What has a bucket of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limited {
    /// A key on a service.
    OnService {
        /// The id of the key.
        key_id: i64,
        /// The id of the service.
        service_id: i64,
    },
    /// A key on Latchkey's own API, by its id. All its secrets share the bucket.
    Key(i64),
    /// The password of the person with this id, on Latchkey's own API.
    Password(i64),
}

/// The buckets.
pub struct Rates {
    clock: Clock,
    hasher: RandomState,
    shards: [Mutex<LruCache<Limited, Bucket>>; SHARDS],
}

struct Bucket {
    most: NonZeroU32,
    /// Since the epoch. The limiter knows no earlier time.
    started: Duration,
    limiter: RateLimiter<NotKeyed, InMemoryState, SinceEpoch, StateInformationMiddleware>,
}

/// The state of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The number of requests allowed per minute.
    pub most: u32,
    /// The number of requests that can be sent right now.
    pub left: u32,
    /// The time until the bucket is full again, if no request is sent.
    pub full_in: Duration,
}

/// The rate limit is exceeded: the bucket is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The state of the bucket.
    pub rate: Rate,
    /// The time until one request can be sent again.
    pub wait: Duration,
}

impl Rate {
    fn of(most: NonZeroU32, left: u32) -> Self {
        let used = most.get().saturating_sub(left);
        Self { most: most.get(), left, full_in: MINUTE * used / most.get() }
    }

    /// The rate limit headers of draft-ietf-httpapi-ratelimit-headers-10, for the policy called `name`.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let Self { most, left, full_in } = *self;
        let (window, full_in) = (MINUTE.as_secs(), whole_seconds(full_in));
        // Each response has them, so no formatter is asked, which takes five times as long.
        let value = |parameters: [(&str, u64); 2]| {
            let mut value = String::with_capacity(name.len() + 32);
            ["\"", name, "\""].into_iter().for_each(|part| value.push_str(part));
            for (parameter, number) in parameters {
                value.push_str(parameter);
                value.push_str(itoa::Buffer::new().format(number));
            }
            HeaderValue::try_from(value).ok()
        };
        let policy = value([(";q=", most.into()), (";w=", window)]);
        let state = value([(";r=", left.into()), (";t=", full_in)]);
        [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, state)].into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

impl Rates {
    /// Starts with every bucket full.
    pub fn new(clock: Clock) -> Self {
        let shards = std::array::from_fn(|_| Mutex::new(LruCache::new(BUCKETS)));
        Self { clock, hasher: RandomState::new(), shards }
    }

    /// Takes one request out of a bucket, which holds up to `most`.
    ///
    /// # Errors
    /// [`Exceeded`] if the bucket is empty.
    pub fn take(&self, of: Limited, most: NonZeroU32) -> Result<Rate, Exceeded> {
        let mut buckets = self.shard(of).lock().unwrap_or_else(PoisonError::into_inner);
        let full = || Bucket::full(most, SinceEpoch(self.clock.clone()));
        let bucket = buckets.get_or_insert_mut(of, full);
        // Start a new bucket if the limit has changed since.
        if bucket.most != most {
            *bucket = full();
        }
        match bucket.check() {
            // A clock that was set back must not make anybody wait for longer than a bucket takes to fill.
            Err(Exceeded { wait, .. }) if wait > MINUTE => {
                *bucket = full();
                bucket.check()
            }
            checked => checked,
        }
    }

    /// What [`Rates::take`] would return now, without taking anything.
    ///
    /// # Errors
    /// [`Exceeded`] if the bucket is empty.
    pub fn foresee(&self, of: Limited, most: NonZeroU32) -> Result<Rate, Exceeded> {
        let mut buckets = self.shard(of).lock().unwrap_or_else(PoisonError::into_inner);
        match buckets.peek_mut(&of).filter(|bucket| bucket.most == most) {
            Some(bucket) => bucket.foresee(),
            None => Ok(Rate::of(most, most.get() - 1)),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "any bits of the hash will do")]
    fn shard(&self, of: Limited) -> &Mutex<LruCache<Limited, Bucket>> {
        &self.shards[self.hasher.hash_one(of) as usize % SHARDS]
    }
}

impl Bucket {
    fn full(most: NonZeroU32, clock: SinceEpoch) -> Self {
        let started = clock.now();
        let limiter = RateLimiter::direct_with_clock(Quota::per_minute(most), clock);
        Self { most, started, limiter: limiter.with_middleware() }
    }

    fn check(&self) -> Result<Rate, Exceeded> {
        let taken = self.limiter.check().map(|state| Rate::of(self.most, state.remaining_burst_capacity()));
        taken.map_err(|not_until| {
            let wait = not_until.wait_time_from(self.limiter.clock().now());
            Exceeded { rate: Rate::of(self.most, 0), wait }
        })
    }

    /// What [`Bucket::check`] would return now. The limiter tells how full it is only to whoever takes something. To take
    /// all is refused with the time until it is full, or takes all of a full bucket, which is then put back.
    fn foresee(&mut self) -> Result<Rate, Exceeded> {
        let clock = self.limiter.clock().clone();
        let now = clock.now();
        let (full_in, full_in_by_clock) = match self.limiter.check_n(self.most) {
            Ok(Err(not_until)) => (not_until.wait_time_from(now.max(self.started)), not_until.wait_time_from(now)),
            Ok(Ok(_)) | Err(_) => {
                *self = Self::full(self.most, clock);
                (Duration::ZERO, Duration::ZERO)
            }
        };
        let (most, one) = (self.most.get(), MINUTE / self.most.get());
        let missing = u32::try_from(full_in.as_nanos().div_ceil(one.as_nanos())).unwrap_or(u32::MAX);
        let left = most.checked_sub(missing).and_then(|left| left.checked_sub(1));
        let wait = full_in_by_clock.saturating_sub(one * (most - 1));
        match left {
            Some(left) => Ok(Rate::of(self.most, left)),
            // As in `Rates::take`.
            None if wait > MINUTE => Ok(Rate::of(self.most, most - 1)),
            None => Err(Exceeded { rate: Rate::of(self.most, 0), wait }),
        }
    }
}

/// The application's clock as governor reads it: the time since the epoch.
#[derive(Clone)]
struct SinceEpoch(Clock);

impl governor::clock::Clock for SinceEpoch {
    type Instant = Duration;

    fn now(&self) -> Duration {
        (self.0.now() - crate::clock::Timestamp::default()).to_std().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However many requests came before, however far apart, and although the clock is set back or the limit changed.
        #[test]
        fn what_is_foreseen_is_what_is_taken_next(
            steps in proptest::collection::vec((1..4u32, -30_000..30_000i64), 1..40),
        ) {
            let start = "2026-11-24T09:30:00".parse().expect("a time");
            let clock = Clock::standing(start);
            let (rates, of) = (Rates::new(clock.clone()), Limited::Key(1));
            for (most, milliseconds) in steps {
                clock.set(clock.now() + TimeDelta::milliseconds(milliseconds));
                let most = NonZeroU32::new(most).expect("a limit");
                let foreseen = rates.foresee(of, most);
                prop_assert_eq!(rates.foresee(of, most), foreseen, "it takes nothing");
                prop_assert_eq!(rates.take(of, most), foreseen);
            }
        }
    }
}
