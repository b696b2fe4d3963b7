//! The log of the whole test run, and the secrets that must not stand in it: `tests/leaks.rs` looks for them.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Mutex, Once};
use std::{env, process};

thread_local! {
    /// How many bytes were logged before the test of this thread had a site: its own lines come after them.
    static BEFORE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The folder that both are kept in.
fn folder() -> PathBuf {
    let folder = env::var_os("LATCHKEY_TEST_LOGS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/test-logs"), PathBuf::from);
    fs::create_dir_all(&folder).expect("a folder for logs");
    folder
}

/// A new file in there that ends in `.log`.
pub fn file(name: &str) -> File {
    OpenOptions::new().create(true).append(true).open(path(name)).expect("a log file")
}

fn path(name: &str) -> PathBuf {
    folder().join(format!("{name}-{}.log", process::id()))
}

/// Begins to write down what servers inside the test's own process log, however little it matters.
pub fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        // The web server tells of its timers thirty times a request, and of nothing that was sent.
        let filter = tracing_subscriber::EnvFilter::new(
            "trace,actix_http::h1::dispatcher=debug,\
             cookie_store=off,h2=off,hyper=off,hyper_util=off,reqwest=off,mio=off",
        );
        tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(Mutex::new(file("spec"))).init();
    });
    if BEFORE.get().is_none() {
        BEFORE.set(Some(fs::metadata(path("spec")).expect("a log file").len()));
    }
}

/// Notes a secret that the test run made.
pub fn note_secret(secret: &str) {
    if secret.len() < 8 {
        return;
    }
    let path = folder().join("secrets.txt");
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("the list of secrets");
    // One write, so that lines of tests that run side by side do not mix.
    file.write_all(format!("{secret}\n").as_bytes()).expect("a line");
}

/// What servers inside this test's process have logged since its first site, as far as a line contains `text`.
pub fn lines_with(text: &str) -> Vec<serde_json::Value> {
    let mut log = File::open(path("spec")).expect("a log file");
    log.seek(SeekFrom::Start(BEFORE.get().expect("a site of this test"))).expect("the lines of this test");
    let mut lines = String::new();
    log.read_to_string(&mut lines).expect("text");
    // The end of it may be half a line.
    lines.lines().filter(|line| line.contains(text)).filter_map(|line| serde_json::from_str(line).ok()).collect()
}
