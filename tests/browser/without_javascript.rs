//! "work without JavaScript"

use rstest::rstest;

use super::{assert_console, new_secret, sign_in};
use crate::support::browser::{Browser, Options};
use crate::support::*;

#[rstest]
#[tokio::test]
async fn the_main_job_needs_no_javascript(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let browser = Browser::start(Options::desktop().without_javascript()).await;
    sign_in(&browser, &site.url, "alice").await;
    browser.shows("Missing an API access key").await;

    browser.click("Create API access key").await;
    let secret = new_secret(&browser).await;
    for button in ["Copy the key", "Copy the command"] {
        assert!(!browser.offers(button).await, "{button} is offered where no script runs");
    }
    browser.click("Back to my account").await;
    browser.shows("Never used").await;

    let answer = Answer::of(site.get("/users/current.json").header("X-Redmine-API-Key", &secret)).await;
    assert_eq!(answer.status, 200);
    browser.click("My account").await;
    browser.shows("Last used: less than a minute ago").await;

    browser.click("Reset API access key").await;
    browser.shows("Programs that use this key will stop working at once.").await;
    browser.click("Reset API access key").await;
    browser.shows("The old key has stopped working.").await;
    assert_ne!(new_secret(&browser).await, secret);
    browser.click("Sign out").await;
    browser.shows("You have signed out.").await;
    assert_console(&browser, "the whole way", &[]).await;
}

/// "errors beside their fields, input kept"
#[rstest]
#[tokio::test]
async fn errors_stand_at_the_top_and_at_their_fields_and_keep_what_was_typed(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let browser = Browser::start(Options::phone().without_javascript()).await;
    sign_in(&browser, &site.url, "alice").await;
    browser.fill("First name", "").await;
    browser.fill("Last name", "Archer").await;
    browser.fill("Email", "not a mail address").await;
    browser.click("Save").await;
    browser.shows("There is a problem First name cannot be blank Email is invalid").await;
    browser.shows("First name Error: First name cannot be blank").await;
    browser.shows("Email Error: Email is invalid").await;
    assert_eq!(browser.value_of("Last name").await, "Archer");
    assert_eq!(browser.value_of("Email").await, "not a mail address");
    assert_eq!(site.user("alice").lastname, "Person alice");
    assert_console(&browser, "account with errors", &[422]).await;
}
