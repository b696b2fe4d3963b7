//! "A new secret for the same key; the old one goes on for a grace time chosen then, and … by which secret the last use
//! came, so that one sees when all programs have moved."

use chrono::TimeDelta;
use latchkey::models::keys::key::{KeyUse, UsedSecret};
use rstest::rstest;

use super::*;

fn last_use(site: &Site, user: &User, key: &Key) -> Option<KeyUse> {
    owned(site, user, key).expect("a key").last_use(|secret| site.app.recorder.last_use.of(secret))
}

#[rstest]
#[tokio::test]
async fn the_secret_before_works_for_the_time_of_grace(
    #[values(Grace::None, Grace::Hour, Grace::Day, Grace::Week)] grace: Grace,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let old = site.add_access_token(&alice, "account:read", "30d").await;
    assert_eq!(status(&site, &old).await, 200);
    let new = rotate(&site, &alice, &old, grace).await;
    assert_eq!(new.id, old.id, "it is the same key");
    assert_eq!(status(&site, &new).await, 200);
    if grace != Grace::None {
        site.later(grace.span() - TimeDelta::microseconds(1));
        assert_eq!(status(&site, &old).await, 200);
        site.later(TimeDelta::microseconds(1));
    }
    assert_eq!((status(&site, &old).await, status(&site, &new).await), (401, 200));
    let key = owned(&site, &alice, &new).expect("a key");
    assert_eq!((key.name.as_deref(), key.scopes.to_string().as_str()), (Some("deploy"), "account:read"));
    assert_eq!(key.created_on, crate::support::site::start_time(), "its history goes on");
}

/// The header tells who still uses the old secret that its time is up before that of the key.
#[rstest]
#[tokio::test]
async fn answers_to_the_secret_before_tell_when_it_ends(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let old = site.add_access_token(&alice, "account:read", "30d").await;
    let new = rotate(&site, &alice, &old, Grace::Day).await;
    let expires = async |key| {
        let answer = site.get_with_key(ADDRESS, key).await;
        answer.header("X-Latchkey-Token-Expires").map(str::to_owned)
    };
    assert_eq!(expires(&old).await.as_deref(), Some("2026-11-25T09:30:00Z"));
    assert_eq!(expires(&new).await.as_deref(), Some("2026-12-24T09:30:00Z"));
}

#[rstest]
#[tokio::test]
async fn it_is_known_by_which_secret_the_last_use_came(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let old = site.add_access_token(&alice, "account:read", "30d").await;
    let used = |by| Some(KeyUse { on: site.clock.now(), by });
    assert_eq!(last_use(&site, &alice, &old), None);
    // The use of the old secret is still pending when the key is rotated.
    site.later(TimeDelta::seconds(1));
    status(&site, &old).await;
    site.later(TimeDelta::seconds(1));
    status(&site, &old).await;
    let by_old = used(UsedSecret::Earlier);
    let new = rotate(&site, &alice, &old, Grace::Day).await;
    assert_eq!(last_use(&site, &alice, &new), by_old, "the new secret was never used");
    site.later(TimeDelta::minutes(2));
    site.flush().await;
    assert_eq!(last_use(&site, &alice, &new), by_old);
    status(&site, &new).await;
    assert_eq!(last_use(&site, &alice, &new), used(UsedSecret::Current));
    site.later(TimeDelta::minutes(2));
    status(&site, &old).await;
    assert_eq!(last_use(&site, &alice, &new), used(UsedSecret::Earlier));
    site.later(TimeDelta::minutes(2));
    site.flush().await;
    let key = owned(&site, &alice, &new).expect("a key");
    let recorded = key.last_use(latchkey::models::keys::token::Token::recorded_use);
    assert_eq!(recorded, last_use(&site, &alice, &new), "what is recorded says the same");
}

/// Whatever is removed of old secrets, the key never reads as less used than it was.
#[rstest]
#[tokio::test]
async fn the_use_of_a_secret_that_is_forgotten_stays_the_keys(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let mut key = site.add_access_token(&alice, "account:read", "never").await;
    let mut latest = None;
    for _ in 0..12 {
        key = rotate(&site, &alice, &key, Grace::None).await;
        if latest.is_none() {
            site.later(TimeDelta::minutes(1));
            assert_eq!(status(&site, &key).await, 200);
            latest = Some(KeyUse { on: site.clock.now(), by: UsedSecret::Current });
            site.flush().await;
        } else {
            let by = UsedSecret::Earlier;
            latest = latest.map(|latest| KeyUse { by, ..latest });
        }
        assert_eq!(last_use(&site, &alice, &key), latest);
        site.later(TimeDelta::days(2));
    }
    let recorded = owned(&site, &alice, &key).expect("a key");
    let by = latest.and_then(|latest| recorded.used_by(latest)).expect("who used it").in_words();
    assert_eq!(by, "from 127.0.0.1", "nor is it forgotten who used it");
    let secrets = site.database.number("SELECT count(*) AS number FROM tokens");
    assert!(secrets <= 4, "what is long over is removed, {secrets} are left");
    assert_eq!(status(&site, &key).await, 200);
}

/// "Revoking the key, by either secret, ends both."
#[rstest]
#[tokio::test]
async fn to_revoke_a_key_ends_every_secret(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let first = site.add_access_token(&alice, "account:read", "30d").await;
    let second = rotate(&site, &alice, &first, Grace::Week).await;
    let third = rotate(&site, &alice, &second, Grace::Week).await;
    for key in [&first, &second, &third] {
        assert_eq!(status(&site, key).await, 200);
    }
    site.later(TimeDelta::seconds(1));
    let id = (UserId(alice.id), KeyId(first.id));
    site.write(move |tx| OwnedKey::revoke(tx, id)).await;
    for key in [&first, &second, &third] {
        assert_eq!(status(&site, key).await, 401);
    }
    assert_eq!(site.database.number("SELECT count(*) AS number FROM tokens"), 0);
    site.flush().await;
    assert_eq!(told(&site, &alice)[0].0, "Access token “deploy” revoked");
}

#[rstest]
#[tokio::test]
async fn of_one_key_five_secrets_work_at_a_time(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let mut keys = vec![site.add_access_token(&alice, "account:read", "30d").await];
    for _ in 0..4 {
        keys.push(rotate(&site, &alice, &keys[0], Grace::Week).await);
    }
    for key in &keys {
        assert_eq!(status(&site, key).await, 200);
    }
    let id = (UserId(alice.id), KeyId(keys[0].id));
    let more = site.try_write(move |tx| OwnedKey::rotate(tx, id, Grace::Week)).await;
    let refusal = more.map(|_| ()).expect_err("a refusal");
    let text = "This access token already has 5 active secrets: wait until one stops working, or revoke the token";
    assert_eq!(refusal.to_string(), text);
    site.later(TimeDelta::days(7));
    rotate(&site, &alice, &keys[0], Grace::Week).await;
}
