//! The log: on standard error, to be read by people on a terminal and by programs, as JSON, elsewhere.

pub mod json_lines;

use std::io::{self, IsTerminal, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::Metadata;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use self::json_lines::JsonLines;

/// The target of the lines of which there is one for every request: these may wait for others.
pub const REQUESTS: &str = "latchkey::request_log";
/// How long lines about requests are held back, to be written together.
const HELD_BACK: Duration = Duration::from_millis(100);
/// How much of them, in bytes: `PIPE_BUF`, of which POSIX says that a write to a pipe is not mixed with those of others.
const MOST_HELD_BACK: usize = 4096;

/// Begins to log what `filter` lets through, until the end of what it returns.
///
/// # Errors
/// In one line, what is wrong with `filter`, or that there is no thread to be had.
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

/// Logs until it is dropped, when all lines are written.
#[must_use]
pub struct Log(());

impl Drop for Log {
    fn drop(&mut self) {
        write_out(&mut HELD.lines());
    }
}

static HELD: Held = Held { lines: Mutex::new(Vec::new()), come: Condvar::new() };

/// Lines that are not written yet: those about requests, for a moment, as a call of the system for each of them would
/// cost a tenth of the request. Every other line goes out at once, behind those that came before it.
struct Held {
    lines: Mutex<Vec<u8>>,
    come: Condvar,
}

impl Held {
    fn lines(&self) -> MutexGuard<'_, Vec<u8>> {
        // Lines are whole whenever the lock is free.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes, for as long as the process lives, what has been held back for long enough.
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
    // There is nobody to tell that there is no log.
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

/// Takes one line, which comes in one piece.
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
