//! "error pages 403/404/405/413/422/429/500/503 in the same dress", with the id of the request.

use latchkey::auth::throttle::Lane;
use reqwest::Method;
use rstest::rstest;

use super::*;
use crate::support::visitor::page;

/// What every error page shows.
fn assert_dressed(what: &str, page: &Page, status: u16, title: &str, message: &str) {
    assert_eq!(page.status, status, "{what}: {}", page.text());
    assert_eq!(page.header("Content-Type"), Some("text/html; charset=utf-8"), "{what}");
    assert!(page.html.contains(&format!("<title>{title} · Latchkey</title>")), "{what}: {}", page.html);
    assert!(page.html.contains(&format!("<h1>{title}</h1>")), "{what}");
    assert!(page.html.contains("<header class=\"top\">") && page.html.contains("/static/latchkey.css"), "{what}");
    assert!(page.shows(&format!("Error {status}")), "{what}: {}", page.text());
    assert!(page.shows(message), "{what}: {}", page.text());
    let id = page.header("X-Request-Id").expect("an id");
    assert!(page.shows(&format!("Request {id}")), "{what}: {}", page.text());
    assert!(cookie::set_by(&page.headers).is_none(), "{what}: the cookie is left alone");
}

/// And to somebody who is signed in: the way on, and the way out.
fn assert_signed_in(what: &str, page: &Page) {
    assert!(page.shows("Signed in as alice") && page.shows("Sign out"), "{what}: {}", page.text());
    assert!(page.shows("Go to my account") && !page.shows("Go to sign in"), "{what}: {}", page.text());
}

#[rstest]
#[tokio::test]
async fn who_is_signed_in_sees_what_went_wrong_and_where_to_go(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let post = |path: &str| alice.request(Method::POST, path).header("Sec-Fetch-Site", "same-origin");
    let unread = "Bad request";
    for (what, request, status, title, message) in [
        ("no field", post("/my/api_key").form(&[("x", "y")]), 400, unread, "The form is incomplete: missing field"),
        ("no form", post("/my/account").body("{}"), 400, unread, "The form could not be read."),
        (
            "no key",
            post("/my/api_key").form(&[("replaces", "x")]),
            400,
            unread,
            "The form does not name one of your keys.",
        ),
        (
            "another site",
            alice.request(Method::POST, "/my/account").header("Origin", "http://evil.example").form(&[("x", "y")]),
            403,
            "This is not allowed",
            "This form was sent from another site. Open the page on this site and send the form again.",
        ),
        (
            "an old form",
            alice.request(Method::POST, "/my/account").form(&[("form_token", "old")]),
            403,
            "This is not allowed",
            "This form is out of date. Open the page again and send it from there.",
        ),
        (
            "nothing there",
            alice.request(Method::GET, "/nothing-here"),
            404,
            "Page not found",
            "This address does not exist.",
        ),
        (
            "nothing there to send",
            post("/my/nothing-here").form(&[("x", "y")]),
            404,
            "Page not found",
            "This address does not exist.",
        ),
        (
            "another method",
            alice.request(Method::PUT, "/my/account"),
            405,
            "This method is not supported",
            "This address does not support this method.",
        ),
        (
            "too much",
            post("/my/account").form(&[("firstname", "x".repeat(70_000))]),
            413,
            "Request too large",
            "The request is too large.",
        ),
    ] {
        let answer = page(request).await;
        assert_dressed(what, &answer, status, title, message);
        assert_signed_in(what, &answer);
    }
    assert_eq!(page(alice.request(Method::PUT, "/my/account")).await.header("Allow"), Some("GET, HEAD, POST"));
    assert_eq!(page(alice.request(Method::GET, "/my/notices/1")).await.header("Allow"), Some("POST"));
}

/// A stranger's form stays valid: no error page replaces the cookie that goes with it.
#[rstest]
#[tokio::test]
async fn a_stranger_sees_the_same_and_where_to_sign_in(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let stranger = site.visitor();
    let token = stranger.get("/login").await.value_of("form_token");
    for (what, method, path, status, title) in [
        ("nothing there", Method::GET, "/nothing-here", 404, "Page not found"),
        ("no file", Method::GET, "/static/nothing-here.png", 404, "Page not found"),
        ("a way up", Method::GET, "/static/..%2f..%2fCargo.toml", 404, "Page not found"),
        ("another method", Method::DELETE, "/login", 405, "This method is not supported"),
        ("a form from nowhere", Method::POST, "/logout", 403, "This is not allowed"),
    ] {
        let answer = page(stranger.request(method, path).form(&[("x", "y")])).await;
        assert_dressed(what, &answer, status, title, "");
        assert!(answer.shows("Go to sign in") && !answer.shows("Sign out"), "{what}: {}", answer.text());
    }
    let form = [("username", "alice"), ("password", PASSWORD), ("form_token", token.as_str())];
    let signed_in = page(stranger.request(Method::POST, "/login").form(&form)).await;
    assert_eq!(signed_in.status, 303, "the form that was open is still good");
}

