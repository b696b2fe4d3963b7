//! `networks` of keys: where they may be used from.

use rstest::rstest;

use super::*;

fn new(networks: Value) -> Value {
    json!({ "name": "deploy", "scopes": ["account:read"], "networks": networks })
}

#[rstest]
#[tokio::test]
async fn a_key_is_made_with_networks_and_these_are_changed(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let made =
        post(&site, &api, LIST, new(json!(["127.0.0.1/32", "10.0.0.0/8", "127.0.0.1", "::FFFF:10.0.0.0/104"]))).await;
    assert_eq!((made.status, &made.json()["networks"]), (201, &json!(["10.0.0.0/8", "127.0.0.1"])), "{}", made.text);
    let key = issued(&made);
    let (created, detail, _) = told(&site, &alice);
    assert_eq!(created, "Access token “deploy” created");
    assert!(detail.ends_with(", may be used from 10.0.0.0/8, 127.0.0.1"), "{detail}");
    assert!(works(&site, &key).await);

    let elsewhere = json!({ "networks": ["10.0.0.0/8"], "confirm_networks": true });
    let limited = patch(&site, &api, &key, elsewhere.clone()).await;
    assert_eq!((limited.status, &limited.json()["networks"]), (200, &json!(["10.0.0.0/8"])), "{}", limited.text);
    assert!(!works(&site, &key).await);
    assert_eq!(told(&site, &alice).1, "may be used from 10.0.0.0/8");
    let before = state(&site);
    assert_eq!(patch(&site, &api, &key, elsewhere).await.status, 200);
    assert_eq!(patch(&site, &api, &key, json!({ "networks": ["10.0.0.0/8"] })).await.status, 200, "nothing is asked");
    assert_eq!(state(&site), before, "it is so already");
    let renamed = patch(&site, &api, &key, json!({ "name": "other" })).await.json();
    assert_eq!(renamed["networks"], json!(["10.0.0.0/8"]), "what is not named stays");
    let opened = patch(&site, &api, &key, json!({ "networks": null })).await;
    assert_eq!((opened.status, &opened.json()["networks"]), (200, &json!(null)));
    assert_eq!(told(&site, &alice).1, "may be used from anywhere");
    assert!(works(&site, &key).await);
}

/// API access keys and Atom access keys have networks, too, and nothing else that can be changed.
#[rstest]
#[tokio::test]
async fn keys_of_the_other_kinds_have_networks_only(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let feeds = site.add_key(&alice, TokenAction::Feeds).await;
    let feed = format!("/activity.atom?key={}", feeds.secret);
    for (key, networks, status) in [(&feeds, "10.0.0.0/8", 401), (&feeds, "127.0.0.0/8", 200), (&api, "127.0.0.1", 200)]
    {
        let wish = json!({ "networks": [networks], "confirm_networks": true });
        let limited = patch(&site, &api, key, wish).await;
        assert_eq!((limited.status, &limited.json()["networks"]), (200, &json!([networks])), "{}", limited.text);
        assert_eq!(Answer::of(site.get(&feed)).await.status, status);
    }
    let other = "This is not an access token: you can reset or revoke it, but not change or rotate it";
    for wish in [json!({ "networks": null, "name": "a" }), json!({}), json!({ "confirm_networks": true })] {
        assert_eq!(problem(&patch(&site, &api, &feeds, wish).await), refused(422, other));
    }
}

