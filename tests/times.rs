//! Times and dates, wherever one comes in: each is the same time on both databases, or refused on both, and comes out as
//! every client can read it, in RFC 3339.

use latchkey::models::keys::token::TokenAction;
use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use crate::support::*;

/// What is sent, and the time that it is; `None`: it is refused.
const TIMES: &[(&str, Option<&str>)] = &[
    ("2090-12-31T10:00:00Z", Some("2090-12-31T10:00:00Z")),
    ("2090-12-31t10:00:00z", Some("2090-12-31T10:00:00Z")),
    ("2090-12-31T10:00:00.9999999999999Z", Some("2090-12-31T10:00:00Z")),
    ("2090-12-31T10:00:00+01:00", Some("2090-12-31T09:00:00Z")),
    ("2090-12-31T23:30:00-23:59", Some("2091-01-01T23:29:00Z")),
    ("2090-12-31T10:00:00-00:00", Some("2090-12-31T10:00:00Z")),
    // Leap seconds, of which nobody knows whether there will be one.
    ("2090-12-31T23:59:60Z", Some("2091-01-01T00:00:00Z")),
    ("2090-12-31T23:59:60.999999999Z", Some("2091-01-01T00:00:00Z")),
    ("2091-01-01T00:59:60+01:00", Some("2091-01-01T00:00:00Z")),
    ("2090-12-31T10:15:60Z", Some("2090-12-31T10:16:00Z")),
    ("2090-12-31T10:15:61Z", None),
    ("2090-12-31T24:00:00Z", None),
    ("2090-12-31T10:00:00", None),
    ("2090-12-31T10:00Z", None),
    ("2090-12-31T10:00:00+24:60", None),
    // Years that have no four digits, or get there by their offset.
    ("9999-12-31T23:59:59Z", None),
    ("9999-12-31T23:59:60Z", None),
    ("9999-12-31T23:59:59-23:59", None),
    ("+12090-12-31T10:00:00Z", None),
    ("0000-01-01T00:00:00Z", None),
    ("0001-01-01T00:00:00+23:59", None),
    ("-0001-12-31T10:00:00Z", None),
];

/// Dates, which stand for their end.
const DATES: &[(&str, Option<&str>)] = &[
    ("2090-12-31", Some("2091-01-01T00:00:00Z")),
    ("2088-02-29", Some("2088-03-01T00:00:00Z")),
    ("2090-02-29", None),
    ("2090-1-31", None),
    ("2090- 1-31", None),
    ("+2090-1-31", None),
    ("+12090-12-31", None),
    ("9999-12-31", None),
    ("0000-12-31", None),
];

fn all() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    TIMES.iter().chain(DATES).copied()
}

#[rstest]
#[tokio::test]
async fn an_expiry_is_one_time_by_the_api(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let send = async |method, address: &str, body| {
        let request = site.request(method, address).header("X-Redmine-API-Key", &key.secret).json(&body);
        Answer::of(request).await.noted()
    };
    let changed = send(Method::POST, "/my/tokens.json", json!({ "name": "one", "scopes": ["account:read"] })).await;
    let address = format!("/my/tokens/{}.json", changed.json()["id"]);
    for (text, time) in all() {
        let wanted = json!({ "name": "another", "scopes": ["account:read"], "expires_on": text });
        let made = send(Method::POST, "/my/tokens.json", wanted).await;
        let changed = send(Method::PATCH, &address, json!({ "expires_on": text })).await;
        let Some(time) = time else {
            assert_eq!((made.status, changed.status), (422, 422), "{text}: {}", made.text);
            continue;
        };
        assert_eq!((made.status, changed.status), (201, 200), "{text}: {} {}", made.text, changed.text);
        let shown = site.get_with_key(&format!("/my/tokens/{}.json", made.json()["id"]), &key).await;
        for told in [&made, &changed, &shown, &site.get_with_key(&address, &key).await] {
            assert_eq!(told.json()["expires_on"], time, "{text}");
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_date_in_a_form_is_one_time(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let key = site.add_key(&user, TokenAction::Api).await;
    let alice = site.signed_in("alice").await;
    let token = site.add_access_token(&user, "account:read", "30d").await;
    // A form asks for a day, and a time of a day is none.
    for (text, time) in DATES.iter().copied().chain(TIMES.iter().map(|(text, _)| (*text, None))) {
        let form = [("name", "one"), ("note", ""), ("scopes", "account:read"), ("expiry", "date"), ("date", text)];
        let page = alice.post(&format!("/my/tokens/{}/edit", token.id), &form).await;
        let shown = site.get_with_key(&format!("/my/tokens/{}.json", token.id), &key).await;
        match time {
            None => assert_eq!(page.status, 422, "{text}"),
            Some(time) => assert_eq!((page.status, &shown.json()["expires_on"]), (303, &json!(time)), "{text}"),
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_filter_compares_with_one_time(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    site.add_access_token(&alice, "account:read", "2090-12-31").await;
    for (query, found) in [
        ("expires_before=2091-01-01", Some(1)),
        ("expires_before=2090-12-31", Some(0)),
        ("expires_before=2090-12-31T23:59:60Z", Some(1)),
        ("expires_before=2091-01-01T00:59:60%2B01:00", Some(1)),
        ("expires_before=2090-12-31T23:59:59.999999Z", Some(0)),
        ("expires_before=9999-12-31T23:59:59Z", Some(1)),
        ("expires_before=0001-01-01", Some(0)),
        ("expires_before=9999-12-31T23:59:60Z", None),
        ("expires_before=0000-01-01", None),
        ("expires_before=2091-1-01", None),
        ("unused_since=2026-12-31T23:59:60Z", Some(1)),
        ("unused_since=2026-12-31T23:59:61Z", None),
        ("unused_since=%2B12026-12-31", None),
    ] {
        let list = site.get_with_key(&format!("/my/tokens.json?action=access&{query}"), &key).await;
        match found {
            Some(found) => assert_eq!(list.json()["total_count"], found, "{query}: {}", list.text),
            None => assert_eq!(list.status, 400, "{query}: {}", list.text),
        }
    }
}

#[rstest]
fn an_expiry_is_one_time_by_the_command_line(#[values(Sqlite, Postgres)] db: Db) {
    let database = database::TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database);
    latchkey.add_user("alice", PASSWORD);
    let add = ["key", "add", "alice", "--action", "access", "--name", "one", "--scope", "account:read", "--json"];
    for (text, time) in all().filter(|(text, _)| text.contains(":60") || !text.contains('T')) {
        let output = latchkey.run(&[&add[..], &[&format!("--expires={text}")]].concat());
        let Some(time) = time else {
            assert_ne!(output.code, 0, "{text}: {}", output.stdout);
            continue;
        };
        let made: serde_json::Value = serde_json::from_str(&output.done().stdout).expect("JSON");
        log::note_secret(made["secret"].as_str().expect("a secret"));
        assert_eq!(made["expires_on"], time, "{text}");
    }
}

/// What an earlier release wrote into a SQLite file, a client can read all the same.
#[tokio::test]
async fn a_leap_second_that_is_stored_already_comes_out_readable() {
    let site = Site::start(Sqlite).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let token = site.add_access_token(&alice, "account:read", "30d").await;
    site.database.execute(&format!("UPDATE tokens SET expires_on = '2090-12-31 23:59:60' WHERE id = {}", token.id));
    let shown = site.get_with_key(&format!("/my/tokens/{}.json", token.id), &key).await;
    assert_eq!(shown.json()["expires_on"], "2091-01-01T00:00:00Z");
}
