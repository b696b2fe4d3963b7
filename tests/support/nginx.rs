//! An nginx for one test.

use std::process::Command;

use super::daemon::{Daemon, listens};

/// Answers on `port` as `server`, what stands in a `server` block, says.
pub fn serve(port: u16, server: &str) -> Daemon {
    run(port, &format!("access_log off; server {{ listen 127.0.0.1:{port}; {server} }}"))
}

/// Runs `http`, what stands in the block of that name, in which something listens on `port`.
pub fn run(port: u16, http: &str) -> Daemon {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("nginx.log");
    let place = folder.path().display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = temporary.iter().map(|kind| format!("{kind}_temp_path {place}/{kind};")).collect();
    let settings = format!(
        "daemon off; master_process off; pid {place}/pid; error_log stderr; events {{}}
         http {{ {temporary} {http} }}"
    );
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, settings).expect("a file");
    let program = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|it| std::path::Path::new(it).exists());
    let mut command = Command::new(program.expect("nginx, which bin/test installs"));
    let command = command.arg("-p").arg(folder.path()).arg("-c").arg(&file).args(["-e", "stderr"]);
    Daemon::start(command, folder, &log, || listens(port))
}
