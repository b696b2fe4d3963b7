//! Passwords: hashed on threads of their own, remembered for a minute when right, counted when wrong.

mod hash;
pub mod new_password;
pub mod redmine;
mod stored;
pub mod threads;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use hmac::{Hmac, Mac};
use lru::LruCache;
use sha2::Sha256;

use self::hash::{counted_hash, nobodys_hash};
use self::new_password::NewPassword;
use self::stored::{is_ours, matches};
use self::threads::HashingThreads;
use super::credentials::Password;
use super::throttle::{Lane, Origin, RetryAfter, Throttle, Turned};
use crate::clock::{Clock, Timestamp};
use crate::models::people::user::{User, UserStatus};
use crate::panics::Panics;
use crate::secret::random_bytes;

/// How long a right password is not hashed again.
const REMEMBERED_FOR: TimeDelta = TimeDelta::minutes(1);
/// People whose password is remembered at the same time, at most.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// When to come back then: by that time the queue has been worked off.
const QUEUE_RETRY: Duration = Duration::from_secs(2);

/// Why a password was not accepted.
#[derive(Debug)]
pub enum PasswordRefusal {
    /// It is wrong, or there is nobody of that login who may come in.
    Wrong,
    /// It is right, but must not stand in where two factors are asked for.
    SecondFactor,
    /// It is right, but the account is locked or has not been activated.
    NotActive(UserStatus),
    /// Too many were wrong.
    TooMany(RetryAfter),
    /// Too many wait to be hashed.
    Busy(Duration),
}

impl From<Turned> for PasswordRefusal {
    fn from(turned: Turned) -> Self {
        match turned {
            Turned::TooMany(wait) => Self::TooMany(wait),
            Turned::Busy => Self::Busy(QUEUE_RETRY),
        }
    }
}

/// A password that is right.
#[derive(Debug)]
pub struct Accepted {
    /// What is to be stored instead of what was moved in from elsewhere; `None`: it is ours already.
    pub replacement: Option<String>,
}

/// Verifies and hashes passwords.
pub struct Passwords {
    clock: Clock,
    threads: HashingThreads,
    throttle: Throttle,
    remembered: Mutex<LruCache<i64, Remembered>>,
    /// Keys the MACs of what is remembered; new in each process.
    mac_key: [u8; 32],
    hash_calls: Arc<AtomicU64>,
}

struct Remembered {
    mac: [u8; 32],
    until: Timestamp,
}

