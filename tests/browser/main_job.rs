//! The main job, from signing in to signing out.

use chrono::TimeDelta;
use rstest::rstest;

use super::{assert_sound, new_secret, sign_in};
use crate::support::browser::{Browser, Options};
use crate::support::*;

/// "sign in, make a key, use it over HTTP, see "Never used" turn into "Last used", reset, sign out, at desktop and
/// phone width, light and dark, without console errors, with an accessibility check by axe-core"
#[rstest]
#[case::sqlite_desktop_light(Sqlite, Options::desktop())]
#[case::postgres_desktop_light(Postgres, Options::desktop())]
#[case::sqlite_phone_light(Sqlite, Options::phone())]
#[case::postgres_desktop_dark(Postgres, Options::desktop().dark())]
#[case::sqlite_phone_dark(Sqlite, Options::phone().dark())]
#[case::postgres_phone_dark(Postgres, Options::phone().dark())]
#[tokio::test]
async fn a_new_key_reads_never_used_until_a_program_uses_it(#[case] db: Db, #[case] options: Options) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let browser = Browser::start(options).await;

    browser.goto(&site.url).await;
    assert_eq!(browser.url().await, format!("{}/login?back_url=%2Fmy%2Faccount", site.url));
    assert_sound(&browser, "sign in").await;

    sign_in(&browser, &site.url, "alice").await;
    browser.shows("Missing an API access key").await;
    assert_sound(&browser, "My account without keys").await;

    browser.click("Create API access key").await;
    browser.shows("Copy it now: it will not be shown again.").await;
    assert_sound(&browser, "key made").await;
    let secret = new_secret(&browser).await;

    browser.click("Back to my account").await;
    browser.shows("Never used").await;
    assert!(!browser.text().await.contains("Last used"), "{}", browser.text().await);
    assert!(!browser.text().await.contains(&secret), "the secret is shown again");
    assert_sound(&browser, "My account, never used").await;

    assert_eq!(status_with(&site, &secret).await, 200);
    browser.goto(&browser.url().await).await;
    browser.shows("Last used: less than a minute ago").await;
    assert!(!browser.text().await.contains("Never used"), "{}", browser.text().await);
    assert_sound(&browser, "My account, used").await;

    site.later(TimeDelta::minutes(5));
    browser.click("Reset API access key").await;
    browser.shows("Programs that use this key will stop working at once.").await;
    browser.shows("Last used: 5 minutes ago").await;
    assert_sound(&browser, "reset asks").await;
    assert_eq!(status_with(&site, &secret).await, 200, "asking has reset the key");

    browser.click("Reset API access key").await;
    browser.shows("The old key has stopped working.").await;
    assert_sound(&browser, "key reset").await;
    let new = new_secret(&browser).await;
    assert_ne!(new, secret);
    assert_eq!(status_with(&site, &secret).await, 401);
    assert_eq!(status_with(&site, &new).await, 200);

    browser.click("Activity").await;
    browser.shows("What happened to your account and its keys").await;
    browser.shows("API access key first used").await;
    assert_sound(&browser, "activity").await;

    browser.click("Sign out").await;
    browser.shows("You have signed out.").await;
    assert_sound(&browser, "signed out").await;
    browser.goto(&format!("{}/my/account", site.url)).await;
    assert!(browser.offers("Sign in").await, "{}", browser.text().await);
}

/// What the API answers to a program with that key.
async fn status_with(site: &Site, secret: &str) -> u16 {
    Answer::of(site.get("/users/current.json").header("X-Redmine-API-Key", secret)).await.status
}

/// "the new secret, once, with a Copy button where JavaScript runs"
#[rstest]
#[tokio::test]
async fn copy_copies_the_key_and_the_command_and_says_so(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let browser = Browser::start(Options::desktop()).await;
    sign_in(&browser, &site.url, "alice").await;
    browser.click("Create API access key").await;
    let secret = new_secret(&browser).await;

    browser.click("Copy the key").await;
    browser.shows("Copied").await;
    assert_eq!(browser.clipboard().await, secret);

    browser.click("Copy the command").await;
    let command = format!("curl -H 'X-Redmine-API-Key: {secret}' {}/users/current.json", site.url);
    // The clipboard is written in the browser's own time: what says so is the second "Copied".
    browser.shows(&format!("{command} Copy the command Copied")).await;
    assert_eq!(browser.clipboard().await, command);
    assert_sound(&browser, "key made, copied").await;

    browser.evaluate("navigator.clipboard.writeText = () => Promise.reject(new Error('no'))").await;
    browser.click("Copy the key").await;
    browser.shows("Not copied: select the text instead.").await;
    assert_sound(&browser, "key made, not copied").await;
}

/// "A button says what it does", "a confirmation says what will break": walking away from it changes nothing.
#[rstest]
#[tokio::test]
async fn a_reset_that_was_thought_better_of_leaves_the_key_alone(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let browser = Browser::start(Options::phone()).await;
    sign_in(&browser, &site.url, "alice").await;
    browser.click("Create API access key").await;
    let secret = new_secret(&browser).await;
    browser.goto(&format!("{}/my/api_key", site.url)).await;
    browser.shows("Never used Too early to say: recorded for less than a minute.").await;
    browser.click("Cancel").await;
    browser.shows("Missing an Atom access key").await;
    assert_eq!(status_with(&site, &secret).await, 200);
    assert_sound(&browser, "back at My account").await;
}
