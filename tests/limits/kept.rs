//! What is old is removed after a time that a setting decides, in batches, and nothing else is.

use chrono::TimeDelta;
use latchkey::models::keys::token::TokenAction;
use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use super::*;

fn count(site: &Site, table_where: &str) -> i64 {
    site.database.number(&format!("SELECT count(*) AS number FROM {table_where}"))
}

#[rstest]
#[tokio::test]
async fn activity_is_kept_for_as_long_as_the_setting_says(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--activity-retention=10d", "--expired-retention=0"]).await;
    let alice = site.add_user("alice").await;
    let leaked = site.add_key(&alice, TokenAction::Api).await;
    let report = site.request(Method::POST, "/revoke.json").json(&json!({"secret": leaked.secret}));
    assert_eq!(Answer::of(report).await.status, 204);
    let visitor = site.signed_in("alice").await;
    site.later(TimeDelta::days(10));
    site.flush().await;
    assert_eq!(count(&site, "events"), 2, "at the last moment");
    site.later(TimeDelta::microseconds(1));
    let visitor = {
        drop(visitor);
        site.signed_in("alice").await
    };
    site.flush().await;
    assert_eq!(count(&site, "events WHERE action = 'signed_in'"), 1, "the first sign-in is forgotten");
    let page = visitor.get("/my/account").await;
    assert!(page.shows("reported as leaked"), "what she has not yet seen is not: {}", page.text());
    site.database.execute("DELETE FROM notices");
    site.flush().await;
    assert_eq!(count(&site, "events"), 1, "once she has seen it, it is");
}

#[rstest]
#[tokio::test]
async fn activity_is_removed_in_batches_and_kept_for_ever_with_0(#[values(Sqlite, Postgres)] db: Db) {
    let fill = |site: &Site, user_id: i64| {
        site.database.execute(&format!(
            "INSERT INTO events (user_id, action, address, agent, created_on, updated_on)
             WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1500)
             SELECT {user_id}, 'signed_in', '', '', '2020-01-01 00:00:00', '2020-01-01 00:00:00' FROM numbers"
        ));
    };
    let site = Site::start(db).await;
    fill(&site, site.add_user("alice").await.id);
    for left in [500, 0] {
        site.flush().await;
        assert_eq!(count(&site, "events"), left);
    }
    let site = Site::start_with(db, &["--activity-retention=0"]).await;
    fill(&site, site.add_user("alice").await.id);
    site.flush().await;
    assert_eq!(count(&site, "events"), 1500);
}

/// A session that goes on is kept, however old it is, also if its latest use is not written yet.
#[rstest]
#[tokio::test]
async fn sessions_that_are_over_are_removed(#[values(Sqlite, Postgres)] db: Db) {
    let flags = ["--session-lifetime=20d", "--session-timeout=2d", "--expired-retention=5d"];
    let site = Site::start_with(db, &flags).await;
    site.add_user("alice").await;
    let (_left, used) = (site.signed_in("alice").await, site.signed_in("alice").await);
    for _ in 0..7 {
        site.later(TimeDelta::days(1));
        assert!(used.is_signed_in().await);
    }
    site.flush().await;
    assert_eq!(count(&site, "tokens"), 2, "it is over for five days, and at the last moment");
    site.later(TimeDelta::seconds(1));
    site.flush().await;
    assert_eq!(count(&site, "tokens"), 1, "the one that was left is removed");
    assert!(used.is_signed_in().await);
    for _ in 0..13 {
        site.later(TimeDelta::days(1));
        used.get("/my/account").await;
    }
    assert!(!used.is_signed_in().await, "20 days are over");
    site.later(TimeDelta::days(6));
    site.flush().await;
    assert_eq!(count(&site, "tokens"), 0);
}

#[rstest]
#[tokio::test]
async fn expired_tokens_are_kept_for_as_long_as_the_setting_says(#[values(Sqlite, Postgres)] db: Db) {
    for (setting, left) in [("2d", 0), ("0", 1)] {
        let site = Site::start_with(db, &[&format!("--expired-retention={setting}")]).await;
        let alice = site.add_user("alice").await;
        site.add_access_token(&alice, "account:read", "1d").await;
        site.later(TimeDelta::days(3) - TimeDelta::microseconds(1));
        site.flush().await;
        assert_eq!(count(&site, "tokens"), 1, "{setting}");
        site.later(TimeDelta::seconds(1));
        site.flush().await;
        assert_eq!(count(&site, "tokens"), left, "{setting}");
    }
}

#[rstest]
#[tokio::test]
async fn idempotent_requests_are_remembered_for_as_long_as_the_setting_says(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--idempotency-retention=1h"]).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let replayed = async || {
        let request = site.request(Method::POST, "/my/tokens.json").header("X-Redmine-API-Key", &key.secret);
        let body = json!({"name": "once", "scopes": ["account:read"]});
        let answer = Answer::of(request.header("Idempotency-Key", "a").json(&body)).await.noted();
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.header("Idempotency-Replayed").is_some()
    };
    assert!(!replayed().await);
    site.later(TimeDelta::hours(1) - TimeDelta::microseconds(1));
    site.flush().await;
    assert!(replayed().await);
    site.later(TimeDelta::microseconds(1));
    assert!(!replayed().await, "it is forgotten, also before its row is removed");
    site.later(TimeDelta::hours(1));
    site.flush().await;
    assert_eq!(count(&site, "idempotency_keys"), 0);
}
