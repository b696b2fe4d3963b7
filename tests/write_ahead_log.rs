//! SQLite's write-ahead log stays small while the process runs, whatever others write.

use diesel::connection::SimpleConnection;

use crate::support::database::TestDatabase;
use crate::support::*;

const MEGABYTE: u64 = 1 << 20;

#[tokio::test]
async fn a_log_that_has_grown_is_emptied() {
    let database = TestDatabase::migrated(Sqlite);
    let latchkey = CommandLine::on(&database);
    latchkey.add_user("alice", PASSWORD);
    let _process = Process::serve(&latchkey, &[]);
    let log = format!("{}-wal", database.setting());
    let size = || std::fs::metadata(&log).map_or(0, |log| log.len());
    let mut other = database.connect();
    // As it is when somebody always reads: nothing empties it in passing.
    other
        .batch_execute(
            "PRAGMA wal_autocheckpoint = 0; CREATE TABLE filler (text TEXT);
             INSERT INTO filler VALUES (hex(randomblob(6000000))); DELETE FROM filler",
        )
        .expect("a large write");
    assert!(size() > 8 * MEGABYTE || size() == 0, "{} bytes: it has grown, or was emptied already", size());
    eventually("the log is emptied", || size() < MEGABYTE).await;
}
