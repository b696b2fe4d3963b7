//! Several keys revoked at once: in the API, and on the page after a question.

use chrono::TimeDelta;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;

const REVOKE: &str = "/admin/keys/revoke.json";

async fn revoke(site: &Site, key: &Key, ids: &Value) -> Answer {
    let request = site.request(Method::POST, REVOKE).bearer_auth(&key.secret);
    Answer::of(request.json(&json!({ "ids": ids }))).await
}

#[rstest]
#[tokio::test]
async fn keys_of_several_people_end_at_once_and_their_owners_see_it(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (root, admin) = administrator(&site).await;
    let (alice, bob) = (site.add_user("alice").await, site.add_user("bob").await);
    let access = named(&site, &alice, "deploy", "account:read", "never").await;
    let api = site.add_key(&bob, TokenAction::Api).await;
    let own = named(&site, &root, "own", "account:read", "never").await;
    let kept = named(&site, &bob, "kept", "account:read", "never").await;
    let gone = 4711;
    let answer = revoke(&site, &admin, &json!([api.id, access.id, gone, own.id, access.id])).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json(), json!({ "revoked": [access.id, api.id, own.id], "gone": [gone] }));
    for (key, expected) in [(&access, false), (&api, false), (&own, false), (&kept, true)] {
        assert_eq!(works(&site, key).await, expected);
    }
    let again = revoke(&site, &admin, &json!([access.id, api.id, own.id])).await;
    assert_eq!(again.json(), json!({ "revoked": [], "gone": [access.id, api.id, own.id] }), "no error");
    let activity = site.signed_in("alice").await.get("/activity").await;
    assert!(activity.shows("Access token “deploy” revoked") && activity.shows("by root"), "{}", activity.text());
}

/// "keys:write must not become more than itself"
#[rstest]
#[tokio::test]
async fn a_key_revokes_those_that_may_do_no_more_than_itself_or_none(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&root, "keys:write account:write", "1d").await;
    let within = named(&site, &alice, "within", "account:read", "never").await;
    let atom = site.add_key(&alice, TokenAction::Feeds).await;
    let beyond = named(&site, &alice, "beyond", "tokens:read", "never").await;
    let api = site.add_key(&alice, TokenAction::Api).await;
    let told = "One of these keys can do more than the key you use, so none of them was revoked.";
    for more in [&beyond, &api] {
        let answer = revoke(&site, &key, &json!([within.id, more.id, atom.id])).await;
        assert_eq!((answer.status, answer.json()["detail"].as_str()), (403, Some(told)));
        assert!(works(&site, &within).await && site.token(atom.id).is_some(), "nothing is done by halves");
    }
    let answer = revoke(&site, &key, &json!([within.id, atom.id])).await;
    assert_eq!(answer.json()["revoked"], json!([within.id, atom.id]), "whatever their owner and their expiry");
}

#[rstest]
#[tokio::test]
async fn what_is_no_list_of_a_few_ids_is_told(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (_, admin) = administrator(&site).await;
    let ids = |number: i64| json!((1..=number).map(|id| 1000 + id).collect::<Vec<_>>());
    let none = "ids must be an array of at most 500 ids";
    let before = site.database.written();
    for (wish, told) in [
        (json!({ "ids": ids(501) }), "ids has too many keys: 501 keys are too many at once: choose at most 500"),
        (json!({ "ids": ids(10_000) }), "ids has too many keys: 10000 keys are too many at once: choose at most 500"),
        (json!({ "ids": ["1"] }), none),
        (json!({ "ids": 1 }), none),
        (json!({ "ids": null }), none),
        (json!({}), none),
        (json!({ "ids": [], "all": true }), "Unknown field \"all\": use ids"),
    ] {
        let answer = Answer::of(site.request(Method::POST, REVOKE).bearer_auth(&admin.secret).json(&wish)).await;
        assert_eq!((answer.status, answer.json()["detail"].as_str()), (422, Some(told)));
    }
    let large = site.request(Method::POST, REVOKE).bearer_auth(&admin.secret).json(&json!({ "ids": ids(20_000) }));
    assert_eq!(Answer::of(large).await.status, 413);
    let most = revoke(&site, &admin, &ids(500)).await;
    assert_eq!(most.json()["gone"].as_array().map(Vec::len), Some(500));
    assert_eq!(site.database.written(), before);
}

