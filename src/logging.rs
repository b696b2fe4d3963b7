//! The log: on standard error, to be read by people on a terminal and by programs, as JSON, elsewhere.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Begins to log what `filter` lets through.
///
/// # Errors
/// In one line, what is wrong with `filter`.
pub fn start(filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| format!("LATCHKEY_LOG cannot be read: {error}; use error, warn, info, debug or trace"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match std::io::stderr().is_terminal() {
        true => log.with_target(false).try_init(),
        false => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| error.to_string())
}
