//! How much is told, and for how long.

use chrono::TimeDelta;
use latchkey::models::event::{EventAction, NewEvent};
use rstest::rstest;

use super::*;

fn count(site: &Site, condition: &str) -> i64 {
    site.database.number(&format!("SELECT count(*) AS number FROM audit_entries WHERE {condition}"))
}

#[rstest]
#[tokio::test]
async fn entries_are_removed_in_batches_when_they_are_old_enough(#[values(Sqlite, Postgres)] db: Db) {
    for (setting, days, left) in [("400d", 400, vec![500, 0]), ("31d", 31, vec![500, 0]), ("0", 4000, vec![1500, 1500])]
    {
        let site = Site::start_with(db, &[&format!("--audit-kept={setting}")]).await;
        fill(&site, 1500);
        // The first entry is of the first second of the year.
        site.clock
            .set("2026-01-01T00:00:01".parse::<latchkey::clock::Timestamp>().expect("a time") + TimeDelta::days(days));
        site.flush().await;
        assert_eq!(count(&site, "TRUE"), 1500, "{setting}: at the last moment");
        site.later(TimeDelta::days(1));
        for left in left {
            site.flush().await;
            assert_eq!(count(&site, "TRUE"), left, "{setting}");
        }
    }
}

/// "Floods of refusals are counted, not listed": the first, and then each time that they are ten times as many.
#[rstest]
#[tokio::test]
async fn refused_sign_ins_are_counted(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_root(db).await;
    let alice = site.add_user("alice").await;
    for times in [1, 3, 6, 1, 80, 9, 20] {
        for _ in 0..times {
            let client = latchkey::models::client::Client::new("192.0.2.1", "curl");
            site.app.recorder.sign_ins.refused(alice.id, client, site.clock.now());
        }
        site.flush().await;
        site.later(TimeDelta::seconds(1));
    }
    let told: Vec<_> =
        entries(&site, &key, "action=sign_in_refused").await.iter().map(|it| it["times"].clone()).collect();
    assert_eq!(told, [100, 10, 1], "latest first");
    site.later(TimeDelta::hours(1));
    let client = latchkey::models::client::Client::new("192.0.2.1", "curl");
    site.app.recorder.sign_ins.refused(alice.id, client, site.clock.now());
    let told = entries(&site, &key, "action=sign_in_refused").await;
    assert_eq!((told.len(), &told[0]["times"]), (4, &serde_json::json!(1)), "another hour");
}

/// A loop of one kind fills no disk, and hides nothing of another kind. The log of the process has all of it.
#[rstest]
#[case(EventAction::KeyChanged, 1000)]
#[case(EventAction::ScopeRefused, 100)]
#[tokio::test]
async fn a_flood_leaves_one_entry_an_hour(
    #[case] action: EventAction,
    #[case] most: i64,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    site.database.execute(&format!(
        "INSERT INTO events (user_id, action, address, agent, created_on, updated_on, audited)
         WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {})
         SELECT {}, '{}', '', '', '2026-11-24 09:30:00', '2026-11-24 09:30:00', TRUE FROM numbers",
        most - 1,
        alice.id,
        action.as_str(),
    ));
    let mark = format!("flood-{}-{db:?}", action.as_str());
    let record = async |action: EventAction| {
        let (id, mark) = (alice.id, mark.clone());
        site.write(move |tx| {
            NewEvent::of_person(id, action).detail(mark).record(tx).map_err(latchkey::db::DbError::from)
        })
        .await;
    };
    record(action).await;
    assert_eq!(count(&site, "TRUE"), 1, "as many as may be");
    record(action).await;
    record(EventAction::Locked).await;
    assert_eq!(count(&site, "TRUE"), 2, "no more of the kind, and the other kind");
    let lines = log::lines_with(&mark);
    let with_id = lines.iter().filter(|line| line["fields"]["id"].is_i64()).count();
    assert_eq!((lines.len(), with_id), (3, 2), "the log has it, without an id");
    site.later(TimeDelta::hours(1));
    record(action).await;
    record(action).await;
    assert_eq!(count(&site, "TRUE"), 3, "the first in another hour");
    site.later(TimeDelta::days(1));
    record(action).await;
    record(action).await;
    assert_eq!(count(&site, "TRUE"), 5, "another day");
}
