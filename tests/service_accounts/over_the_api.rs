//! Service accounts over the API: administrators make them, and owners look after their keys.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;

async fn send(site: &Site, key: &Key, (method, path): (Method, &str), body: Value) -> Answer {
    Answer::of(site.request(method, path).bearer_auth(&key.secret).json(&body)).await.noted()
}

#[rstest]
#[tokio::test]
async fn an_administrator_makes_and_gives_them(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, _) = with_backup(db).await;
    site.add_user("bob").await;
    let key = site.add_access_token(&site.user("root"), "users:write", "30d").await;
    let post = async |user: Value| send(&site, &key, (Method::POST, "/users.json"), json!({ "user": user })).await;
    let wish = json!({"kind": "service", "login": "deploy", "lastname": "Deployment", "owners": ["alice", "bob"]});
    let made = post(wish).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let user = &made.json()["user"];
    let shown = ["kind", "login", "firstname", "lastname", "mail", "owners"].map(|name| user[name].clone());
    assert_eq!(json!(shown), json!(["service", "deploy", "", "Deployment", "", "alice, bob"]));
    let id = user["id"].as_i64().expect("an id");
    let path = format!("/users/{id}.json");
    for (change, status) in [
        (json!({"owners": "bob"}), 204),
        (json!({"lastname": "Rollout"}), 204),
        (json!({"kind": "service"}), 204),
        (json!({"kind": "person"}), 422),
        (json!({"mail": "a@example.org"}), 422),
        (json!({"firstname": "A"}), 422),
        (json!({"owners": []}), 422),
        (json!({"owners": ""}), 422),
        (json!({"owners": ["deploy"]}), 422),
    ] {
        let told = send(&site, &key, (Method::PUT, &path), json!({ "user": change })).await;
        assert_eq!(told.status, status, "{change}: {}", told.text);
    }
    let shown = site.get_with_key(&path, &key).await.json();
    assert_eq!((&shown["user"]["owners"], &shown["user"]["lastname"]), (&json!("bob"), &json!("Rollout")));
    for (wish, told) in [
        (json!({"kind": "robot", "login": "x", "lastname": "X"}), "Kind is invalid: there are person and service"),
        (json!({"kind": "service", "login": "x", "lastname": "X"}), "at least one owner"),
        (json!({"kind": "service", "login": "x", "lastname": "X", "owners": "nobody"}), "No account has the login"),
        (json!({"kind": "service", "login": "x", "lastname": "X", "owners": "bob", "mail": "x@y.z"}), "no more"),
        (
            json!({"kind": "service", "login": "x", "lastname": "X", "owners": "bob", "password": "long-enough-1"}),
            "pass",
        ),
        (json!({"login": "x", "firstname": "X", "lastname": "X", "mail": "x@y.zz", "owners": "bob"}), "only service"),
    ] {
        let refused = post(wish.clone()).await;
        assert_eq!(refused.status, 422, "{wish}: {}", refused.text);
        assert!(refused.text.contains(told), "{wish}: {}", refused.text);
    }
    let list = async |query: &str| {
        let list = site.get_with_key(&format!("/users.json?{query}"), &key).await.json();
        let users = list["users"].as_array().expect("a list").clone();
        users.iter().map(|user| user["login"].as_str().expect("a login").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list("kind=service").await, ["backup", "deploy"]);
    assert_eq!(list("kind=person").await, ["alice", "bob", "root"]);
    assert_eq!(list("").await.len(), 5);
    let as_xml = site.get_with_key(&format!("/users/{id}.xml"), &key).await.text;
    assert!(as_xml.contains("<kind>service</kind><owners>bob</owners>"), "{as_xml}");
    // Others see as much of themselves as before.
    let own = site.add_access_token(&site.user("bob"), "account:read", "30d").await;
    assert!(site.get_with_key("/users/current.json", &own).await.json()["user"]["kind"].is_null());
}

#[rstest]
#[tokio::test]
async fn an_owner_looks_after_its_keys(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, backup) = with_backup(db).await;
    let own = site.add_access_token(&alice, "account:read tokens:write", "60d").await;
    let path = tokens_of(&backup);
    let wish = json!({ "name": "cron", "scopes": ["account:read"], "expires_on": "30d" });
    let made = send(&site, &own, (Method::POST, &format!("{path}.json")), wish).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let (id, location) = (made.json()["id"].clone(), made.header("Location").unwrap_or_default());
    assert!(location.ends_with(&format!("{path}/{id}.json")), "{location}");
    let shown = site.get_with_key(&format!("{path}/{id}.json"), &own).await.json();
    assert_eq!((&shown["login"], &shown["made_by"]), (&json!("backup"), &json!("alice")));
    assert_eq!(site.get_with_key(&format!("{path}.json"), &own).await.json()["total_count"], 1);
    assert_eq!(site.get_with_key(&format!("/my/tokens/{id}.json"), &own).await.status, 404, "it is not her own");
    for (method, end, body, status) in [
        (Method::PATCH, ".json", json!({ "name": "at night" }), 200),
        (Method::POST, "/rotate.json", json!({}), 200),
        (Method::POST, "/suspend.json", json!({ "for": "7d", "then": "resume" }), 200),
        (Method::POST, "/resume.json", json!({}), 200),
        (Method::DELETE, ".json", json!({}), 204),
    ] {
        let done = send(&site, &own, (method.clone(), &format!("{path}/{id}{end}")), body).await;
        assert_eq!(done.status, status, "{method} {end}: {}", done.text);
    }
    for end in ["services", "refused"] {
        assert_eq!(site.get_with_key(&format!("{path}/{id}/{end}.json"), &own).await.status, 404, "it is gone");
    }
}
