//! Passwords: hashed on threads of their own, remembered for a minute when right, counted when wrong.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use chrono::TimeDelta;
use hmac::{Hmac, Mac};
use lru::LruCache;
use sha2::Sha256;
use tokio::sync::oneshot;

use super::credentials::Password;
use super::redmine_password::{self, RedmineHash};
use super::throttle::{RetryAfter, Throttle};
use crate::clock::{Clock, Timestamp};
use crate::models::user::{FieldError, User, UserField};

/// The fewest characters of a new password.
pub const SHORTEST: usize = 8;
const LONGEST: usize = 1024;
/// How long a right password is not hashed again.
const REMEMBERED_FOR: TimeDelta = TimeDelta::minutes(1);
/// People whose password is remembered at the same time, at most.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// Passwords that wait for a hashing thread, at most; the next is told to come back.
const QUEUE: usize = 16;
/// When to come back then: by that time the queue has been worked off.
const QUEUE_RETRY: Duration = Duration::from_secs(2);

/// Why a password was not accepted.
#[derive(Debug)]
pub enum PasswordRefusal {
    /// It is wrong, or there is nobody of that login who may come in.
    Wrong,
    /// It is right, but must not stand in where two factors are asked for.
    SecondFactor,
    /// Too many were wrong.
    TooMany(RetryAfter),
    /// Too many wait to be hashed.
    Busy(Duration),
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
    /// Hashed against where nobody is found, so that it costs the same.
    nobodys_hash: Arc<OnceLock<String>>,
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
    /// If the operating system gives no thread or randomness.
    pub fn start(clock: Clock) -> std::io::Result<Self> {
        let mut mac_key = [0; 32];
        getrandom::fill(&mut mac_key).map_err(std::io::Error::other)?;
        let threads = HashingThreads::start()?;
        let nobodys_hash = Arc::<OnceLock<String>>::default();
        // The start does not wait for it; a hashing thread that needs it does.
        std::thread::Builder::new().name("hashing".into()).spawn({
            let nobodys_hash = nobodys_hash.clone();
            move || nobodys_hash.get_or_init(hash_of_nobody).len()
        })?;
        Ok(Self {
            threads,
            throttle: Throttle::new(clock.clone()),
            clock,
            remembered: Mutex::new(LruCache::new(REMEMBERED)),
            mac_key,
            nobodys_hash,
            hash_calls: Arc::default(),
        })
    }

    /// Whether `password` is that of `user`, whose row was just read; for `None`, who was looked for as `login` and is
    /// not there, it costs the same and is wrong. A user who may not come in is as good as none.
    ///
    /// # Errors
    /// [`PasswordRefusal`].
    pub async fn verify(
        &self,
        user: Option<&User>,
        login: &str,
        password: &Password,
        address: IpAddr,
    ) -> Result<Accepted, PasswordRefusal> {
        let welcome = user.filter(|user| user.is_active());
        if welcome.is_some_and(|user| self.remembers(user, password)) {
            return Ok(Accepted { replacement: None });
        }
        let attempt = self.throttle.attempt(address, login).await.map_err(PasswordRefusal::TooMany)?;
        // Another attempt may have been right while this one waited for its turn.
        if welcome.is_some_and(|user| self.remembers(user, password)) {
            return Ok(Accepted { replacement: None });
        }
        let stored = user.and_then(|user| user.password_hash.clone()).filter(|stored| is_ours(stored));
        let has_password = stored.is_some();
        // Only where it opens the door: everything that is refused is hashed once, whatever is stored.
        let opens = welcome.is_some_and(|user| user.twofa_scheme.is_none());
        let (calls, nobodys) = (self.hash_calls.clone(), self.nobodys_hash.clone());
        let verified = self.hashing(password.clone(), move |password| {
            let stored = stored.as_deref().unwrap_or_else(|| nobodys.get_or_init(hash_of_nobody));
            let right = matches(&password, stored, &calls);
            let renewed = right && opens && redmine_password::unwrap(stored).is_some();
            (right, renewed.then(|| counted_hash(&password, &calls)))
        });
        let (right, replacement) = verified.await?;
        match welcome {
            Some(user) if right && has_password => {
                self.remember(user, password);
                Ok(Accepted { replacement })
            }
            _ => {
                attempt.wrong();
                Err(PasswordRefusal::Wrong)
            }
        }
    }

    /// The hash of a new password, as it is stored.
    ///
    /// # Errors
    /// [`PasswordRefusal::Busy`].
    pub async fn hash(&self, password: &Password) -> Result<String, PasswordRefusal> {
        let calls = self.hash_calls.clone();
        self.hashing(password.clone(), move |password| counted_hash(&password, &calls)).await
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
        password: Password,
        work: impl FnOnce(Password) -> T + Send + 'static,
    ) -> Result<T, PasswordRefusal> {
        let done = self.threads.submit(move || work(password)).ok_or(PasswordRefusal::Busy(QUEUE_RETRY))?;
        done.await.map_err(|_| PasswordRefusal::Busy(QUEUE_RETRY))
    }

