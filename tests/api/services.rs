//! `/admin/services.json`: what administrators' programs do about services.

use futures_util::future::join_all;
use latchkey::models::keys::token::TokenAction;
use latchkey::models::people::user::User;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::*;

const LIST: &str = "/admin/services.json";

/// A site with the administrator root, and her key.
async fn with_root(db: Db) -> (Site, User, Key) {
    let site = Site::start_with(db, &["--trusted-proxies=127.0.0.1"]).await;
    let root = site.add_admin("root").await;
    let key = site.add_key(&root, TokenAction::Api).await;
    (site, root, key)
}

async fn send(site: &Site, by: &Key, method: Method, address: &str, body: Value) -> Answer {
    let request = site.request(method, address).header("X-Redmine-API-Key", &by.secret);
    Answer::of(if body.is_null() { request } else { request.json(&body) }).await.noted()
}

async fn post(site: &Site, by: &Key, body: Value) -> Answer {
    send(site, by, Method::POST, LIST, body).await
}

async fn patch(site: &Site, by: &Key, id: i64, body: Value) -> Answer {
    send(site, by, Method::PATCH, &address(id), body).await
}

async fn delete(site: &Site, by: &Key, id: i64) -> Answer {
    send(site, by, Method::DELETE, &address(id), Value::Null).await
}

fn address(id: i64) -> String {
    format!("/admin/services/{id}.json")
}

/// Adds a service, and gives its id.
async fn add(site: &Site, by: &Key, body: Value) -> i64 {
    let answer = post(site, by, body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["id"].as_i64().expect("an id")
}

/// What was wrong.
fn errors(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 422, "{}", answer.text);
    assert_eq!(answer.header("Content-Type"), Some("application/problem+json"));
    serde_json::from_value(answer.json()["errors"].clone()).expect("errors")
}

/// An access token of somebody, made by themself.
async fn make_token(site: &Site, own: &Key, scopes: &[&str]) -> Answer {
    send(site, own, Method::POST, "/my/tokens.json", json!({"name": "bot", "scopes": scopes})).await
}

/// The scopes of a key, as its owner sees them.
async fn scopes(site: &Site, own: &Key, id: i64) -> Value {
    send(site, own, Method::GET, &format!("/my/tokens/{id}.json"), Value::Null).await.json()["scopes"].clone()
}

/// What the activity of somebody tells first.
async fn latest_activity(site: &Site, login: &str) -> String {
    let page = site.signed_in(login).await.get("/activity").await.text();
    page.split("Program").nth(1).expect("events").to_owned()
}

