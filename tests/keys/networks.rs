//! A key that is limited to networks works from there and nowhere else, where it is refused as a key that is none.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use latchkey::models::event::Event;
use latchkey::models::keys::token::TokenAction;
use latchkey::models::services::admitted::Admitted;
use latchkey::models::services::settings::ServiceSettings;
use latchkey::secret::Secret;
use reqwest::{Method, RequestBuilder};
use rstest::rstest;
use serde_json::json;

use super::*;

const INSIDE: &str = "192.0.2.7";
const OUTSIDE: &str = "198.51.100.9";
const REFUSED: &str = "Access token “deploy” refused: it may not be used from this address";

/// Limits a key, as its rows say it.
fn limit(site: &Site, key: &Key, networks: &str) {
    let same = format!("id = {id} OR key_id = {id}", id = key.id);
    site.database.execute(&format!("UPDATE tokens SET networks = '{networks}' WHERE {same}"));
}

/// A site behind a proxy, with alice, and a wiki that everyone may read, a part of it without a key.
async fn scene(db: Db) -> (Site, User) {
    let site = Site::start_with(db, &["--trusted-proxies=127.0.0.1"]).await;
    let alice = site.add_user("alice").await;
    let wiki = ServiceSettings { readers: Admitted::Everyone, ..ServiceSettings::new("Wiki", "wiki.example.org") };
    site.add_service("wiki", wiki.clone()).await;
    let open = ServiceSettings { anonymous_reads: true, path: "/open".into(), title: "Open".into(), ..wiki };
    site.add_service("open", open).await;
    (site, alice)
}

async fn from(request: RequestBuilder, address: &str) -> Answer {
    Answer::of(request.header("X-Forwarded-For", address.to_owned())).await
}

/// Every way in which a secret is presented.
fn ways(site: &Site, secret: &str) -> Vec<(&'static str, RequestBuilder)> {
    let nginx = |path: &str| {
        let asked = site.get("/auth/nginx").header("Host", "wiki.example.org").header("X-Original-Method", "GET");
        asked.header("X-Original-URI", path.to_owned()).bearer_auth(secret)
    };
    let forwarded = site.get("/auth/forwarded").header("X-Forwarded-Method", "GET").header("X-Forwarded-Uri", "/");
    let forwarded = forwarded.header("X-Forwarded-Proto", "https").header("X-Forwarded-Host", "wiki.example.org");
    vec![
        ("bearer", site.get(ADDRESS).bearer_auth(secret)),
        ("header", site.get(ADDRESS).header("X-Redmine-API-Key", secret)),
        ("parameter", site.get(&format!("{ADDRESS}?key={secret}"))),
        ("basic", site.get(ADDRESS).basic_auth(secret, Some("any"))),
        ("XML", site.get("/users/current.xml").bearer_auth(secret)),
        ("a problem", site.get("/my/tokens/current.json").bearer_auth(secret)),
        ("nginx", nginx("/")),
        ("nginx, where nobody needs a key", nginx("/open/page")),
        ("forwarded", forwarded.bearer_auth(secret)),
        ("envoy", site.get("/auth/envoy/page").header("Host", "wiki.example.org").basic_auth(secret, Some("any"))),
    ]
}

/// All that a client sees, but for what differs between any two answers.
fn seen(answer: &Answer) -> (u16, BTreeMap<String, String>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().expect("ASCII").to_owned()));
    (answer.status, headers.collect(), answer.text.clone())
}

#[rstest]
#[tokio::test]
async fn from_elsewhere_it_is_refused_as_a_key_that_is_none(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice) = scene(db).await;
    let key = site.add_access_token(&alice, "account:read service:wiki:read service:open:read", "30d").await;
    let feeds = site.add_key(&alice, TokenAction::Feeds).await;
    limit(&site, &key, "192.0.2.0/24 2001:db8::/32");
    limit(&site, &feeds, INSIDE);
    let unknown = Secret::generate().expose().to_owned();
    log::note_secret(&unknown);
    let hashes = || site.app.passwords.hash_calls();
    for is_over in ["", "suspended_on = created_on", "expires_on = created_on"] {
        if !is_over.is_empty() {
            site.database.execute(&format!("UPDATE tokens SET {is_over} WHERE id = {}", key.id));
        }
        for ((way, of_none), (_, limited)) in ways(&site, &unknown).into_iter().zip(ways(&site, &key.secret)) {
            let before = hashes();
            let of_none = from(of_none, OUTSIDE).await;
            let between = hashes();
            let limited = from(limited, OUTSIDE).await;
            assert_eq!(limited.status, 401, "{way} {is_over}");
            assert_eq!(seen(&limited), seen(&of_none), "{way} {is_over}");
            assert_eq!(hashes() - between, between - before, "{way} {is_over}: the same work");
        }
        if is_over.is_empty() {
            assert_eq!(site.token(key.id).expect("a row").updated_on, None, "none of it was a use");
            for address in [INSIDE, "::ffff:192.0.2.7", "2001:db8::1"] {
                for (way, request) in ways(&site, &key.secret) {
                    assert_eq!(from(request, address).await.status, 200, "{way} from {address}");
                }
            }
        }
    }
    let feed = |secret: &str| site.get(&format!("/activity.atom?key={secret}"));
    assert_eq!(from(feed(&feeds.secret), INSIDE).await.status, 200);
    assert_eq!(seen(&from(feed(&feeds.secret), OUTSIDE).await), seen(&from(feed(&unknown), OUTSIDE).await));
    // A leak is reported from anywhere.
    let report = json!({ "secret": key.secret }).to_string();
    assert_eq!(from(site.request(Method::POST, "/revoke.json").body(report), OUTSIDE).await.status, 204);
    assert!(site.token(key.id).is_none());
}

