//! A program that runs beside a test.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::proxied::tls;

/// It ends with the test, and its folder goes with it.
pub struct Daemon {
    child: Child,
    _folder: TempDir,
}

impl Daemon {
    /// Starts `command`, which keeps what it has in `folder` and says what it does in `log`, and waits until it
    /// `is_ready`.
    pub fn start(command: &mut Command, folder: TempDir, log: &Path, is_ready: impl Fn() -> bool) -> Self {
        let program = command.get_program().to_owned();
        let file = File::create(log).expect("a log");
        let command = command.stdin(Stdio::null()).stdout(file.try_clone().expect("a log")).stderr(file);
        let child = command.spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{program:?}, which bin/test installs: {error}"));
        let deadline = Instant::now() + Duration::from_secs(120);
        while !is_ready() {
            let said = || std::fs::read_to_string(log).expect("its log");
            let ended = child.try_wait().expect("its state");
            assert!(ended.is_none(), "{program:?} has ended: {ended:?}: {}", said());
            assert!(Instant::now() < deadline, "{program:?} does not answer: {}", said());
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, _folder: folder }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on just now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port()
}

/// Whether somebody listens on `port`.
pub fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// Whether somebody who listens on `port` shows a certificate, for `host` if they have one for it.
pub fn shakes_hands(port: u16, host: &str) -> bool {
    tls(port, host).is_ok()
}