impl Passwords {
    /// Starts the hashing threads.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn start(clock: Clock, panics: &Panics) -> std::io::Result<Self> {
        let threads = HashingThreads::start(panics)?;
        // The start does not wait for it; a hashing thread that needs it does.
        std::thread::Builder::new().name("hashing".into()).spawn(|| nobodys_hash().len())?;
        Ok(Self {
            threads,
            throttle: Throttle::new(clock.clone()),
            clock,
            remembered: Mutex::new(LruCache::new(REMEMBERED)),
            mac_key: random_bytes(),
            hash_calls: Arc::default(),
        })
    }

    /// Whether `password` is that of `user`, whose row was just read, and was right within the last minute: then it need
    /// not be verified again.
    pub fn is_remembered(&self, user: Option<&User>, password: &Password) -> bool {
        user.is_some_and(|user| user.is_active() && self.remembers(user, password))
    }

    /// Whether `password` is that of `user`, whose row was just read; for `None`, who was looked for as `login` and is
    /// not there, it costs the same and is wrong. So it does for a user who may not come in: only who has the right
    /// password learns of that.
    ///
    /// # Errors
    /// [`PasswordRefusal`].
    pub async fn verify(
        &self,
        user: Option<&User>,
        login: &str,
        password: &Password,
        origin: Origin,
    ) -> Result<Accepted, PasswordRefusal> {
        let attempt = self.throttle.attempt(origin, login).await?;
        // Another attempt may have been right while this one waited for its turn.
        if self.is_remembered(user, password) {
            attempt.right();
            return Ok(Accepted { replacement: None });
        }
        let welcome = user.filter(|user| user.is_active());
        let stored = user.and_then(|user| user.password_hash.clone()).filter(|stored| is_ours(stored));
        let has_password = stored.is_some();
        // Only where it opens the door: everything that is refused is hashed once, whatever is stored.
        let opens = welcome.is_some_and(|user| user.twofa_scheme.is_none());
        let calls = self.hash_calls.clone();
        let verified = self.hashing(origin.lane(), password.clone(), move |password| {
            let stored = stored.as_deref().unwrap_or_else(|| nobodys_hash());
            let right = matches(&password, stored, &calls);
            let typed = password.as_typed().filter(|_| !right);
            let right_as_typed = typed.is_some_and(|typed| matches(&typed, stored, &calls));
            let is_outdated = right_as_typed || right && redmine::unwrap(stored).is_some();
            (right || right_as_typed, (is_outdated && opens).then(|| counted_hash(&password, &calls)))
        });
        let (right, replacement) = verified.await?;
        match user.filter(|_| right && has_password) {
            Some(user) if user.is_active() => {
                // First: those who wait for this attempt go on as soon as it is over.
                self.remember(user, password);
                attempt.right();
                Ok(Accepted { replacement })
            }
            Some(user) => {
                attempt.right();
                Err(PasswordRefusal::NotActive(user.status))
            }
            None => {
                attempt.wrong();
                Err(PasswordRefusal::Wrong)
            }
        }
    }

    /// The hash of a new password, as it is stored. Whoever sets one is signed in.
    ///
    /// # Errors
    /// [`PasswordRefusal::Busy`].
    pub async fn hash(&self, password: &NewPassword) -> Result<String, PasswordRefusal> {
        let calls = self.hash_calls.clone();
        let password = password.as_password().clone();
        self.hashing(Lane::Known, password, move |password| counted_hash(&password, &calls)).await
    }

    /// How many passwords were hashed: equal work is shown by counting it, not by timing it.
    pub fn hash_calls(&self) -> u64 {
        self.hash_calls.load(Ordering::SeqCst)
    }

    /// The threads themselves, so that tests can keep them busy.
    pub fn threads(&self) -> &HashingThreads {
        &self.threads
    }

    async fn hashing<T: Send + 'static>(
        &self,
        lane: Lane,
        password: Password,
        work: impl FnOnce(Password) -> T + Send + 'static,
    ) -> Result<T, PasswordRefusal> {
        self.threads.run(lane, move || work(password)).await.ok_or(PasswordRefusal::Busy(QUEUE_RETRY))
    }

    fn remembers(&self, user: &User, password: &Password) -> bool {
        let Some(mac) = self.mac(user, password) else { return false };
        let now = self.clock.now();
        let mut all = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = all.get(&user.id).filter(|it| now < it.until && it.until - now <= REMEMBERED_FOR);
        fresh.is_some_and(|remembered| mac.verify_slice(&remembered.mac).is_ok())
    }

    /// Takes `password` for that of `user`, without hashing it, for a minute.
    pub(crate) fn remember(&self, user: &User, password: &Password) {
        let Some(mac) = self.mac(user, password) else { return };
        let remembered =
            Remembered { mac: mac.finalize().into_bytes().into(), until: self.clock.now() + REMEMBERED_FOR };
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).put(user.id, remembered);
    }

    /// Over the stored hash too, so that a password that any process changes is forgotten here at once.
    fn mac(&self, user: &User, password: &Password) -> Option<Hmac<Sha256>> {
        let stored = user.password_hash.as_ref()?;
        let mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.mac_key).ok()?;
        Some(mac.chain_update((stored.len() as u64).to_be_bytes()).chain_update(stored).chain_update(password.expose()))
    }
}