/// What a newer release has written may be an exception, and the networks around it must not be open then.
#[rstest]
#[tokio::test]
async fn what_cannot_be_read_lets_nobody_in(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice) = scene(db).await;
    let key = site.add_access_token(&alice, "account:read tokens:write", "30d").await;
    let api = site.add_key(&alice, TokenAction::Api).await;
    for (networks, status) in [("192.0.2.0/24", 200), ("192.0.2.0/24 !192.0.2.9", 401), ("", 401), ("office", 401)] {
        limit(&site, &key, networks);
        assert_eq!(from(site.get(ADDRESS).bearer_auth(&key.secret), INSIDE).await.status, status, "{networks:?}");
    }
    let shown = site.get_with_key(&format!("/my/tokens/{}.json", key.id), &api).await.json();
    assert_eq!(shown["networks"], json!([]), "it is no key that works anywhere");
    let browser = site.signed_in("alice").await;
    let page = browser.get(&format!("/my/tokens/{}", key.id)).await;
    assert!(page.shows("Allowed networks None: this release cannot read them"), "{}", page.text());
    // Whoever saves the form for another reason does not open it.
    let form = [("name", "new"), ("scopes", "account:read"), ("expiry", "keep"), ("networks", "none")];
    let kept = browser.post(&format!("/my/tokens/{}/edit", key.id), &form).await;
    assert!(kept.status == 422 && kept.shows("“none” is not an address or a network"), "{}", kept.text());
    // Its next secret is no way in, either.
    let new = rotate(&site, &alice, &key, Grace::None).await;
    assert_eq!(from(site.get(ADDRESS).bearer_auth(&new.secret), INSIDE).await.status, 401);
}

/// "the event says from where, at most once an hour an address"
#[rstest]
#[tokio::test]
async fn its_owner_hears_from_where_it_was_tried(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice) = scene(db).await;
    let key = site.add_access_token(&alice, "account:read service:wiki:read", "30d").await;
    limit(&site, &key, INSIDE);
    let told = || {
        let all =
            site.app.database.read_now(|connection| Event::latest(connection, alice.id, 0, 1000)).expect("events");
        let all = all.into_iter().filter(|event| event.headline() == REFUSED);
        let mut addresses: Vec<String> = all.map(|event| event.address).collect();
        addresses.sort();
        addresses
    };
    let tried = async |address: &str| {
        for (_, request) in ways(&site, &key.secret) {
            assert_eq!(from(request, address).await.status, 401);
        }
    };
    tried(OUTSIDE).await;
    tried("2001:db8::9").await;
    site.flush().await;
    assert_eq!(told(), [OUTSIDE, "2001:db8::9"], "each address once, whatever was asked");
    site.later(TimeDelta::minutes(59));
    tried(OUTSIDE).await;
    site.flush().await;
    assert_eq!(told().len(), 2);
    site.later(TimeDelta::minutes(2));
    tried(OUTSIDE).await;
    site.flush().await;
    assert_eq!(told(), [OUTSIDE, OUTSIDE, "2001:db8::9"]);
    let activity = site.signed_in("alice").await.get("/activity").await;
    assert!(activity.shows(&format!("{REFUSED} ····{}", &key.secret[45..])), "{}", activity.text());
    let audited = "SELECT count(*) AS number FROM audit_entries WHERE action = 'elsewhere_key_refused'
                   AND address = '198.51.100.9'";
    assert_eq!(site.database.number(audited), 2);
    // Who has many addresses fills neither the memory nor the table.
    site.later(TimeDelta::hours(2));
    for number in 0..50 {
        let address = format!("2001:db8:{number}::1");
        assert_eq!(from(site.get(ADDRESS).bearer_auth(&key.secret), &address).await.status, 401);
        if number % 7 == 0 {
            site.flush().await;
        }
    }
    site.flush().await;
    assert_eq!(told().len(), 3 + 20 + 1);
    assert_eq!(told().iter().filter(|address| *address == "other addresses").count(), 1);
}

/// The limit is that of the key, whichever secret of it is presented, and whatever takes its place.
#[rstest]
#[tokio::test]
async fn a_new_secret_is_limited_as_the_one_before(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice) = scene(db).await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    limit(&site, &key, "192.0.2.0/24");
    let new = rotate(&site, &alice, &key, Grace::Day).await;
    let api = site.add_key(&alice, TokenAction::Api).await;
    limit(&site, &api, "192.0.2.0/24");
    let browser = site.signed_in("alice").await;
    let asked = browser.get("/my/api_key").await;
    assert!(asked.shows("Only from 192.0.2.0/24, and so does the new key"), "{}", asked.text());
    let reset = Key { id: 0, secret: browser.make_key("/my/api_key", &api.id.to_string()).await };
    for secret in [&key, &new, &reset] {
        let ask = |address| from(site.get(ADDRESS).bearer_auth(&secret.secret), address);
        assert_eq!((ask(INSIDE).await.status, ask(OUTSIDE).await.status), (200, 401));
    }
}

/// A request that waits is refused if its key is limited meanwhile.
#[rstest]
#[tokio::test]
async fn a_limit_counts_for_a_request_that_waits(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:write", "30d").await;
    assert_eq!(status(&site, &key).await, 200, "a first use would wait for the row as well");
    for (networks, status) in [("127.0.0.0/8", 204), ("192.0.2.0/24", 401)] {
        let body = json!({ "user": { "firstname": format!("For {status}") } });
        let request = site.request(Method::PUT, "/my/account.json").bearer_auth(&key.secret).json(&body);
        let limit = format!("UPDATE tokens SET networks = '{networks}' WHERE id = {}", key.id);
        let answer = site.overtaken(&alice, key.id, request, &limit).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(site.user("alice").firstname, "For 204");
    }
}
