//! Rate limits for keys on services: a token bucket for each key and service, which holds as many requests as are
//! allowed per minute and refills within a minute. Each process counts for itself.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use lru::LruCache;

use crate::clock::{Clock, whole_seconds};

/// The number of buckets kept in memory. The least recently used one is evicted (LRU cache), and starts full when it is
/// needed again.
const BUCKETS: NonZeroUsize = NonZeroUsize::new(50_000).unwrap();
const MINUTE: Duration = Duration::from_secs(60);

/// The buckets, by key id and service id.
pub struct Rates {
    clock: Clock,
    buckets: Mutex<LruCache<(i64, i64), Bucket>>,
}

struct Bucket {
    most: NonZeroU32,
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
    pub fn headers(&self, name: &str) -> [(&'static str, String); 2] {
        let Self { most, left, full_in } = *self;
        let (window, full_in) = (MINUTE.as_secs(), whole_seconds(full_in));
        [
            ("RateLimit-Policy", format!("\"{name}\";q={most};w={window}")),
            ("RateLimit", format!("\"{name}\";r={left};t={full_in}")),
        ]
    }
}

impl Rates {
    /// Starts with every bucket full.
    pub fn new(clock: Clock) -> Self {
        Self { clock, buckets: Mutex::new(LruCache::new(BUCKETS)) }
    }

    /// Takes one request out of the bucket of this key and service, which holds up to `most`.
    ///
    /// # Errors
    /// [`Exceeded`] if the bucket is empty.
    pub fn take(&self, key_id: i64, service_id: i64, most: NonZeroU32) -> Result<Rate, Exceeded> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        // Start a new bucket also if the limit of the service has changed since.
        if buckets.peek(&(key_id, service_id)).is_none_or(|bucket: &Bucket| bucket.most != most) {
            buckets.put((key_id, service_id), Bucket::full(most, SinceEpoch(self.clock.clone())));
        }
        let Some(bucket) = buckets.get(&(key_id, service_id)) else { return Ok(Rate::of(most, most.get())) };
        match bucket.limiter.check() {
            Ok(state) => Ok(Rate::of(most, state.remaining_burst_capacity())),
            Err(not_until) => {
                let wait = not_until.wait_time_from(SinceEpoch(self.clock.clone()).now());
                Err(Exceeded { rate: Rate::of(most, 0), wait })
            }
        }
    }
}

impl Bucket {
    fn full(most: NonZeroU32, clock: SinceEpoch) -> Self {
        let limiter = RateLimiter::direct_with_clock(Quota::per_minute(most), clock);
        Self { most, limiter: limiter.with_middleware() }
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
