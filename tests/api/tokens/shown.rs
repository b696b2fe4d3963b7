//! `GET /my/tokens/ID.json`

use chrono::TimeDelta;
use latchkey::models::keys::scope::Scope;
use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn every_kind_of_key_is_shown_with_its_last_use_even_one_not_yet_written(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let feeds = site.add_key(&alice, TokenAction::Feeds).await;
    let access = site.add_access_token(&alice, "account:write", "never").await;
    let shown = async |key: &Key| site.get_with_key(&address(key), &api).await.json();
    let of = |key: &Key, action: &str, name: Value, scopes: Value, last_used_on: Value| {
        let null = json!(null);
        let (by, address, agent, verdict) = match last_used_on.is_null() {
            true => (null.clone(), null.clone(), null, "too_early"),
            false => (json!("current"), json!("127.0.0.1"), json!(""), "in_use"),
        };
        json!({
            "id": key.id, "login": "alice", "action": action, "name": name, "note": "", "hint": hint(key),
            "scopes": scopes, "created_on": "2026-11-24T09:30:00Z", "expires_on": null, "state": "active",
            "last_used_on": last_used_on, "last_used_by": by, "last_address": address, "last_agent": agent,
            "recorded_since": "2026-11-24T09:30:00Z", "networks": null, "suspended_until": null, "suspended_then": null,
            "verdict": verdict, "earlier_secrets": [],
        })
    };
    let never = json!(null);
    assert_eq!(shown(&feeds).await, of(&feeds, "feeds", json!(null), json!([]), never.clone()));
    assert_eq!(shown(&access).await, of(&access, "access", json!("deploy"), json!(["account:write"]), never));
    // The second use of that minute is in memory only.
    assert!(works(&site, &access).await);
    site.later(TimeDelta::seconds(10));
    assert!(works(&site, &access).await);
    let now = json!("2026-11-24T09:30:10Z");
    assert_eq!(shown(&access).await, of(&access, "access", json!("deploy"), json!(["account:write"]), now.clone()));
    let all = json!(Scope::ALL.map(Scope::as_str));
    assert_eq!(shown(&api).await, of(&api, "api", json!(null), all, now));
    let recorded = site.recorded_use(&access).expect("a use");
    assert_eq!(recorded, crate::support::site::start_time() + TimeDelta::microseconds(1));
}

#[rstest]
#[tokio::test]
async fn a_key_that_is_expired_or_unused_says_so(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, key) = with_alice(db).await;
    let short = site.add_access_token(&alice, "account:read", "1d").await;
    let long = site.add_access_token(&alice, "account:read", "never").await;
    let shown = async |of: &Key| {
        let shown = site.get_with_key(&address(of), &key).await.json();
        [&shown["state"], &shown["verdict"]].map(|member| member.as_str().expect("a word").to_owned())
    };
    assert_eq!(shown(&short).await, ["active", "too_early"]);
    site.later(TimeDelta::days(1));
    assert_eq!(shown(&short).await, ["expired", "too_early"]);
    site.later(TimeDelta::days(29));
    assert_eq!(shown(&long).await, ["active", "unused"]);
    site.flush().await;
    site.later(TimeDelta::days(1));
    site.flush().await;
    assert_eq!(site.get_with_key(&address(&short), &key).await.status, 404, "30 days after it has expired");
}

#[rstest]
#[tokio::test]
async fn the_key_of_somebody_else_is_not_there(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, key) = with_alice(db).await;
    let bob = site.add_user("bob").await;
    let bobs = site.add_access_token(&bob, "account:read", "30d").await;
    let session = site.add_key(&alice, TokenAction::Session).await;
    let absent = refused(404, "This address does not exist.");
    for id in [bobs.id, session.id, 4711, 0] {
        let at = Key { id, secret: String::new() };
        for (method, address) in [
            (Method::GET, address(&at)),
            (Method::PATCH, address(&at)),
            (Method::DELETE, address(&at)),
            (Method::POST, rotation(&at)),
        ] {
            let answer = Answer::of(send(&site, &key, method.clone(), &address, &json!({}))).await;
            assert_eq!(problem(&answer), absent, "{method} {address}");
        }
    }
    let huge = site.get_with_key("/my/tokens/99999999999999999999.json", &key).await;
    assert_eq!(problem(&huge), absent);
    assert!(works(&site, &bobs).await);
    assert_eq!(problem(&site.get_with_key("/my/tokens/x.json", &key).await), absent);
}
