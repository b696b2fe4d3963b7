//! Whoever gets an error 500, or a 503 of the database, gets a request id with it, and by that the log has one line that
//! says what went wrong, where, and to whom.

use latchkey::models::keys::token::TokenAction;
use reqwest::Method;
use rstest::rstest;
use serde_json::Value;

use crate::support::*;

/// The one line of the log that says why a request failed.
fn cause_of(request_id: &str) -> Value {
    let lines = log::lines_with(request_id);
    let mut causes: Vec<Value> =
        lines.iter().map(|line| &line["fields"]).filter(|it| it.get("cause").is_some()).cloned().collect();
    assert_eq!(causes.len(), 1, "one line has the cause: {lines:?}");
    let cause = causes.remove(0);
    let level = lines.iter().find(|line| line["fields"] == cause).map(|line| line["level"].clone());
    let expected = if cause["message"] == "the database" { "WARN" } else { "ERROR" };
    assert_eq!(level, Some(expected.into()), "{cause}");
    cause
}

fn id_of(answer: &Answer) -> &str {
    answer.header("X-Request-Id").expect("a request id")
}

#[rstest]
#[tokio::test]
async fn the_line_of_a_mistake_has_its_cause_and_the_request_that_it_was_made_in(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let feeds = site.add_key(&alice, TokenAction::Feeds).await;
    let visitor = site.signed_in("alice").await;
    assert!(visitor.is_signed_in().await);
    for key in [&key, &feeds] {
        // A first use would be told in the table that is about to be missing.
        site.get_with_key("/users/current.json", key).await;
        Answer::of(site.get(&format!("/activity.atom?key={}", key.secret))).await;
    }
    site.flush().await;
    site.database.execute("ALTER TABLE events RENAME TO events_elsewhere");
    let new = r#"{"name":"deploy","scopes":["account:read"],"expires_on":"1d"}"#;
    let post = site.request(Method::POST, "/my/tokens.json").header("Content-Type", "application/json").body(new);
    for (what, request, method, route, token_id) in [
        ("a feed", site.get(&format!("/activity.atom?key={}", feeds.secret)), "GET", "/activity.atom", Some(feeds.id)),
        ("the API", post.header("X-Redmine-API-Key", &key.secret), "POST", "/my/tokens.json", Some(key.id)),
        ("a page", visitor.request(Method::GET, "/activity?page=2"), "GET", "/activity", None),
    ] {
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, 500, "{what}: {}", answer.text);
        let line = cause_of(id_of(&answer));
        assert_eq!(line["message"], "internal error", "{what}: {line}");
        assert!(line["cause"].as_str().is_some_and(|cause| cause.contains("events")), "{what}: {line}");
        assert_eq!(line["route"], route, "{what}: the pattern, never the path");
        assert_eq!((&line["method"], &line["status"]), (&method.into(), &500.into()), "{what}: {line}");
        assert_eq!(line["user_id"], alice.id, "{what}: {line}");
        if let Some(token_id) = token_id {
            assert_eq!(line["token_id"], token_id, "{what}: {line}");
        }
    }
}

/// What the database cannot do now is no mistake, and traced all the same.
#[rstest]
#[tokio::test]
async fn so_has_the_line_of_a_database_that_is_busy(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let visitor = site.signed_in("alice").await;
    assert!(visitor.is_signed_in().await);
    let held = site.database.hold("LOCK TABLE users IN EXCLUSIVE MODE");
    let fields = [("firstname", "A"), ("lastname", "B"), ("mail", "a@example.org")];
    let answer = visitor.post("/my/account", &fields).await;
    drop(held);
    assert_eq!(answer.status, 503, "{}", answer.text());
    let line = cause_of(answer.header("X-Request-Id").expect("a request id"));
    assert_eq!((&line["message"], &line["route"]), (&"the database".into(), &"/my/account".into()), "{line}");
    assert_eq!((&line["user_id"], &line["status"]), (&alice.id.into(), &503.into()), "{line}");
    assert!(line["cause"].as_str().is_some_and(|cause| cause.starts_with("the database is busy: ")), "{line}");
}

/// Proxies are told in a way of their own, and load balancers in plain text.
#[tokio::test]
async fn so_has_the_line_of_a_database_that_is_away_whatever_the_answer_looks_like() {
    let site = Site::start_with(Postgres, &["--trusted-proxies=127.0.0.1"]).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200);
    site.database.drop_postgres();
    let proxied = site.get("/auth/nginx").header("Host", "wiki.example.org").header("X-Original-Method", "GET");
    for (request, status, answered, route) in [
        (site.get("/users/current.json"), 503, 503, "/users/current.{format:json|xml}"),
        (proxied.header("X-Original-URI", "/secret/path"), 403, 503, "/auth/nginx"),
        (site.get("/readyz"), 503, 503, "/readyz"),
    ] {
        let answer = Answer::of(request.header("X-Redmine-API-Key", &key.secret)).await;
        assert_eq!(answer.status, status, "{route}: {}", answer.text);
        let line = cause_of(id_of(&answer));
        assert_eq!((&line["message"], &line["route"]), (&"the database".into(), &route.into()), "{line}");
        assert_eq!(line["status"], status, "{line}");
        assert!(
            line["cause"].as_str().is_some_and(|cause| cause.starts_with("the database is not available: ")),
            "{line}"
        );
        let told = answer.header("X-Latchkey-Status").map_or(answer.status, |it| it.parse().expect("a status"));
        assert_eq!(told, answered, "{route}");
    }
}

/// What a client did wrong is no line of its own.
#[rstest]
#[tokio::test]
async fn what_is_refused_has_no_cause(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    for request in [site.get("/users/current.json"), site.get("/nothing-here"), site.get("/my/account")] {
        let answer = Answer::of(request).await;
        assert!((300..500).contains(&answer.status), "{}", answer.status);
        let lines = log::lines_with(id_of(&answer));
        assert!(lines.iter().all(|line| line["fields"].get("cause").is_none()), "{lines:?}");
    }
}

/// A row that is missing is a mistake, but not where it is that of the person who asked.
#[rstest]
#[tokio::test]
async fn who_was_deleted_meanwhile_is_told_so_and_that_is_no_mistake(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_admin("alice").await;
    let key = site.add_access_token(&alice, "account:write", "1d").await;
    assert_eq!(site.get_with_key("/my/account.json", &key).await.status, 200);
    let body = r#"{"user":{"firstname":"Al"}}"#;
    let request = site.request(Method::PUT, "/my/account.json").header("Content-Type", "application/json").body(body);
    let request = request.header("X-Redmine-API-Key", &key.secret);
    let answer = site.overtaken(&alice, key.id, request, &format!("DELETE FROM users WHERE id = {}", alice.id)).await;
    assert_eq!(answer.status, 401, "{}", answer.text);
    let lines = log::lines_with(id_of(&answer));
    assert!(lines.iter().all(|line| line["fields"].get("cause").is_none()), "{lines:?}");
}
