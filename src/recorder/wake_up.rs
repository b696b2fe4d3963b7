//! Wakes the thread that writes behind.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

/// How often the thread looks for what is due.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// Wakes the recorder.
#[derive(Default)]
pub struct WakeUp {
    flags: Mutex<Flags>,
    pub(super) condition: Condvar,
}

#[derive(Default)]
pub(super) struct Flags {
    pub first_uses: bool,
    pub service_uses: bool,
    pub flushes: Vec<oneshot::Sender<()>>,
    pub stop: bool,
    /// Nobody listens any more.
    pub ended: bool,
}

/// The thread that a wake-up wakes holds this for as long as it listens.
pub(super) struct Listening(pub Arc<WakeUp>);

impl Drop for Listening {
    fn drop(&mut self) {
        let mut flags = self.0.flags();
        flags.ended = true;
        // Whoever waits for these has waited long enough.
        flags.flushes.clear();
    }
}

impl WakeUp {
    /// There are first uses to write.
    pub fn wake(&self) {
        self.flags().first_uses = true;
        self.condition.notify_one();
    }

    /// There is much to write about where keys are used: not to be left until its minute is over.
    pub fn wake_for_service_uses(&self) {
        self.flags().service_uses = true;
        self.condition.notify_one();
    }

    pub(super) fn wait(&self, pause: bool) -> Flags {
        let quiet = |flags: &mut Flags| {
            let is_woken = flags.service_uses || (flags.first_uses && !pause);
            !is_woken && !flags.stop && flags.flushes.is_empty()
        };
        let flags = self.flags();
        let waited = self.condition.wait_timeout_while(flags, TICK, quiet);
        let (mut flags, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let stop = flags.stop;
        std::mem::replace(&mut *flags, Flags { stop, ..Flags::default() })
    }

    pub(super) fn flags(&self) -> MutexGuard<'_, Flags> {
        self.flags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
