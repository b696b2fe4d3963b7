//! What signals do: some stop the server, and none but SIGKILL loses a use that waits to be written.

use std::io;
use std::ops::Range;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// The signals that stop the server. If nobody listened to them, they would end the process at once, with whatever it
/// has not written yet.
const STOPS: [(Signal, &str); 5] = [
    (Signal::HUP, "SIGHUP"),
    (Signal::INT, "SIGINT"),
    (Signal::QUIT, "SIGQUIT"),
    (Signal::TERM, "SIGTERM"),
    (Signal::XCPU, "SIGXCPU"),
];
/// The signals that mean nothing here, but would end the process as well. They may come from a log rotation or a
/// profiler. SIGXFSZ comes with an error of the write that was too large. SIGPIPE is ignored from the start.
const IGNORED: [(Signal, &str); 9] = [
    (Signal::USR1, "SIGUSR1"),
    (Signal::USR2, "SIGUSR2"),
    (Signal::ALARM, "SIGALRM"),
    (Signal::VTALARM, "SIGVTALRM"),
    (Signal::PROF, "SIGPROF"),
    (Signal::IO, "SIGIO"),
    (Signal::POWER, "SIGPWR"),
    (Signal::STKFLT, "SIGSTKFLT"),
    (Signal::XFSZ, "SIGXFSZ"),
];
/// The real-time signals. Some supervisors stop what they started with one of them.
const REAL_TIME: Range<i32> = 34..64;

/// Yields whenever a signal says to stop.
///
/// # Errors
/// If a signal cannot be listened to.
pub fn stops() -> io::Result<UnboundedReceiver<()>> {
    let (sender, stops) = unbounded_channel();
    let named = STOPS.into_iter().filter(|(it, _)| *it != Signal::HUP || !is_ignored(Signal::HUP));
    let named = named.map(|(signal, name)| (signal.as_raw(), name));
    for (number, name) in named.chain(REAL_TIME.map(|number| (number, "a real-time signal"))) {
        let sender = sender.clone();
        on_each(number, move || {
            tracing::info!(signal = name, "a signal says to stop");
            // Once the server has stopped, nobody waits for signals any more.
            let _ = sender.send(());
        })?;
    }
    for (signal, name) in IGNORED {
        on_each(signal.as_raw(), move || tracing::warn!(signal = name, "a signal was ignored"))?;
    }
    Ok(stops)
}

/// Calls `act` at each signal with this number, for as long as the process runs.
fn on_each(number: i32, act: impl Fn() + Send + 'static) -> io::Result<()> {
    let mut signals = signal(SignalKind::from_raw(number))?;
    tokio::spawn(async move {
        while signals.recv().await.is_some() {
            act();
        }
    });
    Ok(())
}

/// Whether whoever started this process has it ignore a signal, as `nohup` does with SIGHUP.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    (mask >> (signal.as_raw() - 1)) & 1 == 1
}
