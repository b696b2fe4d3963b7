//! From where people have signed in not long ago.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;
use ipnet::IpNet;
use lru::LruCache;

use crate::clock::Timestamp;
use crate::models::address_networks::narrowest;

/// How long an address is known after a sign-in.
pub const KNOWN_FOR: TimeDelta = TimeDelta::days(30);
/// Addresses in memory; the one that was needed longest ago makes room (LRU cache).
const ADDRESSES: NonZeroUsize = NonZeroUsize::new(20_000).unwrap();

/// The addresses, as far as this process has seen them. Sign-ins on the page are found in the activity too, those by
/// Basic only here.
pub struct KnownAddresses(Mutex<LruCache<(i64, IpNet), Timestamp>>);

impl Default for KnownAddresses {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(ADDRESSES)))
    }
}

impl KnownAddresses {
    /// Notes that a person has given the right password at `address`.
    pub fn note(&self, user_id: i64, address: IpAddr, now: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put((user_id, narrowest(address)), now);
    }

    /// Whether a person has done so not long ago.
    pub fn has(&self, user_id: i64, address: IpAddr, now: Timestamp) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(user_id, narrowest(address))).is_some_and(|signed_in| now - *signed_in <= KNOWN_FOR)
    }
}
