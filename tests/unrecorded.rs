//! The file for uses that could not be written: who has which, what is in it, and what the next start makes of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use latchkey::clock::{Clock, Timestamp};
use latchkey::metrics::Flushes;
use latchkey::models::client::Client;
use latchkey::models::keys::token::{Token, TokenAction};
use latchkey::recorder::last_use::LastUse;
use latchkey::recorder::unrecorded::{Unrecorded, UnrecordedUse};
use latchkey::recorder::wake_up::WakeUp;
use latchkey::secret::Secret;
use rstest::rstest;
use serde_json::json;

use crate::support::database::TestDatabase;
use crate::support::site::start_time;
use crate::support::*;

/// Keys of the first person, who is added.
fn keys(database: &TestDatabase, count: usize) -> Vec<Token> {
    CommandLine::on(database).add_user("alice", PASSWORD);
    let mut connection = database.connect();
    let make =
        |_| Token::insert(&mut connection, 1, TokenAction::Api, &Secret::generate(), start_time()).expect("a key");
    (0..count).map(make).collect()
}

fn used(key: &Token) -> UnrecordedUse {
    UnrecordedUse::new((key.id, key.created_on), used_on(), &Client::new("192.0.2.7", &"\u{1f511}\"\\".repeat(100)))
}

fn used_on() -> Timestamp {
    "2026-11-24T10:00:00.123456".parse().expect("a time")
}

/// A process that has just started, and what it finds.
fn start(place: &Path) -> (Arc<Unrecorded>, Vec<UnrecordedUse>) {
    let (unrecorded, left) = Unrecorded::open(place);
    (Arc::new(unrecorded), left)
}

/// A use as it stands in the file.
fn slot(line: &impl serde::Serialize) -> Vec<u8> {
    let mut slot = serde_json::to_vec(line).expect("JSON");
    slot.resize(511, b' ');
    slot.push(b'\n');
    slot
}

fn ids(uses: &[UnrecordedUse]) -> Vec<i64> {
    uses.iter().map(|it| it.token_id).collect()
}

#[tokio::test]
async fn each_process_has_a_file_and_takes_over_what_others_left() {
    let database = TestDatabase::migrated(Sqlite);
    let keys = keys(&database, 4);
    let place = database.folder().join("unrecorded");
    let ((first, _), (second, _)) = (start(&place), start(&place));
    for (process, key) in [(&first, 0), (&second, 1), (&second, 2), (&first, 0)] {
        process.keep(used(&keys[key])).await.expect("a use");
    }
    let length = std::fs::metadata(&place).expect("a file").len();
    assert_eq!(length, 512 * 1024, "it has its room from the beginning");
    second.forget([keys[2].id]);
    drop((first, second));

    eventually("both have ended", || start(&place).1.len() == 2).await;
    let (third, left) = start(&place);
    assert_eq!(ids(&left), [keys[0].id, keys[1].id], "what is written is not there");
    assert_eq!(left[0].used_on(&keys[0]), Some(used_on()));
    let client = left[0].client();
    assert_eq!(client.address(), "192.0.2.7");
    assert_eq!(client.agent(), "\u{1f511}\"\\".repeat(20));
    third.keep(used(&keys[3])).await.expect("a use");
    let (_fourth, left) = start(&place);
    assert!(left.is_empty(), "what a living process keeps is its own: {left:?}");
    third.forget(keys.iter().map(|key| key.id));
    drop(third);
    eventually("nothing is left", || start(&place).1.is_empty()).await;
    assert_eq!(std::fs::metadata(&place).expect("a file").len(), length);
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&place).expect("a file"));
    assert_eq!(mode & 0o777, 0o600, "nobody else's business");
}

#[tokio::test]
async fn more_uses_than_there_are_slots_make_the_file_grow() {
    let database = TestDatabase::migrated(Sqlite);
    let key = keys(&database, 1).remove(0);
    let place = database.folder().join("unrecorded");
    let of_token = |token_id: i64| {
        let mut it = used(&key);
        it.token_id = token_id;
        it
    };
    std::fs::write(&place, (0..1023).flat_map(|id| slot(&of_token(id))).collect::<Vec<_>>()).expect("a file");
    let (unrecorded, _) = start(&place);
    for id in 1023..1026 {
        unrecorded.keep(of_token(id)).await.expect("a use");
    }
    drop(unrecorded);
    eventually("all are found", || ids(&start(&place).1) == (0..1026).collect::<Vec<_>>()).await;
}

