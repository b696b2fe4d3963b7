//! `POST /my/tokens/ID/suspend.json`, `resume.json`, and `GET /my/tokens/ID/refused.json`.

use rstest::rstest;

use super::*;

fn suspension(key: &Key) -> String {
    format!("/my/tokens/{}/suspend.json", key.id)
}

fn resumption(key: &Key) -> String {
    format!("/my/tokens/{}/resume.json", key.id)
}

/// What an answer says of a key's suspension.
fn state_of(answer: &Answer) -> (u16, String, Value, Value) {
    let key = answer.json();
    let state = key["state"].as_str().unwrap_or_default().to_owned();
    (answer.status, state, key["suspended_until"].clone(), key["suspended_then"].clone())
}

#[rstest]
#[tokio::test]
async fn a_key_of_every_kind_is_suspended_and_switched_on_again(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let feeds = site.add_key(&alice, TokenAction::Feeds).await;
    let access = site.add_access_token(&alice, "account:read", "30d").await;
    let by = format!("API access key ····{}", hint(&api));
    for (key, name) in [(&access, "Access token “deploy”"), (&feeds, "Atom access key")] {
        let until = |time: &str| json!(time);
        for (wish, end, then, told_end) in [
            (json!({"for": "1h"}), until("2026-11-24T10:30:00Z"), json!("resume"), "10:30:00Z, then it works again"),
            (json!(null), until("2026-11-25T09:30:00Z"), json!("resume"), "09:30:00Z, then it works again"),
            (
                json!({"for": "7d", "then": "revoke"}),
                until("2026-12-01T09:30:00Z"),
                json!("revoke"),
                "09:30:00Z, then it is revoked",
            ),
            (json!({"for": "until-switched-on"}), json!(null), json!(null), "until it is switched on again"),
        ] {
            let suspended = post(&site, &api, &suspension(key), wish.clone()).await;
            assert_eq!(state_of(&suspended), (200, "suspended".to_owned(), end, then), "{wish}: {}", suspended.text);
            let (headline, detail, credential) = told(&site, &alice);
            assert_eq!((headline, &credential), (format!("{name} suspended"), &by));
            assert!(detail.ends_with(told_end), "{detail}");
        }
        let shown = site.get_with_key(&address(key), &api).await;
        assert_eq!(state_of(&shown).1, "suspended");
        let resumed = post(&site, &api, &resumption(key), json!(null)).await;
        assert_eq!(state_of(&resumed), (200, "active".to_owned(), json!(null), json!(null)));
        assert_eq!(told(&site, &alice), (format!("{name} switched on again"), String::new(), by.clone()));
    }
}

#[rstest]
#[tokio::test]
async fn it_lists_who_was_refused(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    let refused = format!("/my/tokens/{}/refused.json", key.id);
    assert_eq!(site.get_with_key(&refused, &api).await.json(), json!([]));
    assert_eq!(post(&site, &api, &suspension(&key), json!({})).await.status, 200);
    for _ in 0..3 {
        let request = site.get(ME).bearer_auth(&key.secret).header("User-Agent", "backup/1");
        assert_eq!(Answer::of(request).await.status, 401);
        site.later(chrono::TimeDelta::minutes(1));
    }
    site.flush().await;
    let expected = json!([{
        "service": null, "address": "127.0.0.1", "agent": "backup/1", "requests": 3,
        "first_on": "2026-11-24T09:30:00Z", "last_on": "2026-11-24T09:32:00Z",
    }]);
    assert_eq!(site.get_with_key(&refused, &api).await.json(), expected);
    let bob = site.add_user("bob").await;
    let bobs = site.add_key(&bob, TokenAction::Api).await;
    assert_eq!(site.get_with_key(&refused, &bobs).await.status, 404, "it is nobody else's business");
}

