//! What a test does to the machine, as root: small file systems that can be filled and made read-only, and a
//! PostgreSQL server that can be stopped.

use std::path::{Path, PathBuf};
use std::process::Command;

use latchkey::db::url::DatabaseUrl;
use tempfile::TempDir;

/// Runs a program as root, and panics if it fails.
fn as_root(program: &str, arguments: &[&str]) {
    let mut command = match rustix::process::geteuid().is_root() {
        true => Command::new(program),
        false => Command::new("sudo"),
    };
    if !rustix::process::geteuid().is_root() {
        command.args(["-n", program]);
    }
    let output = command.args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A file system of its own, of a few megabytes.
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    pub fn mount(megabytes: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = format!("size={megabytes}m,mode=0777");
        as_root("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", path(folder.path())]);
        Self { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file that takes all that is left.
    pub fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.filler()).expect("a file");
        let mut block = vec![7; 4096];
        while !block.is_empty() {
            if file.write_all(&block).is_err() {
                block.truncate(block.len() / 2);
            }
        }
    }

    /// Removes that file.
    pub fn make_room(&self) {
        std::fs::remove_file(self.filler()).expect("the file");
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Nothing may have files open in it for writing.
    pub fn make_read_only(&self) {
        as_root("mount", &["-o", "remount,ro", path(self.path())]);
    }

    pub fn make_writable(&self) {
        as_root("mount", &["-o", "remount,rw", path(self.path())]);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // At once where possible, else when the last file in it is closed.
        let _ = Command::new("sudo").args(["-n", "umount", "-l", path(self.path())]).output();
        let _ = Command::new("umount").args(["-l", path(self.path())]).output();
    }
}

/// A PostgreSQL server that only this test uses, reached by a socket in its folder.
pub struct PostgresServer {
    folder: TempDir,
    programs: PathBuf,
}

impl PostgresServer {
    pub fn start() -> Self {
        let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL, which bin/test installs");
        let versions = versions.map(|entry| entry.expect("a folder").path().join("bin"));
        let programs = versions.filter(|bin| bin.join("initdb").exists()).max().expect("initdb");
        let folder = tempfile::tempdir().expect("a folder");
        if rustix::process::geteuid().is_root() {
            // PostgreSQL refuses to run as root.
            as_root("chown", &["postgres", path(folder.path())]);
        }
        let server = Self { folder, programs };
        server.run("initdb", &["--auth=trust", "--username=latchkey", "--no-sync", "--encoding=UTF8"]);
        server.start_again();
        server
    }

    /// A database on it.
    pub fn url(&self) -> DatabaseUrl {
        DatabaseUrl::Postgres(self.setting())
    }

    pub fn setting(&self) -> String {
        format!("postgres://latchkey@/postgres?host={}", path(self.folder.path()))
    }

    /// Ends it at once, with every connection.
    pub fn stop(&self) {
        self.run("pg_ctl", &["stop", "--mode=fast", "--wait"]);
    }

    pub fn start_again(&self) {
        let log = self.folder.path().join("log");
        let options = format!("-c listen_addresses= -c unix_socket_directories={}", path(self.folder.path()));
        self.run("pg_ctl", &["start", "--wait", "--log", path(&log), "--options", &options]);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.programs.join(program);
        let data = self.folder.path().join("data");
        let mut command = match rustix::process::geteuid().is_root() {
            true => Command::new("runuser"),
            false => Command::new(&program),
        };
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "postgres", "--"]).arg(&program);
        }
        let command = command.args(["--pgdata", path(&data)]).args(arguments).current_dir(self.folder.path());
        // Its descendants keep what is open: a pipe would never end.
        let output = tempfile::tempfile().expect("a file");
        let status = command.stdout(output.try_clone().expect("a file")).stderr(output).status().expect("PostgreSQL");
        assert!(status.success(), "{program:?} {arguments:?}: {status}");
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if self.folder.path().join("data/postmaster.pid").exists() {
            self.run("pg_ctl", &["stop", "--mode=immediate"]);
        }
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
