//! Plain http under a host name of the local network, where browsers give pages no clipboard.

use rstest::rstest;

use super::{assert_sound, new_secret, sign_in};
use crate::support::browser::{Browser, LAN_HOST, Options};
use crate::support::*;

/// "Plain http under a LAN host name must work (browsers send `Sec-Fetch-Site` only to https and loopback)"
#[rstest]
#[tokio::test]
async fn every_form_works_on_the_local_network_and_copy_is_not_offered(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let url = site.url.replace("127.0.0.1", LAN_HOST);
    let browser = Browser::start(Options::desktop()).await;
    sign_in(&browser, &url, "alice").await;
    assert_eq!(
        browser.evaluate("return [isSecureContext, !!navigator.clipboard]").await,
        serde_json::json!([false, false])
    );

    browser.click("Create API access key").await;
    let secret = new_secret(&browser).await;
    for button in ["Copy the key", "Copy the command"] {
        assert!(!browser.offers(button).await, "{button} is offered where there is no clipboard");
    }
    assert_sound(&browser, "key made").await;

    let answer = Answer::of(site.get("/users/current.json").header("X-Redmine-API-Key", &secret)).await;
    assert_eq!(answer.status, 200);
    browser.click("Back to my account").await;
    browser.shows("Last used: less than a minute ago").await;
    browser.fill("First name", "Alicia").await;
    browser.click("Save").await;
    browser.shows("Your account has been saved.").await;
    assert_eq!(browser.value_of("First name").await, "Alicia");

    browser.click("Reset API access key").await;
    browser.shows("Programs that use this key will stop working at once.").await;
    browser.click("Reset API access key").await;
    browser.shows("The old key has stopped working.").await;
    assert_ne!(new_secret(&browser).await, secret);
    browser.click("Sign out").await;
    browser.shows("You have signed out.").await;
    assert_sound(&browser, "signed out").await;
}
