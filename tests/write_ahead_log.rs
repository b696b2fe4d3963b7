//! SQLite's write-ahead log stays small while the process runs, whatever others write.

use diesel::connection::SimpleConnection;

use crate::support::database::TestDatabase;
use crate::support::*;

const MEGABYTE: u64 = 1 << 20;

/// As it is when somebody always reads: nothing empties it in passing.
const GROW: &str = "PRAGMA wal_autocheckpoint = 0; CREATE TABLE filler (text TEXT);
                    INSERT INTO filler VALUES (hex(randomblob(6000000))); DELETE FROM filler";

#[tokio::test]
async fn a_log_that_has_grown_is_emptied() {
    let database = TestDatabase::migrated(Sqlite);
    let latchkey = CommandLine::on(&database);
    latchkey.add_user("alice", PASSWORD);
    let _process = Process::serve(&latchkey, &[]);
    let log = format!("{}-wal", database.setting());
    let size = || std::fs::metadata(&log).map_or(0, |log| log.len());
    let mut other = database.connect();
    other.batch_execute(GROW).expect("a large write");
    assert!(size() > 8 * MEGABYTE || size() == 0, "{} bytes: it has grown, or was emptied already", size());
    eventually("the log is emptied", || size() < MEGABYTE).await;
}

/// While somebody reads for long, as a backup does, it cannot be emptied, and nobody waits for that.
#[tokio::test]
async fn a_log_that_cannot_be_emptied_keeps_nobody_from_writing() {
    let database = TestDatabase::migrated(Sqlite);
    let latchkey = CommandLine::on(&database);
    latchkey.add_user("alice", PASSWORD);
    let secret = latchkey.add_key("alice");
    let process = Process::serve(&latchkey, &["--metrics-bind=127.0.0.1:0"]);
    let mut reader = database.connect();
    reader.batch_execute("BEGIN; SELECT count(*) FROM users").expect("a reader");
    database.connect().batch_execute(GROW).expect("a large write");
    let log = format!("{}-wal", database.setting());
    let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
    let metrics = format!("http://{}/metrics", process.metrics.as_ref().expect("an address"));
    for round in 0..30 {
        // The recorder tries again and again meanwhile.
        process.visitor().sign_in("alice", PASSWORD).await;
        if round == 10 {
            assert_eq!(process.get_with_key("/users/current.json", &secret).await.status, 200);
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(std::fs::metadata(&log).expect("a log").len() > 8 * MEGABYTE, "it could not be emptied");
    let metrics = Answer::of(http.get(metrics)).await.text;
    for line in ["latchkey_first_uses_answered_unwritten_total 0", "latchkey_flush_failures_total 0"] {
        assert!(metrics.lines().any(|it| it == line), "{line} in\n{metrics}");
    }
}
