//! What the code relies on it sets itself, whatever the role or the database of PostgreSQL says.

use futures_util::future::join_all;
use latchkey::models::keys::token::TokenAction;
use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use crate::support::*;

/// As somebody may have set them for reasons of their own. With some, queries would fail; with some, none would be true.
const ELSEWHERE: &[(&str, &str)] = &[
    ("default_transaction_deferrable", "on"),
    ("TimeZone", "Asia/Kathmandu"),
    ("DateStyle", "SQL, DMY"),
    ("IntervalStyle", "sql_standard"),
    ("lock_timeout", "1ms"),
    ("statement_timeout", "1s"),
    ("idle_in_transaction_session_timeout", "1ms"),
    ("standard_conforming_strings", "off"),
    ("backslash_quote", "off"),
    ("bytea_output", "escape"),
    ("plan_cache_mode", "force_custom_plan"),
    ("synchronous_commit", "off"),
    ("extra_float_digits", "0"),
    ("row_security", "off"),
    ("client_encoding", "LATIN1"),
];

#[rstest]
#[tokio::test]
async fn a_role_with_settings_of_its_own_changes_nothing(
    #[values("repeatable read", "serializable", "read uncommitted")] isolation: &str,
) {
    let site = Site::start(Postgres).await;
    let alice = site.add_admin("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let setting = site.database.setting();
    let name = setting.rsplit_once('/').expect("a name").1;
    for (setting, value) in ELSEWHERE.iter().chain(&[("default_transaction_isolation", isolation)]) {
        site.database.execute(&format!("ALTER DATABASE {name} SET {setting} = '{value}'"));
    }
    // From now on connections are made with them.
    site.app.database.close_connections();

    let send = |method: Method, address: &str, body: serde_json::Value| {
        Answer::of(site.request(method, address).header("X-Redmine-API-Key", &key.secret).json(&body))
    };
    let make = |number: usize| {
        let wanted = json!({ "name": format!("n{number}"), "scopes": ["account:read"], "expires_on": "2026-12-31" });
        send(Method::POST, "/my/tokens.json", wanted)
    };
    let all: Vec<_> = join_all((0..12).map(make)).await.into_iter().map(Answer::noted).collect();
    let statuses: Vec<u16> = all.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [201; 12], "twelve at once: {:?}", all.iter().map(|it| &it.text).collect::<Vec<_>>());
    let rename = |number: usize| {
        let body = json!({ "user": { "firstname": format!("Änne{number}") } });
        send(Method::PUT, "/my/account.json", body)
    };
    let statuses: Vec<u16> = join_all((0..12).map(rename)).await.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [204; 12], "twelve changes of one person at once");

    let token = &all[0].json();
    assert_eq!(
        (&token["expires_on"], &token["created_on"]),
        (&json!("2027-01-01T00:00:00Z"), &json!("2026-11-24T09:30:00Z"))
    );
    let found = site.get_with_key("/users.json?name=%C3%84nne%5C", &key).await.json();
    assert_eq!(found["total_count"], 0, "a backslash is a backslash");
    assert_eq!(site.get_with_key("/users.json?name=lice", &key).await.json()["total_count"], 1);
    let visitor = site.signed_in("alice").await;
    assert!(visitor.get("/my/tokens").await.shows("n7"));
    site.later(chrono::TimeDelta::minutes(2));
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200);
    site.flush().await;
    assert_eq!(site.recorded_use(&key), Some(site.clock.now()));
    assert_eq!(site.app.recorder.last_use.pending_uses(), 0);
}