#[rstest]
#[tokio::test]
async fn what_is_no_list_of_networks_changes_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    let many = |most: u8| json!((0..most).map(|last| format!("127.0.0.{last}")).collect::<Vec<_>>());
    let before = site.database.written();
    let example = "is not an address or a network: write one such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32";
    for (networks, text) in [
        (json!(["127.0.0.1", "10.0.0.1/8"]), "10.0.0.1/8 is not a network: write 10.0.0.0/8, or 10.0.0.1 for this one address".to_owned()),
        (json!(["office"]), format!("“office” {example}")),
        (json!([""]), format!("“” {example}")),
        (json!(["127.0.0.1 10.0.0.0/8"]), format!("“127.0.0.1 10.0.0.0/8” {example}")),
        (json!(["fe80::1%eth0"]), "“fe80::1%eth0” has a zone: write only the address, without % and what follows".into()),
        (json!(["127.0.0.1:80"]), "127.0.0.1:80 has a port: write only the address".into()),
        (json!(["\u{0}".repeat(200)]), format!("“{}…” {example}", "\u{FFFD}".repeat(60))),
        (json!([]), "Name at least one address or network".into()),
        (many(51), "A key can have at most 50 allowed networks, not 51".into()),
        (json!("127.0.0.1"), "Allowed networks must be an array of strings".into()),
        (json!([1]), "Allowed networks must be an array of strings".into()),
        (
            json!(["192.0.2.0/24"]),
            "The key would not work from 127.0.0.1, where this comes from: send confirm_networks to limit it all the same".into(),
        ),
    ] {
        let answers = [post(&site, &api, LIST, new(networks.clone())).await, patch(&site, &api, &key, json!({ "networks": networks })).await];
        for answer in answers {
            assert_eq!(problem(&answer), refused(422, &text), "{networks}");
        }
    }
    let unsure = json!({ "networks": ["192.0.2.0/24"], "confirm_networks": "yes" });
    assert_eq!(
        problem(&patch(&site, &api, &key, unsure).await),
        refused(422, "Confirm networks must be true or false")
    );
    assert_eq!(site.database.written(), before);
    for all in [json!(["0.0.0.0/0", "::/0"]), many(50)] {
        let wish = json!({ "networks": all, "confirm_networks": false });
        assert_eq!(patch(&site, &api, &key, wish).await.status, 200, "{all}");
    }
}

/// "a key that is itself limited must not create or widen a key beyond its own networks"
#[rstest]
#[tokio::test]
async fn a_limited_key_makes_none_that_works_from_elsewhere(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let api = site.add_key(&root, TokenAction::Api).await;
    let key = site.add_access_token(&root, "account:read tokens:write", "never").await;
    let other = site.add_access_token(&root, "account:read", "never").await;
    for limited in [&key, &api] {
        let wish = json!({ "networks": ["127.0.0.0/8", "192.0.2.0/24"] });
        assert_eq!(patch(&site, &api, limited, wish).await.status, 200);
    }
    for by in [&key, &api] {
        let made =
            post(&site, by, LIST, json!({ "name": "made", "scopes": ["account:read"], "expires_on": null })).await;
        assert_eq!(made.json()["networks"], json!(["127.0.0.0/8", "192.0.2.0/24"]), "as its own: {}", made.text);
        let own = "A key cannot allow another key more networks than its own, which are 127.0.0.0/8, 192.0.2.0/24";
        let made = issued(&made);
        for wide in [json!(null), json!(["0.0.0.0/0"]), json!(["127.0.0.1", "10.0.0.0/8"])] {
            assert_eq!(problem(&post(&site, by, LIST, new(wide.clone())).await), refused(422, own), "{wide}");
            assert_eq!(
                problem(&patch(&site, by, &made, json!({ "networks": wide })).await),
                refused(422, own),
                "{wide}"
            );
        }
        for narrow in [json!(["127.0.0.1", "192.0.2.0/25"]), json!(["127.0.0.0/9", "127.128.0.0/9"])] {
            let answer = patch(&site, by, &made, json!({ "networks": narrow })).await;
            assert_eq!((answer.status, &answer.json()["networks"]), (200, &narrow));
        }
        // Of one that works from anywhere it neither gets another secret, nor does it switch it on again.
        let suspend = format!("/my/tokens/{}/suspend.json", other.id);
        assert_eq!(post(&site, by, &suspend, json!(null)).await.status, 200, "which only takes something away");
        let resume = format!("/my/tokens/{}/resume.json", other.id);
        let beyond = [
            post(&site, by, &rotation(&other), json!({ "grace": "0" })).await,
            post(&site, by, &resume, json!(null)).await,
            patch(&site, by, &other, json!({ "name": "taken" })).await,
        ];
        assert!(beyond.iter().all(|answer| answer.status == 403), "{}", beyond[0].text);
        assert_eq!(delete(&site, by, &address(&made)).await.status, 204);
    }
    // A password works from anywhere, so a limited key sets none.
    let person = json!({ "user": { "login": "made", "firstname": "A", "lastname": "B", "mail": "made@example.com", "admin": true } });
    let refused = post(&site, &api, "/users.json", person).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert!(
        refused.text.contains("An access token, or a key with allowed networks, cannot set passwords"),
        "{}",
        refused.text
    );
    site.add_admin("boss").await;
    let request = send(&site, &api, Method::GET, ME, &Value::Null).header("X-Redmine-Switch-User", "boss");
    assert_eq!(Answer::of(request).await.status, 403, "nor acts as another administrator");
}
