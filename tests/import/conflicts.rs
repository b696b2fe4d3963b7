//! "what was changed here since (names, mail, password, status, a reset key) is kept and reported as a conflict, unless
//! `--overwrite`; a key reset or revoked here and a person deleted here never come back, not even then"

use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;
use crate::support::redmine::From::*;

/// Moves everybody in, and changes here whatever can be.
async fn changed_here(db: Db) -> (Redmine, Site) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let site = Site::start(db).await;
    import(&site.database, &redmine, &[]).done();
    let bob = site.visitor();
    bob.sign_in("bob", "bobs-old-password").await;
    let fields = [("firstname", "Bobby"), ("lastname", "Here"), ("mail", "bobby@example.org")];
    assert_eq!(bob.post("/my/account", &fields).await.status, 303);
    let latchkey = command_line(&site.database);
    log::note_secret("bobs-password-here");
    latchkey.run_with_input(&["user", "password", "bob", "--password-stdin"], "bobs-password-here").done();
    latchkey.run(&["user", "unlock", "locked"]).done();
    (redmine, site)
}

#[rstest]
#[tokio::test]
async fn what_was_changed_here_is_kept_and_told(#[values(Sqlite, Postgres)] db: Db) {
    let (redmine, site) = changed_here(db).await;
    redmine.execute("UPDATE users SET firstname = 'Robert' WHERE id = 5");
    let before = site.database.dump("users");
    // However often.
    for _ in 0..2 {
        let said = import(&site.database, &redmine, &[]).done().stdout;
        for what in ["first name", "last name", "mail", "password"] {
            assert!(
                said.contains(&format!("user 5 (Bob): {what} was changed in Latchkey; kept; use --overwrite to take")),
                "{what}: {said}"
            );
        }
        assert!(said.contains("user 6 (locked): status was changed in Latchkey; kept"), "{said}");
        assert!(said.contains("4 unchanged"), "{said}");
        assert_eq!(site.database.dump("users"), before);
    }
    site.visitor().sign_in("bob", "bobs-password-here").await;
    // What they changed to the same there is none any more.
    redmine.execute("UPDATE users SET firstname = 'Bobby', lastname = 'Here' WHERE id = 5");
    let said = import(&site.database, &redmine, &[]).done().stdout;
    assert!(!said.contains("name was changed in Latchkey") && said.contains("mail was changed in Latchkey"), "{said}");
}

#[rstest]
#[tokio::test]
async fn overwrite_takes_what_redmine_says(#[values(Sqlite, Postgres)] db: Db) {
    let (redmine, site) = changed_here(db).await;
    redmine.execute("UPDATE users SET firstname = 'Robert' WHERE id = 5");
    let said = import(&site.database, &redmine, &["--overwrite"]).done().stdout;
    assert!(said.contains("user 5 (Bob): first name, last name, mail, password changed; updated"), "{said}");
    let bob = site.user("bob");
    assert_eq!(
        (bob.firstname.as_str(), bob.lastname.as_str(), bob.mail.as_str()),
        ("Robert", "Person", "Bob@example.org")
    );
    assert_eq!(site.user("locked").status.as_str(), "locked");
    site.visitor().sign_in("bob", "bobs-old-password").await;
    assert_eq!(site.visitor().try_sign_in("bob", "bobs-password-here").await.status, 422);
    let said = import(&site.database, &redmine, &[]).done().stdout;
    assert!(said.contains("0 changed, 4 unchanged") && !said.contains("was changed in Latchkey"), "{said}");
}

