//! `/my/tokens.json`: "many, named, scoped, expiring, rotating", for programs.

mod authority;
mod bodies;
mod changed;
mod created;
mod current;
mod idempotency;
mod listed;
mod networks;
mod revoked;
mod rotated;
mod shown;
mod suspended;

use latchkey::models::keys::token::TokenAction;
use latchkey::models::people::user::User;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::*;

const LIST: &str = "/my/tokens.json";
/// Whether a key works is asked here.
const ME: &str = "/users/current.json";

/// A site with alice, and her API access key, which may do everything.
async fn with_alice(db: Db) -> (Site, User, Key) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    (site, alice, key)
}

fn address(key: &Key) -> String {
    format!("/my/tokens/{}.json", key.id)
}

fn rotation(key: &Key) -> String {
    format!("/my/tokens/{}/rotate.json", key.id)
}

/// A request with `body` in JSON, unless that is null.
fn send(site: &Site, by: &Key, method: Method, address: &str, body: &Value) -> RequestBuilder {
    let request = site.request(method, address).header("X-Redmine-API-Key", &by.secret);
    match body {
        Value::Null => request,
        body => request.json(body),
    }
}

async fn post(site: &Site, by: &Key, address: &str, body: Value) -> Answer {
    Answer::of(send(site, by, Method::POST, address, &body)).await.noted()
}

async fn patch(site: &Site, by: &Key, key: &Key, body: Value) -> Answer {
    Answer::of(send(site, by, Method::PATCH, &address(key), &body)).await
}

async fn delete(site: &Site, by: &Key, address: &str) -> Answer {
    Answer::of(send(site, by, Method::DELETE, address, &Value::Null)).await
}

/// The key that an answer gave away.
fn issued(answer: &Answer) -> Key {
    let key = answer.json();
    let secret = key["secret"].as_str().unwrap_or_else(|| panic!("no secret in {}", answer.text));
    Key { id: key["id"].as_i64().expect("an id"), secret: secret.to_owned() }
}

/// What an answer says is wrong.
fn problem(answer: &Answer) -> (u16, String) {
    let problem = answer.json();
    assert_eq!(answer.header("Content-Type"), Some("application/problem+json"), "{}", answer.text);
    assert_eq!(problem["status"], answer.status, "{}", answer.text);
    if answer.status == 422 {
        let errors = problem["errors"].as_array().expect("errors").iter().map(|it| it.as_str().expect("a text"));
        assert_eq!(errors.collect::<Vec<_>>().join("; "), problem["detail"].as_str().expect("a text"));
    }
    (answer.status, problem["detail"].as_str().expect("a text").to_owned())
}

fn refused(status: u16, text: &str) -> (u16, String) {
    (status, text.to_owned())
}

async fn works(site: &Site, key: &Key) -> bool {
    match site.get_with_key(ME, key).await.status {
        200 => true,
        401 => false,
        status => panic!("{status}"),
    }
}

/// How many secrets there are, how much is told of them but for their use, and how many requests are remembered: what
/// a refusal leaves as it was.
fn state(site: &Site) -> (i64, i64, i64) {
    let count = |table: &str| site.database.number(&format!("SELECT count(*) AS number FROM {table}"));
    let told = "events WHERE action NOT IN ('key_first_used', 'scope_refused', 'expired_key_refused', 'suspended_key_refused')";
    (count("tokens"), count(told), count("idempotency_keys"))
}

/// Of the latest thing that was told of somebody's keys: what, what else, and by what it was done.
fn told(site: &Site, user: &User) -> (String, String, String) {
    use latchkey::models::event::Event;
    let events = site.app.database.read_now(|connection| Event::latest(connection, user.id, 0, 100)).expect("events");
    // In the order in which they were told, as many are of the same time.
    let event = events.into_iter().filter(|it| it.token_action.is_some()).max_by_key(|it| it.id).expect("an event");
    (event.headline(), event.detail.clone().unwrap_or_default(), event.credential.unwrap_or_default())
}

fn hint(key: &Key) -> &str {
    &key.secret[key.secret.len() - 4..]
}
