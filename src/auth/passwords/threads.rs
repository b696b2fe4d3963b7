//! Threads of their own for hashing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// Passwords that wait for a hashing thread, at most; the next is told to come back.
const QUEUE: usize = 16;

type Job = Box<dyn FnOnce() + Send>;

/// Threads of lower priority, one for every two cores and at least one, with a short queue: a flood of sign-ins leaves
/// the cores to requests with keys.
pub struct HashingThreads {
    queue: SyncSender<Job>,
    count: usize,
    waiting: Arc<AtomicUsize>,
}

impl HashingThreads {
    pub(super) fn start() -> std::io::Result<Self> {
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
