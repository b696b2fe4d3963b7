//! "Redmine writes local time without a zone: `--source-time-zone NAME` is required (UTC is a name), hours that do not
//! exist or exist twice are reported, a last use in the future becomes now."

use rstest::rstest;

use super::*;
use crate::support::redmine::{From, From::*};

const BERLIN: &str = "--source-time-zone=Europe/Berlin";

#[rstest]
#[tokio::test]
async fn local_time_is_read_across_the_changes_of_summer_time(
    #[values(SqliteFile, Postgresql, Mariadb)] from: From,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let redmine = Redmine::new(from);
    for (id, login, created) in [
        (1, "winter", "2025-01-15 12:00:00"),
        (2, "summer", "2025-07-15 12:00:00"),
        (3, "before", "2025-03-30 01:59:59"),
        (4, "never", "2025-03-30 02:30:00"),
        (5, "after", "2025-03-30 03:00:00"),
        (6, "twice", "2024-10-27 02:30:00"),
    ] {
        redmine.add_user(&RedmineUser { created_on: created, ..RedmineUser::new(id, login) });
    }
    // Made the first time that it was half past two, and used when it was so again, and a moment earlier by the clock.
    redmine.add_token(6, "api", &key("twice"), "2024-10-27 02:30:00", "2024-10-27 02:15:00");
    redmine.add_token(6, "feeds", &key("equal"), "2024-10-27 02:30:00", "2024-10-27 02:30:00");
    let database = TestDatabase::migrated(db);
    let said = import(&database, &redmine, &[BERLIN]).done().stdout;

    let process = Process::serve(&command_line(&database), &[]);
    let created = |login: &str| time(&database, "created_on", "users", &format!("login = '{login}'"));
    assert_eq!(created("winter"), "2025-01-15 11:00:00");
    assert_eq!(created("summer"), "2025-07-15 10:00:00");
    assert_eq!(created("before"), "2025-03-30 00:59:59");
    assert_eq!(created("never"), "2025-03-30 01:30:00");
    assert_eq!(created("after"), "2025-03-30 01:00:00");
    assert_eq!(created("twice"), "2024-10-27 00:30:00");
    assert_eq!(time(&database, "created_on", "tokens", "action = 'api'"), "2024-10-27 00:30:00");
    assert_eq!(time(&database, "updated_on", "tokens", "action = 'api'"), "2024-10-27 01:15:00");
    assert_eq!(
        time(&database, "updated_on", "tokens", "action = 'feeds'"),
        "none",
        "written at once with the creation"
    );
    for line in [
        "user 4 (never): created_on is 2025-03-30 02:30:00 in Europe/Berlin; set to 2025-03-30 01:30:00 UTC",
        "user 6 (twice): created_on is 2024-10-27 02:30:00 in Europe/Berlin; set to 2024-10-27 00:30:00 UTC",
        "is 2024-10-27 02:15:00 in Europe/Berlin; set to 2024-10-27 01:15:00 UTC",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("(before)") && !said.contains("(after)"), "{said}");
    let current = process.get_with_key("/users/current.json", &key("twice")).await.json();
    assert_eq!(current["user"]["created_on"], "2024-10-27T00:30:00Z");
}

#[rstest]
fn the_zone_must_be_named_and_known(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let database = TestDatabase::migrated(db);
    let latchkey = command_line(&database);
    let line = latchkey.run(&["import", "redmine", redmine.url()]).refused(2);
    assert!(line.contains("--source-time-zone"), "{line}");
    let line = latchkey.run(&["import", "redmine", redmine.url(), "--source-time-zone=Berlin"]).refused(2);
    assert!(line.contains("such as Europe/Berlin or UTC"), "{line}");
    assert_eq!(database.number("SELECT count(*) AS number FROM users"), 0);
}

/// Whoever named the wrong one runs it again with the right one.
#[rstest]
fn another_zone_corrects_what_the_first_one_made(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    redmine.add_user(&RedmineUser::new(1, "alice"));
    let database = TestDatabase::migrated(db);
    import(&database, &redmine, &[]).done();
    let said = import(&database, &redmine, &[BERLIN]).done().stdout;
    assert!(said.contains("user 1 (alice): creation changed; updated"), "{said}");
    assert_eq!(time(&database, "created_on", "users", "login = 'alice'"), "2020-02-03 03:05:06");
}

/// "the time in their time zone (a field on *My account*, from the import where Redmine knew it)"
#[rstest]
#[tokio::test]
async fn the_zone_that_somebody_has_chosen_comes_along(
    #[values(SqliteFile, Postgresql, Mariadb)] from: From,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let redmine = Redmine::new(from);
    everybody(&redmine);
    redmine.choose_time_zone(1, "Pacific Time (US & Canada)");
    redmine.choose_time_zone(5, "Berlin");
    redmine.choose_time_zone(6, "Atlantis");
    let site = Site::start_with(db, &site::UNREACHABLE_MAIL).await;
    let said = import(&site.database, &redmine, &[]).done().stdout;
    assert!(said.contains("user 6 (locked): time zone is \"Atlantis\"; set to UTC"), "{said}");
    assert_eq!(said.matches("time zone").count(), 1, "{said}");

    let bob = site.visitor();
    bob.sign_in("bob", "bobs-old-password").await;
    let zone = async |me: &Visitor| me.get("/my/mail").await.value_of("time_zone");
    assert_eq!(zone(&bob).await, "Europe/Berlin");
    let alice = site.visitor();
    alice.sign_in("alice", PASSWORD).await;
    assert_eq!(zone(&alice).await, "America/Los_Angeles");

    // What is changed in one place is taken from there; what is changed in both is kept.
    alice.post("/my/mail", &[("time_zone", "Asia/Tokyo")]).await;
    redmine.choose_time_zone(1, "Paris");
    redmine.choose_time_zone(5, "Kyiv");
    let said = import(&site.database, &redmine, &[]).done().stdout;
    assert!(said.contains("user 5 (Bob): time zone changed; updated"), "{said}");
    assert!(said.contains("user 1 (alice): time zone was changed in Latchkey; kept"), "{said}");
    assert_eq!((zone(&alice).await, zone(&bob).await), ("Asia/Tokyo".into(), "Europe/Kyiv".into()));
}

/// The import of an older release stored nothing about zones: nobody had changed theirs.
#[rstest]
fn who_was_imported_before_gets_their_zone_at_the_next_import(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let database = TestDatabase::migrated(db);
    import(&database, &redmine, &[]).done();
    let shorter = match db {
        Sqlite => "substr(digests, 1, 96)",
        Postgres => "substring(digests from 1 for 96)",
    };
    database.execute(&format!("UPDATE imported_users SET digests = {shorter}"));
    redmine.choose_time_zone(5, "Berlin");
    let said = import(&database, &redmine, &[]).done().stdout;
    assert!(said.contains("people: 4 found, 0 added, 1 changed, 3 unchanged"), "{said}");
    assert!(said.contains("user 5 (Bob): time zone changed; updated"), "{said}");
}
