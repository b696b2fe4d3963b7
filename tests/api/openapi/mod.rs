//! `/openapi.json`: "made from the handlers, held by a test to what the server really answers". `tests/fuzz` sends what
//! nobody would think of; here it is whether everything is described, and nothing else.

mod description;

use std::collections::{BTreeMap, BTreeSet};

use latchkey::http::asks::Asks;
use latchkey::models::keys::token::TokenAction;
use latchkey::models::people::user::User;
use latchkey::models::services::settings::ServiceSettings;
use latchkey::server;
use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use crate::support::*;
use description::Description;

#[rstest]
#[tokio::test]
async fn the_document_is_there_for_anybody(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let answer = Answer::of(site.get("/openapi.json").header("X-Redmine-API-Key", "wrong")).await;
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("application/json; charset=utf-8")));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["servers"], json!([{"url": site.url}]));
    assert_eq!(document["security"], json!([{"key": []}, {"keyParameter": []}, {"basic": []}, {"bearer": []}]));
    let head = Answer::of(site.request(Method::HEAD, "/openapi.json")).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
}

/// Below a prefix, and wherever a proxy makes it public.
#[rstest]
#[tokio::test]
async fn the_document_names_the_public_address(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--url=https://example.org/keys/"]).await;
    let document = Answer::of(site.get("/keys/openapi.json")).await.json();
    assert_eq!(document["servers"], json!([{"url": "https://example.org/keys"}]));
    assert!(document["paths"]["/users/current.json"].is_object(), "paths are below that");
    assert_eq!(Answer::of(site.get("/openapi.json")).await.status, 404);
}

/// What the table of routes has for programs: the methods of each address, of those that ask what `wanted` says.
fn answered(wanted: impl Fn(Asks) -> bool) -> BTreeMap<String, BTreeSet<String>> {
    let mut answered: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for at in server::routes::api() {
        let path = at.path().replace("{id:[0-9]+}", "{id}");
        for path in ["json", "xml"].map(|format| path.replace("{format:json|xml}", format)) {
            let methods = at.answers().iter().filter(|answered| wanted(answered.asks));
            let methods = methods.map(|answered| answered.method.to_string()).filter(|method| method != "HEAD");
            answered.entry(path).or_default().extend(methods);
        }
    }
    answered.retain(|_, methods| !methods.is_empty());
    answered
}

#[rstest]
#[tokio::test]
async fn every_address_and_method_is_described_and_no_other(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let mut described: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (path, method, _) in Description::of(&site).await.operations() {
        described.entry(path).or_default().insert(method.to_string());
    }
    assert_eq!(described, answered(|_| true));
}

#[rstest]
#[tokio::test]
async fn operations_have_names_of_their_own(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let description = Description::of(&site).await;
    let operations = description.operations();
    let name = |operation: &serde_json::Value| operation["operationId"].as_str().expect("an id").to_owned();
    let names: BTreeSet<_> = operations.iter().map(|(_, _, operation)| name(operation)).collect();
    assert_eq!(names.len(), operations.len(), "{names:?}");
    for (path, method, operation) in operations {
        assert!(operation["summary"].is_string() && !operation.to_string().contains("# Errors"), "{method} {path}");
    }
}

/// An operation that needs no credentials says so, and every other one needs them.
#[rstest]
#[tokio::test]
async fn what_needs_credentials_is_described_so(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let mut open: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (path, method, operation) in Description::of(&site).await.operations() {
        let answer =
            Answer::of(site.request(method.clone(), &path.replace("{id}", "1").replace("{service_account}", "1")))
                .await;
        let anybody = operation["security"] == json!([{}]);
        assert_eq!(answer.status == 401, !anybody, "{method} {path}: {}", answer.status);
        if anybody {
            open.entry(path).or_default().insert(method.to_string());
        }
    }
    assert_eq!(open, answered(|asks| asks == Asks::Nothing));
}

/// Whoever asks, and about whom: in JSON and in XML another person, as somebody can be deleted once.
#[derive(Clone, Copy)]
struct Asked<'a> {
    key: &'a str,
    ids: [i64; 2],
}

