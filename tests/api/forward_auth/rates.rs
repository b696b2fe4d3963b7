//! "Per key and service, requests per minute, with the current `RateLimit` headers and 429."

use chrono::TimeDelta;
use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn a_key_sends_a_service_so_many_requests_in_a_minute(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, key) = with_a_wiki(db).await;
    add_service(&site, "files", "files.example.org/", &[("requests_per_minute", "3"), ("anonymous_reads", "TRUE")])
        .await;
    site.database.execute("UPDATE services SET requests_per_minute = 3 WHERE name = 'wiki'");
    let other = site.add_access_token(&alice, "service:wiki:read service:files:read", "30d").await;
    for left in [2, 1, 0] {
        let answer = by_key(&site, "GET", "wiki.example.org/", &key).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("RateLimit-Policy"), Some(r#""wiki";q=3;w=60"#));
        assert_eq!(answer.header("RateLimit"), Some(&*format!(r#""wiki";r={left};t={}"#, 20 * (3 - left))));
    }
    let refused = by_key(&site, "GET", "wiki.example.org/", &key).await;
    assert_eq!((refused.status, status(&refused), refused.header("Retry-After")), (403, 429, Some("20")));
    assert_eq!(refused.header("RateLimit"), Some(r#""wiki";r=0;t=60"#));
    assert_eq!(refused.header("RateLimit-Policy"), Some(r#""wiki";q=3;w=60"#));
    assert!(refused.text.contains("Try again in 20 seconds."), "{}", refused.text);
    // Of another key, on another service, or of nobody, that says nothing.
    assert_eq!(by_key(&site, "GET", "wiki.example.org/", &other).await.status, 200);
    assert_eq!(by_key(&site, "GET", "files.example.org/", &other).await.status, 200);
    for _ in 0..5 {
        let anonymous = Answer::of(asked(&site, "GET", "files.example.org/")).await;
        assert_eq!((anonymous.status, anonymous.header("RateLimit")), (200, None));
    }
    // It fills again as the minute goes by.
    site.later(TimeDelta::seconds(19));
    let refused = by_key(&site, "GET", "wiki.example.org/", &key).await;
    assert_eq!((status(&refused), refused.header("Retry-After")), (429, Some("1")));
    site.later(TimeDelta::seconds(1));
    assert_eq!(by_key(&site, "GET", "wiki.example.org/", &key).await.status, 200);
    assert_eq!(status(&by_key(&site, "GET", "wiki.example.org/", &key).await), 429);
    // Another limit starts anew, and none is none.
    site.database.execute("UPDATE services SET requests_per_minute = 60 WHERE name = 'wiki'");
    let answer = by_key(&site, "GET", "wiki.example.org/", &key).await;
    assert_eq!(answer.header("RateLimit"), Some(r#""wiki";r=59;t=1"#));
    site.database.execute("UPDATE services SET requests_per_minute = NULL WHERE name = 'wiki'");
    let answer = by_key(&site, "GET", "wiki.example.org/", &key).await;
    assert_eq!((answer.status, answer.header("RateLimit")), (200, None));
}

/// Of a key that was rotated every secret is the same key.
#[rstest]
#[tokio::test]
async fn what_is_refused_is_not_counted(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, _) = with_a_wiki(db).await;
    site.database.execute("UPDATE services SET requests_per_minute = 2");
    let reads = site.add_access_token(&alice, "service:wiki:read", "30d").await;
    for _ in 0..3 {
        assert_eq!(status(&by_key(&site, "POST", "wiki.example.org/", &reads).await), 403);
    }
    let answer = by_key(&site, "GET", "wiki.example.org/", &reads).await;
    assert_eq!(answer.header("RateLimit"), Some(r#""wiki";r=1;t=30"#));
}
