//! `kill -9`

use std::collections::{BTreeMap, BTreeSet};

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

/// With writes held for longer than the 250 ms, the keys that a crash makes the database forget are exactly those that
/// the log names, and that the next start knows: they were used, and uses until then may be missing.
#[rstest]
#[tokio::test]
async fn the_next_start_knows_exactly_the_keys_whose_first_use_a_crash_lost(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    let folder = database.folder().to_str().expect("UTF-8").to_owned();
    let latchkey = if db == Postgres { latchkey.with("LATCHKEY_STATE_DIR", &folder) } else { latchkey };
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

    let process = Process::serve(&latchkey, &[]);
    eventually("they are recorded", || lost.iter().all(|(id, _)| !is_unused(&database, *id))).await;
    let read = || {
        let list = latchkey.run(&["key", "list", "--json"]).done().stdout;
        let list: Vec<serde_json::Value> = serde_json::from_str(&list).expect("JSON");
        let told = list.into_iter().map(|key| {
            let id = key["id"].as_i64().expect("an id");
            let gap = format!("SELECT count(*) AS number FROM tokens WHERE id = {id} AND recorded_since > created_on");
            (id, (key["verdict"].as_str().expect("a verdict").to_owned(), database.number(&gap) == 1))
        });
        told.collect::<BTreeMap<_, _>>()
    };
    let expected = |verdict: &str, has_gap: bool| (verdict.to_owned(), has_gap);
    for (id, told) in read() {
        let is_among = |keys: &[(i64, String)]| keys.iter().any(|(key, _)| *key == id);
        let known = if is_among(unused) { expected("too_early", false) } else { expected("in_use", is_among(lost)) };
        assert_eq!(told, known, "key {id}");
    }
    let alice = process.visitor();
    alice.sign_in("alice", PASSWORD).await;
    let activity = alice.get("/activity").await;
    assert_eq!(activity.text().matches("uses from then until").count(), lost.len(), "{}", activity.text());
    // It is known once, however often a process starts.
    let before = read();
    process.kill();
    let log = Process::serve(&latchkey, &[]).kill();
    assert!(!log.contains("left the first use of this key unwritten"), "{log}");
    assert_eq!(read(), before);
}