#[rstest]
#[tokio::test]
async fn a_service_is_added_shown_changed_and_removed(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_root(db).await;
    site.add_user("alice").await;
    assert_eq!(send(&site, &key, Method::GET, LIST, Value::Null).await.json(), json!({"services": []}));
    let added = post(&site, &key, json!({"name": "wiki", "host": "Wiki.Example.org", "path": "/docs/"})).await;
    assert_eq!(added.status, 201, "{}", added.text);
    let id = added.json()["id"].as_i64().expect("an id");
    assert_eq!(added.header("Location"), Some(&*format!("{}{}", site.url, address(id))));
    let usual = json!({
        "id": id, "name": "wiki", "title": "wiki", "host": "wiki.example.org", "path": "/docs",
        "reading_methods": ["GET", "HEAD", "OPTIONS"], "anonymous_reads": false, "classic_keys": false,
        "key_parameter": false, "requests_per_minute": null, "readers": [], "writers": [], "kept_in": "database",
        "keys": 0, "last_used_on": null, "created_on": "2026-11-24T09:30:00Z", "updated_on": "2026-11-24T09:30:00Z",
    });
    assert_eq!(added.json(), usual);
    site.later(chrono::TimeDelta::hours(1));
    let changes = json!({
        "title": " Team wiki ", "path": "/", "reading_methods": ["get", "REPORT"], "anonymous_reads": true,
        "classic_keys": true, "key_parameter": true, "requests_per_minute": 60, "readers": "everyone",
        "writers": ["ROOT", "alice", "Alice"],
    });
    let changed = patch(&site, &key, id, changes).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let other = json!({
        "id": id, "name": "wiki", "title": "Team wiki", "host": "wiki.example.org", "path": "/",
        "reading_methods": ["GET", "REPORT"], "anonymous_reads": true, "classic_keys": true, "key_parameter": true,
        "requests_per_minute": 60, "readers": "everyone", "writers": ["alice", "root"], "kept_in": "database",
        "keys": 0, "last_used_on": null, "created_on": "2026-11-24T09:30:00Z", "updated_on": "2026-11-24T10:30:00Z",
    });
    assert_eq!(changed.json(), other);
    let unlimited = patch(&site, &key, id, json!({"requests_per_minute": null, "readers": []})).await.json();
    assert_eq!((&unlimited["requests_per_minute"], &unlimited["readers"]), (&json!(null), &json!([])));
    assert_eq!(unlimited["writers"], json!(["alice", "root"]), "what is not named stays");
    assert_eq!(send(&site, &key, Method::GET, &address(id), Value::Null).await.json(), unlimited);
    let listed = send(&site, &key, Method::GET, LIST, Value::Null).await.json();
    assert_eq!(listed, json!({"services": [unlimited]}));
    assert_eq!(delete(&site, &key, id).await.status, 204);
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(send(&site, &key, method, &address(id), Value::Null).await.status, 404);
    }
    assert_eq!(patch(&site, &key, id, json!({"title": "x"})).await.status, 404);
}

/// Whoever mistypes must not get a service that lets others in than was meant.
#[rstest]
#[tokio::test]
async fn all_that_is_wrong_is_told_and_nothing_is_added(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_root(db).await;
    let wrong = json!({
        "name": "Wiki", "title": "", "host": "https://wiki.example.org", "path": "docs", "reading_methods": ["G T"],
        "requests_per_minute": 0, "readers": ["carol", "dave"], "writers": ["a b\u{0}"],
    });
    let expected = [
        "Name can only have lowercase letters, digits and, between them, hyphens",
        "Title cannot be blank",
        "Host must not have a scheme: write wiki.example.org, not https://wiki.example.org",
        "Path must begin with a slash, such as /wiki",
        "Reading methods must be methods such as GET, HEAD and OPTIONS",
        "Requests per minute must be a whole number from 1 to 1000000, or none",
        "No account has one of the logins carol, dave",
        "No account has the login a b\u{0}",
    ];
    assert_eq!(errors(&post(&site, &key, wrong).await), expected);
    for (body, told) in [
        (json!({}), "Name cannot be blank"),
        (json!({"name": "wiki", "host": 1}), "Host must be a string"),
        (json!({"name": "wiki", "host": "h", "anonymous_reads": "yes"}), "Anonymous reads must be true or false"),
        (
            json!({"name": "wiki", "host": "h", "requests_per_minute": 1.5}),
            "Requests per minute must be a whole number",
        ),
        (
            json!({"name": "wiki", "host": "h", "readers": "nobody"}),
            "Readers must be \"everyone\" or an array of logins and groups",
        ),
        (json!({"name": "wiki", "host": "h", "reader": "everyone"}), "Unknown field \"reader\""),
    ] {
        let told_now = errors(&post(&site, &key, body.clone()).await);
        assert!(told_now.iter().any(|error| error.starts_with(told)), "{body}: {told_now:?}");
    }
    assert_eq!(send(&site, &key, Method::GET, LIST, Value::Null).await.json(), json!({"services": []}));
    let id = add(&site, &key, json!({"name": "wiki", "host": "h"})).await;
    let fixed = errors(&patch(&site, &key, id, json!({"name": "docs"})).await);
    assert_eq!(fixed, ["Name cannot be changed: scopes of keys contain it"]);
    assert_eq!(errors(&patch(&site, &key, id, json!({"title": ""})).await), ["Title cannot be blank"]);
}

