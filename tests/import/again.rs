//! Run again: "it brings what is new or changed and says so; a last use never moves backwards".

use rstest::rstest;

use super::*;
use crate::support::redmine::{From, From::*, hashed_password};

#[rstest]
fn nothing_changes_where_nothing_has_changed(
    #[values(SqliteFile, Postgresql, Mariadb)] from: From,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let redmine = Redmine::new(from);
    everybody(&redmine);
    let database = TestDatabase::migrated(db);
    import(&database, &redmine, &[]).done();
    let before = everything(&database);
    for flags in [&[][..], &["--overwrite"]] {
        let said = import(&database, &redmine, flags).done();
        assert!(said.stdout.contains("people: 4 found, 0 added, 0 changed, 4 unchanged"), "{}", said.stdout);
        assert!(
            said.stdout.contains("keys: 4 found, 0 added, 0 replaced, 0 used since, 4 unchanged"),
            "{}",
            said.stdout
        );
        assert!(!said.stderr.contains("hash"), "{}", said.stderr);
        assert_eq!(everything(&database), before);
    }
}

#[rstest]
#[tokio::test]
async fn what_is_new_or_changed_comes_in_and_is_told(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let site = Site::start(db).await;
    import(&site.database, &redmine, &[]).done();
    let session = site.visitor();
    session.sign_in("bob", "bobs-old-password").await;

    let hash = hashed_password("bobs-next-password", "another-salt");
    log::note_secret("bobs-next-password");
    redmine.execute(&format!(
        "UPDATE users SET firstname = 'Robert', language = 'fr', admin = 1, hashed_password = '{hash}',
             salt = 'another-salt', passwd_changed_on = '2024-01-01 00:00:00' WHERE id = 5"
    ));
    redmine.execute("UPDATE users SET status = 3 WHERE id = 1");
    redmine.add_user(&RedmineUser::new(8, "newcomer"));
    redmine.add_token(8, "api", &key("newcomer api"), MADE, MADE);
    redmine.execute(&format!("DELETE FROM tokens WHERE value = '{}'", key("bob api")));
    redmine.add_token(5, "api", &key("bob api 2"), "2024-05-06 07:08:09", "2024-05-06 07:08:09");
    redmine.add_token(5, "feeds", &key("bob feeds"), MADE, MADE);
    let said = import(&site.database, &redmine, &[]).done().stdout;
    assert!(said.contains("people: 5 found, 1 added, 2 changed, 2 unchanged"), "{said}");
    assert!(said.contains("keys: 6 found, 2 added, 1 replaced, 0 used since, 3 unchanged, 0 left out"), "{said}");
    assert!(said.contains("user 5 (Bob): first name, administrator, language, password changed; updated"), "{said}");
    assert!(said.contains("user 1 (alice): status changed; updated"), "{said}");
    let hint = key("bob api 2")[36..].to_owned();
    assert!(said.contains(&format!("API access key ····{hint} is new in Redmine; replaced the old one")), "{said}");

    let bob = site.user("Bob");
    assert_eq!((bob.firstname.as_str(), bob.language.as_str(), bob.admin), ("Robert", "fr", true));
    assert!(!session.is_signed_in().await, "the password has changed");
    assert_eq!(site.visitor().try_sign_in("bob", "bobs-old-password").await.status, 422);
    site.visitor().sign_in("bob", "bobs-next-password").await;
    let status = async |seed: &str| {
        Answer::of(site.get("/users/current.json").header("X-Redmine-API-Key", key(seed))).await.status
    };
    assert_eq!(status("alice api").await, 401, "locked there, locked here");
    assert_eq!(status("bob api").await, 401, "reset there");
    assert_eq!((status("bob api 2").await, status("newcomer api").await), (200, 200));
}

