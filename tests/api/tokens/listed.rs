//! `GET /my/tokens.json`: "pages of results, filters".

use chrono::TimeDelta;
use rstest::rstest;

use super::*;

/// The ids of a list, and its three numbers.
async fn listed(site: &Site, key: &Key, query: &str) -> (Vec<i64>, [i64; 3]) {
    let answer = site.get_with_key(&format!("{LIST}?{query}"), key).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text);
    let list = answer.json();
    let tokens = list["tokens"].as_array().expect("tokens").iter();
    let ids = tokens.map(|token| token["id"].as_i64().expect("an id")).collect();
    (ids, ["total_count", "offset", "limit"].map(|name| list[name].as_i64().expect(name)))
}

#[rstest]
#[tokio::test]
async fn the_keys_of_who_asks_are_listed_oldest_first_as_each_is_shown(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let bob = site.add_user("bob").await;
    site.add_access_token(&bob, "account:read", "30d").await;
    site.add_key(&alice, TokenAction::Session).await;
    let access = site.add_access_token(&alice, "tokens:read", "30d").await;
    let feeds = site.add_key(&alice, TokenAction::Feeds).await;
    let rotated = issued(&post(&site, &api, &rotation(&access), json!({})).await);
    assert_eq!(rotated.id, access.id);
    let answer = site.get_with_key(LIST, &rotated).await;
    assert_eq!(answer.header("Content-Type"), Some("application/json; charset=utf-8"));
    let mut shown = Vec::new();
    for key in [&api, &access, &feeds] {
        shown.push(site.get_with_key(&address(key), &rotated).await.json());
    }
    assert_eq!(answer.json(), json!({ "tokens": shown, "total_count": 3, "offset": 0, "limit": 25 }));
    assert!(!answer.text.contains("secret\":"), "{}", answer.text);
}

#[rstest]
#[tokio::test]
async fn nobody_without_a_key_has_an_empty_list(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let list = Answer::of(site.get(LIST).basic_auth("alice", Some(PASSWORD))).await;
    assert_eq!(list.json(), json!({ "tokens": [], "total_count": 0, "offset": 0, "limit": 25 }));
}

#[rstest]
#[tokio::test]
async fn a_list_comes_in_pages(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, key) = with_alice(db).await;
    let mut ids = vec![key.id];
    for _ in 0..29 {
        ids.push(site.add_access_token(&alice, "account:read", "30d").await.id);
    }
    for (query, page, numbers) in [
        ("", &ids[..25], [30, 0, 25]),
        ("offset=25", &ids[25..], [30, 25, 25]),
        ("limit=100", &ids[..], [30, 0, 100]),
        ("limit=7&offset=14", &ids[14..21], [30, 14, 7]),
        ("limit=1&offset=29", &ids[29..], [30, 29, 1]),
        ("offset=30", &[], [30, 30, 25]),
        ("action=access&limit=2", &ids[1..3], [29, 0, 2]),
    ] {
        assert_eq!(listed(&site, &key, query).await, (page.to_vec(), numbers), "{query}");
    }
    assert_eq!(listed(&site, &key, "offset=1000000").await.0, Vec::<i64>::new());
}

#[rstest]
#[tokio::test]
async fn action_says_which_kind(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let access = site.add_access_token(&alice, "account:read", "30d").await;
    let feeds = site.add_key(&alice, TokenAction::Feeds).await;
    for (action, key) in [("api", &api), ("access", &access), ("feeds", &feeds)] {
        assert_eq!(listed(&site, &api, &format!("action={action}")).await, (vec![key.id], [1, 0, 25]));
    }
}

