//! The log on standard error: for people on a terminal, and as JSON for programs elsewhere.

pub mod json_lines;

use std::io::{self, IsTerminal, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use self::json_lines::JsonLines;

/// The target of request log lines. There is one for each request, so these lines may be written in batches.
pub const REQUESTS: &str = "latchkey::request_log";
/// The target of the entries of the audit log. Collectors look for it, so it is for ever.
pub const AUDIT: &str = "latchkey::audit";
/// How long request log lines are held back, to be written as a batch.
const HELD_BACK: Duration = Duration::from_millis(100);
/// The most bytes that are held back. This is `PIPE_BUF`: POSIX guarantees that a write of this size to a pipe is
/// atomic, so that lines of several processes do not mix.
const MOST_HELD_BACK: usize = 4096;

/// Checks that `filter` can be read, and says what is logged of Latchkey: a mistyped level would be taken for the name
/// of a program part of which nothing is ever logged.
///
/// # Errors
/// Says what to write instead.
pub fn check_filter(filter: &str) -> Result<String, &'static str> {
    let parts = || filter.split(',').map(str::trim).filter(|part| !part.is_empty());
    let is_about_us = |part: &str| part.starts_with("latchkey") && part.contains('=');
    let is_readable =
        parts().all(|part| part.contains('=') || level(part).is_some()) && EnvFilter::try_new(filter).is_ok();
    match is_readable && parts().any(|part| level(part).is_some() || is_about_us(part)) {
        true => Ok(filter.to_owned()),
        false => Err("use error, warn, info, debug, trace or off, or a filter such as latchkey=debug,info"),
    }
}

/// The level of which a part of a filter consists.
fn level(part: &str) -> Option<LevelFilter> {
    part.parse().ok().filter(|_| part.chars().all(|c| c.is_ascii_alphabetic()))
}

/// `filter`, and that the web server's own remarks on its start, which are for its developers, are left out.
fn without_remarks(filter: &str) -> String {
    let everything_else = filter.split(',').filter_map(|part| level(part.trim())).next_back();
    match everything_else {
        Some(level) => format!("actix_server={},{filter}", level.min(LevelFilter::WARN)),
        None => filter.to_owned(),
    }
}

/// Starts to log what `filter` allows, until the returned value is dropped.
///
/// # Errors
/// Returns one line if `filter` cannot be parsed, or no thread can be started.
pub fn start(filter: &str) -> Result<Log, String> {
    let filter = EnvFilter::try_new(without_remarks(filter))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_says_what_is_logged_of_latchkey() {
        for filter in ["info", "OFF", "latchkey=debug", "latchkey::recorder=trace,warn", "my_app=debug, info"] {
            assert_eq!(check_filter(filter), Ok(filter.to_owned()));
        }
        for filter in ["", "shout", "loud=noise", "latchkey", "info,shout", ",", "5", "lachkey=debug", "my_app=debug"] {
            assert!(check_filter(filter).is_err(), "{filter}");
        }
    }

    #[test]
    fn the_web_server_s_own_remarks_are_left_out_unless_they_are_asked_for() {
        for (filter, whole) in [
            ("info", "actix_server=warn,info"),
            ("off", "actix_server=off,off"),
            ("latchkey=debug,error", "actix_server=error,latchkey=debug,error"),
            ("info,actix_server=info", "actix_server=warn,info,actix_server=info"),
            ("latchkey=debug", "latchkey=debug"),
        ] {
            assert_eq!(without_remarks(filter), whole);
        }
    }
}
