//! What happens while a password is hashed, or at the same time in another browser.

use latchkey::db::DbError;
use latchkey::models::keys::token::Token;
use latchkey::models::people::user::User;
use rstest::rstest;

use crate::support::*;

const SESSIONS: &str = "SELECT count(*) AS number FROM tokens WHERE action = 'session'";

/// A double click is two sign-ins of one person.
#[rstest]
#[tokio::test]
async fn two_right_sign_ins_at_once_both_succeed(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    for round in 0..20 {
        let (one, other) = (site.visitor(), site.visitor());
        let (one, other) = tokio::join!(one.try_sign_in("alice", PASSWORD), other.try_sign_in("alice", PASSWORD));
        assert_eq!((one.status, other.status), (303, 303), "round {round}: {} {}", one.text(), other.text());
    }
    assert_eq!(site.database.number(SESSIONS), 10);
}

/// While a session's first use is told, its key is reset: neither waits for the other for ever.
#[rstest]
#[tokio::test]
async fn keys_are_first_used_and_reset_at_once(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let mut secret = alice.make_key("/my/api_key", "").await;
    for round in 0..20 {
        let id = alice.get("/my/api_key").await.value_of("replaces");
        let fields = [("replaces", id.as_str())];
        let use_it = Answer::of(site.get("/users/current.json").header("X-Redmine-API-Key", &secret));
        let (used, reset) = tokio::join!(use_it, alice.post("/my/api_key", &fields));
        assert!([200, 401].contains(&used.status), "round {round}: {}", used.text);
        assert_eq!(reset.status, 200, "round {round}: {}", reset.text());
        secret = reset.secret();
    }
}

/// Does `change` while a sign-in waits to be hashed.
async fn sign_in_meanwhile(site: &Site, change: impl FnOnce()) -> Page {
    let held = HeldThreads::of(site).await;
    let visitor = site.visitor();
    let sign_in = tokio::spawn(async move { visitor.try_sign_in("alice", PASSWORD).await });
    eventually("the sign-in waits to be hashed", || site.app.passwords.threads().waiting() == 1).await;
    change();
    held.release().await;
    sign_in.await.expect("an answer")
}

/// A password that is changed while the old one is hashed lets nobody in by the old one.
#[rstest]
#[tokio::test]
async fn a_sign_in_that_a_new_password_overtakes_is_refused(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let now = site.clock.now();
    let page = sign_in_meanwhile(&site, || {
        let changed: Result<(), DbError> = site.app.database.write_now(|connection| {
            User::set_password(connection, alice.id, &site::quick_hash("quite-another-one"), now)?;
            Ok(Token::end_sessions(connection, alice.id)?)
        });
        changed.expect("a new password");
    });
    assert_eq!(page.await.status, 422);
    assert_eq!(site.database.number(SESSIONS), 0);
}

#[rstest]
#[case("status = 'locked'")]
#[case("twofa_scheme = 'totp'")]
#[tokio::test]
async fn a_sign_in_that_a_lock_or_a_second_factor_overtakes_is_refused(
    #[case] set: &str,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    assert_eq!(sign_in_meanwhile(&site, || site.set_user(&alice, set)).await.status, 422);
    // Whoever is let in again has no session from that time.
    site.set_user(&alice, "status = 'active', twofa_scheme = NULL");
    assert_eq!(site.database.number(SESSIONS), 0);
}

/// A session that was ended while its new password was hashed changes nothing any more.
#[rstest]
#[tokio::test]
async fn a_password_change_of_a_session_that_ends_meanwhile_changes_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let browser = site.signed_in("alice").await;
    let before = site.user("alice").password_hash;
    let held = HeldThreads::of(&site).await;
    let new = "a-thief-has-this-one";
    log::note_secret(new);
    let change = tokio::spawn(async move {
        let fields = [("password", PASSWORD), ("new_password", new), ("new_password_confirmation", new)];
        browser.post("/my/password", &fields).await
    });
    eventually("the change waits to be hashed", || site.app.passwords.threads().waiting() == 1).await;
    let alice_id = alice.id;
    site.write(move |tx| Token::end_sessions(tx.connection, alice_id).map_err(DbError::from)).await;
    held.release().await;
    assert_eq!(change.await.expect("an answer").location(), "/login?back_url=%2Fmy%2Faccount");
    assert_eq!(site.user("alice").password_hash, before);
    assert_eq!(site.database.number(SESSIONS), 0);
}

/// Nobody is told to have signed out whose session is still there.
#[tokio::test]
async fn signing_out_while_the_database_is_away_is_not_said_to_be_done() {
    let site = Site::start(Postgres).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    site.database.drop_postgres();
    let answer = alice.post("/logout", &[]).await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("Set-Cookie").is_none(), "the cookie stays");
}
