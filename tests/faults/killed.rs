//! `kill -9`

use std::collections::BTreeSet;

use rstest::rstest;
use tokio::sync::mpsc;

use super::{is_unused, make_keys};
use crate::support::database::TestDatabase;
use crate::support::*;

const CURRENT: &str = "/users/current.json";

/// Fifty times under load: no key that ever got a 200 reads "Never used".
#[rstest]
#[tokio::test]
async fn no_used_key_reads_never_used_after_kill_9(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    latchkey.add_user("alice", PASSWORD);
    let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
    let (mut answered, mut unanswered) = (0, 0);
    for round in 0..50 {
        let keys = make_keys(&database, 16);
        let process = Process::serve(&latchkey, &["--first-use-patience=10s"]);
        let (tell, mut told) = mpsc::unbounded_channel();
        for (id, secret) in &keys {
            let request = http.get(format!("{}{CURRENT}", process.url)).header("X-Redmine-API-Key", secret);
            let (tell, id) = (tell.clone(), *id);
            tokio::spawn(async move {
                let answer = request.send().await;
                let _ = tell.send((id, answer.is_ok_and(|answer| answer.status() == 200)));
            });
        }
        drop(tell);
        // After another number of answers each time.
        let mut used = BTreeSet::new();
        for _ in 0..round % 16 {
            let (id, is_used) = told.recv().await.expect("an answer");
            assert!(is_used, "round {round}");
            used.insert(id);
        }
        process.kill();
        while let Some((id, is_used)) = told.recv().await {
            if is_used {
                used.insert(id);
            }
        }
        for id in &used {
            assert!(!is_unused(&database, *id), "round {round}: token {id} got a 200");
        }
        answered += used.len();
        unanswered += keys.len() - used.len();
    }
    assert!(answered > 100 && unanswered > 100, "{answered} answered before the kill, {unanswered} not");
    // No row is damaged, and it still starts by itself.
    assert_eq!(database.number("SELECT count(*) AS number FROM tokens"), 50 * 16);
    if db == Sqlite {
        assert_eq!(
            database.number("SELECT count(*) AS number FROM pragma_integrity_check WHERE integrity_check = 'ok'"),
            1
        );
    }
    let process = Process::serve(&latchkey, &[]);
    let (id, secret) = make_keys(&database, 1).remove(0);
    assert_eq!(process.get_with_key(CURRENT, &secret).await.status, 200);
    assert!(!is_unused(&database, id));
}

/// With writes held for longer than the 250 ms, the keys that a crash makes forget are exactly those that the log names.
#[rstest]
#[tokio::test]
async fn the_log_names_exactly_the_keys_whose_first_use_a_crash_lost(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    latchkey.add_user("alice", PASSWORD);
    let keys = make_keys(&database, 9);
    let (safe, rest) = keys.split_at(3);
    let (lost, unused) = rest.split_at(3);
    let process = Process::serve(&latchkey, &[]);
    for (_, secret) in safe {
        assert_eq!(process.get_with_key(CURRENT, secret).await.status, 200);
    }
    let held = database.hold("LOCK TABLE tokens IN EXCLUSIVE MODE");
    for (id, secret) in lost {
        assert_eq!(process.get_with_key(CURRENT, secret).await.status, 200);
        assert!(is_unused(&database, *id), "the write is held");
    }
    let log = process.kill();
    drop(held);

    let ids = |keys: &[(i64, String)]| keys.iter().map(|(id, _)| *id).collect::<BTreeSet<_>>();
    let lines = log.lines().filter(|line| line.contains("before the first use was written"));
    let named = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["token_id"].as_i64());
    assert_eq!(named.map(|id| id.expect("an id")).collect::<BTreeSet<_>>(), ids(lost));
    let forgotten: BTreeSet<_> = ids(&keys).into_iter().filter(|id| is_unused(&database, *id)).collect();
    assert_eq!(forgotten, &ids(lost) | &ids(unused));
}
