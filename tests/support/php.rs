//! A service that is written in PHP.

use std::net::SocketAddr;
use std::process::Command;

use super::daemon::{Daemon, free_port, listens};
use super::nginx;

/// Answers each request with what PHP makes of it: `$_SERVER`, as JSON.
const SCRIPT: &str = "<?php header('Content-Type: application/json'); echo json_encode($_SERVER);";

/// PHP, behind an nginx that passes on every header that it can read. One that drops some is not what is tested.
pub struct Php {
    pub address: SocketAddr,
    _running: [Daemon; 2],
}

impl Php {
    pub fn start() -> Self {
        let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
        let (script, settings) = (folder.path().join("index.php"), folder.path().join("php-fpm.conf"));
        std::fs::write(&script, SCRIPT).expect("a script");
        let pool =
            format!("[global]\ndaemonize = no\n[www]\nlisten = 127.0.0.1:{port}\npm = static\npm.max_children = 1\n");
        std::fs::write(&settings, pool).expect("a file");
        let log = folder.path().join("php.log");
        let script = script.display().to_string();
        // Root, as whom tests may run, has to be allowed.
        let mut command = Command::new("sh");
        let command = command.args(["-c", "exec /usr/sbin/php-fpm* -n -F -R -y \"$0\" -g \"$1\""]);
        let command = command.arg(&settings).arg(folder.path().join("pid"));
        let php = Daemon::start(command, folder, &log, || listens(port));
        let front = free_port();
        let server = format!(
            "access_log off; server {{ listen 127.0.0.1:{front}; ignore_invalid_headers off; underscores_in_headers on;
                 location / {{
                     fastcgi_param SCRIPT_FILENAME {script}; fastcgi_param REQUEST_METHOD $request_method;
                     fastcgi_param REQUEST_URI $request_uri; fastcgi_pass 127.0.0.1:{port};
                 }} }}"
        );
        let address = SocketAddr::from(([127, 0, 0, 1], front));
        Self { address, _running: [nginx::run(front, &server), php] }
    }
}