#[rstest]
fn what_cannot_be_read_or_is_about_another_key_is_left_alone(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let keys = keys(&database, 3);
    let line = |key: &Token, change: &dyn Fn(&mut serde_json::Value)| {
        let mut line = serde_json::to_value(used(key)).expect("JSON");
        change(&mut line);
        slot(&line)
    };
    let nothing = |_: &mut serde_json::Value| {};
    let another = |line: &mut serde_json::Value| line["created_on"] = "2020-01-31T10:00:00.000000".into();
    let odd = |line: &mut serde_json::Value| line["used_on"] = "lately".into();
    let gone = |line: &mut serde_json::Value| line["token_id"] = 4711.into();
    let lines = [
        vec![0; 512],
        line(&keys[0], &another),
        line(&keys[1], &odd),
        line(&keys[1], &gone),
        slot(&json!({"token_id": 1})),
        line(&keys[2], &nothing),
        b"{\"torn".to_vec(),
    ];
    let place = database.folder().join("unrecorded");
    std::fs::write(&place, lines.concat()).expect("a file");
    let (unrecorded, left) = Unrecorded::open(&place);
    assert_eq!(left.len(), 4);
    let now = used_on() + TimeDelta::minutes(5);
    let wake_up = Arc::new(WakeUp::default());
    let last_use = LastUse::new(Clock::standing(now), Duration::ZERO, wake_up, unrecorded, Flushes::default());
    let mut connection = database.connect();
    last_use.take_over(&mut connection, &left).expect("a query");
    assert_eq!(keys.iter().map(|key| last_use.of(key)).collect::<Vec<_>>(), [None, None, Some(used_on())]);
    last_use.write_first_uses(&mut connection).expect("a write");
    let rows = Token::find_all(&mut connection, &keys.iter().map(|key| key.id).collect::<Vec<_>>()).expect("rows");
    let recorded = |key: &Token| (rows[&key.id].recorded_use(), rows[&key.id].recorded_since);
    assert_eq!(recorded(&keys[2]), (Some(used_on()), Some(now)));
    assert_eq!([recorded(&keys[0]), recorded(&keys[1])], [(None, None); 2]);
    drop(last_use);
    assert!(Unrecorded::open(&place).1.is_empty(), "all of it is dealt with");
}

/// Later uses are written behind, so a crash while nothing can be written would make the key look less used than it is.
#[rstest]
#[tokio::test]
async fn a_crash_loses_no_later_use_that_could_not_be_written(#[values(Sqlite, Postgres)] db: Db) {
    let folder = tempfile::tempdir().expect("a folder");
    let state_dir = format!("--state-dir={}", folder.path().display());
    let site = Site::start_with(db, &[&state_dir]).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let use_it = async || assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200);
    site.later(TimeDelta::days(1));
    use_it().await;
    let first_use = site.clock.now();
    site.later(TimeDelta::days(100));
    site.database.refuse_uses();
    use_it().await;
    site.flush().await;
    site.later(TimeDelta::hours(1));
    use_it().await;
    site.flush().await;
    assert_eq!(site.token(key.id).expect("a row").updated_on, Some(first_use), "nothing can be written");

    // What a process finds that starts after a crash at this moment.
    let file = site.app.config.unrecorded_file().expect("a file");
    let left_behind = folder.path().join("after the crash");
    std::fs::copy(&file, &left_behind).expect("a copy");
    let (unrecorded, left) = Unrecorded::open(&left_behind);
    assert_eq!(ids(&left), [key.id], "each key once");
    let now = site.clock.now() + TimeDelta::minutes(5);
    let wake_up = Arc::new(WakeUp::default());
    let after = LastUse::new(Clock::standing(now), Duration::ZERO, wake_up, unrecorded, Flushes::default());
    let mut connection = site.database.connect();
    after.take_over(&mut connection, &left).expect("a query");
    let (used_on, row) = (first_use + TimeDelta::days(100), || site.token(key.id).expect("a row"));
    assert_eq!(after.of(&row()), Some(used_on), "it is known at once");
    site.database.allow_uses();
    after.write_due(&mut connection).expect("a write");
    assert_eq!((row().updated_on, row().recorded_since), (Some(used_on), Some(now)));
    drop(after);
    assert!(Unrecorded::open(&left_behind).1.is_empty(), "all of it is dealt with");

    // The process that did not crash goes on.
    site.later(TimeDelta::minutes(10));
    site.flush().await;
    assert_eq!(row().updated_on, Some(first_use + TimeDelta::days(100) + TimeDelta::hours(1)));
    let kept = std::fs::read(&file).expect("a file");
    assert!(kept.trim_ascii().is_empty(), "what is written is not kept: {}", String::from_utf8_lossy(&kept).trim());
}

/// Latchkey serves without it.
#[tokio::test]
async fn where_no_file_can_be_made_it_says_so() {
    for place in ["/nowhere/unrecorded", "/dev/null/unrecorded"] {
        let (unrecorded, left) = start(Path::new(place));
        assert!(left.is_empty());
        let database = TestDatabase::migrated(Sqlite);
        let key = keys(&database, 1).remove(0);
        let error = unrecorded.keep(used(&key)).await.expect_err("there is no file");
        assert!(error.to_string().contains("LATCHKEY_STATE_DIR"), "{error}");
    }
}
