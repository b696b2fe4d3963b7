//! How long a session lasts: "each request verifies the token's row: lifetime since sign-in, timeout since
//! `coalesce(updated_on, created_on)` (both settings)".

use chrono::TimeDelta;
use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn a_session_ends_when_it_was_not_used_for_the_timeout(#[values(Sqlite, Postgres)] db: Db) {
    for (flags, timeout) in [(&[][..], TimeDelta::hours(24)), (&["--session-timeout=45m"], TimeDelta::minutes(45))] {
        let site = Site::start_with(db, flags).await;
        site.add_user("alice").await;
        let (unused, used) = (site.signed_in("alice").await, site.signed_in("alice").await);
        for _ in 0..3 {
            site.later(timeout - TimeDelta::seconds(1));
            assert!(used.is_signed_in().await, "{timeout}: each use counts");
        }
        assert!(!unused.is_signed_in().await, "{timeout} since the sign-in, when it was never used");
        site.later(timeout);
        let late = used.get("/activity").await;
        assert_eq!((late.status, late.location()), (302, "/login?back_url=%2Factivity"), "{timeout}");
        assert!(!used.is_signed_in().await, "what has ended does not come back by being asked for");
    }
}

/// The use that counts is the last one, even where it is not yet written.
#[rstest]
#[tokio::test]
async fn a_use_that_is_still_in_memory_counts(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--session-timeout=1h"]).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    assert!(alice.is_signed_in().await);
    site.later(TimeDelta::seconds(30));
    assert!(alice.is_signed_in().await);
    site.later(TimeDelta::minutes(60) - TimeDelta::seconds(1));
    assert!(alice.is_signed_in().await, "59:59 since the last use, 60:29 since the first");
}

#[rstest]
#[tokio::test]
async fn a_session_ends_with_its_lifetime_however_much_it_is_used(#[values(Sqlite, Postgres)] db: Db) {
    for (flags, lifetime, step) in [
        (&[][..], TimeDelta::days(30), TimeDelta::hours(20)),
        (&["--session-lifetime=2h", "--session-timeout=0"], TimeDelta::hours(2), TimeDelta::minutes(30)),
    ] {
        let site = Site::start_with(db, flags).await;
        site.add_user("alice").await;
        let alice = site.signed_in("alice").await;
        let since = site.clock.now();
        while site.clock.now() + step < since + lifetime {
            site.later(step);
            assert!(alice.is_signed_in().await, "{} of {lifetime}", site.clock.now() - since);
        }
        site.clock.set(since + lifetime - TimeDelta::seconds(1));
        assert!(alice.is_signed_in().await, "a second before");
        site.later(TimeDelta::seconds(1));
        assert!(!alice.is_signed_in().await, "{lifetime} are over");
        alice.sign_in("alice", PASSWORD).await;
        assert!(alice.is_signed_in().await, "a new one");
    }
}

/// "0 turns one off"
#[rstest]
#[tokio::test]
async fn without_limits_a_session_lasts(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--session-lifetime=0", "--session-timeout=0"]).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    for _ in 0..3 {
        site.later(TimeDelta::days(2000));
        assert!(alice.is_signed_in().await);
    }
}

#[rstest]
#[tokio::test]
async fn each_limit_can_be_off_by_itself(#[values(Sqlite, Postgres)] db: Db) {
    let no_lifetime = Site::start_with(db, &["--session-lifetime=0"]).await;
    no_lifetime.add_user("alice").await;
    let alice = no_lifetime.signed_in("alice").await;
    for _ in 0..50 {
        no_lifetime.later(TimeDelta::hours(23));
        assert!(alice.is_signed_in().await);
    }
    no_lifetime.later(TimeDelta::hours(24));
    assert!(!alice.is_signed_in().await, "the timeout holds");

    let no_timeout = Site::start_with(db, &["--session-timeout=0"]).await;
    no_timeout.add_user("alice").await;
    let alice = no_timeout.signed_in("alice").await;
    no_timeout.later(TimeDelta::days(29));
    assert!(alice.is_signed_in().await);
    no_timeout.later(TimeDelta::days(1));
    assert!(!alice.is_signed_in().await, "the lifetime holds");
}

/// Of the design: "session 10 … making one more removes the one whose `coalesce(updated_on, created_on)` is oldest".
#[rstest]
#[tokio::test]
async fn an_eleventh_session_ends_the_one_that_was_unused_for_longest(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    site.add_user("bob").await;
    let bob = site.signed_in("bob").await;
    let mut sessions = Vec::new();
    for _ in 0..10 {
        site.later(TimeDelta::seconds(2));
        sessions.push(site.signed_in("alice").await);
    }
    site.later(TimeDelta::seconds(2));
    assert!(sessions[0].is_signed_in().await, "the oldest is used; the second never was");
    site.later(TimeDelta::seconds(2));
    sessions.push(site.signed_in("alice").await);
    let mut alive = Vec::new();
    for session in &sessions {
        alive.push(session.is_signed_in().await);
    }
    let expected: Vec<bool> = (0..11).map(|number| number != 1).collect();
    assert_eq!(alive, expected);
    assert!(bob.is_signed_in().await, "each person has ten");
}