#[rstest]
#[tokio::test]
async fn every_field_that_is_answered_is_described(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let bob = site.add_user("bob").await;
    let (carol, dave) = (site.add_user("carol").await, site.add_user("dave").await);
    site.set_user(&carol, "status = 'locked', twofa_scheme = 'totp', last_login_on = '2026-11-20 08:00:00'");
    site.set_user(&dave, "password_hash = NULL, passwd_changed_on = NULL");
    let roots = site.add_key(&root, TokenAction::Api).await;
    let bobs = site.add_key(&bob, TokenAction::Api).await;
    let atom = site.add_key(&bob, TokenAction::Feeds).await;
    let mut description = Description::of(&site).await;
    // Among them are groups with the ids of the people whom the others are about.
    for number in 1..=dave.id {
        site.add_group(&format!("Group {number}"), &[]).await;
    }

    let as_root = Asked { key: &roots.secret, ids: [carol.id, dave.id] };
    let as_bob = Asked { key: &bobs.secret, ids: [bob.id, bob.id] };
    let stranger = Asked { key: "wrong", ids: [carol.id, dave.id] };
    let nobody = Asked { ids: [4711, 4711], ..as_root };
    let oneself = Asked { ids: [root.id, root.id], ..as_root };
    let dora = |login| format!(r#"{{"login":"{login}","firstname":"D","lastname":"D","mail":"{login}@example.org"}}"#);
    let emil = "<login>emil</login><firstname>E</firstname><lastname>E</lastname><mail>emil@example.org</mail>";
    let nothing = ("{}", "");
    let renamed = (r#"{"firstname":"New"}"#, "<firstname>New</firstname>");
    let wrong = (r#"{"mail":"x"}"#, "<mail>x</mail>");
    let broken = ("{", "<");
    let large = "x".repeat(70_000);
    let (get, post, put, delete) = (Method::GET, Method::POST, Method::PUT, Method::DELETE);
    for (status, method, path, asked, (json, xml)) in [
        (200, &get, "/users/current", as_bob, nothing),
        (401, &get, "/users/current", stranger, nothing),
        (200, &get, "/users", as_root, nothing),
        (403, &get, "/users", as_bob, nothing),
        (201, &post, "/users", as_root, (dora("dora").as_str(), emil)),
        (422, &post, "/users", as_root, nothing),
        (400, &post, "/users", as_root, broken),
        (413, &post, "/users", as_root, (&large, &large)),
        (403, &post, "/users", as_bob, nothing),
        (200, &get, "/users/{id}", as_root, nothing),
        (200, &get, "/users/{id}", as_bob, nothing),
        (404, &get, "/users/{id}", nobody, nothing),
        (204, &put, "/users/{id}", as_root, renamed),
        (422, &put, "/users/{id}", as_root, wrong),
        (404, &put, "/users/{id}", nobody, nothing),
        (204, &delete, "/users/{id}", as_root, nothing),
        (404, &delete, "/users/{id}", nobody, nothing),
        (422, &delete, "/users/{id}", oneself, nothing),
        (200, &get, "/groups", as_root, nothing),
        (403, &get, "/groups", as_bob, nothing),
        (401, &get, "/groups", stranger, nothing),
        (200, &get, "/groups/{id}", as_root, nothing),
        (403, &get, "/groups/{id}", as_bob, nothing),
        (404, &get, "/groups/{id}", nobody, nothing),
        (200, &get, "/my/account", as_bob, nothing),
        (204, &put, "/my/account", as_bob, renamed),
        (422, &put, "/my/account", as_bob, wrong),
        (400, &put, "/my/account", as_bob, broken),
    ] {
        let enclosed = [format!(r#"{{"user":{json}}}"#), format!("<user>{xml}</user>")];
        for ((ending, body), id) in ["json", "xml"].into_iter().zip(enclosed).zip(asked.ids) {
            let path = format!("{path}.{ending}");
            let request = site.request(method.clone(), &path.replace("{id}", &id.to_string()));
            let answer = Answer::of(request.header("X-Redmine-API-Key", asked.key).body(body)).await;
            assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
            description.holds(&path, method, &answer);
        }
    }
    let switched = site.get("/my/account.json").header("X-Redmine-Switch-User", "nobody");
    let switched = Answer::of(switched.header("X-Redmine-API-Key", &roots.secret)).await;
    assert_eq!(switched.status, 412);
    description.holds("/my/account.json", &get, &switched);
    for path in ["/admin/audit.json", "/admin/audit.csv", "/admin/audit.ndjson"] {
        for (status, query, asked) in
            [(200, "", as_root), (422, "?since=x", as_root), (403, "", as_bob), (401, "", stranger)]
        {
            let answer = Answer::of(site.get(&format!("{path}{query}")).header("X-Redmine-API-Key", asked.key)).await;
            assert_eq!(answer.status, status, "{path}{query}: {}", answer.text);
            description.holds(path, &get, &answer);
        }
    }
    every_answer_about_keys_is_described(&site, &root, &mut description).await;
    every_answer_about_a_service_account_is_described(&site, &root, &mut description).await;
    every_answer_about_services_is_described(&site, &root, &bob, &mut description).await;
    every_answer_about_groups_is_described(&site, &root, &bob, &mut description).await;
    every_answer_about_everybodys_keys_is_described(&site, &root, &mut description).await;
    let feed = Answer::of(site.get(&format!("/activity.atom?key={}", atom.secret))).await;
    description.holds("/activity.atom", &get, &feed);
    let tag = feed.header("ETag").expect("a tag");
    let known = site.get(&format!("/activity.atom?key={}", atom.secret)).header("If-None-Match", tag);
    description.holds("/activity.atom", &get, &Answer::of(known).await);
    for path in ["/activity.atom", "/healthz", "/readyz", "/openapi.json"] {
        description.holds(path, &get, &Answer::of(site.get(path)).await);
    }
    for (status, body) in [(204, r#"{"secret":"x"}"#), (400, "{"), (413, large.as_str()), (422, r#"{"secret":""}"#)] {
        let answer = Answer::of(site.request(Method::POST, "/revoke.json").body(body.to_owned())).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        description.holds("/revoke.json", &post, &answer);
    }

    let mut unseen = Vec::new();
    for (_, _, operation) in description.operations() {
        let id = operation["operationId"].as_str().expect("an id");
        let statuses = operation["responses"].as_object().expect("responses").keys();
        let successes = statuses.map(|status| status.parse::<u16>().expect("a status")).filter(|status| *status < 300);
        unseen.extend(successes.map(|status| (id.to_owned(), status)).filter(|it| !description.seen.contains(it)));
    }
    assert!(unseen.is_empty(), "add a request that is answered so: {unseen:?}");
}

async fn every_answer_about_keys_is_described(site: &Site, root: &User, description: &mut Description) {
    let own = site.add_key(root, TokenAction::Api).await;
    let key = site.add_access_token(root, "users:read", "30d").await;
    let (used, gone) =
        (site.add_access_token(root, "tokens:read", "1d").await, Key { id: 4711, secret: String::new() });
    assert_eq!(site.get_with_key("/my/tokens.json", &used).await.status, 200);
    let wish = json!({"name": "a", "scopes": ["account:read"]});
    let (get, post, patch, delete) = (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    let (list, one) = ("/my/tokens.json", "/my/tokens/{id}.json");
    let services = "/my/tokens/{id}/services.json";
    let wiki = crate::service_uses::add_service(&site.database, "used-here");
    site.app.recorder.service_uses.count(&crate::service_uses::call(used.id, wiki, site.clock.now()));
    let (suspend, resume) = ("/my/tokens/{id}/suspend.json", "/my/tokens/{id}/resume.json");
    let refused = "/my/tokens/{id}/refused.json";
    let (rotate, current) = ("/my/tokens/{id}/rotate.json", "/my/tokens/current.json");
    for (status, method, path, about, by, body) in [
        (201, &post, list, &key, &own, wish.clone()),
        (201, &post, list, &key, &own, wish.clone()),
        (422, &post, list, &key, &own, json!({})),
        (400, &post, list, &key, &own, json!([])),
        (403, &post, list, &key, &used, wish.clone()),
        (401, &post, list, &key, &gone, wish.clone()),
        (200, &patch, one, &key, &own, json!({"name": "b"})),
        (422, &patch, one, &key, &own, json!({"name": ""})),
        (400, &patch, one, &key, &own, json!([])),
        (404, &patch, one, &gone, &own, json!({})),
        (200, &post, rotate, &used, &own, json!({})),
        (200, &post, rotate, &used, &own, json!({})),
        (422, &post, rotate, &used, &own, json!({"grace": "2d"})),
        (400, &post, rotate, &used, &own, json!([])),
        (404, &post, rotate, &gone, &own, json!({})),
        (200, &get, list, &key, &own, json!(null)),
        (200, &get, one, &used, &own, json!(null)),
        (404, &get, one, &gone, &own, json!(null)),
        (200, &get, services, &used, &own, json!(null)),
        (404, &get, services, &gone, &own, json!(null)),
        (403, &get, services, &used, &key, json!(null)),
        (200, &post, suspend, &key, &own, json!({"for": "7d", "then": "revoke"})),
        (422, &post, suspend, &key, &own, json!({"for": "until-switched-on", "then": "revoke"})),
        (400, &post, suspend, &key, &own, json!([])),
        (404, &post, suspend, &gone, &own, json!({})),
        (401, &get, list, &key, &key, json!(null)),
        (200, &get, refused, &key, &own, json!(null)),
        (404, &get, refused, &gone, &own, json!(null)),
        (200, &get, one, &key, &own, json!(null)),
        (403, &post, resume, &own, &used, json!(null)),
        (404, &post, resume, &gone, &own, json!(null)),
        (200, &post, resume, &key, &own, json!(null)),
        (200, &get, current, &key, &used, json!(null)),
        (200, &get, current, &key, &own, json!(null)),
        (401, &get, current, &key, &gone, json!(null)),
        (204, &delete, one, &key, &own, json!(null)),
        (404, &delete, one, &key, &own, json!(null)),
        (204, &delete, current, &key, &used, json!(null)),
    ] {
        let request = site.request(method.clone(), &path.replace("{id}", &about.id.to_string()));
        // The same for what is asked for twice.
        let name = format!("{path}{}{}", about.id, body.to_string().len());
        let request = request.header("X-Redmine-API-Key", &by.secret).header("Idempotency-Key", name);
        let answer = Answer::of(if body.is_null() { request } else { request.json(&body) }).await.noted();
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        description.holds(path, method, &answer);
    }
    for (status, path, request) in [
        (400, list, site.get("/my/tokens.json?limit=x")),
        (415, list, site.request(post.clone(), list).body("{}")),
        (413, list, site.request(post.clone(), list).body("x".repeat(70_000))),
        (412, list, site.get(list).header("X-Redmine-Switch-User", "nobody")),
    ] {
        let method = if path == list && [400, 412].contains(&status) { &get } else { &post };
        let answer = Answer::of(request.header("X-Redmine-API-Key", &own.secret)).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        description.holds(path, method, &answer);
    }
}

/// The same about the keys of a service account.
async fn every_answer_about_a_service_account_is_described(site: &Site, root: &User, description: &mut Description) {
    let own = site.add_access_token(root, "account:read tokens:write", "30d").await;
    let account = site.add_service_account("described", root).await;
    let key = site.add_access_token(&account, "account:read", "30d").await;
    let base = "/my/service-accounts/{service_account}/tokens";
    let wish = json!({"name": "a", "scopes": ["account:read"]});
    for (status, method, end, body) in [
        (200, Method::GET, ".json", json!(null)),
        (201, Method::POST, ".json", wish.clone()),
        (201, Method::POST, ".json", wish),
        (422, Method::POST, ".json", json!({"name": "b", "scopes": ["users:read"]})),
        (200, Method::GET, "/{id}.json", json!(null)),
        (200, Method::PATCH, "/{id}.json", json!({"name": "b"})),
        (200, Method::POST, "/{id}/rotate.json", json!({})),
        (200, Method::POST, "/{id}/suspend.json", json!({"for": "7d", "then": "revoke"})),
        (200, Method::GET, "/{id}/refused.json", json!(null)),
        (200, Method::POST, "/{id}/resume.json", json!(null)),
        (200, Method::GET, "/{id}/services.json", json!(null)),
        (204, Method::DELETE, "/{id}.json", json!(null)),
        (404, Method::GET, "/{id}.json", json!(null)),
    ] {
        let path = format!("{base}{end}");
        let address = path.replace("{service_account}", &account.id.to_string()).replace("{id}", &key.id.to_string());
        let request = site.request(method.clone(), &address).bearer_auth(&own.secret);
        let request = request.header("Idempotency-Key", format!("{end}{}", body.to_string().len()));
        let answer = Answer::of(if body.is_null() { request } else { request.json(&body) }).await.noted();
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        description.holds(&path, &method, &answer);
    }
}

/// The same about the keys of everybody.
async fn every_answer_about_everybodys_keys_is_described(site: &Site, root: &User, description: &mut Description) {
    let admin = site.add_access_token(root, "keys:write account:read", "30d").await;
    let other = site.add_passwordless_user("erin").await;
    let (within, beyond) = (
        site.add_access_token(&other, "account:read", "30d").await,
        site.add_access_token(&other, "account:write", "30d").await,
    );
    let ids = |ids: &[i64]| json!({ "ids": ids }).to_string();
    let limit = |ids: &[i64]| json!({ "ids": ids, "networks": ["127.0.0.0/8"] }).to_string();
    let many: Vec<i64> = (1..=501).collect();
    for (status, method, path, body) in [
        (200, Method::GET, "/admin/keys.json", String::new()),
        (422, Method::GET, "/admin/keys.json?state=broken", String::new()),
        (200, Method::GET, "/admin/keys.csv", String::new()),
        (422, Method::GET, "/admin/keys.csv?owner=nobody", String::new()),
        (200, Method::GET, "/admin/keys.ndjson", String::new()),
        (422, Method::GET, "/admin/keys.ndjson?limit=1", String::new()),
        (200, Method::POST, "/admin/keys/suspend.json", ids(&[within.id, 4711])),
        (403, Method::POST, "/admin/keys/suspend.json", ids(&[beyond.id])),
        (422, Method::POST, "/admin/keys/suspend.json", ids(&many)),
        (400, Method::POST, "/admin/keys/suspend.json", "{".to_owned()),
        (413, Method::POST, "/admin/keys/suspend.json", "x".repeat(70_000)),
        (200, Method::POST, "/admin/keys/resume.json", ids(&[within.id, 4711])),
        (422, Method::POST, "/admin/keys/resume.json", ids(&many)),
        (400, Method::POST, "/admin/keys/resume.json", "{".to_owned()),
        (413, Method::POST, "/admin/keys/resume.json", "x".repeat(70_000)),
        (200, Method::POST, "/admin/keys/limit.json", limit(&[within.id, 4711])),
        (403, Method::POST, "/admin/keys/limit.json", limit(&[beyond.id])),
        (422, Method::POST, "/admin/keys/limit.json", ids(&[within.id])),
        (400, Method::POST, "/admin/keys/limit.json", "{".to_owned()),
        (413, Method::POST, "/admin/keys/limit.json", "x".repeat(70_000)),
        (200, Method::POST, "/admin/keys/revoke.json", ids(&[within.id, 4711])),
        (403, Method::POST, "/admin/keys/revoke.json", ids(&[beyond.id])),
        (422, Method::POST, "/admin/keys/revoke.json", ids(&many)),
        (400, Method::POST, "/admin/keys/revoke.json", "{".to_owned()),
        (413, Method::POST, "/admin/keys/revoke.json", "x".repeat(70_000)),
    ] {
        let request = site.request(method.clone(), path).bearer_auth(&admin.secret);
        let answer = Answer::of(request.header("Content-Type", "application/json").body(body)).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        description.holds(path.split('?').next().unwrap_or(path), &method, &answer);
    }
}

async fn every_answer_about_services_is_described(site: &Site, root: &User, bob: &User, description: &mut Description) {
    let (own, bobs) = (site.add_key(root, TokenAction::Api).await, site.add_key(bob, TokenAction::Api).await);
    let gone = Key { id: 4711, secret: String::new() };
    let wiki = json!({"name": "wiki", "host": "wiki.example.org", "readers": "everyone", "writers": ["root"]});
    let (get, post, patch, delete) = (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    let (list, one) = ("/admin/services.json", "/admin/services/{id}.json");
    let mut id = 4711;
    for (status, method, path, by, body) in [
        (404, &get, one, &own, json!(null)),
        (404, &patch, one, &own, json!({})),
        (404, &delete, one, &own, json!(null)),
        (201, &post, list, &own, wiki.clone()),
        (422, &post, list, &own, wiki.clone()),
        (400, &post, list, &own, json!([])),
        (403, &post, list, &bobs, wiki.clone()),
        (401, &post, list, &gone, wiki),
        (200, &get, list, &own, json!(null)),
        (403, &get, list, &bobs, json!(null)),
        (200, &get, one, &own, json!(null)),
        (200, &patch, one, &own, json!({"requests_per_minute": 60, "readers": ["bob"]})),
        (422, &patch, one, &own, json!({"host": ""})),
        (400, &patch, one, &own, json!([])),
        (204, &delete, one, &own, json!(null)),
    ] {
        let request = site.request(method.clone(), &path.replace("{id}", &id.to_string()));
        let request = request.header("X-Redmine-API-Key", &by.secret);
        let answer = Answer::of(if body.is_null() { request } else { request.json(&body) }).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        description.holds(path, method, &answer);
        if status == 201 {
            id = answer.json()["id"].as_i64().expect("an id");
        }
    }
    let file = json!({"name": "files", "host": "files.example.org"});
    let request = site.request(post.clone(), list).header("X-Redmine-API-Key", &own.secret).json(&file);
    id = Answer::of(request).await.json()["id"].as_i64().expect("an id");
    for (status, kept_in) in [(422, "file"), (204, "left_file")] {
        site.database.execute(&format!("UPDATE services SET kept_in = '{kept_in}', path = '#1' WHERE id = {id}"));
        let ask = |method: &Method| {
            let request = site.request(method.clone(), &one.replace("{id}", &id.to_string()));
            Answer::of(request.header("X-Redmine-API-Key", &own.secret))
        };
        description.holds(one, &get, &ask(&get).await);
        let answer = ask(&delete).await;
        assert_eq!(answer.status, status, "{kept_in}: {}", answer.text);
        description.holds(one, &delete, &answer);
    }
}

async fn every_answer_about_groups_is_described(site: &Site, root: &User, bob: &User, description: &mut Description) {
    let (own, bobs) = (site.add_key(root, TokenAction::Api).await, site.add_key(bob, TokenAction::Api).await);
    let gone = Key { id: 4711, secret: String::new() };
    let writers = json!({"name": "Writers", "members": ["bob"]});
    let (get, post, patch, delete) = (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    let (list, one) = ("/admin/groups.json", "/admin/groups/{id}.json");
    let members = "/admin/groups/{id}/members.json";
    let mut id = 4711;
    for (status, method, path, by, body) in [
        (404, &get, one, &own, json!(null)),
        (404, &patch, one, &own, json!({})),
        (404, &delete, one, &own, json!(null)),
        (404, &get, members, &own, json!(null)),
        (404, &patch, members, &own, json!({"add": ["bob"]})),
        (201, &post, list, &own, writers.clone()),
        (422, &post, list, &own, writers.clone()),
        (400, &post, list, &own, json!([])),
        (403, &post, list, &bobs, writers.clone()),
        (401, &post, list, &gone, writers),
        (200, &get, list, &own, json!(null)),
        (403, &get, list, &bobs, json!(null)),
        (200, &get, one, &own, json!(null)),
        (200, &patch, one, &own, json!({"name": "Authors"})),
        (422, &patch, one, &own, json!({"name": "a, b"})),
        (400, &patch, one, &own, json!([])),
        (200, &get, members, &own, json!(null)),
        (403, &get, members, &bobs, json!(null)),
        (200, &patch, members, &own, json!({"add": ["root"], "remove": ["bob"]})),
        (422, &patch, members, &own, json!({"add": ["nobody"]})),
        (400, &patch, members, &own, json!([])),
        (204, &delete, one, &own, json!(null)),
    ] {
        let request = site.request(method.clone(), &path.replace("{id}", &id.to_string()));
        let request = request.header("X-Redmine-API-Key", &by.secret);
        let answer = Answer::of(if body.is_null() { request } else { request.json(&body) }).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        description.holds(path, method, &answer);
        if status == 201 {
            id = answer.json()["id"].as_i64().expect("an id");
        }
    }
    for (address, method) in [("/admin/groups.json?offset=x", &get), ("/admin/groups/1/members.json?limit=0", &get)] {
        let request = site.request(method.clone(), address).header("X-Redmine-API-Key", &own.secret);
        let answer = Answer::of(request).await;
        let path = if address.contains("members") { members } else { list };
        assert_eq!(answer.status, 422, "{address}: {}", answer.text);
        description.holds(path, method, &answer);
    }
    let kept = site.add_group("Kept", &[]).await;
    site.database.execute("UPDATE groups SET kept_in = 'file'");
    let request = site.request(delete.clone(), &format!("/admin/groups/{}.json", kept.id));
    let answer = Answer::of(request.header("X-Redmine-API-Key", &own.secret)).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    description.holds(one, &delete, &answer);
}

/// What is just long enough is taken, and one character more, or less, is not.
#[rstest]
#[tokio::test]
async fn lengths_are_described_as_they_are(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let bob = site.add_user("bob").await;
    let key = site.add_key(&root, TokenAction::Api).await;
    let description = Description::of(&site).await;
    let mut tried = BTreeSet::new();
    let token = site.add_access_token(&root, "account:read", "30d").await;
    let service = site.add_service("wiki", ServiceSettings::new("Wiki", "wiki.example.org")).await;
    let group = site.add_group("Writers", &["bob"]).await;
    for (schema, method, path, letter) in [
        ("AccountChanges", Method::PUT, "/my/account.json".to_owned(), "a"),
        ("PersonChanges", Method::PUT, format!("/users/{}.json", bob.id), "b"),
        ("KeyChanges", Method::PATCH, format!("/my/tokens/{}.json", token.id), "c"),
        ("ServiceChanges", Method::PATCH, format!("/admin/services/{}.json", service.id), "d"),
        ("GroupChanges", Method::PATCH, format!("/admin/groups/{}.json", group.id), "e"),
    ] {
        let properties = description.document["components"]["schemas"][schema]["properties"].as_object();
        for (field, property) in properties.expect("properties") {
            let of_length = |length: u64| {
                if field == "password" {
                    // One letter is a rule of its own: it is too simple.
                    let words: String = (10..).map(|number| format!("{number}kwzq")).take(200).collect();
                    return words[..usize::try_from(length).expect("few")].to_owned();
                }
                let tail = if field == "mail" { "@example.org" } else { "" };
                letter.repeat(usize::try_from(length).expect("few").saturating_sub(tail.len())) + tail
            };
            let status_of = async |value: String| {
                let request = site.request(method.clone(), &path).header("X-Redmine-API-Key", &key.secret);
                let fields = json!({field: value});
                let wrapped = if method == Method::PUT { json!({"user": fields}) } else { fields };
                match Answer::of(request.json(&wrapped)).await.status {
                    200 => 204,
                    status => status,
                }
            };
            if let Some(longest) = property["maxLength"].as_u64() {
                assert_eq!(status_of(of_length(longest)).await, 204, "{schema} {field}");
                assert_eq!(status_of(of_length(longest + 1)).await, 422, "{schema} {field}");
                tried.insert(format!("{schema} {field}"));
            }
            if let Some(shortest) = property["minLength"].as_u64().filter(|shortest| *shortest > 1) {
                assert_eq!(status_of(of_length(shortest)).await, 204, "{schema} {field}");
                assert_eq!(status_of(of_length(shortest - 1)).await, 422, "{schema} {field}");
                tried.insert(format!("{schema} {field}"));
            }
        }
    }
    assert_eq!(tried.len(), 12, "{tried:?}");
}
