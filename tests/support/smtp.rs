//! A real mail server, aiosmtpd, which keeps the mails that it is given.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::daemon::{Daemon, free_port, listens};
use super::eventually;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/smtp.py");

/// A mail server, which ends with the test.
pub struct MailServer {
    pub port: u16,
    folder: PathBuf,
    flags: Vec<String>,
    daemon: Option<Daemon>,
    _kept: tempfile::TempDir,
}

/// A mail as the person reads it.
#[derive(Clone, Debug, Deserialize)]
pub struct ReceivedMail {
    pub to: Vec<String>,
    pub from: String,
    pub subject: String,
    pub message_id: String,
    pub headers: std::collections::BTreeMap<String, String>,
    pub text: String,
    pub html: Option<String>,
    pub is_tls: bool,
    pub login: Option<String>,
    /// How the client introduced itself.
    pub hello: String,
}

impl ReceivedMail {
    /// The address of the link whose path begins with `path`.
    pub fn link(&self, path: &str) -> String {
        let is_link = |line: &&str| line.starts_with("http") && line.contains(path);
        let link = self.text.lines().find(is_link);
        link.unwrap_or_else(|| panic!("no link to {path}: {}", self.text)).to_owned()
    }
}

impl MailServer {
    /// A server that takes every mail, without TLS and login.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A server with `starttls` or `tls`, and `login`, which asks for [`MailServer::LOGIN`].
    pub fn start_with(flags: &[&str]) -> Self {
        let kept = tempfile::tempdir().expect("a folder");
        let folder = kept.path().to_owned();
        if flags.iter().any(|flag| flag.ends_with("tls")) {
            make_certificate(&folder);
        }
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut server = Self { port: free_port(), folder, flags, daemon: None, _kept: kept };
        server.run();
        server
    }

    /// What the server lets in, as part of a URL.
    pub const LOGIN: &str = "keys%40example.org:p%3Ass%20w%40rd";

    /// The setting for a server without TLS.
    pub fn flag(&self) -> String {
        format!("--smtp-url=smtp://127.0.0.1:{}?tls=off", self.port)
    }

    /// The certificate that signs the server's.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("cert.pem")
    }

    /// Starts the server again on its port.
    pub fn run(&mut self) {
        let log = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("python3");
        let installed = std::env::var("MAIL_SERVER").expect("MAIL_SERVER, which bin/test sets");
        let command = command
            .env("PYTHONPATH", installed)
            .arg(SCRIPT)
            .arg(self.port.to_string())
            .arg(&self.folder)
            .args(&self.flags);
        let (file, port) = (log.path().join("log"), self.port);
        self.daemon = Some(Daemon::start(command, log, &file, || listens(port)));
    }

    /// Stops the server.
    pub fn stop(&mut self) {
        self.daemon = None;
    }

    /// What the server does with the next mails; see `smtp.py`.
    pub fn will(&self, faults: &[&str]) {
        let part = self.folder.join("faults.new");
        std::fs::write(&part, faults.join("\n")).expect("a file");
        std::fs::rename(part, self.folder.join("faults")).expect("a file");
    }

    /// Whether it has done all that it [was told to](Self::will).
    pub fn has_done_so(&self) -> bool {
        std::fs::read_to_string(self.folder.join("faults")).is_ok_and(|left| left.trim().is_empty())
    }

    /// Refuses every recipient with `answer`; `None`: no longer.
    pub fn refuse(&self, answer: Option<&str>) {
        match answer {
            Some(answer) => std::fs::write(self.folder.join("refuse"), answer).expect("a file"),
            None => std::fs::remove_file(self.folder.join("refuse")).expect("the file"),
        }
    }

    /// What it was given, in order.
    pub fn mails(&self) -> Vec<ReceivedMail> {
        let entries = std::fs::read_dir(&self.folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        let name = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("mail-"));
        let mut files: Vec<PathBuf> = entries.filter(name).collect();
        files.sort();
        let read = |path: PathBuf| std::fs::read_to_string(path).expect("a mail");
        files.into_iter().map(|path| serde_json::from_str(&read(path)).expect("a mail")).collect()
    }

    /// Waits until it was given `number` mails, and returns them.
    pub async fn received(&self, number: usize) -> Vec<ReceivedMail> {
        eventually("mails arrive", || self.mails().len() >= number).await;
        let mails = self.mails();
        let subjects: Vec<&str> = mails.iter().map(|mail| mail.subject.as_str()).collect();
        assert_eq!(mails.len(), number, "{subjects:?}");
        mails
    }
}

fn make_certificate(folder: &Path) {
    let (key, certificate) = (folder.join("key.pem"), folder.join("cert.pem"));
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]);
    command.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout"]).arg(key).arg("-out");
    let done = command.arg(certificate).output().expect("openssl, which bin/test installs");
    assert!(done.status.success(), "{done:?}");
}
