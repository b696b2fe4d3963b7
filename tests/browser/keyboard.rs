//! "keyboard and screen reader": the main job without a mouse.

use chrono::TimeDelta;
use latchkey::models::keys::token::Token;
use rstest::rstest;
use serde_json::json;

use super::{assert_console, new_secret, sign_in};
use crate::support::browser::{Browser, Options};
use crate::support::*;

/// Presses Tab until the element of that name has the focus; gives the names on the way. Each must be seen to have it.
async fn tab_to(browser: &Browser, wanted: &str) -> Vec<String> {
    let mut passed = Vec::new();
    while passed.len() < 30 {
        browser.press("Tab").await;
        let name = browser.active_element_label().await;
        assert_focus_is_seen(browser, &name).await;
        passed.push(name);
        if passed.last().is_some_and(|name| name == wanted) {
            return passed;
        }
    }
    panic!("Tab does not lead to {wanted:?}, only to {passed:?}");
}

/// The element with the focus is on the screen, with a ring of 2 px at least.
async fn assert_focus_is_seen(browser: &Browser, name: &str) {
    let ring = "const style = getComputedStyle(document.activeElement);
                const box = document.activeElement.getBoundingClientRect();
                const inside = box.bottom > 0 && box.top < innerHeight && box.width > 0;
                return [inside, style.outlineStyle === 'solid' && parseFloat(style.outlineWidth) >= 2]";
    assert_eq!(browser.evaluate(ring).await, json!([true, true]), "whether {name:?} is on the screen, with a ring");
}

#[rstest]
#[tokio::test]
async fn the_keyboard_alone_does_the_main_job(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let browser = Browser::start(Options::desktop()).await;
    browser.goto(&site.url).await;
    browser.focus_is_on("Login").await;
    browser.type_text("alice").await;
    assert_eq!(tab_to(&browser, "Password").await, ["Password"]);
    browser.type_text(PASSWORD).await;
    browser.press("Enter").await;

    browser.shows("Missing an API access key").await;
    assert_eq!(tab_to(&browser, "Skip to content").await, ["Skip to content"]);
    browser.press("Enter").await;
    browser.focus_is_in("main").await;
    let passed = tab_to(&browser, "Create API access key").await;
    let form = ["First name", "Last name", "Email", "Save", "Change password"];
    let keys = ["Create access token", "Service accounts that you own", "Create API access key"];
    assert_eq!(passed, [&form[..], &keys].concat());
    browser.press("Enter").await;

    browser.shows("Copy it now: it will not be shown again.").await;
    browser.focus_is_on("Your new API access key").await;
    let secret = new_secret(&browser).await;
    assert_eq!(browser.evaluate("return getSelection().toString()").await, json!(secret), "it is not selected");
    assert_eq!(tab_to(&browser, "Copy the key").await, ["Copy the key"]);
    browser.press("Enter").await;
    browser.shows("Copied").await;
    assert_eq!(tab_to(&browser, "Back to my account").await, ["Copy the command", "Back to my account"]);
    browser.press("Enter").await;

    browser.shows("Never used").await;
    tab_to(&browser, "Reset API access key").await;
    browser.press("Enter").await;
    browser.shows("This cannot be undone.").await;
    tab_to(&browser, "Reset API access key").await;
    browser.press("Enter").await;
    browser.shows("The old key has stopped working.").await;
    assert_ne!(new_secret(&browser).await, secret);

    browser.goto(&site.url).await;
    let header = ["Skip to content", "Latchkey", "My account", "Activity", "Sign out"];
    assert_eq!(tab_to(&browser, "Sign out").await, header);
    browser.press("Enter").await;
    browser.shows("You have signed out.").await;
    assert_console(&browser, "the whole way", &[]).await;
}

#[rstest]
#[tokio::test]
async fn the_keyboard_alone_makes_an_access_token(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let browser = Browser::start(Options::desktop()).await;
    sign_in(&browser, &site.url, "alice").await;
    tab_to(&browser, "Create access token").await;
    browser.press("Enter").await;
    browser.shows("Expiration").await;
    tab_to(&browser, "Name").await;
    browser.type_text("Backup").await;
    assert_eq!(tab_to(&browser, "See your account account:read").await.len(), 2, "the note is between");
    browser.press("Space").await;
    tab_to(&browser, "30 days until 24 Dec 2026").await;
    browser.press("Down").await;
    browser.shows("It will work until 23 Jan 2027.").await;
    tab_to(&browser, "Create access token").await;
    browser.press("Enter").await;
    browser.shows("Copy it now: it will not be shown again.").await;
    browser.focus_is_on("Your new access token").await;
    let secret = browser.value_of("Your new access token").await;
    log::note_secret(&secret);
    assert_eq!(browser.evaluate("return getSelection().toString()").await, json!(secret), "it is not selected");
    let tokens = site.app.database.read_now(move |connection| Token::keys_of(connection, &[alice.id])).expect("keys");
    assert_eq!(tokens[0].expires_on, Some(site.clock.now() + TimeDelta::days(60)));
    assert_console(&browser, "the whole way", &[]).await;
}

/// "every result is announced (`role="status"`), focus goes where the eye goes"
#[rstest]
#[tokio::test]
async fn after_a_mistake_the_focus_is_on_the_summary_which_leads_to_the_field(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let browser = Browser::start(Options::desktop()).await;
    browser.goto(&site.url).await;
    browser.type_text("alice").await;
    browser.press("Tab").await;
    browser.type_text("wrong-password").await;
    browser.press("Enter").await;
    browser.shows("There is a problem").await;
    browser.focus_is_on("There is a problem").await;
    assert_focus_is_seen(&browser, "the summary").await;
    assert_eq!(browser.evaluate("return document.title").await, json!("Error: Sign in · Latchkey"));
    tab_to(&browser, "The login or password is wrong.").await;
    browser.press("Enter").await;
    browser.focus_is_on("Login").await;
    assert_eq!(browser.value_of("Login").await, "alice");
    assert_eq!(browser.value_of("Password").await, "");
    browser.press("Tab").await;
    browser.type_text(PASSWORD).await;
    browser.press("Enter").await;

    browser.shows("Missing an API access key").await;
    browser.fill("Email", "nonsense").await;
    browser.press("Enter").await;
    browser.shows("There is a problem").await;
    browser.focus_is_on("There is a problem").await;
    tab_to(&browser, "Email is invalid").await;
    browser.press("Enter").await;
    browser.focus_is_on("Email").await;
    browser.fill("Email", "alice@example.com").await;
    browser.press("Enter").await;
    browser.shows("Your account has been saved.").await;
    assert_console(&browser, "the whole way", &[422, 422]).await;
}