#[rstest]
#[tokio::test]
async fn a_name_and_a_place_are_those_of_one_service(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_root(db).await;
    add(&site, &key, json!({"name": "wiki", "host": "apps.example.org", "path": "/wiki"})).await;
    let id = add(&site, &key, json!({"name": "files", "host": "apps.example.org", "path": "/files"})).await;
    let taken = "Path is already used by the service wiki on this host: choose another path, or another host";
    let again = json!({"name": "wiki", "host": "APPS.example.org", "path": "/Wiki/"});
    assert_eq!(errors(&post(&site, &key, again).await), ["Name has already been taken", taken]);
    assert_eq!(errors(&patch(&site, &key, id, json!({"path": "/wiki"})).await), [taken]);
    assert_eq!(patch(&site, &key, id, json!({"path": "/files", "host": "apps.example.org"})).await.status, 200);
}

#[rstest]
#[tokio::test]
async fn services_are_for_administrators(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, root) = with_root(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let id = add(&site, &root, json!({"name": "wiki", "host": "h", "readers": "everyone"})).await;
    for (method, path) in [
        (Method::GET, LIST.to_owned()),
        (Method::POST, LIST.to_owned()),
        (Method::GET, address(id)),
        (Method::PATCH, address(id)),
        (Method::DELETE, address(id)),
    ] {
        assert_eq!(send(&site, &key, method.clone(), &path, json!({})).await.status, 403, "{method} {path}");
    }
}

#[rstest]
#[tokio::test]
async fn scopes_are_offered_only_to_whom_the_service_admits(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_root(db).await;
    let alice = site.add_user("alice").await;
    let own = site.add_key(&alice, TokenAction::Api).await;
    let id = add(&site, &key, json!({"name": "wiki", "host": "h"})).await;
    let (read, write) = ("service:wiki:read", "service:wiki:write");
    for (admitted, alices, roots) in [
        (json!({}), [false, false], [false, false]),
        (json!({"readers": ["alice"]}), [true, false], [false, false]),
        (json!({"writers": ["alice"], "readers": []}), [true, true], [false, false]),
        (json!({"writers": [], "readers": "everyone"}), [true, false], [true, false]),
        (json!({"writers": "everyone", "readers": []}), [true, true], [true, true]),
    ] {
        assert_eq!(patch(&site, &key, id, admitted.clone()).await.status, 200);
        for (who, by, may) in [("alice", &own, alices), ("root", &key, roots)] {
            for (scope, may) in [read, write].into_iter().zip(may) {
                let made = make_token(&site, by, &[scope]).await;
                let case = format!("{scope} for {who} with {admitted}: {}", made.text);
                assert_eq!(made.status, if may { 201 } else { 422 }, "{case}");
                if !may {
                    assert!(made.text.contains("No service offers the scope"), "{case}");
                }
            }
        }
    }
}

/// "Admission is checked at every question, so what is taken from a person is gone from their keys at once."
#[rstest]
#[tokio::test]
async fn a_scope_is_worth_nothing_without_admission_and_stays_on_the_key(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, root) = with_root(db).await;
    let alice = site.add_user("alice").await;
    let own = site.add_key(&alice, TokenAction::Api).await;
    let id = add(&site, &root, json!({"name": "wiki", "host": "h", "writers": ["alice"]})).await;
    let made = make_token(&site, &own, &["service:wiki:write"]).await.json();
    let (made, secret) = (made["id"].as_i64().expect("an id"), made["secret"].as_str().expect("a secret").to_owned());
    // What a proxy is answered about a request that reads, and one that writes.
    let access = async || {
        let ask = async |method: &str| {
            let question = site.get("/auth/nginx").header("Host", "h").header("X-Original-URI", "/");
            Answer::of(question.header("X-Original-Method", method).bearer_auth(&secret)).await.status
        };
        [ask("GET").await, ask("PUT").await]
    };
    assert_eq!(access().await, [200, 200]);
    for (admitted, expected) in [
        (json!({"writers": [], "readers": ["alice"]}), [200, 403]),
        (json!({"readers": []}), [403, 403]),
        (json!({"readers": "everyone"}), [200, 403]),
        (json!({"writers": ["alice"]}), [200, 200]),
    ] {
        assert_eq!(patch(&site, &root, id, admitted.clone()).await.status, 200);
        assert_eq!(access().await, expected, "{admitted}");
        assert_eq!(scopes(&site, &own, made).await, json!(["service:wiki:write"]), "{admitted}");
    }
}