/// "A key may suspend only what it may revoke", and switches on only what it could make.
#[rstest]
#[tokio::test]
async fn a_key_suspends_what_it_may_revoke_and_switches_on_what_it_may_make(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let feeds = site.add_key(&alice, TokenAction::Feeds).await;
    let forever = site.add_access_token(&alice, "tokens:read", "never").await;
    let shorter = site.add_access_token(&alice, "tokens:read", "1d").await;
    let wider = site.add_access_token(&alice, "account:read tokens:read", "1d").await;
    let key = site.add_access_token(&alice, "tokens:write", "2d").await;
    let beyond = "This key can do more, in more places or for longer, than the key you use, which cannot create, change or revoke it.";
    for kept in [&wider, &api] {
        assert_eq!(problem(&post(&site, &key, &suspension(kept), json!({})).await), refused(403, beyond));
        assert!(works(&site, kept).await);
    }
    for suspended in [&feeds, &forever, &shorter] {
        assert_eq!(post(&site, &key, &suspension(suspended), json!({})).await.status, 200);
    }
    for outlives in [&feeds, &forever] {
        assert_eq!(problem(&post(&site, &key, &resumption(outlives), json!(null)).await), refused(403, beyond));
    }
    assert_eq!(post(&site, &key, &resumption(&shorter), json!(null)).await.status, 200);
    assert_eq!(post(&site, &key, &suspension(&key), json!({})).await.status, 200, "itself, too");
    assert_eq!(site.get_with_key(LIST, &key).await.status, 401);
    assert_eq!(post(&site, &api, &resumption(&key), json!(null)).await.status, 200);
}

#[rstest]
#[tokio::test]
async fn what_cannot_be_is_refused_and_changes_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    let before = state(&site);
    let never = "A key that stays suspended until it is switched on again is never revoked: choose 1h, 1d or 7d";
    for (wish, status, text) in [
        (json!({"for": "2h"}), 422, "For must be 1h, 1d, 7d or until-switched-on"),
        (json!({"for": 1}), 422, "For must be a string"),
        (json!({"then": "explode"}), 422, "Then must be resume or revoke"),
        (json!({"for": "until-switched-on", "then": "revoke"}), 422, never),
        (json!({"until": "1h"}), 422, "Unknown field \"until\": use for, then"),
    ] {
        assert_eq!(problem(&post(&site, &api, &suspension(&key), wish).await), refused(status, text));
    }
    assert!(works(&site, &key).await);
    assert_eq!(state(&site), before);
    assert_eq!(post(&site, &api, &suspension(&key), json!({"for": "7d"})).await.status, 200);
    let longer = "This key is already suspended for longer: switch it on again first";
    assert_eq!(problem(&post(&site, &api, &suspension(&key), json!({"for": "1h"})).await), refused(422, longer));
    site.later(chrono::TimeDelta::days(30));
    let expired = "This access token has expired: create a new one";
    for address in [suspension(&key), resumption(&key)] {
        assert_eq!(problem(&post(&site, &api, &address, json!(null)).await), refused(422, expired));
    }
    let nobodys = Key { id: 4711, secret: String::new() };
    for address in [suspension(&nobodys), resumption(&nobodys)] {
        assert_eq!(post(&site, &api, &address, json!(null)).await.status, 404);
    }
}

/// As revoking: an administrator suspends for whom they act as. What gives power they do not do as somebody else.
#[rstest]
#[tokio::test]
async fn as_somebody_else_a_key_is_suspended_and_not_switched_on(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, _) = with_alice(db).await;
    let root = site.add_admin("root").await;
    let by = site.add_key(&root, TokenAction::Api).await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    let as_alice = |address: String| {
        Answer::of(send(&site, &by, Method::POST, &address, &Value::Null).header("X-Redmine-Switch-User", "alice"))
    };
    assert_eq!(as_alice(suspension(&key)).await.status, 200);
    assert!(!works(&site, &key).await);
    assert_eq!(told(&site, &alice).0, "Access token “deploy” suspended by root");
    let text = "You cannot create, change or rotate keys with X-Redmine-Switch-User.";
    assert_eq!(problem(&as_alice(resumption(&key)).await), refused(403, text));
    assert!(!works(&site, &key).await);
}