#[rstest]
#[tokio::test]
async fn ticked_keys_are_revoked_after_a_question(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    administrator(&site).await;
    let (alice, bob) = (site.add_user("alice").await, site.add_user("bob").await);
    let old = named(&site, &alice, "old", "account:read", "never").await;
    let never = named(&site, &bob, "never", "account:read", "never").await;
    let busy = named(&site, &bob, "busy", "account:read", "never").await;
    let kept = named(&site, &bob, "kept", "account:read", "never").await;
    assert!(works(&site, &old).await);
    site.later(TimeDelta::days(31));
    assert!(works(&site, &busy).await);
    let root = site.signed_in("root").await;
    let list = root.get("/admin/keys").await;
    assert!(list.html.contains(&format!("name=\"ids\" type=\"checkbox\" value=\"{}\"", busy.id)), "{}", list.html);
    let asked = root.get(&format!("/admin/keys/revoke?ids={}&ids={}&ids={}&ids=4711", old.id, never.id, busy.id)).await;
    assert_eq!(asked.status, 200);
    assert!(asked.shows("Revoke 3 keys?") && asked.shows("1 key that you chose is gone already."), "{}", asked.text());
    let text = asked.text();
    let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words} in {text}"));
    assert!(place("Used in the last 30 days") < place("busy") && place("busy") < place("Not used in the last 30 days"));
    assert!(place("Not used in the last 30 days") < place("old") && place("old") < place(" never "), "{text}");
    assert!(works(&site, &never).await, "nothing is done yet");

    let chosen = asked.value_of("chosen");
    let done = root.post("/admin/keys/revoke", &[("chosen", &chosen)]).await;
    assert_eq!(done.status, 200);
    let told = "3 keys have been revoked. No program can use them any more. 1 key that you chose is gone already.";
    assert!(done.shows(told), "{}", done.text());
    for (key, expected) in [(&old, false), (&never, false), (&busy, false), (&kept, true)] {
        assert_eq!(works(&site, key).await, expected);
    }
    let again = root.post("/admin/keys/revoke", &[("chosen", &chosen)]).await;
    assert!(again.shows("No key has been revoked. 4 keys that you chose are gone already."), "{}", again.text());
    let nothing = root.get("/admin/keys/revoke").await;
    assert!(nothing.shows("You chose no key."), "{}", nothing.text());
}

#[rstest]
#[tokio::test]
async fn too_many_ticks_are_told_in_a_sentence(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    administrator(&site).await;
    let root = site.signed_in("root").await;
    let ids = |number: i64| (1..=number).map(|id| id.to_string()).collect::<Vec<_>>();
    let told = |number: i64| format!("{number} keys are too many at once: choose at most 500.");
    for number in [501, 5_000] {
        let refused = root.get(&format!("/admin/keys/revoke?ids={}", ids(number).join("&ids="))).await;
        assert_eq!(refused.status, 422);
        assert!(refused.shows(&told(number)), "{}", refused.text());
    }
    for number in [501, 10_000] {
        let refused = root.post("/admin/keys/revoke", &[("chosen", &ids(number).join(" "))]).await;
        assert_eq!(refused.status, 422);
        assert!(refused.shows(&told(number)), "{}", refused.text());
    }
    let fields: Vec<(&str, String)> = (1..=10_000).map(|id: i64| ("ids", (100_000 + id).to_string())).collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, id)| (*name, id.as_str())).collect();
    let refused = root.post("/admin/keys/revoke", &fields).await;
    assert_eq!(refused.status, 413);
    assert!(refused.shows("The request is too large."), "{}", refused.text());
    let wrong = root.get("/admin/keys/revoke?ids=all").await;
    assert_eq!(wrong.status, 400);
}