#[rstest]
#[tokio::test]
async fn who_guesses_too_often_sees_how_long_to_wait(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    for _ in 0..10 {
        assert_eq!(site.visitor().try_sign_in("alice", "a-wrong-password").await.status, 422);
    }
    let answer = site.visitor().try_sign_in("alice", "a-wrong-password").await;
    let message = "Too many wrong passwords. Try again in 15 minutes.";
    assert_dressed("too many", &answer, 429, "Too many requests", message);
    site.later(chrono::TimeDelta::seconds(14 * 60 + 30));
    let answer = site.visitor().try_sign_in("alice", "a-wrong-password").await;
    assert!(answer.shows("Try again in 1 minute."), "{}", answer.text());
    assert_eq!(answer.header("Retry-After"), Some("30"));
}

#[rstest]
#[tokio::test]
async fn who_comes_while_too_many_sign_in_is_asked_to_come_back(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let mut held = HeldThreads::of(&site).await;
    held.fill_queue(Lane::Stranger);
    let answer = site.visitor().try_sign_in("alice", "some-password").await;
    let message = "Too many people are signing in at the moment. Try again in a few seconds.";
    assert_dressed("busy", &answer, 503, "Not available at the moment", message);
    held.release().await;
}

/// A database that somebody else holds: what was typed is not saved, and that is said.
#[rstest]
#[tokio::test]
async fn who_cannot_save_because_the_database_is_busy_is_told_so(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    assert!(alice.is_signed_in().await);
    let held = site.database.hold("LOCK TABLE users IN EXCLUSIVE MODE");
    let fields = [("firstname", "A"), ("lastname", "B"), ("mail", "a@example.org")];
    let answer = alice.post("/my/account", &fields).await;
    let message = "The database is busy at the moment. Try again in a few seconds.";
    assert_dressed("busy", &answer, 503, "Not available at the moment", message);
    assert_signed_in("busy", &answer);
    assert_eq!(answer.header("Retry-After"), Some("5"));
    assert!(alice.is_signed_in().await, "what only reads goes on");
    drop(held);
    assert_eq!(alice.post("/my/account", &fields).await.status, 303);
}

/// What went wrong here is for the log; the page says that it did, and names the request.
#[rstest]
#[tokio::test]
async fn a_mistake_of_ours_says_so_and_no_more(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    site.database.execute("ALTER TABLE events RENAME TO events_elsewhere");
    let answer = alice.get("/activity").await;
    let message = "Something went wrong here. It has been logged.";
    assert_dressed("a missing table", &answer, 500, "Something went wrong", message);
    assert_signed_in("a missing table", &answer);
    assert!(!answer.html.contains("events") && !answer.html.contains("relation"), "{}", answer.text());
    assert_eq!(answer.header("Retry-After"), None);
    let id = answer.header("X-Request-Id").expect("an id").to_owned();
    let logged = log::lines_with(&id);
    assert!(logged.iter().any(|line| line["fields"]["status"] == 500), "{logged:?}");
    // My account tells what has happened to keys: it needs those as well.
    assert_eq!(alice.get("/my/password").await.status, 200, "other pages go on");
}

/// What stands in an address is not repeated as markup, nor at all.
#[rstest]
#[tokio::test]
async fn an_address_that_is_markup_stays_out_of_the_page(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    for path in
        ["/%3Cscript%3Ealert(1)%3C/script%3E", "/x?%3Cscript%3E=%3Cscript%3E", "/%00", "/%ff%fe", "//x", "/a//b"]
    {
        let answer = site.visitor().get(path).await;
        assert_dressed(path, &answer, 404, "Page not found", "This address does not exist.");
        assert!(!answer.html.contains("<script>") && !answer.html.contains("alert(1)"), "{path}: {}", answer.html);
    }
}
