//! Hashing threads that have no time, for as long as a test wants.

use std::sync::mpsc;

use latchkey::auth::passwords::threads::HashingThreads;
use latchkey::auth::throttle::Lane;
use latchkey::panics::Panic;
use tokio::sync::oneshot;

use super::Site;

/// Comes when a job is done.
type Done = oneshot::Receiver<Result<(), Panic>>;

/// Every hashing thread of a site, at work on something that ends when this is dropped.
pub struct HeldThreads<'a> {
    threads: &'a HashingThreads,
    held: Vec<(mpsc::Sender<()>, Done)>,
    queued: Vec<Done>,
}

impl<'a> HeldThreads<'a> {
    pub async fn of(site: &'a Site) -> Self {
        let threads = site.app.passwords.threads();
        let mut held = Vec::new();
        for _ in 0..threads.count() {
            let (release, released) = mpsc::channel::<()>();
            let (start, started) = oneshot::channel();
            let done = threads.submit(Lane::Known, move || {
                let _ = start.send(());
                let _ = released.recv();
            });
            held.push((release, done.expect("room in the queue")));
            started.await.expect("a thread that takes it up");
        }
        Self { threads, held, queued: Vec::new() }
    }

    /// Lets nothing more into one of their queues; says how much had room in it.
    pub fn fill_queue(&mut self, lane: Lane) -> usize {
        let before = self.queued.len();
        while let Some(waiting) = self.threads.submit(lane, || ()) {
            self.queued.push(waiting);
        }
        self.queued.len() - before
    }

    /// Lets them go on, and waits until they and the queue have nothing more to do.
    pub async fn release(self) {
        for (release, done) in self.held {
            drop(release);
            done.await.expect("a thread that ends its work").expect("no panic");
        }
        for waiting in self.queued {
            waiting.await.expect("a thread that works the queue off").expect("no panic");
        }
    }
}
