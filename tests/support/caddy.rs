//! A Caddy for one test.

use std::fs::File;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// It ends with the test.
pub struct Caddy {
    child: Child,
    _folder: TempDir,
}

impl Caddy {
    /// Runs `caddyfile`, which begins with its options, for `hosts` on `port`: with certificates of its own making, and
    /// nothing of what else Caddy would keep, listen on or ask the Internet for. What it logs goes to `log`.
    pub fn run(port: u16, hosts: &[&str], caddyfile: &str, log: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path();
        let options = format!(
            "{{
                admin off
                default_bind 127.0.0.1
                https_port {port}
                auto_https disable_redirects
                local_certs
                skip_install_trust
                storage file_system {}
                servers {{
                    protocols h1 h2
                }}
            ",
            place.join("storage").display()
        );
        let caddyfile = caddyfile.strip_prefix('{').expect("options").trim_start();
        let file = place.join("Caddyfile");
        std::fs::write(&file, options + caddyfile).expect("a file");
        let mut command = Command::new("/usr/bin/caddy");
        let command = command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file);
        // Where it would keep its settings.
        let command = command.env("HOME", place).env("XDG_CONFIG_HOME", place).env("XDG_DATA_HOME", place);
        let log = File::create(log).expect("a log");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("caddy");
        let deadline = Instant::now() + Duration::from_secs(30);
        // It listens before it has made its certificates.
        while !hosts.iter().all(|host| shakes_hands(port, host)) {
            assert!(child.try_wait().expect("its state").is_none(), "Caddy has ended");
            assert!(Instant::now() < deadline, "Caddy does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, _folder: folder }
    }
}

impl Drop for Caddy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn shakes_hands(port: u16, host: &str) -> bool {
    if TcpStream::connect(("127.0.0.1", port)).is_err() {
        return false;
    }
    let (mut command, place) = (Command::new("openssl"), format!("127.0.0.1:{port}"));
    let command = command.args(["s_client", "-connect", &place, "-servername", host]);
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().expect("openssl, which bin/test installs").success()
}
