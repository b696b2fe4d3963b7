//! "An expired key is refused at the second it expires and shown as expired until removed; after 30 days it is cleared
//! away with an event left behind."

use chrono::TimeDelta;
use latchkey::models::tx::Tx;
use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn a_key_is_refused_at_the_moment_it_expires(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "7d").await;
    site.later(TimeDelta::days(7) - TimeDelta::microseconds(1));
    let answer = site.get_with_key(ADDRESS, &key).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("X-Latchkey-Token-Expires"), Some("2026-12-01T09:30:00Z"));
    site.flush().await;
    let before = site.token(key.id).expect("a row").updated_on;
    site.later(TimeDelta::microseconds(1));
    let answer = site.get_with_key(ADDRESS, &key).await;
    assert_eq!((answer.status, answer.header("WWW-Authenticate")), (401, None), "no dialog for browsers");
    site.flush().await;
    assert_eq!(site.token(key.id).expect("a row").updated_on, before, "what was refused is no use");
}

/// "a description that tells expired from unknown only to who presented the right secret (RFC 6750)"
#[rstest]
#[tokio::test]
async fn only_who_has_the_right_secret_is_told_that_it_has_expired(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "7d").await;
    site.later(TimeDelta::days(7));
    let mut wrong = key.secret.clone();
    wrong.replace_range(3..43, &"x".repeat(40));
    let challenge = async |secret: &str| {
        let answer = Answer::of(site.get(ADDRESS).header("Authorization", format!("Bearer {secret}"))).await;
        (answer.status, answer.header("WWW-Authenticate").expect("a challenge").to_owned())
    };
    let expired = r#"Bearer error="invalid_token", error_description="The token has expired""#;
    assert_eq!(challenge(&key.secret).await, (401, expired.to_owned()));
    let unknown = (401, r#"Bearer error="invalid_token""#.to_owned());
    assert_eq!(challenge(&wrong).await, unknown);
    site.set_user(&alice, "status = 'locked'");
    assert_eq!(challenge(&key.secret).await, unknown, "of somebody who is locked nothing is told");
}

/// As a user name it is none: the password beside it is not hashed for it.
#[rstest]
#[tokio::test]
async fn an_expired_key_as_user_name_is_refused_without_hashing(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "7d").await;
    site.later(TimeDelta::days(8));
    let hashes = site.app.passwords.hash_calls();
    let answer = Answer::of(site.get(ADDRESS).basic_auth(&key.secret, Some("any"))).await;
    assert_eq!((answer.status, site.app.passwords.hash_calls()), (401, hashes));
}

#[rstest]
#[tokio::test]
async fn that_it_expired_and_was_cleared_away_is_told_once(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "7d").await;
    let forever = site.add_access_token(&alice, "account:read", "never").await;
    site.flush().await;
    assert_eq!(told(&site, &alice).len(), 2, "two were made, and nothing else has happened");
    site.later(TimeDelta::days(7));
    for _ in 0..2 {
        site.flush().await;
        let expired = ("Access token “deploy” expired".to_owned(), String::new());
        assert_eq!((told(&site, &alice).len(), told(&site, &alice)[0].clone()), (3, expired));
    }
    site.later(TimeDelta::days(30) - TimeDelta::microseconds(1));
    site.flush().await;
    let kept = owned(&site, &alice, &key).expect("it is shown");
    assert!(kept.is_expired(site.clock.now()));
    site.later(TimeDelta::microseconds(1));
    for _ in 0..2 {
        site.flush().await;
        assert!(owned(&site, &alice, &key).is_none(), "it is removed");
        let cleared = ("Access token “deploy” deleted: it expired long ago".to_owned(), String::new());
        assert_eq!((told(&site, &alice).len(), told(&site, &alice)[0].clone()), (4, cleared));
    }
    assert_eq!(status(&site, &forever).await, 200);
}

/// Two processes look for what has expired at the same time.
#[rstest]
#[tokio::test]
async fn two_processes_tell_it_once(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    for _ in 0..20 {
        site.add_access_token(&alice, "account:read", "7d").await;
    }
    let now = site.clock.now() + TimeDelta::days(40);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let swept = site.app.database.write_now(|connection| {
                    let sweep = OwnedKey::tell_and_clear_expired(
                        &mut Tx::of_command_line(connection, now),
                        Some(TimeDelta::days(30)),
                    );
                    sweep.map_err(latchkey::db::DbError::from)
                });
                swept.expect("a sweep");
            });
        }
    });
    let told = told(&site, &alice);
    let times = |what: &str| told.iter().filter(|(headline, _)| headline.ends_with(what)).count();
    assert_eq!((times("expired"), times("long ago"), times("created")), (20, 20, 20));
}

/// "refused because expired or out of scope at most once an hour"
#[rstest]
#[tokio::test]
async fn refusals_of_a_right_key_are_told_at_most_once_an_hour(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let narrow = site.add_access_token(&alice, "tokens:read", "never").await;
    let expiring = site.add_access_token(&alice, "account:read", "7d").await;
    site.later(TimeDelta::days(7));
    for minutes in [0, 1, 58, 2] {
        site.later(TimeDelta::minutes(minutes));
        for _ in 0..3 {
            assert_eq!((status(&site, &narrow).await, status(&site, &expiring).await), (403, 401));
        }
        site.flush().await;
    }
    let told = told(&site, &alice);
    let refused: Vec<_> = told.iter().filter(|(headline, _)| headline.contains("refused")).collect();
    let scope = ("Access token “deploy” refused: it may not do this".to_owned(), "needs account:read".to_owned());
    let expired = ("Access token “deploy” refused: it has expired".to_owned(), String::new());
    let times = |wanted: &(String, String)| refused.iter().filter(|it| **it == wanted).count();
    assert_eq!((times(&scope), times(&expired), refused.len()), (2, 2, 4), "{told:?}");
}

#[rstest]
#[tokio::test]
async fn a_key_that_does_not_expire_says_nothing_about_it(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "never").await;
    site.later(TimeDelta::days(36_500));
    let answer = site.get_with_key(ADDRESS, &key).await;
    assert_eq!((answer.status, answer.header("X-Latchkey-Token-Expires")), (200, None));
}
