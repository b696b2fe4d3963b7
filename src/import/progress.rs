//! How far it is: a bar on a terminal, a plain line now and then elsewhere; on standard error either way.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

const BAR: u64 = 30;

/// What is told while one waits.
pub struct Progress {
    on_terminal: bool,
    what: &'static str,
    done: u64,
    total: u64,
    told: Instant,
}

impl Progress {
    /// Nothing yet.
    pub fn on_stderr() -> Self {
        let on_terminal = std::io::stderr().is_terminal();
        Self { on_terminal, what: "", done: 0, total: 0, told: Instant::now() }
    }

    /// Says something that is not about how far it is.
    pub fn say(&mut self, text: &str) {
        tell(&format!("{text}\n"));
    }

    /// Begins something that has `total` parts.
    pub fn begin(&mut self, what: &'static str, total: u64) {
        (self.what, self.done, self.total, self.told) = (what, 0, total, Instant::now());
        self.show();
    }

    /// `parts` more are done.
    pub fn advance(&mut self, parts: u64) {
        self.done += parts;
        let interval = if self.on_terminal { Duration::from_millis(100) } else { Duration::from_secs(5) };
        if self.told.elapsed() >= interval {
            self.told = Instant::now();
            self.show();
        }
    }

    /// All are done.
    pub fn end(&mut self) {
        self.show();
        if self.on_terminal {
            tell("\n");
        }
    }

    fn show(&self) {
        // A source that grows meanwhile has more than it had.
        let total = self.total.max(self.done);
        let percent = (self.done * 100).checked_div(total).unwrap_or(100);
        let (what, done) = (self.what, self.done);
        if self.on_terminal {
            let filled = usize::try_from(percent * BAR / 100).unwrap_or_default();
            let bar = "#".repeat(filled) + &".".repeat(30 - filled.min(30));
            tell(&format!("\r{what} [{bar}] {percent:3}% {done}/{total}"));
        } else {
            tell(&format!("{what}: {done} of {total} ({percent}%)\n"));
        }
    }
}

fn tell(text: &str) {
    // Nothing hangs on it.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
