//! Settings about keys: how many, how long, and whether the classic one works.

use chrono::TimeDelta;
use latchkey::models::keys::key_request::{KeyPolicy, NewKey};
use latchkey::models::keys::scope::{Scope, Scopes};
use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;

/// What comes of a wish for an access token: until when it is valid, or why there is none.
async fn make(site: &Site, user: &User, expiry: Option<&str>) -> Result<Option<latchkey::clock::Timestamp>, String> {
    let (user_id, policy) = (user.id, KeyPolicy::of(&site.app.config));
    let expiry = expiry.map(|expiry| expiry.parse().expect("an expiry"));
    let new = NewKey {
        name: "one".into(),
        note: String::new(),
        scopes: Scopes::from(Scope::AccountRead).into(),
        expiry,
        networks: None,
    };
    let made = site.try_write(move |tx| OwnedKey::make(tx, user_id, &new, &policy)).await;
    made.map(|(key, _)| key.expires_on).map_err(|refusal| refusal.to_string())
}

/// "can be switched off by a setting"
#[rstest]
#[tokio::test]
async fn api_access_keys_can_be_switched_off(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--api-access-keys=off"]).await;
    let alice = site.add_user("alice").await;
    let classic = site.add_key(&alice, TokenAction::Api).await;
    let access = site.add_access_token(&alice, "account:read", "30d").await;
    let answer = site.get_with_key(ADDRESS, &classic).await;
    assert_eq!((answer.status, answer.header("WWW-Authenticate")), (401, None));
    assert_eq!(status(&site, &access).await, 200);
    assert_eq!(Answer::of(site.get(ADDRESS).basic_auth("alice", Some(PASSWORD))).await.status, 200);
    site.flush().await;
    assert_eq!(site.recorded_use(&classic), None, "it was refused");
}

#[rstest]
#[tokio::test]
async fn a_person_has_as_many_access_tokens_as_the_setting_says(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--access-tokens-per-user=2"]).await;
    let (alice, bob) = (site.add_user("alice").await, site.add_user("bob").await);
    let first = site.add_access_token(&alice, "account:read", "30d").await;
    make(&site, &alice, None).await.expect("a second");
    let text = "There are already 2 access tokens, the most that one person may have: revoke one first";
    assert_eq!(make(&site, &alice, None).await, Err(text.to_owned()));
    make(&site, &bob, None).await.expect("another person's");
    rotate(&site, &alice, &first, Grace::Week).await;
    assert_eq!(status(&site, &first).await, 200, "none was ended for another");
}

#[rstest]
#[tokio::test]
async fn the_settings_say_how_long_an_access_token_lives(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let now = site.clock.now();
    assert_eq!(make(&site, &alice, None).await, Ok(Some(now + TimeDelta::days(30))), "the usual time");
    assert_eq!(make(&site, &alice, Some("never")).await, Ok(None));
    drop(site);
    let flags = ["--access-token-lifetime=0", "--access-token-longest-lifetime=90d"];
    let site = Site::start_with(db, &flags).await;
    let alice = site.add_user("alice").await;
    assert_eq!(make(&site, &alice, None).await, Ok(Some(now + TimeDelta::days(90))), "as long as it may");
    let refused = Err("Expiration cannot be more than 90 days away".to_owned());
    assert_eq!(make(&site, &alice, Some("never")).await, refused);
    assert_eq!(make(&site, &alice, Some("92d")).await, refused);
    let end_of_the_day = "2027-02-23T00:00:00".parse().expect("a time");
    assert_eq!(make(&site, &alice, Some("2027-02-22")).await, Ok(Some(end_of_the_day)), "a date, to its end");
}

#[rstest]
#[case("0d", "Expiration must be in the future")]
#[case("2026-11-23", "Expiration must be in the future")]
#[case("2026-11-24T09:30:00Z", "Expiration must be in the future")]
#[case("65535d", "Expiration cannot be more than 100 years away; use never for no expiration")]
#[case("9999-12-31", "Expiration cannot be more than 100 years away; use never for no expiration")]
#[tokio::test]
async fn an_expiry_lies_ahead_and_within_reach(
    #[case] expiry: &str,
    #[case] text: &str,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    assert_eq!(make(&site, &alice, Some(expiry)).await, Err(text.to_owned()));
    assert_eq!(site.database.number("SELECT count(*) AS number FROM tokens"), 0, "nothing was made");
}