    fn remembers(&self, user: &User, password: &Password) -> bool {
        let Some(mac) = self.mac(user, password) else { return false };
        let now = self.clock.now();
        let mut all = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = all.get(&user.id).filter(|it| now < it.until && it.until - now <= REMEMBERED_FOR);
        fresh.is_some_and(|remembered| mac.verify_slice(&remembered.mac).is_ok())
    }

    /// Takes `password` for that of `user`, without hashing it, for a minute.
    pub(super) fn remember(&self, user: &User, password: &Password) {
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

/// Every rule that a new password breaks: 8 characters at least.
pub fn new_password_errors(password: &Password) -> Vec<FieldError> {
    let length = password.expose().chars().count();
    let too = |problem: String| vec![FieldError::new(UserField::Password, problem)];
    if length < SHORTEST {
        too(format!("is too short (minimum is {SHORTEST} characters)"))
    } else if length > LONGEST {
        too(format!("is too long (maximum is {LONGEST} characters)"))
    } else {
        Vec::new()
    }
}

/// The same of one that was typed twice.
pub fn confirmed_password_errors(password: &Password, confirmation: &str) -> Vec<FieldError> {
    let mut errors = new_password_errors(password);
    if password.expose() != confirmation {
        errors.push(FieldError::new(UserField::PasswordConfirmation, "does not match the new password"));
    }
    errors
}

/// Argon2id with the parameters that OWASP recommends (19 MiB, 2 passes, 1 lane), as a PHC string.
///
/// # Panics
/// If the operating system has no randomness to give.
pub fn hash(password: &Password) -> String {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).expect("the operating system gives randomness");
    let salt = SaltString::encode_b64(&salt).expect("16 bytes are a salt");
    let hash = Argon2::default().hash_password(password.expose().as_bytes(), &salt);
    hash.expect("the default parameters are valid").to_string()
}

/// Of a password that nobody knows.
fn hash_of_nobody() -> String {
    hash(&Password::new(super::secret::random_base62(20)))
}

fn counted_hash(password: &Password, calls: &AtomicU64) -> String {
    calls.fetch_add(1, Ordering::SeqCst);
    hash(password)
}

/// Whether `stored` is something that a password can be hashed against; that of another system is not.
fn is_ours(stored: &str) -> bool {
    let phc = redmine_password::unwrap(stored).map_or(stored, |(_, phc)| phc);
    PasswordHash::new(phc).is_ok_and(|stored| stored.algorithm == argon2::ARGON2ID_IDENT)
}

/// Counts in `calls` only what is really hashed: once, whichever kind of hash is stored.
fn matches(password: &Password, stored: &str, calls: &AtomicU64) -> bool {
    let moved_in = redmine_password::unwrap(stored);
    let (asked, phc) = match &moved_in {
        Some((salt, phc)) => (RedmineHash::of(password, salt).as_password(), *phc),
        None => (password.clone(), stored),
    };
    PasswordHash::new(phc).is_ok_and(|stored| {
        calls.fetch_add(1, Ordering::SeqCst);
        Argon2::default().verify_password(asked.expose().as_bytes(), &stored).is_ok()
    })
}

type Job = Box<dyn FnOnce() + Send>;

/// Threads of lower priority, one for every two cores and at least one, with a short queue: a flood of sign-ins leaves
/// the cores to requests with keys.
pub struct HashingThreads {
    queue: SyncSender<Job>,
    count: usize,
    waiting: Arc<AtomicUsize>,
}

impl HashingThreads {
    fn start() -> std::io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let count = (cores / 2).max(1);
        let (queue, jobs) = sync_channel(QUEUE);
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..count {
            let jobs = jobs.clone();
            std::thread::Builder::new().name("hashing".into()).spawn(move || work_off(&jobs))?;
        }
        Ok(Self { queue, count, waiting: Arc::default() })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many passwords wait for one.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Has `work` done by the next thread that is free; `None` if too many wait for one already.
    pub fn submit<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<oneshot::Receiver<T>> {
        let (done, result) = oneshot::channel();
        let place = Place::taken(&self.waiting);
        let job = Box::new(move || {
            drop(place);
            // Nobody waits any more for what a client gave up on: that is not hashed.
            if !done.is_closed() {
                let _ = done.send(work());
            }
        });
        self.queue.try_send(job).ok().map(|()| result)
    }
}

/// A place in the queue, counted until it is dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn taken(waiting: &Arc<AtomicUsize>) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(waiting.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn work_off(jobs: &Mutex<Receiver<Job>>) {
    // On Linux this is the priority of the calling thread, though it says process.
    if let Err(error) = rustix::process::setpriority_process(None, 10) {
        tracing::debug!(%error, "hashing runs at the usual priority");
    }
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        job();
    }
}
