//! `POST /my/tokens/ID/rotate.json`: "a new secret for the same key …; the old one goes on for a grace time chosen then".

use chrono::TimeDelta;
use rstest::rstest;

use super::*;

#[rstest]
#[case(Value::Null, TimeDelta::days(1), "2026-11-25T09:30:00Z")]
#[case(json!({}), TimeDelta::days(1), "2026-11-25T09:30:00Z")]
#[case(json!({ "grace": "1h" }), TimeDelta::hours(1), "2026-11-24T10:30:00Z")]
#[case(json!({ "grace": "1d" }), TimeDelta::days(1), "2026-11-25T09:30:00Z")]
#[case(json!({ "grace": "7d" }), TimeDelta::days(7), "2026-12-01T09:30:00Z")]
#[tokio::test]
async fn the_secret_before_works_for_the_time_of_grace(
    #[case] wish: Value,
    #[case] grace: TimeDelta,
    #[case] works_until: &str,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let (site, alice, api) = with_alice(db).await;
    let old = site.add_access_token(&alice, "account:read", "30d").await;
    let mut expected = site.get_with_key(&address(&old), &api).await.json();
    let rotated = post(&site, &api, &rotation(&old), wish).await;
    assert_eq!((rotated.status, rotated.header("Location")), (200, None), "{}", rotated.text);
    let new = issued(&rotated);
    expected["hint"] = json!(hint(&new));
    expected["earlier_secrets"] = json!([{ "hint": hint(&old), "works_until": works_until, "last_used_on": null }]);
    assert_eq!(site.get_with_key(&address(&old), &api).await.json(), expected);
    expected["secret"] = json!(new.secret);
    assert_eq!(rotated.json(), expected);
    let detail = format!("the old secret works until {works_until}");
    let by = format!("API access key ····{}", hint(&api));
    assert_eq!(told(&site, &alice), ("Access token “deploy” rotated".into(), detail, by));
    site.later(grace - TimeDelta::microseconds(1));
    assert!(works(&site, &old).await && works(&site, &new).await);
    site.later(TimeDelta::microseconds(1));
    assert!(!works(&site, &old).await && works(&site, &new).await);
    assert_eq!(site.get_with_key(&address(&old), &api).await.json()["earlier_secrets"], json!([]));
}

#[rstest]
#[tokio::test]
async fn without_grace_the_secret_before_stops_at_once(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let old = site.add_access_token(&alice, "account:read", "30d").await;
    let rotated = post(&site, &api, &rotation(&old), json!({ "grace": "0" })).await;
    assert_eq!(rotated.json()["earlier_secrets"], json!([]));
    assert_eq!(told(&site, &alice).1, "the old secret has stopped working");
    assert!(!works(&site, &old).await && works(&site, &issued(&rotated)).await);
}

/// "by which secret the last use came, so that one sees when all programs have moved"
#[rstest]
#[tokio::test]
async fn it_is_told_by_which_secret_the_last_use_came(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let old = site.add_access_token(&alice, "account:read", "30d").await;
    let new = issued(&post(&site, &api, &rotation(&old), json!({ "grace": "7d" })).await);
    let shown = async || {
        let shown = site.get_with_key(&address(&old), &api).await.json();
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        [&shown["last_used_on"], &shown["last_used_by"], &shown["earlier_secrets"][0]["last_used_on"]].map(text)
    };
    assert_eq!(shown().await, ["-", "-", "-"]);
    site.later(TimeDelta::seconds(1));
    assert!(works(&site, &old).await);
    assert_eq!(shown().await, ["2026-11-24T09:30:01Z", "earlier", "2026-11-24T09:30:01Z"]);
    site.later(TimeDelta::seconds(1));
    assert!(works(&site, &new).await);
    assert_eq!(shown().await, ["2026-11-24T09:30:02Z", "current", "2026-11-24T09:30:01Z"]);
    site.later(TimeDelta::seconds(1));
    assert!(works(&site, &old).await);
    assert_eq!(shown().await, ["2026-11-24T09:30:03Z", "earlier", "2026-11-24T09:30:03Z"]);
}

#[rstest]
#[tokio::test]
async fn a_key_rotates_itself(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let old = site.add_access_token(&alice, "tokens:write", "30d").await;
    let new = issued(&post(&site, &old, &rotation(&old), json!({ "grace": "1h" })).await);
    // Either secret is the same key.
    let newer = issued(&post(&site, &old, &rotation(&old), json!({ "grace": "1h" })).await);
    let newest = issued(&post(&site, &newer, &rotation(&old), json!({ "grace": "0" })).await);
    let list = site.get_with_key(LIST, &newest).await.json();
    let hints = [&new, &old].map(|key| json!(hint(key)));
    let earlier = list["tokens"][0]["earlier_secrets"].as_array().expect("secrets");
    assert_eq!(earlier.iter().map(|secret| secret["hint"].clone()).collect::<Vec<_>>(), hints);
    assert_eq!(site.get_with_key(LIST, &newer).await.status, 401);
}

#[rstest]
#[tokio::test]
async fn what_cannot_be_rotated_stays_as_it_is(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let feeds = site.add_key(&alice, TokenAction::Feeds).await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    let before = state(&site);
    for (wish, text) in [
        (json!({ "grace": "2d" }), "Grace must be 0, 1h, 1d or 7d"),
        (json!({ "grace": null }), "Grace must be a string"),
        (json!({ "grace": 0 }), "Grace must be a string"),
        (json!({ "graze": "0" }), r#"Unknown field "graze": use grace"#),
    ] {
        assert_eq!(problem(&post(&site, &api, &rotation(&key), wish).await), refused(422, text));
    }
    let text = "This is not an access token: you can reset or revoke it, but not change or rotate it";
    for classic in [&api, &feeds] {
        assert_eq!(problem(&post(&site, &api, &rotation(classic), json!({})).await), refused(422, text));
    }
    assert_eq!(state(&site), before);
    for _ in 0..4 {
        assert_eq!(post(&site, &api, &rotation(&key), json!({ "grace": "7d" })).await.status, 200);
    }
    let text = "This access token already has 5 active secrets: wait until one stops working, or revoke the token";
    assert_eq!(problem(&post(&site, &api, &rotation(&key), json!({})).await), refused(422, text));
    site.later(TimeDelta::days(30));
    let text = "This access token has expired: create a new one";
    assert_eq!(problem(&post(&site, &api, &rotation(&key), json!({})).await), refused(422, text));
}
