//! `latchkey key`

use rstest::rstest;

use crate::support::database::TestDatabase;
use crate::support::*;

#[rstest]
#[tokio::test]
async fn a_key_is_added_listed_used_and_revoked(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    latchkey.add_user("alice", PASSWORD);
    latchkey.add_user("bob", PASSWORD);

    // The secret alone, so that KEY=$(latchkey key add alice) works.
    let added = latchkey.run(&["key", "add", "alice"]).done();
    let secret = added.stdout.trim_end();
    log::note_secret(secret);
    assert!(secret.starts_with("lk_") && secret.len() == 49 && added.stdout.lines().count() == 1, "{}", added.stdout);
    assert!(!added.stderr.contains(secret), "{}", added.stderr);

    let rows = |arguments: &[&str]| {
        let list = latchkey.run(&[&["key", "list"], arguments].concat()).done().stdout;
        assert!(list.starts_with("ID  LOGIN"), "{list}");
        list.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let cells = |row: &str| row.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let row = cells(&rows(&[])[0]);
    assert_eq!(row[1..4], ["alice", "api", &secret[45..]]);
    assert_eq!(row[row.len() - 2..], ["never", "too_early"]);
    assert!(rows(&["bob"]).is_empty());

    let process = Process::serve(&latchkey, &[]);
    assert_eq!(process.get_with_key("/users/current.json", secret).await.status, 200);
    let row = cells(&rows(&["ALICE"])[0]);
    let [used, verdict] = &row[row.len() - 2..] else { panic!("{row:?}") };
    assert!(used.starts_with("20") && used.ends_with('Z') && verdict == "in_use", "{row:?}");

    let id = row[0].as_str();
    let revoked = latchkey.run(&["key", "revoke", id]).done().stdout;
    assert_eq!(revoked, format!("revoked API access key {id}, ending in {}\n", &secret[45..]));
    assert_eq!(process.get_with_key("/users/current.json", secret).await.status, 401);
    let line = latchkey.run(&["key", "revoke", id]).refused(1);
    assert_eq!(line, format!("latchkey: no key has the id {id}; latchkey key list shows them"));
    let alice = process.visitor();
    alice.sign_in("alice", PASSWORD).await;
    let activity = alice.get("/activity").await;
    for happened in ["API access key created", "API access key first used", "API access key revoked"] {
        assert!(activity.shows(happened), "{happened}");
    }
}

#[rstest]
fn adding_a_second_key_of_a_kind_replaces_the_first_and_says_so(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database);
    latchkey.add_user("alice", PASSWORD);
    latchkey.add_key("alice");
    assert!(latchkey.run(&["key", "add", "alice", "--action", "feeds"]).done().stderr.contains("created"));
    assert!(latchkey.run(&["key", "add", "alice"]).done().stderr.contains("has stopped working"));
    let kinds = "SELECT count(DISTINCT action) * 100 + count(*) AS number FROM tokens";
    assert_eq!(database.number(kinds), 202);
}

#[rstest]
#[tokio::test]
async fn keys_that_nobody_uses_are_found(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    ["alice", "bob", "carol"].iter().for_each(|login| latchkey.add_user(login, PASSWORD));
    let _never_used = latchkey.add_key("bob");
    for login in ["alice", "carol"] {
        let secret = latchkey.add_key(login);
        let process = Process::serve(&latchkey, &[]);
        assert_eq!(process.get_with_key("/users/current.json", &secret).await.status, 200);
    }
    let used = |login| {
        format!(
            "UPDATE tokens SET created_on = '2026-02-01 10:00:00', updated_on = '2026-03-01 10:00:00' WHERE user_id = (SELECT id FROM users WHERE login = '{login}')"
        )
    };
    database.execute(&used("carol"));
    let found = |arguments: &[&str]| {
        let list = latchkey.run(&[&["key", "list"], arguments].concat()).done().stdout;
        let logins = list.lines().skip(1).map(|line| line.split_whitespace().nth(1).expect("a login").to_owned());
        logins.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(found(&["--unused-since", "2026-03-01"]), "bob");
    assert_eq!(found(&["--unused-since", "2026-03-02"]), "bob carol");
    assert_eq!(found(&["--unused-since", "2026-03-01T11:00:00+01:00"]), "bob");
    assert_eq!(found(&["carol", "--unused-since=2026-03-01T12:00:00Z"]), "carol");
    assert_eq!(found(&["--unused-since", "2099-01-01"]).split(' ').count(), 3);
    let line = latchkey.run(&["key", "list", "--unused-since", "spring"]).refused(2);
    assert!(line.contains("it must be a date such as 2026-12-31"), "{line}");
}

/// To look is not to make or to upgrade.
#[test]
fn what_only_looks_makes_no_database_and_upgrades_none() {
    let database = TestDatabase::empty(Sqlite);
    let latchkey = CommandLine::on(&database);
    let line = latchkey.run(&["key", "list"]).refused(1);
    assert!(line.contains("there is no database") && line.contains("latchkey user add"), "{line}");
    assert!(!std::path::Path::new(&database.setting()).exists());

    latchkey.run(&["migrate", "run"]).done();
    latchkey.run(&["migrate", "revert"]).done();
    let line = latchkey.run(&["user", "list"]).refused(1);
    assert!(line.contains("lacks migrations; latchkey migrate run applies them"), "{line}");
}

#[rstest]
fn a_session_is_no_key_to_revoke(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database);
    latchkey.add_user("alice", PASSWORD);
    latchkey.add_key("alice");
    database.execute("UPDATE tokens SET action = 'session'");
    let id = database.number("SELECT id AS number FROM tokens").to_string();
    latchkey.run(&["key", "revoke", &id]).refused(1);
    assert_eq!(database.number("SELECT count(*) AS number FROM tokens"), 1);
    latchkey.run(&["key", "add", "nobody"]).refused(1);
}
