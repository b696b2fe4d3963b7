//! Threads of their own for hashing.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::auth::throttle::Lane;
use crate::panics::{Panic, Panics, ThreadPanics};
use crate::threads::Threads;

/// Passwords that wait for a hashing thread in each lane, at most; the next is told to come back.
const QUEUE: usize = 16;

type Job = Box<dyn FnOnce(&ThreadPanics) + Send>;

/// What waits, by lane.
#[derive(Default)]
struct Lanes {
    known: VecDeque<Job>,
    strangers: VecDeque<Job>,
}

impl Lanes {
    fn of(&mut self, lane: Lane) -> &mut VecDeque<Job> {
        match lane {
            Lane::Known => &mut self.known,
            Lane::Stranger => &mut self.strangers,
        }
    }
}

/// Threads of lower priority, one for every two cores and at least one, with two short queues: a flood of sign-ins leaves
/// the cores to requests with keys, and a flood of strangers leaves the threads to people who were here before.
pub struct HashingThreads {
    lanes: Arc<Mutex<Lanes>>,
    /// One for each job in a lane: it wakes a thread up, which takes the job that is then first.
    queue: SyncSender<()>,
    count: usize,
    waiting: Arc<AtomicUsize>,
    threads: Threads,
}

impl HashingThreads {
    pub(super) fn start(panics: &Panics) -> std::io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let count = (cores / 2).max(1);
        let lanes = Arc::<Mutex<Lanes>>::default();
        let (queue, jobs) = sync_channel(2 * QUEUE);
        let work = {
            let lanes = lanes.clone();
            move |panics: &ThreadPanics, jobs: Vec<()>| {
                for () in jobs {
                    let job = {
                        let mut lanes = locked(&lanes);
                        lanes.known.pop_front().or_else(|| lanes.strangers.pop_front())
                    };
                    if let Some(job) = job {
                        job(panics);
                    }
                }
            }
        };
        // One at a time: what a thread has taken, no other can do.
        let threads = Threads::start(count, (jobs, 1), &panics.of("hashing"), lower_priority, work)?;
        Ok(Self { lanes, queue, count, waiting: Arc::default(), threads })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether none of them has ended.
    pub fn are_all_there(&self) -> bool {
        self.threads.are_all_there()
    }

    /// How many passwords wait for one.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Has `work` done by the next thread that is free; `None` if too many in its lane wait for one already. Where it
    /// panics, so does this.
    pub async fn run<T: Send + 'static>(&self, lane: Lane, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        match self.submit(lane, work)?.await {
            Ok(Ok(done)) => Some(done),
            Ok(Err(panic)) => panic.resume(),
            Err(_) => None,
        }
    }

    /// The same, to be waited for later.
    pub fn submit<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<oneshot::Receiver<Result<T, Panic>>> {
        let (answer, done) = oneshot::channel();
        let place = Place::taken(&self.waiting);
        let job = move |panics: &ThreadPanics| {
            drop(place);
            // Nobody waits any more for what a client gave up on: that is not hashed.
            if !answer.is_closed() {
                let _ = answer.send(panics.survive(work));
            }
        };
        let mut lanes = locked(&self.lanes);
        if lanes.of(lane).len() >= QUEUE || self.queue.try_send(()).is_err() {
            return None;
        }
        lanes.of(lane).push_back(Box::new(job));
        Some(done)
    }
}

fn locked(lanes: &Mutex<Lanes>) -> MutexGuard<'_, Lanes> {
    // Each job is whole between any two statements, so that a panic elsewhere leaves nothing half-done.
    lanes.lock().unwrap_or_else(PoisonError::into_inner)
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

fn lower_priority() {
    // On Linux this is the priority of the calling thread, though it says process.
    if let Err(error) = rustix::process::setpriority_process(None, 10) {
        tracing::debug!(%error, "hashing runs at the usual priority");
    }
}
