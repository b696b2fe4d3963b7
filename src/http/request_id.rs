//! The request id, which connects a response to its lines in the log.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::secret::random_bytes;

/// Identifies a request in the log, in the `X-Request-Id` header of its response and on error pages.
#[derive(Clone, Copy, Debug)]
pub struct RequestId {
    process: u32,
    number: u32,
}

impl RequestId {
    /// Returns an id that no other request has.
    pub fn next() -> Self {
        static PROCESS: LazyLock<u32> = LazyLock::new(|| u32::from_be_bytes(random_bytes()));
        static NEXT: AtomicU32 = AtomicU32::new(1);
        Self { process: *PROCESS, number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:08x}", self.process, self.number)
    }
}
