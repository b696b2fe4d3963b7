//! What ends a session, and what does not: "Sign-out, password change and locking end sessions as the facts say."

use latchkey::models::keys::token::TokenAction;
use reqwest::Method;
use rstest::rstest;

use super::*;
use crate::support::visitor::page;

const NEW: &str = "a-brand-new-password";

async fn change_password(visitor: &Visitor) -> Page {
    log::note_secret(NEW);
    let fields = [("password", PASSWORD), ("new_password", NEW), ("new_password_confirmation", NEW)];
    visitor.post("/my/password", &fields).await
}

async fn status_with(site: &Site, cookie: &str) -> u16 {
    page(site.visitor().request(Method::GET, "/my/account").header("Cookie", cookie)).await.status
}

/// "Another device's session is untouched by a log-out."
#[rstest]
#[tokio::test]
async fn signing_out_ends_this_session_and_no_other(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let (laptop, phone) = (site.visitor(), site.signed_in("alice").await);
    let signed_in = laptop.try_sign_in("alice", PASSWORD).await;
    let kept = cookie::sent_back(&cookie::set_by(&signed_in.headers).expect("a cookie"));
    assert_eq!(status_with(&site, &kept).await, 200);
    assert_eq!(laptop.post("/logout", &[]).await.status, 303);
    assert!(!laptop.is_signed_in().await);
    assert_eq!(status_with(&site, &kept).await, 302, "the cookie is worth nothing to who has kept it");
    assert!(phone.is_signed_in().await);
}

/// "Changing the password … ends the user's sessions at once; the session that changed it goes on with a new token."
#[rstest]
#[tokio::test]
async fn changing_the_password_ends_the_other_sessions_and_renews_this_one(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    site.add_user("bob").await;
    let key = site.add_key(&user, TokenAction::Api).await;
    let recovery = site.add_key(&user, TokenAction::Recovery).await;
    let (laptop, phone, bob) = (site.visitor(), site.signed_in("alice").await, site.signed_in("bob").await);
    let before = cookie::set_by(&laptop.try_sign_in("alice", PASSWORD).await.headers).expect("a cookie");
    assert!(laptop.is_signed_in().await && phone.is_signed_in().await);
    let answer = change_password(&laptop).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    let after = cookie::set_by(&answer.headers).expect("a new cookie");
    assert_ne!(cookie::opened(&after)["secret"], cookie::opened(&before)["secret"]);
    assert_ne!(cookie::opened(&after)["form"], cookie::opened(&before)["form"]);
    assert!(laptop.is_signed_in().await, "this session goes on");
    assert_eq!(status_with(&site, &cookie::sent_back(&before)).await, 302, "with a new token");
    assert!(!phone.is_signed_in().await, "the other one has ended");
    assert!(bob.is_signed_in().await, "another person's has not");
    assert!(site.token(recovery.id).is_none(), "nor does a mail that was sent earlier set yet another");
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200, "keys go on");
}

/// The same from the command line, after which nobody is left signed in.
#[rstest]
#[tokio::test]
async fn a_password_set_on_the_command_line_ends_every_session(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    assert!(alice.is_signed_in().await);
    log::note_secret(NEW);
    CommandLine::on(&site.database).run_with_input(&["user", "password", "alice", "--password-stdin"], NEW).done();
    assert!(!alice.is_signed_in().await);
    assert_eq!(alice.try_sign_in("alice", PASSWORD).await.status, 422);
    alice.sign_in("alice", NEW).await;
}

/// "… or locking a user, ends the user's sessions at once": here, by another process.
#[rstest]
#[tokio::test]
async fn locking_ends_sessions_at_once_and_unlocking_brings_none_back(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    site.add_user("bob").await;
    let key = site.add_key(&user, TokenAction::Api).await;
    let (alice, bob) = (site.signed_in("alice").await, site.signed_in("bob").await);
    assert!(alice.is_signed_in().await);
    let command_line = CommandLine::on(&site.database);
    command_line.run(&["user", "lock", "alice"]).done();
    let answer = alice.get("/my/account").await;
    assert_eq!((answer.status, answer.location()), (302, "/login?back_url=%2Fmy%2Faccount"));
    let posted = alice.post("/my/api_key", &[("replaces", &key.id.to_string())]).await;
    assert_eq!(posted.status, 302, "nor does a form that was open");
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 401, "keys rest");
    assert_eq!(alice.try_sign_in("alice", PASSWORD).await.status, 422, "there is no other way in");
    assert!(bob.is_signed_in().await);
    command_line.run(&["user", "unlock", "alice"]).done();
    assert!(!alice.is_signed_in().await, "the session has ended");
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200, "their keys work");
    alice.sign_in("alice", PASSWORD).await;
}

/// Whoever sets the status, by whatever means, the row decides.
#[rstest]
#[tokio::test]
async fn a_session_of_who_is_not_active_shows_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    for status in ["locked", "registered"] {
        site.set_user(&user, &format!("status = '{status}'"));
        assert!(!alice.is_signed_in().await, "{status}");
        assert_eq!(alice.get("/activity").await.status, 302, "{status}");
        let sign_in = alice.get("/login").await;
        assert!(sign_in.status == 200 && !sign_in.shows("alice"), "{status}");
    }
    site.set_user(&user, "status = 'active'");
    assert!(alice.is_signed_in().await, "nothing has ended it");
    site.database.execute("DELETE FROM users");
    assert!(!alice.is_signed_in().await, "gone");
}

/// "Changing a name ends none."
#[rstest]
#[tokio::test]
async fn changing_names_and_mail_ends_no_session(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let (laptop, phone) = (site.signed_in("alice").await, site.signed_in("alice").await);
    let fields = [("firstname", "Alicia"), ("lastname", "Other"), ("mail", "alicia@example.org")];
    let answer = laptop.post("/my/account", &fields).await;
    assert_eq!(answer.status, 303);
    assert!(cookie::set_by(&answer.headers).is_none(), "not even the cookie changes");
    assert!(laptop.is_signed_in().await && phone.is_signed_in().await);
    assert_eq!(phone.get("/my/account").await.value_of("firstname"), "Alicia");
}

/// "A page without a session: 302 to `/login?back_url=…`."
#[rstest]
#[tokio::test]
async fn without_a_session_every_page_sends_to_the_sign_in(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let stranger = site.visitor();
    for path in ["/my/account", "/my/password", "/my/api_key", "/my/atom_key", "/activity"] {
        let answer = stranger.get(path).await;
        assert_eq!(answer.status, 302, "{path}");
        let back_url: String = form_urlencoded::byte_serialize(path.as_bytes()).collect();
        assert_eq!(answer.location(), format!("/login?back_url={back_url}"), "{path}");
        assert_eq!(answer.html, "", "{path} shows nothing");
        let head = page(stranger.request(Method::HEAD, path)).await;
        assert_eq!((head.status, head.location()), (302, answer.location()), "{path}");
    }
    for path in ["/my/account", "/my/password", "/my/api_key", "/my/atom_key"] {
        let answer = stranger.post(path, &[("replaces", "")]).await;
        assert_eq!((answer.status, answer.location()), (302, "/login?back_url=%2Fmy%2Faccount"), "{path}");
    }
    assert_eq!(site.database.number("SELECT count(*) AS number FROM tokens"), 0);
}
