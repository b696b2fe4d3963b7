//! Progress on standard error: a bar on a terminal, and a line every few seconds elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

const BAR: u64 = 30;

/// Shows the progress of a step.
pub struct Progress {
    on_terminal: bool,
    what: &'static str,
    done: u64,
    total: u64,
    told: Instant,
}

impl Progress {
    /// Progress before the first step.
    pub fn on_stderr() -> Self {
        let on_terminal = std::io::stderr().is_terminal();
        Self { on_terminal, what: "", done: 0, total: 0, told: Instant::now() }
    }

    /// Prints a line that is not about the progress.
    pub fn say(&mut self, text: &str) {
        tell(&format!("{text}\n"));
    }

    /// Begins a step with `total` parts.
    pub fn begin(&mut self, what: &'static str, total: u64) {
        (self.what, self.done, self.total, self.told) = (what, 0, total, Instant::now());
        self.show();
    }

    /// Adds `parts` that are done.
    pub fn advance(&mut self, parts: u64) {
        self.done += parts;
        let interval = if self.on_terminal { Duration::from_millis(100) } else { Duration::from_secs(5) };
        if self.told.elapsed() >= interval {
            self.told = Instant::now();
            self.show();
        }
    }

    /// Ends the step.
    pub fn end(&mut self) {
        self.show();
        if self.on_terminal {
            tell("\n");
        }
    }

    fn show(&self) {
        // The source may have grown since its rows were counted.
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
    // Ignore errors: the import does not depend on its progress being shown.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
