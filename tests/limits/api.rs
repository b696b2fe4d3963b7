//! Requests a minute of each credential on Latchkey's own API.

use chrono::TimeDelta;
use latchkey::http::asks::Asks;
use latchkey::models::keys::token::TokenAction;
use latchkey::server;
use latchkey::server::route::Answered;
use reqwest::{Method, RequestBuilder};
use rstest::rstest;

use super::*;
use crate::api::scopes::{addresses, answered};

const ME: &str = "/users/current.json";
const FEED: &str = "/activity.atom";

/// The status, and what the headers say of the limit.
fn limits(answer: &Answer) -> (u16, Option<&str>, Option<&str>, Option<&str>) {
    (answer.status, answer.header("RateLimit"), answer.header("RateLimit-Policy"), answer.header("Retry-After"))
}

#[rstest]
#[tokio::test]
async fn a_key_sends_so_many_requests_a_minute(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--api-requests-per-minute=3"]).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    let other = site.add_access_token(&alice, "account:read", "30d").await;
    let policy = Some(r#""latchkey";q=3;w=60"#);
    for (left, full) in [(2, 20), (1, 40), (0, 60)] {
        let rate = format!(r#""latchkey";r={left};t={full}"#);
        assert_eq!(limits(&site.get_with_key(ME, &key).await), (200, Some(&*rate), policy, None));
    }
    let refused = site.get_with_key(ME, &key).await;
    assert_eq!(limits(&refused), (429, Some(r#""latchkey";r=0;t=60"#), policy, Some("20")));
    let told = "This key or password has reached its limit of requests per minute. Try again in 20 seconds.";
    assert_eq!(refused.json()["errors"][0], told);
    assert_eq!(site.get_with_key(ME, &other).await.status, 200, "another key has its own");
    assert_eq!(site.signed_in("alice").await.get("/my/account").await.status, 200, "so does the person");
    site.later(TimeDelta::seconds(19));
    assert_eq!(limits(&site.get_with_key(ME, &key).await).3, Some("1"));
    site.later(TimeDelta::seconds(1));
    assert_eq!(site.get_with_key(ME, &key).await.status, 200);
    assert_eq!(site.get_with_key(ME, &key).await.status, 429);
    site.later(TimeDelta::hours(-3));
    assert_eq!(site.get_with_key(ME, &key).await.status, 200, "a clock that was ahead refuses nobody for hours");
}

/// What is refused for another reason counts too, or a key without a scope could be used without end.
#[rstest]
#[tokio::test]
async fn what_a_key_may_not_do_counts(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--api-requests-per-minute=2"]).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    for status in [403, 403, 429] {
        assert_eq!(site.get_with_key("/my/tokens.json", &key).await.status, status);
    }
}

/// All of the table of routes, so that no address can be forgotten.
#[rstest]
#[tokio::test]
async fn every_address_that_asks_for_a_credential_counts_it(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--api-requests-per-minute=1"]).await;
    let root = site.add_admin("root").await;
    let person = site.add_passwordless_user("somebody").await;
    let key = site.add_access_token(&root, &latchkey::models::keys::scope::Scopes::ALL.to_string(), "30d").await;
    let feeds = site.add_key(&root, TokenAction::Feeds).await;
    let feed = format!("{FEED}?key={}", feeds.secret);
    // Each has sent the one request that it may.
    assert_eq!(site.get_with_key(ME, &key).await.status, 200);
    assert_eq!(Answer::of(site.get(&feed)).await.status, 200);
    assert_eq!(Answer::of(site.get(ME).basic_auth("root", Some(PASSWORD))).await.status, 200);
    let before = site.database.written();
    let mut asked = 0;
    for (path, Answered { method, asks }) in answered(&server::routes::api()).collect::<Vec<_>>() {
        let method: Method = method.as_str().parse().expect("a method");
        for address in addresses(path, person.id) {
            let request = |method: &Method, address: &str| site.request(method.clone(), address).body("{}");
            let by_key = |request: RequestBuilder| request.header("X-Redmine-API-Key", &key.secret);
            let by_password = |request: RequestBuilder| request.basic_auth("root", Some(PASSWORD));
            let requests = match asks {
                Asks::Nothing => continue,
                Asks::FeedsKey => vec![request(&method, &feed)],
                Asks::AnyKey => vec![by_key(request(&method, &address))],
                Asks::Scope(_) => vec![by_key(request(&method, &address)), by_password(request(&method, &address))],
                Asks::Session | Asks::RecentPassword | Asks::TrustedProxy => panic!("{path} is no address of the API"),
            };
            for request in requests {
                let answer = Answer::of(request).await;
                let told = (429, Some(r#""latchkey";r=0;t=60"#), Some(r#""latchkey";q=1;w=60"#), Some("60"));
                assert_eq!(limits(&answer), told, "{method} {address}");
                asked += 1;
            }
        }
    }
    assert!(asked > 40, "{asked}");
    assert_eq!(site.database.written(), before, "nothing is done");
}

/// All secrets of a key are the same credential, and a password is one whatever it is sent with.
#[rstest]
#[tokio::test]
async fn a_rotated_key_has_one_limit(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--api-requests-per-minute=2"]).await;
    let alice = site.add_user("alice").await;
    let old = site.add_access_token(&alice, "account:read tokens:write", "30d").await;
    let rotate = site.request(Method::POST, &format!("/my/tokens/{}/rotate.json", old.id));
    let rotated = Answer::of(rotate.header("X-Redmine-API-Key", &old.secret)).await.noted();
    let secret = rotated.json()["secret"].as_str().expect("a secret").to_owned();
    let new = Key { id: old.id, secret };
    assert_eq!(limits(&site.get_with_key(ME, &new).await).1, Some(r#""latchkey";r=0;t=60"#));
    assert_eq!(site.get_with_key(ME, &old).await.status, 429);
    assert_eq!(site.get_with_key(ME, &new).await.status, 429);
}

#[rstest]
#[tokio::test]
async fn the_limit_can_be_off(#[values("0", "off")] setting: &str, #[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &[&format!("--api-requests-per-minute={setting}")]).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    assert_eq!(limits(&site.get_with_key(ME, &key).await), (200, None, None, None));
}

#[rstest]
#[tokio::test]
async fn without_the_setting_there_is_a_limit(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    assert_eq!(limits(&site.get_with_key(ME, &key).await).2, Some(r#""latchkey";q=3000;w=60"#));
}
