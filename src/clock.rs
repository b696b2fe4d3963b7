//! The clock as a value: the system's clock in the product, and one that stands still until it is set in tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, SecondsFormat, SubsecRound, Utc};

/// A point in time, in UTC and with microseconds, as both databases store it.
pub type Timestamp = NaiveDateTime;

/// Formats a time as Redmine's API does: RFC 3339, in UTC, to the second.
pub fn iso8601(time: Timestamp) -> String {
    time.and_utc().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A clock that returns the time in UTC and whole microseconds.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// Reads the operating system's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands at `start` until [`Clock::set`] moves it. Its clones move with it.
    pub fn standing(start: Timestamp) -> Self {
        Self(Some(Arc::new(AtomicI64::new(start.and_utc().timestamp_micros()))))
    }

    /// The current time.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            None => Utc::now().naive_utc().trunc_subsecs(6),
            Some(micros) => {
                DateTime::from_timestamp_micros(micros.load(Ordering::SeqCst)).unwrap_or_default().naive_utc()
            }
        }
    }

    /// Moves a standing clock forward or back. Does nothing to the system's clock.
    pub fn set(&self, time: Timestamp) {
        if let Some(micros) = &self.0 {
            micros.store(time.and_utc().timestamp_micros(), Ordering::SeqCst);
        }
    }
}

/// The wait in seconds, rounded up: a client that retries then must not be too early.
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
