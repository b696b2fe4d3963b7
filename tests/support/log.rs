//! The log of the whole test run, and the secrets that must not stand in it: `tests/leaks.rs` looks for them.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, Once};
use std::{env, process};

/// The folder that both are kept in.
pub fn folder() -> PathBuf {
    let folder = env::var_os("LATCHKEY_TEST_LOGS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/test-logs"), PathBuf::from);
    fs::create_dir_all(&folder).expect("a folder for logs");
    folder
}

/// A new file in there that ends in `.log`.
pub fn file(name: &str) -> File {
    let path = folder().join(format!("{name}-{}.log", process::id()));
    OpenOptions::new().create(true).append(true).open(path).expect("a log file")
}

/// Begins to write down what servers inside the test's own process log, however little it matters.
pub fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let filter = tracing_subscriber::EnvFilter::new(
            "trace,cookie_store=off,h2=off,hyper=off,hyper_util=off,reqwest=off,mio=off",
        );
        tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(Mutex::new(file("spec"))).init();
    });
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

/// What servers inside this test's process have logged so far, as far as a line contains `text`.
pub fn lines_with(text: &str) -> Vec<serde_json::Value> {
    let path = folder().join(format!("spec-{}.log", process::id()));
    let log = fs::read_to_string(path).expect("a log file");
    // The end of it may be half a line.
    let lines = log.lines().filter(|line| line.contains(text));
    lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
}
