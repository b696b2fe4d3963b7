//! Wakes the thread that writes behind.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

/// How often the thread looks for what is due.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// Wakes the recorder.
#[derive(Default)]
pub struct Bell {
    orders: Mutex<Orders>,
    pub(super) rung: Condvar,
}

#[derive(Default)]
pub(super) struct Orders {
    pub first_uses: bool,
    pub service_uses: bool,
    pub flushes: Vec<oneshot::Sender<()>>,
    pub stop: bool,
}

impl Bell {
    /// There are first uses to write.
    pub fn ring(&self) {
        self.orders().first_uses = true;
        self.rung.notify_one();
    }

    /// There is much to write about where keys are used: not to be left until its minute is over.
    pub fn ring_for_service_uses(&self) {
        self.orders().service_uses = true;
        self.rung.notify_one();
    }

    pub(super) fn wait(&self, pause: bool) -> Orders {
        let quiet = |orders: &mut Orders| {
            let is_rung = orders.service_uses || (orders.first_uses && !pause);
            !is_rung && !orders.stop && orders.flushes.is_empty()
        };
        let orders = self.orders();
        let waited = self.rung.wait_timeout_while(orders, TICK, quiet);
        let (mut orders, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let stop = orders.stop;
        std::mem::replace(&mut *orders, Orders { stop, ..Orders::default() })
    }

    pub(super) fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
