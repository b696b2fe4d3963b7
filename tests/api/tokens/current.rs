//! `/my/tokens/current.json`: "what am I, what may I, until when, when last used", whatever the scopes.

use chrono::TimeDelta;
use rstest::rstest;

use super::*;

const CURRENT: &str = "/my/tokens/current.json";

#[rstest]
#[tokio::test]
async fn a_key_asks_about_itself_whatever_it_may_do(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let key = site.add_access_token(&alice, "account:write", "30d").await;
    site.later(TimeDelta::seconds(5));
    let own = site.get_with_key(CURRENT, &key).await;
    let mut expected = site.get_with_key(&address(&key), &api).await.json();
    expected["presented"] = json!("current");
    expected["works_until"] = json!("2026-12-24T09:30:00Z");
    assert_eq!((own.status, own.json()), (200, expected.clone()));
    assert_eq!(own.json()["last_used_on"], "2026-11-24T09:30:05Z", "this use, too");
    assert_eq!(own.header("X-Latchkey-Token-Expires"), Some("2026-12-24T09:30:00Z"));
    let own = site.get_with_key(CURRENT, &api).await.json();
    let told = ["action", "name", "expires_on", "presented", "works_until"].map(|name| own[name].clone());
    assert_eq!(told, [json!("api"), json!(null), json!(null), json!("current"), json!(null)]);
}

#[rstest]
#[tokio::test]
async fn an_earlier_secret_is_told_that_it_is_one_and_until_when(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let old = site.add_access_token(&alice, "account:read", "30d").await;
    let new = issued(&post(&site, &api, &rotation(&old), json!({ "grace": "1h" })).await);
    let told = async |key: &Key| {
        let own = site.get_with_key(CURRENT, key).await.json();
        ["id", "hint", "last_used_by", "presented", "works_until"].map(|name| own[name].clone())
    };
    let (id, hint, until) = (json!(old.id), json!(hint(&new)), json!("2026-11-24T10:30:00Z"));
    assert_eq!(told(&old).await, [id.clone(), hint.clone(), json!("earlier"), json!("earlier"), until]);
    site.later(TimeDelta::seconds(1));
    let until = json!("2026-12-24T09:30:00Z");
    assert_eq!(told(&new).await, [id, hint, json!("current"), json!("current"), until]);
}

#[rstest]
#[tokio::test]
async fn a_key_ends_itself_whatever_it_may_do(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let old = site.add_access_token(&alice, "account:read", "30d").await;
    let new = issued(&post(&site, &api, &rotation(&old), json!({ "grace": "1h" })).await);
    let ended = delete(&site, &old, CURRENT).await;
    assert_eq!((ended.status, ended.text.as_str()), (204, ""), "by either secret");
    assert!(!works(&site, &old).await && !works(&site, &new).await);
    let by = format!("Access token “deploy” ····{}", hint(&old));
    assert_eq!(told(&site, &alice), ("Access token “deploy” revoked".into(), String::new(), by));
    assert_eq!(delete(&site, &api, CURRENT).await.status, 204, "the classic one, too");
    assert!(!works(&site, &api).await);
    assert_eq!(site.database.number("SELECT count(*) AS number FROM tokens"), 0);
}

#[rstest]
#[tokio::test]
async fn a_password_is_no_key(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, _) = with_alice(db).await;
    let feeds = site.add_key(&alice, TokenAction::Feeds).await;
    for method in [Method::GET, Method::DELETE] {
        let by_password = site.request(method.clone(), CURRENT).basic_auth("alice", Some(PASSWORD));
        let text = "This address is about the key that you use: send a key instead of a password.";
        assert_eq!(problem(&Answer::of(by_password).await), refused(403, text));
        assert_eq!(Answer::of(site.request(method.clone(), CURRENT)).await.status, 401);
        let by_feeds_key = Answer::of(send(&site, &feeds, method, CURRENT, &Value::Null)).await;
        assert_eq!(by_feeds_key.status, 401, "a feeds key is none for the API");
    }
    assert_eq!(site.database.number("SELECT count(*) AS number FROM tokens"), 2);
}

/// Whom an administrator wants to act as has nothing to do with it.
#[rstest]
#[tokio::test]
async fn it_is_the_key_that_is_used_with_switch_user_as_well(#[values(Sqlite, Postgres)] db: Db) {
    let (site, ..) = with_alice(db).await;
    let root = site.add_admin("root").await;
    let key = site.add_access_token(&root, "users:write", "30d").await;
    let as_alice = |method| send(&site, &key, method, CURRENT, &Value::Null).header("X-Redmine-Switch-User", "alice");
    let own = Answer::of(as_alice(Method::GET)).await.json();
    assert_eq!((&own["id"], &own["login"]), (&json!(key.id), &json!("root")));
    assert_eq!(Answer::of(as_alice(Method::DELETE)).await.status, 204);
    assert!(!works(&site, &key).await);
    assert_eq!(told(&site, &root).0, "Access token “deploy” revoked");
    assert_eq!(site.database.number("SELECT count(*) AS number FROM tokens"), 1, "alice's is there");
}
