//! An Envoy for one test.

use std::path::Path;
use std::process::Command;

use super::daemon::{Daemon, listens};

/// Several run at once, and none takes the place of another; logs are read soon.
const FLAGS: &str = "--disable-hot-restart --concurrency 1 --file-flush-interval-msec 100";

/// Runs `settings`, in which something listens on `port`. What it logs goes to `log`.
pub fn run(port: u16, settings: &str, log: &Path) -> Daemon {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("envoy.yaml");
    std::fs::write(&file, settings).expect("a file");
    let program = std::env::var_os("ENVOY").expect("ENVOY to name the one that bin/test fetches");
    let mut command = Command::new(program);
    let command = command.arg("-c").arg(&file).args(FLAGS.split(' '));
    Daemon::start(command, folder, log, || listens(port))
}
