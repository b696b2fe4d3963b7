//! What is kept, for how long, and what goes with a key or a service.

use chrono::{NaiveDate, TimeDelta};
use latchkey::models::ids::{KeyId, UserId};
use latchkey::models::keys::key_request::Grace;
use latchkey::models::services::uses::ServiceUse;
use latchkey::models::tx::Tx;
use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn ninety_days_are_shown_and_older_counts_are_forgotten(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let (key, wiki) = (add_keys(&database, 1)[0], add_service(&database, "wiki"));
    let counting = Counting::on(&database);
    let start = start_time();
    for _ in 0..100 {
        counting.use_key(key, wiki);
        counting.recorder.flush().await;
        counting.clock.set(counting.clock.now() + TimeDelta::days(1));
    }
    // The hundredth day has passed: a hundred days were used, today is not.
    let usage = &counting.usage(key).await[0];
    let today = (start + TimeDelta::days(100)).date();
    let expected: Vec<_> = (0..90).map(|ago| today - TimeDelta::days(89 - ago)).collect();
    assert_eq!(usage.days.iter().map(|(day, _)| *day).collect::<Vec<_>>(), expected);
    assert_eq!((usage.total(), usage.days[89].1, usage.days[0].1), (89, 0, 1));
    counting.recorder.flush().await;
    assert_eq!(recorded(&database, key, wiki), 90, "the ninetieth day before today is the last that is there");
    // The last use is not forgotten, however long ago it was.
    counting.clock.set(start + TimeDelta::days(400));
    counting.recorder.flush().await;
    assert_eq!(recorded(&database, key, wiki), 0);
    let usage = &counting.usage(key).await[0];
    assert_eq!(usage.last.clone().expect("a use").on, start + TimeDelta::days(99));
    assert_eq!((usage.total(), usage.busiest()), (0, None));
}

/// "in bounded batches, and only where there are any"
#[rstest]
#[tokio::test]
async fn old_counts_go_some_at_a_time(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let (key, wiki) = (add_keys(&database, 1)[0], add_service(&database, "wiki"));
    let today = start_time().date();
    let add_days = |first: NaiveDate, count: usize| {
        let rows = first.iter_days().take(count).map(|day| format!("({key}, {wiki}, '{day}', 1)"));
        let rows = rows.collect::<Vec<_>>().join(", ");
        database.execute(&format!("INSERT INTO service_use_counts (token_id, service_id, day, times) VALUES {rows}"));
    };
    let long_ago = "2015-01-01".parse().expect("a day");
    add_days(long_ago, 2_500);
    add_days(today - TimeDelta::days(90), 91);
    let mut connection = database.connect();
    for left in [1_591, 591, 91] {
        assert!(ServiceUse::any_to_forget(&mut connection, today).expect("a query"));
        ServiceUse::forget_old(&mut connection, today).expect("a query");
        assert_eq!(recorded(&database, key, wiki), left);
    }
    assert!(!ServiceUse::any_to_forget(&mut connection, today).expect("a query"));
    ServiceUse::forget_old(&mut connection, today).expect("a query");
    assert_eq!(recorded(&database, key, wiki), 91);
    // The recorder does it by itself.
    add_days(long_ago, 700);
    let counting = Counting::on(&database);
    counting.recorder.flush().await;
    assert_eq!(recorded(&database, key, wiki), 91);
}

/// A key or service that is removed takes along what waits for it, and nothing else.
#[rstest]
#[tokio::test]
async fn a_key_or_service_that_is_gone_keeps_no_other_use_from_being_written(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let keys = add_keys(&database, 3);
    let (wiki, git) = (add_service(&database, "wiki"), add_service(&database, "git"));
    let counting = Counting::on(&database);
    let use_all = || {
        for key in &keys {
            [wiki, git].into_iter().for_each(|service| counting.use_key(*key, service));
        }
    };
    use_all();
    counting.recorder.flush().await;
    use_all();
    database.execute(&format!("DELETE FROM tokens WHERE id = {}", keys[1]));
    remove_service(&database, git);
    counting.recorder.flush().await;
    assert_eq!(counting.uses().pending(), 0);
    assert_eq!([keys[0], keys[2]].map(|key| recorded(&database, key, wiki)), [2, 2]);
    assert_eq!(database.number("SELECT count(*) AS number FROM service_uses"), 2);
    assert_eq!(database.number("SELECT count(*) AS number FROM service_use_counts"), 2);
    // A later one of the same name starts with nothing.
    let again = add_service(&database, "git");
    assert_ne!(again, git);
    counting.use_key(keys[0], git);
    counting.use_key(keys[0], again);
    counting.recorder.flush().await;
    let names: Vec<_> = counting.usage(keys[0]).await.iter().map(|it| (it.name.clone(), it.total())).collect();
    assert_eq!(names, [("git".to_owned(), 1), ("wiki".to_owned(), 2)]);
}

/// While others remove what is being written.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn keys_and_services_may_go_in_the_middle_of_a_write(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let keys = add_keys(&database, 300);
    let services: Vec<_> = ["wiki", "git", "ci"].map(|name| add_service(&database, name)).into();
    let counting = Counting::on(&database);
    for key in &keys {
        services.iter().for_each(|service| counting.use_key(*key, *service));
    }
    std::thread::scope(|scope| {
        let (gone, rest) = (keys.iter().step_by(2), &services[..2]);
        scope.spawn(|| {
            for (number, key) in gone.enumerate() {
                database.execute(&format!("DELETE FROM tokens WHERE id = {key}"));
                if number == 50 {
                    remove_service(&database, services[2]);
                }
            }
        });
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            for _ in 0..20 {
                runtime.block_on(counting.recorder.flush());
                for key in keys.iter().skip(1).step_by(2) {
                    rest.iter().for_each(|service| counting.use_key(*key, *service));
                }
            }
        });
    });
    counting.recorder.flush().await;
    assert_eq!(counting.uses().pending(), 0);
    for key in keys.iter().skip(1).step_by(2) {
        assert_eq!([recorded(&database, *key, services[0]), recorded(&database, *key, services[1])], [21, 21]);
    }
    assert_eq!(database.number("SELECT count(*) AS number FROM service_uses"), 150 * 2);
}

/// A rotated key is the same key: its first secret's row stays, however often.
#[rstest]
#[tokio::test]
async fn a_rotation_forgets_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "never").await;
    let wiki = add_service(&site.database, "wiki");
    let mut secret = site.token(key.id).expect("a token");
    for times in 1..=3 {
        site.app.recorder.service_uses.count(&call(secret.key(), wiki, site.clock.now()));
        site.flush().await;
        assert_eq!(recorded(&site.database, key.id, wiki), times);
        let id = (UserId(alice.id), KeyId(key.id));
        let rotate = move |tx: &mut Tx<'_>| latchkey::models::keys::key::Key::rotate(tx, id, Grace::None);
        let (rotated, new) = site.write(rotate).await;
        log::note_secret(new.expose());
        secret = rotated.current;
        assert_ne!(secret.id, key.id);
        // So late that the secrets before are forgotten at the next rotation.
        site.later(TimeDelta::days(3));
    }
    assert_eq!(site.database.number("SELECT count(*) AS number FROM tokens WHERE action = 'access'"), 3);
    assert_eq!(recorded(&site.database, key.id, wiki), 3);
}
