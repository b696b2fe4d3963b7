//! "Switch-User needs an admin's key with `users:write`; … events name both people."

use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;

async fn acting(site: &Site, key: &Key, login: &str) -> Answer {
    let request = site.get(ADDRESS).header("X-Redmine-API-Key", &key.secret);
    Answer::of(request.header("X-Redmine-Switch-User", login)).await
}

#[rstest]
#[tokio::test]
async fn to_act_as_somebody_else_needs_to_write_users(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    site.add_user("alice").await;
    site.add_admin("boss").await;
    let may_not = site.add_access_token(&root, "account:write tokens:write users:read", "30d").await;
    let answer = acting(&site, &may_not, "alice").await;
    let challenge = r#"Bearer error="insufficient_scope", scope="users:write""#;
    assert_eq!((answer.status, answer.header("WWW-Authenticate")), (403, Some(challenge)));
    assert_eq!(acting(&site, &may_not, "nobody").await.status, 403, "nor is it told who there is");
    assert_eq!(status(&site, &may_not).await, 200, "as herself she may");
    let may = site.add_access_token(&root, "account:read users:write", "30d").await;
    let answer = acting(&site, &may, "alice").await;
    assert_eq!((answer.status, answer.json()["user"]["login"].as_str()), (200, Some("alice")));
    assert_eq!(acting(&site, &may, "nobody").await.status, 412);
    assert_eq!(acting(&site, &may, "boss").await.status, 403, "who may do more than the key");
    let only = site.add_access_token(&root, "users:write", "30d").await;
    let answer = acting(&site, &only, "alice").await;
    let challenge = r#"Bearer error="insufficient_scope", scope="account:read""#;
    assert_eq!(answer.header("WWW-Authenticate"), Some(challenge), "what is asked for counts as well");
}

/// As before: from anybody else the wish is ignored.
#[rstest]
#[tokio::test]
async fn the_wish_of_somebody_who_is_no_administrator_is_ignored(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("bob").await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    let answer = acting(&site, &key, "bob").await;
    assert_eq!((answer.status, answer.json()["user"]["login"].as_str()), (200, Some("alice")));
}

#[rstest]
#[tokio::test]
async fn what_is_done_as_somebody_else_names_both(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let second = site.add_admin("second").await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&root, TokenAction::Api).await;
    let address = format!("/users/{}.json", alice.id);
    let change = site.request(reqwest::Method::PUT, &address).header("X-Redmine-API-Key", &key.secret);
    let change = change.header("X-Redmine-Switch-User", &second.login).header("Content-Type", "application/json");
    assert_eq!(Answer::of(change.body(r#"{"user":{"firstname":"Alicia"}}"#)).await.status, 204);
    let alice = site.signed_in("alice").await;
    let activity = alice.get("/activity").await;
    assert!(activity.shows("Account changed by root as second"), "{}", activity.text());
}