/// By any secret of it, and also by a use that is not yet written.
#[rstest]
#[tokio::test]
async fn unused_since_leaves_out_what_was_used_since(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let never = site.add_access_token(&alice, "account:read", "never").await;
    let early = site.add_access_token(&alice, "account:read", "never").await;
    let old = site.add_access_token(&alice, "account:read", "never").await;
    assert!(works(&site, &early).await);
    let rotated = issued(&post(&site, &api, &rotation(&old), json!({ "grace": "7d" })).await);
    site.flush().await;
    site.later(TimeDelta::days(2));
    // 2026-11-26T09:30:00.25Z, by the secret before.
    assert!(works(&site, &old).await);
    let unused = async |since: &str| listed(&site, &api, &format!("action=access&unused_since={since}")).await.0;
    assert_eq!(unused("2026-11-24").await, [never.id]);
    assert_eq!(unused("2026-11-24T09:30:00Z").await, [never.id]);
    assert_eq!(unused("2026-11-24T09:31:00Z").await, [never.id, early.id]);
    assert_eq!(unused("2026-11-24T10:31:00%2B01:00").await, [never.id, early.id]);
    assert_eq!(unused("2026-11-26").await, [never.id, early.id]);
    assert_eq!(unused("2026-11-26T09:30:00.25Z").await, [never.id, early.id]);
    assert_eq!(unused("2026-11-26T09:30:00.26Z").await, [never.id, early.id, rotated.id]);
    assert_eq!(unused("2026-11-27").await, [never.id, early.id, old.id]);
}

#[rstest]
#[tokio::test]
async fn expires_before_leaves_out_what_works_longer(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    site.add_access_token(&alice, "account:read", "never").await;
    let soon = site.add_access_token(&alice, "account:read", "1d").await;
    let late = site.add_access_token(&alice, "account:read", "2026-12-31").await;
    let expires = async |before: &str| listed(&site, &api, &format!("expires_before={before}")).await.0;
    assert_eq!(expires("2026-11-25").await, Vec::<i64>::new());
    assert_eq!(expires("2026-11-25T09:30:01Z").await, [soon.id]);
    assert_eq!(expires("2026-12-31").await, [soon.id]);
    assert_eq!(expires("2027-01-01").await, [soon.id, late.id], "what works to the end of the day before");
    assert_eq!(expires("2999-01-01").await, [soon.id, late.id]);
    site.later(TimeDelta::days(2));
    assert_eq!(expires("2026-11-26").await, [soon.id], "what has expired has");
    let both = listed(&site, &api, "unused_since=2999-01-01&expires_before=2999-01-01&action=access&limit=1").await;
    assert_eq!(both, (vec![soon.id], [2, 0, 1]));
}

/// A program that mistypes a filter would take all keys for those that it looks for.
#[rstest]
#[tokio::test]
async fn a_parameter_that_cannot_be_read_is_told(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_alice(db).await;
    let time = "must be a date such as 2026-12-31 or an RFC 3339 time such as 2026-12-31T10:00:00Z.";
    for (query, text) in [
        ("action=session", "action must be api, feeds or access.".to_owned()),
        ("action=", "action must be api, feeds or access.".into()),
        ("unused_since=yesterday", format!("unused_since {time}")),
        ("unused_since=2026-13-01", format!("unused_since {time}")),
        ("unused_since=2026-11-24T10:00:00", format!("unused_since {time}")),
        ("unused_since=2026-11-24T10:00:00+01:00", format!("unused_since {time}")),
        ("expires_before=", format!("expires_before {time}")),
        ("expires_before=30d", format!("expires_before {time}")),
        ("offset=-1", "offset must be a number from 0 to 1000000.".into()),
        ("offset=", "offset must be a number from 0 to 1000000.".into()),
        ("offset=99999999999999999999", "offset must be a number from 0 to 1000000.".into()),
        ("limit=0", "limit must be a number from 1 to 100.".into()),
        ("limit=101", "limit must be a number from 1 to 100.".into()),
        ("limit=%2B5", "limit must be a number from 1 to 100.".into()),
        ("limit=5&limit=6", "limit appears twice.".into()),
        (
            "unused_sinse=2026-11-24",
            "Unknown parameter unused_sinse: use action, unused_since, expires_before, offset and limit.".into(),
        ),
    ] {
        let answer = site.get_with_key(&format!("{LIST}?{query}"), &key).await;
        assert_eq!(problem(&answer), (400, text), "{query}");
    }
    let by_parameter = Answer::of(site.get(&format!("{LIST}?key={}&limit=1", key.secret))).await;
    assert_eq!(by_parameter.status, 200, "the key itself may be one");
}
