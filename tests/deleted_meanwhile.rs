//! People who are deleted after their request was let in, and before it does what it asks for: they are told what
//! anybody is told whose key or session is gone.

use latchkey::models::people::user::User;
use reqwest::{Method, RequestBuilder};
use rstest::rstest;
use serde_json::json;

use crate::support::*;

const EVERYTHING: &str = "account:write tokens:write users:write services:write audit:read";

/// Deletes `person` while `request`, which the token `by` lets in, waits for their row.
async fn deleted_during(site: &Site, person: &User, by: i64, request: RequestBuilder) -> Answer {
    site.overtaken(person, by, request, &format!("DELETE FROM users WHERE id = {}", person.id)).await
}

#[rstest]
#[tokio::test]
async fn the_api_knows_their_key_no_more(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let key_is_gone = "The key is missing, wrong or no longer valid.";
    let token_is_gone = "The token is wrong or no longer valid.";
    let none = "Send an API access key, or a login and password.";
    let wish = json!({ "name": "a", "scopes": ["account:read"], "expires_on": "1d" }).to_string();
    let service = json!({ "name": "wiki", "host": "wiki.example.org" }).to_string();
    let name = json!({ "user": { "firstname": "Al" } }).to_string();
    for (number, (method, path, body, scheme, text, challenge)) in [
        (Method::PUT, "/my/account.json", &name, "key", key_is_gone, None),
        (Method::POST, "/my/tokens.json", &wish, "key", key_is_gone, None),
        (Method::POST, "/my/tokens.json", &wish, "bearer", token_is_gone, Some("Bearer error=\"invalid_token\"")),
        (Method::POST, "/my/tokens.json", &wish, "basic", none, Some("Basic realm=\"Redmine API\", charset=\"UTF-8\"")),
        (Method::DELETE, "/my/tokens/current.json", &String::new(), "key", key_is_gone, None),
        (Method::POST, "/admin/services.json", &service, "key", key_is_gone, None),
    ]
    .into_iter()
    .enumerate()
    {
        let alice = site.add_admin(&format!("alice{number}")).await;
        let key = site.add_access_token(&alice, EVERYTHING, "1d").await;
        // Its first use would wait for the row as well.
        assert_eq!(site.get_with_key("/my/tokens.json", &key).await.status, 200);
        let request = site.request(method, path).header("Content-Type", "application/json").body(body.clone());
        let request = match scheme {
            "bearer" => request.bearer_auth(&key.secret),
            "basic" => request.basic_auth(&key.secret, Some("x")),
            _ => request.header("X-Redmine-API-Key", &key.secret),
        };
        let answer = deleted_during(&site, &alice, key.id, request).await;
        assert_eq!(answer.status, 401, "{path} by {scheme}: {}", answer.text);
        assert!(answer.text.contains(text), "{path} by {scheme}: {}", answer.text);
        assert_eq!(answer.header("WWW-Authenticate"), challenge, "{path} by {scheme}");
        assert_eq!(answer.header("X-Latchkey-Token-Expires"), None, "{path} by {scheme}");
    }
    assert_eq!(site.database.number("SELECT count(*) AS number FROM services"), 0, "and nothing is done");
}

#[rstest]
#[tokio::test]
async fn an_administrator_acts_as_nobody_who_is_gone(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&root, EVERYTHING, "1d").await;
    assert_eq!(site.get_with_key("/my/tokens.json", &key).await.status, 200);
    let request = site
        .request(Method::PUT, "/my/account.json")
        .header("X-Redmine-API-Key", &key.secret)
        .header("X-Redmine-Switch-User", "alice")
        .body(json!({ "user": { "firstname": "Al" } }).to_string());
    let answer = deleted_during(&site, &alice, key.id, request.header("Content-Type", "application/json")).await;
    assert_eq!(answer.status, 412, "{}", answer.text);
    assert!(answer.text.contains("X-Redmine-Switch-User does not name an active account."), "{}", answer.text);
}

#[rstest]
#[tokio::test]
async fn a_page_shows_the_way_to_sign_in(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    for (login, path, form) in [
        ("alice", "/my/account", [("firstname", "Al"), ("lastname", "B"), ("mail", "a@example.org")].as_slice()),
        ("bob", "/my/api_key", &[("replaces", "")]),
    ] {
        let person = site.add_user(login).await;
        let visitor = site.signed_in(login).await;
        assert!(visitor.is_signed_in().await);
        let session = format!("SELECT id AS number FROM tokens WHERE action = 'session' AND user_id = {}", person.id);
        let session = site.database.number(&session);
        let request = visitor.request(Method::POST, path).header("Sec-Fetch-Site", "same-origin").form(form);
        let answer = deleted_during(&site, &person, session, request).await;
        assert_eq!(answer.status, 302, "{path}: {}", answer.text);
        assert_eq!(answer.header("Location"), Some("/login?back_url=%2Fmy%2Faccount"), "{path}");
        assert!(!visitor.is_signed_in().await, "{path}");
    }
}

#[rstest]
#[tokio::test]
async fn who_is_gone_by_the_time_the_password_was_right_signs_in_no_more(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let held = site.database.hold(&format!("SELECT id FROM users WHERE id = {} FOR UPDATE", alice.id));
    let before = site.app.passwords.hash_calls();
    let visitor = site.visitor();
    let answer = tokio::spawn(async move { visitor.try_sign_in("alice", PASSWORD).await });
    eventually("the password is looked at", || site.app.passwords.hash_calls() > before).await;
    site.database.until_somebody_waits().await;
    held.commit(&format!("DELETE FROM users WHERE id = {}", alice.id));
    let answer = answer.await.expect("an answer");
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.shows("The login or password is wrong."), "{}", answer.text());
}