/// It moves forward by what Redmine recorded, and back by nothing.
#[rstest]
#[tokio::test]
async fn a_last_use_never_moves_backwards(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let database = TestDatabase::migrated(db);
    import(&database, &redmine, &[]).done();
    let last_use = |seed: &str| {
        time(&database, "updated_on", "tokens", &format!("action = 'api' AND hint = '{}'", &key(seed)[36..]))
    };
    assert_eq!((last_use("alice api").as_str(), last_use("bob api").as_str()), ("2022-01-02 03:04:05", "none"));

    redmine.execute("UPDATE tokens SET updated_on = '2023-01-01 00:00:00' WHERE action = 'api'");
    let said = import(&database, &redmine, &[]).done().stdout;
    assert!(said.contains("2 used since") || said.contains("3 used since"), "{said}");
    assert_eq!(
        (last_use("alice api").as_str(), last_use("bob api").as_str()),
        ("2023-01-01 00:00:00", "2023-01-01 00:00:00")
    );

    redmine.execute("UPDATE tokens SET updated_on = '2022-06-01 00:00:00' WHERE action = 'api'");
    for flags in [&[][..], &["--overwrite"]] {
        assert!(import(&database, &redmine, flags).done().stdout.contains("0 used since"));
        assert_eq!(last_use("alice api"), "2023-01-01 00:00:00");
    }
    // Nor does a use here.
    let process = Process::serve(&command_line(&database), &[]);
    assert_eq!(process.get_with_key("/users/current.json", &key("alice api")).await.status, 200);
    process.terminate();
    assert_eq!(process.ended(), Some(0));
    let used = last_use("alice api");
    assert!(used.as_str() > "2026", "{used}");
    redmine.execute("UPDATE tokens SET updated_on = '2024-01-01 00:00:00'");
    import(&database, &redmine, &["--overwrite"]).done();
    assert_eq!(last_use("alice api"), used);
}

/// Each Redmine's people have ids of their own: those of another would be taken for changes.
#[rstest]
fn another_redmine_is_refused(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let database = TestDatabase::migrated(db);
    import(&database, &redmine, &[]).done();
    let before = everything(&database);
    let other = Redmine::new(SqliteFile);
    other.add_user(&RedmineUser::new(1, "alice"));
    other.add_user(&RedmineUser { created_on: "2019-01-01 00:00:00", ..RedmineUser::new(5, "mallory") });
    let said = import(&database, &other, &["--overwrite"]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("this is another Redmine than before"), "{}", said.stderr);
    assert_eq!(everything(&database), before);
}

/// A SQLite of Redmine's gives the id of a person who was deleted to the next one.
#[rstest]
#[tokio::test]
async fn an_id_that_is_given_again_is_somebody_else(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let database = TestDatabase::migrated(db);
    import(&database, &redmine, &[]).done();
    database.execute("UPDATE imported_users SET imported_on = '2024-01-01 00:00:00'");
    redmine.execute("DELETE FROM users WHERE id = 5");
    redmine.execute("DELETE FROM tokens WHERE user_id = 5");
    redmine.execute("DELETE FROM email_addresses WHERE user_id = 5");
    let created_on = "2024-06-01 00:00:00";
    redmine.add_user(&RedmineUser { password: Some(PASSWORD), created_on, ..RedmineUser::new(5, "carol") });
    redmine.add_token(5, "api", &key("carol api"), created_on, created_on);
    for again in [false, true] {
        let said = import(&database, &redmine, &["--overwrite"]).done().stdout;
        let (added, unchanged) = if again { (0, 4) } else { (1, 3) };
        assert!(said.contains(&format!("4 found, {added} added, 0 changed, {unchanged} unchanged")), "{said}");
    }
    let process = Process::serve(&command_line(&database), &[]);
    let login = async |seed: &str| {
        process.get_with_key("/users/current.json", &key(seed)).await.json()["user"]["login"].clone()
    };
    assert_eq!((login("bob api").await, login("carol api").await), ("Bob".into(), "carol".into()));
    process.visitor().sign_in("carol", PASSWORD).await;
}
