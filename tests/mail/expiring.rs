//! Nobody learns by an outage that a key has expired.

use chrono::TimeDelta;
use rstest::rstest;

use super::*;

/// Moves the clock on, and lets what is due happen.
async fn after(site: &Site, span: TimeDelta) {
    site.later(span);
    site.flush().await;
}

#[rstest]
#[tokio::test]
async fn a_key_that_is_used_is_told_three_times_before_it_expires(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "2026-12-24").await;
    server.received(1).await;
    let mut expected = 1;
    for (day, subject) in [
        (15, None),
        (17, Some("Access token “deploy” expires in 14 days")),
        (20, None),
        (28, Some("Access token “deploy” expires in 3 days")),
        (29, None),
        (30, Some("Access token “deploy” expires in 1 day")),
        (31, None),
    ] {
        let now = crate::support::site::start_time() + TimeDelta::days(day);
        site.later(now - site.clock.now());
        assert!(day == 31 || site.get_with_key("/users/current.json", &key).await.status == 200);
        site.flush().await;
        site.flush().await;
        expected += usize::from(subject.is_some());
        let mails = server.received(expected).await;
        if let Some(subject) = subject {
            assert_eq!(mails[expected - 1].subject, subject, "day {day}");
            assert!(mails[expected - 1].text.contains("Rotate the key"), "{}", mails[expected - 1].text);
        }
    }
}

#[rstest]
#[tokio::test]
async fn of_a_key_that_nobody_uses_its_owner_hears_once(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let alice = site.add_user("alice").await;
    site.add_access_token(&alice, "account:read", "2027-01-31").await;
    server.received(1).await;
    after(&site, TimeDelta::days(55)).await;
    let mails = server.received(2).await;
    assert!(mails[1].text.contains("You can let it expire"), "{}", mails[1].text);
    assert!(mails[1].text.contains("You will get no more mails about it."), "{}", mails[1].text);
    for _ in 0..14 {
        after(&site, TimeDelta::days(1)).await;
    }
    server.received(2).await;
}

#[rstest]
#[tokio::test]
async fn a_key_is_not_told_of_days_before_it_was_created(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "2026-12-02").await;
    server.received(1).await;
    after(&site, TimeDelta::hours(1)).await;
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200);
    server.received(1).await;
    after(&site, TimeDelta::days(6)).await;
    let mails = server.received(2).await;
    assert_eq!(mails[1].subject, "Access token “deploy” expires in 3 days");
    // A later expiry begins anew.
    let later = site.request(reqwest::Method::PATCH, &format!("/my/tokens/{}.json", key.id));
    let later = later.basic_auth("alice", Some(PASSWORD)).header("Content-Type", "application/json");
    assert_eq!(Answer::of(later.body(r#"{"expires_on":"2026-12-31"}"#)).await.status, 200);
    server.received(3).await;
    after(&site, TimeDelta::days(18)).await;
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200);
    after(&site, TimeDelta::hours(1)).await;
    let mails = server.received(4).await;
    assert!(mails[3].subject.starts_with("Access token “deploy” expires in 1"), "{}", mails[3].subject);
}