/// "Removing a service removes its scopes from all keys for good; a later one of the same name starts with none."
#[rstest]
#[tokio::test]
async fn a_service_that_is_removed_takes_its_scopes_with_it_for_good(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_root(db).await;
    let alice = site.add_user("alice").await;
    let own = site.add_key(&alice, TokenAction::Api).await;
    let wiki = json!({"name": "wiki", "title": "Team wiki", "host": "wiki.example.org", "writers": "everyone"});
    let id = add(&site, &key, wiki.clone()).await;
    add(&site, &key, json!({"name": "files", "host": "files.example.org", "readers": "everyone"})).await;
    let both = ["account:read", "service:wiki:read", "service:wiki:write", "service:files:read"];
    let alices = make_token(&site, &own, &both).await.json()["id"].as_i64().expect("an id");
    let roots = make_token(&site, &key, &["service:wiki:read"]).await.json()["id"].as_i64().expect("an id");
    let document = send(&site, &key, Method::GET, &address(id), Value::Null).await.json();
    assert_eq!(document["keys"], 2);

    assert_eq!(delete(&site, &key, id).await.status, 204);
    assert_eq!(scopes(&site, &own, alices).await, json!(["account:read", "service:files:read"]));
    assert_eq!(scopes(&site, &key, roots).await, json!([]));
    let told = latest_activity(&site, "alice").await;
    let what = "Access token “bot” changed by root";
    let why = "may no longer do service:wiki:read and service:wiki:write: the service “Team wiki” was removed; by API \
               access key";
    assert!(told.contains(what) && told.contains(why), "{told}");
    let told = latest_activity(&site, "root").await;
    for said in ["Service removed", "wiki, at wiki.example.org; by API access key", "Service added"] {
        assert!(told.contains(said), "{said}: {told}");
    }
    let of_own = "may no longer do service:wiki:read: the service “Team wiki” was removed";
    assert!(told.contains(of_own) && !told.contains("changed by root"), "what one does oneself names nobody: {told}");

    let again = add(&site, &key, wiki).await;
    assert_ne!(again, id, "ids are never given twice");
    assert_eq!(scopes(&site, &own, alices).await, json!(["account:read", "service:files:read"]));
    assert_eq!(send(&site, &key, Method::GET, &address(again), Value::Null).await.json()["keys"], 0);
}

/// What takes admission away or gives it stands where administrators can find it.
#[rstest]
#[tokio::test]
async fn a_change_stands_in_the_administrators_own_activity(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_root(db).await;
    let alice = site.add_user("alice").await;
    let id = add(&site, &key, json!({"name": "wiki", "host": "h"})).await;
    let changes = json!({"readers": "everyone", "writers": ["alice"], "requests_per_minute": 9, "classic_keys": true});
    assert_eq!(patch(&site, &key, id, changes.clone()).await.status, 200);
    let told = latest_activity(&site, "root").await;
    let said = "wiki: classic keys: yes, requests per minute: 9, readers: everyone, writers: alice";
    assert!(told.contains("Service changed") && told.contains(said), "{told}");
    let events = || site.database.number("SELECT count(*) AS number FROM events WHERE action = 'service_changed'");
    assert_eq!(events(), 1);
    assert_eq!(patch(&site, &key, id, changes).await.status, 200);
    assert_eq!(events(), 1, "nothing was changed");
    // Deleting somebody takes them off the list.
    assert_eq!(send(&site, &key, Method::DELETE, &format!("/users/{}.json", alice.id), Value::Null).await.status, 204);
    assert_eq!(send(&site, &key, Method::GET, &address(id), Value::Null).await.json()["writers"], json!([]));
}

