//! The log on standard error: for people on a terminal, and as JSON for programs elsewhere.

pub mod json_lines;

use std::io::{self, IsTerminal, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::Metadata;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use self::json_lines::JsonLines;

/// The target of request log lines. There is one for each request, so these lines may be written in batches.
pub const REQUESTS: &str = "latchkey::request_log";
/// How long request log lines are held back, to be written as a batch.
const HELD_BACK: Duration = Duration::from_millis(100);
/// The most bytes that are held back. This is `PIPE_BUF`: POSIX guarantees that a write of this size to a pipe is
/// atomic, so that lines of several processes do not mix.
const MOST_HELD_BACK: usize = 4096;

/// Starts to log what `filter` allows, until the returned value is dropped.
///
/// # Errors
/// Returns one line if `filter` cannot be parsed, or no thread can be started.
pub fn start(filter: &str) -> Result<Log, String> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| format!("LATCHKEY_LOG cannot be read: {error}; use error, warn, info, debug or trace"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    let started = match io::stderr().is_terminal() {
        true => log.with_writer(io::stderr).with_target(false).try_init(),
        false => {
            let writer = std::thread::Builder::new().name("log".into()).spawn(|| HELD.write_behind());
            writer.map_err(|error| format!("cannot start: {error}"))?;
            log.event_format(JsonLines).with_writer(&HELD).try_init()
        }
    };
    started.map(|()| Log(())).map_err(|error| error.to_string())
}

/// Writes all remaining lines when it is dropped.
#[must_use]
pub struct Log(());

impl Drop for Log {
    fn drop(&mut self) {
        write_out(&mut HELD.lines());
    }
}

static HELD: Held = Held { lines: Mutex::new(Vec::new()), come: Condvar::new() };

/// Lines that are not written yet. Only request log lines are held back, because one system call for each would take a
/// tenth of the request's time. Any other line is written at once, after the lines before it.
struct Held {
    lines: Mutex<Vec<u8>>,
    come: Condvar,
}

impl Held {
    fn lines(&self) -> MutexGuard<'_, Vec<u8>> {
        // Ignore poisoning: whenever the lock is free, the buffer has whole lines only.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the lines that were held back, for as long as the process runs.
    fn write_behind(&self) {
        loop {
            let waited = self.come.wait_while(self.lines(), |lines| lines.is_empty());
            drop(waited);
            std::thread::sleep(HELD_BACK);
            write_out(&mut self.lines());
        }
    }
}

fn write_out(lines: &mut Vec<u8>) {
    // There is nowhere to report that the log cannot be written.
    let _ = io::stderr().write_all(lines);
    lines.clear();
}

impl<'a> MakeWriter<'a> for &'static Held {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { held: self, may_wait: false }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line {
        Line { held: self, may_wait: metadata.target() == REQUESTS }
    }
}

/// Writes one log line, which arrives in one piece.
struct Line {
    held: &'static Held,
    may_wait: bool,
}

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = self.held.lines();
        if lines.len() + line.len() > MOST_HELD_BACK {
            write_out(&mut lines);
        }
        let is_first = lines.is_empty();
        lines.extend_from_slice(line);
        if !self.may_wait {
            write_out(&mut lines);
        } else if is_first {
            self.held.come.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
