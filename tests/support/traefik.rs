//! A Traefik for one test.

use std::path::Path;
use std::process::Command;

use super::daemon::{Daemon, listens};
use super::proxied::Request;

/// Where its file names the folder that it reads.
const CONF_D: &str = "/etc/traefik/conf.d";

/// Runs with `settings`, its own, and `files`, those of the folder that they name, on `port`, where it finds something
/// for `request`, and asks the Internet for nothing. What it logs goes to `log`.
pub fn run(port: u16, request: &Request, settings: &str, files: &[(&str, String)], log: &Path) -> Daemon {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, conf_d) = (folder.path().join("traefik.yml"), folder.path().join("conf.d"));
    std::fs::create_dir(&conf_d).expect("a folder");
    for (name, text) in files {
        std::fs::write(conf_d.join(name), text).expect("a file");
    }
    assert!(settings.contains(CONF_D), "{settings}");
    let settings = settings.replace(CONF_D, &conf_d.display().to_string());
    let quiet = "global:\n  checkNewVersion: false\n  sendAnonymousUsage: false\n";
    std::fs::write(&file, quiet.to_owned() + &settings).expect("a file");
    let program = std::env::var_os("TRAEFIK").expect("TRAEFIK to name the one that bin/test fetches");
    let mut command = Command::new(program);
    let command = command.arg("--configFile").arg(&file).env("HOME", folder.path());
    // It listens before it has read its files, and until then it finds nothing.
    let finds = || request.send(port, &request.host).is_some_and(|reply| reply.status != 404);
    Daemon::start(command, folder, log, || listens(port) && finds())
}
