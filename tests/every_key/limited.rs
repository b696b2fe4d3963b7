//! `POST /admin/keys/limit.json`: keys of several people are limited to networks at once.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;

async fn limit(site: &Site, key: &Key, body: &Value) -> Answer {
    Answer::of(site.request(Method::POST, "/admin/keys/limit.json").bearer_auth(&key.secret).json(body)).await
}

#[rstest]
#[tokio::test]
async fn keys_of_several_people_are_limited_at_once_or_none(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (root, admin) = administrator(&site).await;
    let (alice, bob) = (site.add_user("alice").await, site.add_user("bob").await);
    let access = named(&site, &alice, "deploy", "account:read", "never").await;
    let api = site.add_key(&bob, TokenAction::Api).await;
    let these = json!([api.id, access.id, 4711]);
    let narrow = site.add_access_token(&root, "keys:write account:read", "never").await;
    let before = site.database.written();
    for (body, told) in [
        (json!({ "ids": these }), "networks must be an array of strings, or null"),
        (json!({ "networks": null }), "ids must be an array of at most 500 ids"),
        (json!({ "ids": these, "networks": [] }), "Name at least one address or network"),
        (
            json!({ "ids": these, "networks": ["10.0.0.1/8"] }),
            "10.0.0.1/8 is not a network: write 10.0.0.0/8, or 10.0.0.1 for this one address",
        ),
        (
            json!({ "ids": these, "networks": ["10.0.0.0/8"] }),
            "The key would not work from 127.0.0.1, where this comes from: send confirm_networks to limit it all the same",
        ),
        (json!({ "ids": these, "from": [] }), "Unknown field \"from\": use ids, networks, confirm_networks"),
    ] {
        let answer = limit(&site, &admin, &body).await;
        assert_eq!((answer.status, answer.json()["detail"].as_str()), (422, Some(told)), "{body}");
    }
    let refused = limit(&site, &narrow, &json!({ "ids": these, "networks": ["127.0.0.1"] })).await;
    let told = "One of these keys can do more, in more places or for longer, than the key you use, so none of them was changed.";
    assert_eq!((refused.status, refused.json()["detail"].as_str()), (403, Some(told)));
    assert_eq!(site.database.written(), before, "nothing is done by halves");

    let wish = json!({ "ids": these, "networks": ["10.0.0.0/8"], "confirm_networks": true });
    let answer = limit(&site, &admin, &wish).await;
    let told = json!({ "limited": [access.id, api.id], "unchanged": [], "gone": [4711] });
    assert_eq!((answer.status, answer.json()), (200, told), "{}", answer.text);
    assert!(!works(&site, &access).await && !works(&site, &api).await);
    let again = limit(&site, &admin, &wish).await.json();
    assert_eq!(again, json!({ "limited": [], "unchanged": [access.id, api.id], "gone": [4711] }));
    let listed = site.get_with_key("/admin/keys.json?owner=bob", &admin).await.json();
    assert_eq!(listed["keys"][0]["networks"], json!(["10.0.0.0/8"]));
    let activity = site.signed_in("bob").await.get("/activity").await;
    assert!(activity.shows("API access key changed by root") && activity.shows("may be used from 10.0.0.0/8"));
    let lifted = limit(&site, &admin, &json!({ "ids": these, "networks": null })).await.json();
    assert_eq!(lifted["limited"], json!([access.id, api.id]));
    assert!(works(&site, &access).await && works(&site, &api).await);
}
