//! Threads that work off a queue: passwords to be hashed, and what is looked up in the database.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use crate::panics::ThreadPanics;

/// Threads of one name that share a queue. They end when nobody is left who could put something into it.
pub struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    /// Starts so many, which do `begin` first. Whichever is free takes what waits, at most `most` at a time, and does
    /// `work` with it, which survives its panics by what it is given for that, and tells whoever waits for it.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn start<T: Send + 'static>(
        count: usize,
        (queue, most): (Receiver<T>, usize),
        panics: &ThreadPanics,
        begin: fn(),
        work: impl Fn(&ThreadPanics, Vec<T>) + Clone + Send + 'static,
    ) -> std::io::Result<Self> {
        let queue = Arc::new(Mutex::new(queue));
        let threads = (0..count).map(|_| {
            let (queue, panics, work) = (queue.clone(), panics.clone(), work.clone());
            Builder::new().name(panics.thread().to_owned()).spawn(move || {
                begin();
                while let Some(waiting) = take(&queue, most) {
                    work(&panics, waiting);
                }
            })
        });
        threads.collect::<std::io::Result<_>>().map(Self)
    }

    /// Whether none of them has ended.
    pub fn are_all_there(&self) -> bool {
        self.0.iter().all(|thread| !thread.is_finished())
    }
}

/// Waits until there is something in `queue`, and takes all that there is then, up to `most`; `None`: nobody is left who
/// could put something into it.
fn take<T>(queue: &Mutex<Receiver<T>>, most: usize) -> Option<Vec<T>> {
    let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let first = queue.recv().ok()?;
    // Whoever woke this thread is often about to put more into the queue. One longer batch costs less than two.
    std::thread::yield_now();
    Some(std::iter::once(first).chain(queue.try_iter().take(most - 1)).collect())
}
