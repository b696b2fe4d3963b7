//! Suspending keys, hearing who misses them, and keys that end because nobody uses them.

use chrono::TimeDelta;
use rstest::rstest;

use super::people::add_alice;
use super::{assert_sound, sign_in};
use crate::support::browser::{Browser, Options};
use crate::support::*;

async fn status(site: &Site, key: &Key) -> u16 {
    site.get_with_key("/my/tokens/current.json", key).await.status
}

#[rstest]
#[case::sqlite_desktop_light(Sqlite, Options::desktop())]
#[case::postgres_phone_dark(Postgres, Options::phone().dark())]
#[tokio::test]
async fn a_key_is_suspended_misses_its_program_and_is_switched_on(#[case] db: Db, #[case] options: Options) {
    let site = Site::start(db).await;
    let alice = add_alice(&site).await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    assert_eq!(status(&site, &key).await, 200);
    let browser = Browser::start(options).await;
    sign_in(&browser, &site.url, "alice").await;
    browser.goto(&format!("{}/my/tokens/{}", site.url, key.id)).await;
    browser.click("Suspend").await;
    browser.shows("Suspend “deploy”?").await;
    assert_sound(&browser, "suspend asks").await;
    browser.click("Until it is switched on again").await;
    browser.click("The key is revoked").await;
    browser.click("Suspend deploy").await;
    browser.shows("There is a problem").await;
    assert_eq!(browser.console_errors().await.len(), 1, "that it was refused");
    assert_eq!(status(&site, &key).await, 200);
    browser.click("The key works again").await;
    browser.click("Suspend deploy").await;
    browser.shows("No program has tried to use this key since it was suspended.").await;
    assert_sound(&browser, "a suspended key").await;

    assert_eq!(status(&site, &key).await, 401);
    site.later(TimeDelta::minutes(3));
    site.flush().await;
    browser.goto(&browser.url().await).await;
    browser.shows("Refused while suspended").await;
    browser.shows("3 minutes ago").await;
    assert_sound(&browser, "who was refused").await;

    browser.click("Switch on again").await;
    browser.shows("Switch on “deploy” again?").await;
    assert_sound(&browser, "switching on asks").await;
    browser.click("Switch on deploy").await;
    browser.shows("Refused while it was suspended").await;
    assert_sound(&browser, "a key that was switched on").await;
    assert_eq!(status(&site, &key).await, 200);
}

#[rstest]
#[case::sqlite_phone_light(Sqlite, Options::phone())]
#[case::postgres_desktop_dark(Postgres, Options::desktop().dark())]
#[tokio::test]
async fn a_key_that_nobody_uses_is_announced_and_kept_for_a_reason(#[case] db: Db, #[case] options: Options) {
    let site = Site::start_with(db, &["--unused-keys=60d"]).await;
    site.add_admin("root").await;
    let alice = add_alice(&site).await;
    let key = site.add_access_token(&alice, "account:read", "never").await;
    site.later(TimeDelta::days(50));
    site.flush().await;
    let browser = Browser::start(options).await;
    sign_in(&browser, &site.url, "alice").await;
    browser.shows("will be suspended").await;
    assert_sound(&browser, "My account with keys that end").await;
    browser.goto(&format!("{}/my/tokens/{}", site.url, key.id)).await;
    browser.shows("This token will be suspended").await;
    assert_sound(&browser, "a token that ends").await;
    browser.click("Sign out").await;
    browser.shows("You have signed out.").await;

    sign_in(&browser, &site.url, "root").await;
    browser.goto(&format!("{}/admin/users/{}/keys/{}", site.url, alice.id, key.id)).await;
    browser.shows("This key will be suspended").await;
    assert_sound(&browser, "somebody's key that ends").await;
    browser.click("Change").await;
    browser.shows("although nobody uses it?").await;
    assert_sound(&browser, "keeping it asks").await;
    browser.fill("Reason", "It runs once a year.").await;
    browser.click("Save").await;
    browser.shows("Kept: It runs once a year.").await;
    assert_sound(&browser, "a key that is kept").await;
}
