//! `last_login_on`, as far as the API moves it.

use chrono::TimeDelta;
use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;

/// "`last_login_on` moves at sign-in and on Basic by password (here: at most once a minute)."
#[rstest]
#[tokio::test]
async fn basic_by_password_moves_the_last_sign_in_once_a_minute(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let start = site.clock.now();
    let sign_in = async |after: TimeDelta| {
        site.clock.set(start + after);
        let request = site.get(ADDRESS).basic_auth("alice", Some(PASSWORD));
        assert_eq!(login_of(request, "by password").await, "alice");
        site.flush().await;
        site.user("alice").last_login_on.map(|at| at - start)
    };
    assert_eq!(site.user("alice").last_login_on, None);
    let (seconds, minute) = (TimeDelta::seconds, TimeDelta::minutes(1));
    assert_eq!(sign_in(seconds(0)).await, Some(seconds(0)), "the first");
    assert_eq!(sign_in(seconds(1)).await, Some(seconds(0)), "within the minute");
    assert_eq!(sign_in(minute - TimeDelta::microseconds(1)).await, Some(seconds(0)), "just within the minute");
    assert_eq!(sign_in(minute).await, Some(minute), "a minute later");
    assert_eq!(sign_in(minute + seconds(59)).await, Some(minute), "within the next minute");
    assert_eq!(sign_in(TimeDelta::days(3)).await, Some(TimeDelta::days(3)), "days later");
    assert_eq!(sign_in(seconds(30)).await, Some(TimeDelta::days(3)), "a clock that was set back");
}

/// "`last_login_on` moves at sign-in": and the API tells it.
#[rstest]
#[tokio::test]
async fn a_sign_in_is_told_by_the_api(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let told = async |address| site.get_with_key(address, &key).await.json()["user"]["last_login_on"].clone();
    assert_eq!(told("/users/current.json").await, serde_json::Value::Null, "before the first");
    site.later(TimeDelta::seconds(90));
    site.signed_in("alice").await;
    assert_eq!(told("/users/current.json").await, "2026-11-24T09:31:30Z");
    assert_eq!(told("/my/account.json").await, "2026-11-24T09:31:30Z");
}

/// "`last_login_on` moves at sign-in and on Basic by password": and on nothing else.
#[rstest]
#[tokio::test]
async fn keys_and_wrong_passwords_move_no_sign_in(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    for (way, request) in ways_of(&site, &key.secret) {
        assert_eq!(login_of(request, way).await, "alice", "{way}");
    }
    assert_refused(site.get(ADDRESS).basic_auth("alice", Some("wrong-password")), BASIC, "a wrong password").await;
    site.flush().await;
    assert_eq!(site.user("alice").last_login_on, None);
}
