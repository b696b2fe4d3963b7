//! Passwords: their rules, and how they are hashed.

use rstest::rstest;

use crate::support::*;

async fn change(visitor: &Visitor, current: &str, new: &str, again: &str) -> Page {
    [current, new, again].into_iter().for_each(log::note_secret);
    let fields = [("password", current), ("new_password", new), ("new_password_confirmation", again)];
    visitor.post("/my/password", &fields).await
}

/// "Argon2id", with the parameters that OWASP recommends.
#[rstest]
#[tokio::test]
async fn a_password_is_stored_as_its_argon2id_hash(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    assert_eq!(change(&alice, PASSWORD, "another-password-77", "another-password-77").await.status, 303);
    CommandLine::on(&site.database).add_user("carol", "another-password-77");
    let stored = |login: &str| site.user(login).password_hash.expect("a hash");
    for login in ["alice", "carol"] {
        assert!(stored(login).starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{login}: {}", stored(login));
    }
    assert_ne!(stored("alice"), stored("carol"), "each hash has a salt of its own");
    assert_eq!(site.visitor().try_sign_in("alice", "another-password-77").await.status, 303);
    assert_eq!(site.visitor().try_sign_in("carol", "another-password-77").await.status, 303);
}

/// "at least 8 characters", and of the facts "the new one different from the old". Broken rules change nothing.
#[rstest]
#[tokio::test]
async fn a_new_password_keeps_the_rules_or_changes_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let stored = site.user("alice").password_hash;
    let long = "x".repeat(1025);
    let short = "Password is too short (minimum is 8 characters)";
    for (what, current, new, again, error) in [
        ("7 characters", PASSWORD, "1234567", "1234567", short),
        ("7 characters of 14 bytes", PASSWORD, "äöüäöüß", "äöüäöüß", short),
        ("nothing", PASSWORD, "", "", short),
        ("too long", PASSWORD, &long, &long, "Password is too long (maximum is 1024 characters)"),
        ("the old one", PASSWORD, PASSWORD, PASSWORD, "Password must be different from the current one"),
        (
            "a slip in the repetition",
            PASSWORD,
            "a-new-password-1",
            "a-new-password-2",
            "Password confirmation does not match the new password",
        ),
        ("a wrong current one", "not-my-password", "a-new-password-1", "a-new-password-1", "Current password is wrong"),
    ] {
        let answer = change(&alice, current, new, again).await;
        assert_eq!(answer.status, 422, "{what}");
        assert!(answer.shows(error), "{what}: {}", answer.text());
        for typed in [current, new, again].iter().filter(|typed| !typed.is_empty()) {
            assert!(!answer.html.contains(*typed), "{what}: a password is shown again");
        }
        assert_eq!(site.user("alice").password_hash, stored, "{what}");
    }
    assert!(alice.is_signed_in().await, "her session goes on");
    assert_eq!(change(&alice, PASSWORD, "äöüäöüßé", "äöüäöüßé").await.status, 303, "8 characters will do");
    assert_eq!(site.visitor().try_sign_in("alice", "äöüäöüßé").await.status, 303);
    assert_eq!(site.visitor().try_sign_in("alice", PASSWORD).await.status, 422, "the old one is over");
}

/// The rule holds where people are added and where their password is set, too.
#[rstest]
#[tokio::test]
async fn the_command_line_takes_no_short_password(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let command_line = CommandLine::on(&site.database);
    let before = site.database.dump("users");
    for arguments in [
        &["user", "add", "bob", "--mail", "bob@example.org", "--password-stdin"][..],
        &["user", "password", "alice", "--password-stdin"],
    ] {
        let error = command_line.run_with_input(arguments, "1234567").refused(1);
        assert!(error.contains("too short (minimum is 8 characters)"), "{error}");
    }
    assert_eq!(site.database.dump("users"), before);
}