/// Keys of alice: her API key reset here, her Atom key revoked here.
#[rstest]
#[tokio::test]
async fn a_key_that_was_reset_or_revoked_here_never_comes_back(
    #[values(Sqlite, Postgres)] db: Db,
    #[values(false, true)] overwrite: bool,
) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let site = Site::start(db).await;
    import(&site.database, &redmine, &[]).done();
    let flags: &[&str] = if overwrite { &["--overwrite"] } else { &[] };
    let latchkey = command_line(&site.database);
    let made_here = latchkey.add_key("alice");
    let list = latchkey.run(&["key", "list", "alice"]).done().stdout;
    let feeds = list.lines().find(|line| line.contains("feeds")).and_then(|it| it.split_whitespace().next());
    latchkey.run(&["key", "revoke", feeds.expect("an id")]).done();
    let before = site.database.dump("tokens");
    let said = import(&site.database, &redmine, flags).done().stdout;
    for (label, seed) in [("API access key", "alice api"), ("Atom access key", "alice feeds")] {
        let line =
            format!("user 1 (alice): {label} ····{} was revoked or reset in Latchkey; left out", &key(seed)[36..]);
        assert!(said.contains(&line), "{line}: {said}");
    }
    assert_eq!(site.database.dump("tokens"), before);
    let status = async |secret: &str| {
        Answer::of(site.get("/users/current.json").header("X-Redmine-API-Key", secret)).await.status
    };
    assert_eq!((status(&key("alice api")).await, status(&made_here).await), (401, 200));

    // A key that is new in Redmine is another matter: a conflict.
    redmine.execute(&format!("DELETE FROM tokens WHERE value = '{}'", key("alice api")));
    redmine.add_token(1, "api", &key("alice api 2"), MADE, MADE);
    let said = import(&site.database, &redmine, flags).done().stdout;
    if overwrite {
        assert!(said.contains("is new in Redmine; replaced the old one"), "{said}");
        assert_eq!((status(&key("alice api 2")).await, status(&made_here).await), (200, 401));
    } else {
        assert!(said.contains("is new in Redmine, but was reset or revoked in Latchkey; left out"), "{said}");
        assert_eq!((status(&key("alice api 2")).await, status(&made_here).await), (401, 200));
    }
}

#[rstest]
#[tokio::test]
async fn a_person_who_was_deleted_here_never_comes_back(
    #[values(Sqlite, Postgres)] db: Db,
    #[values(false, true)] overwrite: bool,
) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let site = Site::start(db).await;
    import(&site.database, &redmine, &[]).done();
    site.database.execute("DELETE FROM users WHERE login = 'Bob'");
    redmine.add_token(5, "feeds", &key("bob feeds"), MADE, MADE);
    let flags: &[&str] = if overwrite { &["--overwrite"] } else { &[] };
    let said = import(&site.database, &redmine, flags).done().stdout;
    assert!(said.contains("user 5 (Bob): was deleted in Latchkey; left out, with their keys"), "{said}");
    assert!(said.contains("4 found, 0 added, 0 changed, 3 unchanged, 1 deleted in Latchkey"), "{said}");
    assert!(said.contains("keys: 5 found, 0 added, 0 replaced, 0 used since, 3 unchanged, 2 left out"), "{said}");
    assert_eq!(site.database.number("SELECT count(*) AS number FROM users"), 3);
    let request = site.get("/users/current.json").header("X-Redmine-API-Key", key("bob api"));
    assert_eq!(Answer::of(request).await.status, 401);
}

/// Whoever was here before keeps their login and address; the other comes in beside them, with keys that work.
#[rstest]
#[tokio::test]
async fn people_who_were_here_before_are_left_alone(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let site = Site::start(db).await;
    let before = site.add_user("ALICE").await;
    let own = site.add_key(&before, TokenAction::Api).await;
    for flags in [&[][..], &["--overwrite"]] {
        let said = import(&site.database, &redmine, flags).done().stdout;
        assert!(
            said.contains("user 1 (alice): another account has the login alice; imported with another login"),
            "{said}"
        );
        assert!(said.contains("user 1 (alice): has another login in Latchkey; signs in as redmine-1"), "{said}");
        assert!(
            said.contains("another account has the mail address alice@example.org; imported with a placeholder"),
            "{said}"
        );
        let is = async |secret: &str| {
            Answer::of(site.get("/users/current.json").header("X-Redmine-API-Key", secret)).await.json()["user"].clone()
        };
        assert_eq!(is(&own.secret).await["login"], "ALICE");
        let moved = is(&key("alice api")).await;
        assert_eq!((&moved["login"], &moved["mail"]), (&"redmine-1".into(), &"redmine-1@moved.invalid".into()));
        site.visitor().sign_in("ALICE", PASSWORD).await;
        site.visitor().sign_in("redmine-1", PASSWORD).await;
    }
}
