//! What moves in and lets somebody in: keys that could be guessed do not, and administrators are named.

use rstest::rstest;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::support::redmine::{From, From::*};

const WEAK: [(&str, &str); 6] = [
    ("1", "has fewer than 20 characters"),
    ("secret", "has fewer than 20 characters"),
    ("0123456789abcdef012", "has fewer than 20 characters"),
    ("abababababababababababababababababababab", "has fewer than 8 different characters"),
    ("1234567890123456789012345678901234567890", "only repeats or counts"),
    ("changemechangemechangemechangemechangeme", "has fewer than 8 different characters"),
];

#[rstest]
#[tokio::test]
async fn keys_that_could_be_guessed_are_left_out_and_named(
    #[values(SqliteFile, Postgresql, Mariadb)] from: From,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let redmine = Redmine::new(from);
    for (id, (weak, _)) in (1..).zip(WEAK) {
        redmine.add_user(&RedmineUser::new(id, &format!("user{id}")));
        redmine.add_token(id, "api", weak, MADE, MADE);
    }
    redmine.add_token(1, "feeds", &key("fit"), MADE, MADE);
    let database = TestDatabase::migrated(db);
    for _ in 0..2 {
        let said = import(&database, &redmine, &[]).done().stdout;
        assert!(said.contains("keys: 7 found") && said.contains("6 left out"), "{said}");
        assert!(said.contains("Weak keys (6):"), "{said}");
        for (id, (weak, why)) in (1..).zip(WEAK) {
            let hint = &weak[weak.len() - (weak.len() / 4).min(4)..];
            let line = format!("user {id} (user{id}): API access key ····{hint} {why}; left out");
            assert!(said.contains(&line), "{line}: {said}");
        }
        assert_eq!(database.number("SELECT count(*) AS number FROM tokens"), 1);
    }
    let process = Process::serve(&command_line(&database), &[]);
    for (weak, _) in WEAK {
        assert_eq!(process.get_with_key("/users/current.json", weak).await.status, 401, "{weak}");
    }
    assert_eq!(process.get_with_key(&format!("/activity.atom?key={}", key("fit")), "").await.status, 200);
}

/// An earlier release let them in. A better key of the same person can follow.
#[rstest]
#[tokio::test]
async fn a_weak_key_that_came_in_before_is_revoked(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    redmine.add_user(&RedmineUser { password: Some(PASSWORD), ..RedmineUser::new(1, "alice") });
    redmine.add_token(1, "api", &key("alice api"), MADE, MADE);
    let site = Site::start(db).await;
    import(&site.database, &redmine, &[]).done();
    let digest: String = Sha256::digest("1").iter().map(|byte| format!("{byte:02x}")).collect();
    let digest = if let Sqlite = db { format!("x'{digest}'") } else { format!("'\\x{digest}'") };
    for table in ["tokens", "imported_tokens"] {
        site.database.execute(&format!("UPDATE {table} SET digest = {digest}"));
    }
    redmine.execute("UPDATE tokens SET value = '1'");
    let status = async |secret: &str| {
        Answer::of(site.get("/users/current.json").header("X-Redmine-API-Key", secret)).await.status
    };
    assert_eq!(status("1").await, 200);
    let said = import(&site.database, &redmine, &[]).done().stdout;
    assert!(said.contains("has fewer than 20 characters; revoked"), "{said}");
    assert_eq!(status("1").await, 401);
    let alice = site.signed_in("alice").await;
    assert!(alice.get("/activity").await.shows("API access key revoked"));

    let again = import(&site.database, &redmine, &[]).done().stdout;
    assert!(again.contains("has fewer than 20 characters; left out"), "{again}");
    redmine.execute(&format!("UPDATE tokens SET value = '{}'", key("a better one")));
    import(&site.database, &redmine, &[]).done();
    assert_eq!(status(&key("a better one")).await, 200);
}

/// They can do everything here, so somebody should look at each.
#[rstest]
fn administrators_are_named(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let database = TestDatabase::migrated(db);
    let said = import(&database, &redmine, &[]).done().stdout;
    let alice = "user 1 (alice): is an administrator; imported as one: check that this is right";
    assert!(said.contains("Administrators (1):") && said.contains(alice), "{said}");
    redmine.execute("UPDATE users SET admin = 1 WHERE id = 5");
    let said = import(&database, &redmine, &[]).done().stdout;
    assert!(said.contains("Administrators (1):") && said.contains("user 5 (Bob): is an administrator;"), "{said}");
    assert!(!import(&database, &redmine, &[]).done().stdout.contains("Administrators"));
}

/// SQLite keeps what it is given, however long. Nothing that is stored here is longer than a person could make it, and
/// nothing is cut without a word.
#[rstest]
fn every_text_is_bounded_and_what_was_too_long_is_named(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    let long = "long".repeat(25_000);
    let columns = ["login", "firstname", "lastname", "language", "twofa_scheme", "salt", "hashed_password"];
    for (id, column) in (1..).zip(columns) {
        redmine.add_user(&RedmineUser { password: Some(PASSWORD), ..RedmineUser::new(id, &format!("user{id}")) });
        redmine.execute(&format!("UPDATE users SET {column} = '{long}' WHERE id = {id}"));
    }
    redmine.add_user(&RedmineUser { mail: Some(&format!("{long}@example.org")), ..RedmineUser::new(8, "user8") });
    redmine.add_user(&RedmineUser::new(9, "user9"));
    redmine.add_token(9, "api", &long, MADE, MADE);
    redmine.execute(&format!("UPDATE users SET type = '{long}' WHERE type = 'Group'"));
    let database = TestDatabase::migrated(db);
    let file = database.folder().join("report.json");
    let said = import(&database, &redmine, &["--report", file.to_str().expect("a path")]).done().stdout;
    for (id, told) in [
        (1, "imported with another login"),
        (2, "first name is longer than 30 characters; cut to"),
        (3, "last name is longer than 255 characters; cut to"),
        (4, "set to en"),
        (5, "set to unknown"),
        (6, "salt is longer than Redmine's column; needs a new password"),
        (7, "hashed_password is not a valid hash; needs a new password"),
        (8, "is not valid; imported with a placeholder"),
        (9, "is longer than 255 characters; left out"),
    ] {
        let of_them = said.lines().filter(|line| line.contains(&format!(" user {id} (")));
        assert!(of_them.clone().any(|line| line.contains(told)), "{id}: {told}: {said}");
        assert!(of_them.clone().all(|line| line.len() < 600), "{said}");
    }
    assert!(std::fs::metadata(file).expect("a report").len() < 20_000);
    for (table, column, longest) in [
        ("users", "login", 60),
        ("users", "firstname", 30),
        ("users", "lastname", 255),
        ("users", "mail", 254),
        ("users", "language", 35),
        ("users", "twofa_scheme", 30),
        ("users", "password_hash", 300),
        ("tokens", "hint", 4),
    ] {
        let query = format!("SELECT CAST(coalesce(max(length({column})), 0) AS BIGINT) AS number FROM {table}");
        assert!(database.number(&query) <= longest, "{table}.{column}");
    }
    assert_eq!(database.number("SELECT count(*) AS number FROM users"), 9);
}
