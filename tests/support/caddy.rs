//! A Caddy for one test.

use std::path::Path;
use std::process::Command;

use super::daemon::{Daemon, shakes_hands};

/// Runs `caddyfile`, which begins with its options, for `hosts` on `port`: with certificates of its own making, and
/// nothing of what else Caddy would keep, listen on or ask the Internet for. What it logs goes to `log`.
pub fn run(port: u16, hosts: &[&str], caddyfile: &str, log: &Path) -> Daemon {
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
    // It listens before it has made its certificates.
    Daemon::start(command, folder, log, || hosts.iter().all(|host| shakes_hands(port, host)))
}
