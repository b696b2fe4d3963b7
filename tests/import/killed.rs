//! "All or nothing: one transaction; a failure leaves the target as it was", and so does a kill, at any point.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rstest::rstest;

use super::*;
use crate::support::redmine::From::*;

/// Enough people for an import to take a while.
const PEOPLE: i64 = 3000;

fn crowd() -> Redmine {
    let redmine = Redmine::new(SqliteFile);
    let numbers = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {PEOPLE})");
    redmine.execute(&format!(
        "INSERT INTO users (id, login, firstname, lastname, type, created_on)
             {numbers} SELECT i, 'user' || i, 'Test', 'Person', 'User', '2020-01-01 00:00:00' FROM n;
         INSERT INTO email_addresses (user_id, address, is_default, created_on, updated_on)
             {numbers} SELECT i, 'user' || i || '@example.org', 1, '2020-01-01', '2020-01-01' FROM n;
         INSERT INTO tokens (user_id, action, value, created_on, updated_on)
             {numbers} SELECT i, 'api', lower(hex(randomblob(20))), '2020-01-01 00:00:00', '2020-01-01 00:00:00' FROM n;"
    ));
    redmine
}

fn counts(database: &TestDatabase) -> [i64; 4] {
    ["users", "tokens", "imported_users", "imported_tokens"]
        .map(|table| database.number(&format!("SELECT count(*) AS number FROM {table}")))
}

/// "a test kills it at twenty random moments": spread over how long a whole one takes, and a little more.
#[rstest]
fn a_kill_leaves_all_or_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = crowd();
    let started = Instant::now();
    let whole = TestDatabase::migrated(db);
    import(&whole, &redmine, &[]).done();
    let (span, all) = (started.elapsed(), [PEOPLE; 4]);
    assert_eq!(counts(&whole), all);

    let mut database = TestDatabase::migrated(db);
    for _ in 0..20 {
        let mut random = [0; 2];
        getrandom::fill(&mut random).expect("randomness");
        let moment = span.mul_f64(f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX) * 1.1);
        let arguments = ["import", "redmine", redmine.url(), "--source-time-zone=UTC"];
        let mut command = command_line(&database).command(&arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary");
        std::thread::sleep(moment);
        let _ = child.kill();
        child.wait().expect("its end");
        let found = settled(&database);
        assert!(found == [0; 4] || found == all, "after {moment:?} of {span:?}: {found:?}");
        if found == all {
            database = TestDatabase::migrated(db);
        }
    }
    // Whatever was killed before, the next one comes through.
    import(&database, &redmine, &[]).done();
    assert_eq!(counts(&database), all);
}

/// PostgreSQL may be committing for somebody who is gone already.
fn settled(database: &TestDatabase) -> [i64; 4] {
    if database.url.file().is_none() {
        let others = "SELECT count(*) AS number FROM pg_stat_activity
                      WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let deadline = Instant::now() + Duration::from_secs(30);
        while database.number(others) > 0 {
            assert!(Instant::now() < deadline, "the connection of the killed process ends");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    counts(database)
}

/// The last of three thousand cannot be written: then neither are the first.
#[rstest]
fn a_failure_changes_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = crowd();
    let database = TestDatabase::migrated(db);
    let refuses = "login <> 'user3000'";
    match db {
        Sqlite => database.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON users WHEN NEW.login = 'user3000'
             BEGIN SELECT RAISE(ABORT, 'not this one'); END",
        ),
        Postgres => database.execute(&format!("ALTER TABLE users ADD CONSTRAINT refuse CHECK ({refuses})")),
    }
    let report = database.folder().join("report.json");
    let said = import(&database, &redmine, &["--report", report.to_str().expect("a path")]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("; nothing was changed"), "{}", said.stderr);
    assert_eq!((counts(&database), said.stdout.as_str()), ([0; 4], ""));
    assert!(!report.exists());
}