#[rstest]
#[tokio::test]
async fn of_many_who_add_the_same_service_at_once_one_does(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_root(db).await;
    let same_name = (0..4).map(|n| json!({"name": "wiki", "host": format!("h{n}")}));
    let same_place = (0..4).map(|n| json!({"name": format!("wiki-{n}"), "host": "h"}));
    for bodies in [same_name.collect::<Vec<_>>(), same_place.collect()] {
        let answers = join_all(bodies.into_iter().map(|body| post(&site, &key, body))).await;
        let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 422, 422, 422]);
    }
}

#[rstest]
#[tokio::test]
async fn changes_at_once_lose_nothing_and_a_removal_ends_them(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_root(db).await;
    let alice = site.add_user("alice").await;
    let own = site.add_key(&alice, TokenAction::Api).await;
    let id = add(&site, &key, json!({"name": "wiki", "host": "h"})).await;
    let changes = [json!({"readers": "everyone"}), json!({"title": "New"}), json!({"writers": ["alice"]})];
    for answer in join_all(changes.into_iter().map(|body| patch(&site, &key, id, body))).await {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let all = send(&site, &key, Method::GET, &address(id), Value::Null).await.json();
    assert_eq!(
        (&all["readers"], &all["title"], &all["writers"]),
        (&json!("everyone"), &json!("New"), &json!(["alice"]))
    );

    // Keys are made and changed while their service goes.
    let made = make_token(&site, &own, &["account:read", "service:wiki:read"]).await.json();
    let token = format!("/my/tokens/{}.json", made["id"]);
    let more = json!({"scopes": ["account:read", "service:wiki:write"]});
    let new = json!({"name": "late", "scopes": ["account:read", "service:wiki:write"]});
    let (removed, changed, late) = tokio::join!(
        delete(&site, &key, id),
        send(&site, &own, Method::PATCH, &token, more),
        send(&site, &own, Method::POST, "/my/tokens.json", new),
    );
    assert_eq!(removed.status, 204, "{}", removed.text);
    assert!([200, 422].contains(&changed.status), "{}", changed.text);
    assert!([201, 422].contains(&late.status), "{}", late.text);
    assert_eq!(site.database.number("SELECT count(*) AS number FROM token_services"), 0);
}

/// Whoever gives a key scopes holds the services before what it has: the other way round, a removal and this would wait
/// for each other. Several times, as that takes a certain moment.
#[rstest]
#[tokio::test]
async fn a_key_that_keeps_its_scope_never_crosses_the_removal_of_the_service(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_root(db).await;
    let alice = site.add_user("alice").await;
    let own = site.add_key(&alice, TokenAction::Api).await;
    for round in 0..12 {
        let id = add(&site, &key, json!({"name": "wiki", "host": "h", "writers": ["alice"]})).await;
        let mut keys = Vec::new();
        for _ in 0..6 {
            let made = make_token(&site, &own, &["account:read", "service:wiki:read"]).await.json();
            keys.push(format!("/my/tokens/{}.json", made["id"]));
        }
        let more = json!({"scopes": ["account:read", "service:wiki:read", "service:wiki:write"]});
        let changed = join_all(keys.iter().map(|token| send(&site, &own, Method::PATCH, token, more.clone())));
        let (removed, changed) = tokio::join!(delete(&site, &key, id), changed);
        assert_eq!(removed.status, 204, "{round}: {}", removed.text);
        for changed in changed {
            assert!([200, 422].contains(&changed.status), "{round}: {}", changed.text);
        }
        assert_eq!(site.database.number("SELECT count(*) AS number FROM token_services"), 0);
    }
}
