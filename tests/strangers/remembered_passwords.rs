//! "a password that was right is remembered in memory for a minute under a keyed MAC over the password and the stored
//! hash, compared with the row just read, so that a change, a lock or a second factor set by any process counts at the
//! next request".

use chrono::TimeDelta;
use futures_util::future::join_all;
use rstest::rstest;

use super::*;

async fn basic(site: &Site, password: &str) -> u16 {
    log::note_secret(password);
    Answer::of(site.get("/users/current.json").basic_auth("alice", Some(password))).await.status
}

#[rstest]
#[tokio::test]
async fn a_right_password_is_hashed_once_a_minute(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let start = site.app.passwords.hash_calls();
    let hashed = || site.app.passwords.hash_calls() - start;
    for _ in 0..5 {
        assert_eq!(basic(&site, PASSWORD).await, 200);
    }
    assert_eq!(hashed(), 1);
    assert_eq!(site.visitor().try_sign_in("ALICE", PASSWORD).await.status, 303, "on the page, in another case");
    assert_eq!(hashed(), 1);
    site.later(TimeDelta::seconds(59));
    assert_eq!(basic(&site, PASSWORD).await, 200);
    assert_eq!(hashed(), 1, "within the minute");
    site.later(TimeDelta::seconds(1));
    assert_eq!(basic(&site, PASSWORD).await, 200);
    assert_eq!(hashed(), 2, "the minute is that of the hashing, not of the last use");
}

/// Those that come at once wait for the first, and are then as good as remembered.
#[rstest]
#[tokio::test]
async fn a_right_password_that_comes_many_times_at_once_is_hashed_once(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let before = site.app.passwords.hash_calls();
    let statuses = join_all((0..30).map(|_| basic(&site, PASSWORD))).await;
    assert_eq!(statuses, [200; 30]);
    assert_eq!(site.app.passwords.hash_calls() - before, 1);
}

#[rstest]
#[tokio::test]
async fn only_the_very_password_is_remembered(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    site.add_user("bob").await;
    assert_eq!(basic(&site, PASSWORD).await, 200);
    for wrong in ["", " ", &PASSWORD[1..], &PASSWORD.to_uppercase(), &format!("{PASSWORD} "), "a-wrong-password"] {
        assert_eq!(basic(&site, wrong).await, 401, "a wrong one");
    }
    let before = site.app.passwords.hash_calls();
    let bob = Answer::of(site.get("/users/current.json").basic_auth("bob", Some(PASSWORD))).await;
    assert_eq!(bob.status, 200);
    assert_eq!(site.app.passwords.hash_calls() - before, 1, "the same password of another person is hashed");
}

/// By another process, which here is a statement in the database itself.
#[rstest]
#[tokio::test]
async fn what_another_process_does_to_a_person_counts_at_the_next_request(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let other = site::quick_hash("another-password");
    let hash = alice.password_hash.clone().expect("a hash");
    for (what, set, reset) in [
        ("locked", "status = 'locked'".to_owned(), "status = 'active'".to_owned()),
        ("not yet active", "status = 'registered'".to_owned(), "status = 'active'".to_owned()),
        ("a second factor", "twofa_scheme = 'totp'".to_owned(), "twofa_scheme = NULL".to_owned()),
        ("another password", format!("password_hash = '{other}'"), format!("password_hash = '{hash}'")),
        ("no password", "password_hash = NULL".to_owned(), format!("password_hash = '{hash}'")),
    ] {
        assert_eq!(basic(&site, PASSWORD).await, 200, "before: {what}");
        let hashed = site.app.passwords.hash_calls();
        assert_eq!(basic(&site, PASSWORD).await, 200);
        assert_eq!(site.app.passwords.hash_calls(), hashed, "it is remembered");
        site.set_user(&alice, &set);
        assert_eq!(basic(&site, PASSWORD).await, 401, "by Basic: {what}");
        assert_eq!(site.visitor().try_sign_in("alice", PASSWORD).await.status, 422, "on the page: {what}");
        site.set_user(&alice, &reset);
    }
    site.set_user(&alice, "must_change_password = true");
    assert_eq!(basic(&site, PASSWORD).await, 403, "must be changed first");
}

#[rstest]
#[tokio::test]
async fn a_changed_password_counts_at_once(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    assert_eq!(basic(&site, PASSWORD).await, 200);
    let new = "a-brand-new-password";
    let fields = [("password", PASSWORD), ("new_password", new), ("new_password_confirmation", new)];
    assert_eq!(alice.post("/my/password", &fields).await.status, 303);
    assert_eq!(basic(&site, PASSWORD).await, 401, "the old one");
    assert_eq!(basic(&site, new).await, 200, "the new one");
}

/// A clock that is set back does not make the minute longer.
#[rstest]
#[tokio::test]
async fn a_clock_that_goes_back_makes_it_forget(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    assert_eq!(basic(&site, PASSWORD).await, 200);
    let before = site.app.passwords.hash_calls();
    site.later(TimeDelta::hours(-1));
    assert_eq!(basic(&site, PASSWORD).await, 200);
    assert_eq!(site.app.passwords.hash_calls() - before, 1);
}
