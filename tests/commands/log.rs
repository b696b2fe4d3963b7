//! When what is logged is written.

use std::fs::{self, File};
use std::process::{Child, Stdio};

use rstest::rstest;

use crate::support::database::TestDatabase;
use crate::support::*;

/// A Latchkey whose log is a file, which can be looked into while it serves.
struct Logging {
    child: Child,
    url: String,
    _folder: tempfile::TempDir,
    file: std::path::PathBuf,
}

impl Logging {
    async fn serve(database: &TestDatabase) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("log");
        let latchkey = CommandLine::on(database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
        let mut command = latchkey.command(&["serve", "--bind=127.0.0.1:0"]);
        let child = command.stdin(Stdio::null()).stderr(File::create(&file).expect("a log")).spawn();
        let mut this = Self { child: child.expect("the binary"), url: String::new(), _folder: folder, file };
        eventually("it serves", || {
            let address = this.lines().iter().find(|line| line["message"] == "serving").map(|it| it["address"].clone());
            this.url = address.map(|it| format!("http://{}", it.as_str().expect("an address"))).unwrap_or_default();
            !this.url.is_empty()
        })
        .await;
        this
    }

    /// The whole lines that are in the file.
    fn lines(&self) -> Vec<serde_json::Value> {
        let log = fs::read_to_string(&self.file).expect("the log");
        let whole = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))).collect()
    }

    fn has_line_of(&self, request_id: &str) -> bool {
        self.lines().iter().any(|line| line["request_id"] == request_id)
    }

    /// Asks for `path` as often as `times`, side by side, and gives what the answers say the requests were called.
    async fn request_ids(&self, path: &str, times: usize) -> Vec<String> {
        let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        let url = format!("{}{path}", self.url);
        let asked = (0..times).map(|_| tokio::spawn(Answer::of(http.get(&url))));
        let mut ids = Vec::new();
        for answer in asked.collect::<Vec<_>>() {
            ids.push(answer.await.expect("an answer").header("X-Request-Id").expect("an id").to_owned());
        }
        ids
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines about requests are held back for a moment, and no longer.
#[rstest]
#[tokio::test]
async fn a_request_is_in_the_log_while_it_serves(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = Logging::serve(&database).await;
    for _ in 0..3 {
        let ids = latchkey.request_ids("/healthz", 1).await;
        eventually("the line is there", || latchkey.has_line_of(&ids[0])).await;
    }
}

#[rstest]
#[tokio::test]
async fn no_request_is_missing_after_a_clean_stop(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let mut latchkey = Logging::serve(&database).await;
    let ids = latchkey.request_ids("/healthz", 500).await;
    let pid = rustix::process::Pid::from_child(&latchkey.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("to signal it");
    assert_eq!(latchkey.child.wait().expect("its end").code(), Some(0));
    let lines = latchkey.lines();
    for id in ids {
        assert_eq!(lines.iter().filter(|line| line["request_id"] == id.as_str()).count(), 1, "{id}");
    }
    assert_eq!(lines.last().expect("a line")["message"], "stopped");
}

/// Whatever else is logged is there at once, behind the requests that came before it: a crash right afterwards loses
/// neither.
#[tokio::test]
async fn what_is_wrong_is_in_the_log_at_once() {
    let database = TestDatabase::migrated(Sqlite);
    let mut latchkey = Logging::serve(&database).await;
    let before = latchkey.request_ids("/healthz", 20).await;
    // Once in the life of a process, a proxy that is not trusted is told about.
    let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
    Answer::of(http.get(format!("{}/healthz", latchkey.url)).header("X-Forwarded-For", "192.0.2.1")).await;
    latchkey.child.kill().expect("to kill it");
    latchkey.child.wait().expect("its end");
    let lines = latchkey.lines();
    assert!(lines.iter().any(|line| line["level"] == "WARN" && line["proxy"] == "127.0.0.1"), "{lines:?}");
    for id in before {
        assert!(lines.iter().any(|line| line["request_id"] == id.as_str()), "{id}");
    }
}
