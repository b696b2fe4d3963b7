//! What holds on pages that the main job does not come by: forms with errors, empty states, error pages.

use chrono::TimeDelta;
use latchkey::models::keys::token::TokenAction;
use rstest::rstest;
use serde_json::{Value, json};

use super::people::{add_alice, add_many_events, forget_events};
use super::{assert_console, assert_sound, assert_sound_but_for, sign_in};
use crate::support::browser::{Browser, Options};
use crate::support::*;

/// What a screen reader lists of a page: title, landmarks and headings.
async fn outline(browser: &Browser) -> Value {
    let script = "
        const roles = { HEADER: 'banner', NAV: 'navigation', MAIN: 'main', ASIDE: 'complementary' };
        const labelled = e => document.getElementById(e.getAttribute('aria-labelledby'))?.textContent;
        const of = e => tidy(`${roles[e.tagName] ?? e.tagName.toLowerCase()} ${roles[e.tagName]
            ? e.getAttribute('aria-label') ?? '' : e.textContent}`);
        return [document.title, ...visible('header, nav, main, aside, h1, h2, h3, h4').map(of)]";
    browser.evaluate(script).await
}

#[rstest]
#[tokio::test]
async fn titles_landmarks_and_headings_tell_where_one_is(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    add_alice(&site).await;
    let browser = Browser::start(Options::desktop()).await;
    let stranger = [
        ("/login", json!(["Sign in · Latchkey", "banner", "main", "h1 Sign in"])),
        ("/revoke", json!(["Report a leaked key · Latchkey", "banner", "main", "h1 Report a leaked key"])),
        ("/nowhere", json!(["Page not found · Latchkey", "banner", "main", "h1 Page not found"])),
    ];
    for (path, expected) in stranger {
        browser.goto(&format!("{}{path}", site.url)).await;
        assert_eq!(outline(&browser).await, expected, "{path}");
    }
    sign_in(&browser, &site.url, "alice").await;
    let frame = |title: &str, rest: &[&str]| {
        let all = [&[title, "banner", "navigation Main", "main"], rest].concat();
        json!(all)
    };
    let account = ["h1 My account", "complementary Account and keys", "h2 Access tokens"];
    let account = [&account[..], &["h2 API access key", "h2 Atom access key"]].concat();
    for (path, expected) in [
        ("/my/account", frame("My account · Latchkey", &account)),
        ("/my/password", frame("Change password · Latchkey", &["h1 Change password"])),
        (
            "/my/api_key",
            frame("Reset API access key · Latchkey", &["h1 Reset your API access key?", "h2 API access key"]),
        ),
        (
            "/my/api_key/revoke",
            frame("Revoke API access key · Latchkey", &["h1 Revoke your API access key?", "h2 API access key"]),
        ),
        ("/activity", frame("Activity · Latchkey", &["h1 Activity"])),
        ("/logout", frame("Sign out · Latchkey", &["h1 Sign out"])),
        ("/nowhere", frame("Page not found · Latchkey", &["h1 Page not found"])),
    ] {
        browser.goto(&format!("{}{path}", site.url)).await;
        assert_eq!(outline(&browser).await, expected, "{path}");
    }
}

/// ""Never used" looks different from "2 minutes ago"", and not by its colour alone.
#[rstest]
#[tokio::test]
async fn never_used_and_last_used_differ_in_shape(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    add_alice(&site).await;
    let browser = Browser::start(Options::desktop()).await;
    sign_in(&browser, &site.url, "alice").await;
    browser.shows("Last used: 5 minutes ago").await;
    let shapes = "const shape = e => [getComputedStyle(e).borderStyle, getComputedStyle(e, '::before').borderWidth];
                  return visible('.use-seen, .use-never').map(e => [tidy(e.textContent), ...shape(e)])";
    let expected = json!([["Last used: 5 minutes ago", "solid", "5px"], ["Never used", "dashed", "2px"]]);
    assert_eq!(browser.evaluate(shapes).await, expected);
}

#[rstest]
#[case::sqlite(Sqlite, Options::desktop().dark())]
#[case::postgres(Postgres, Options::phone())]
#[tokio::test]
async fn forms_with_errors_are_sound(#[case] db: Db, #[case] options: Options) {
    let site = Site::start(db).await;
    add_alice(&site).await;
    let browser = Browser::start(options).await;
    browser.goto(&site.url).await;
    browser.fill("Login", "alice").await;
    browser.fill("Password", "wrong-password").await;
    browser.click("Sign in").await;
    browser.shows("The login or password is wrong.").await;
    assert_sound_but_for(&browser, "sign in with an error", &[422]).await;

    sign_in(&browser, &site.url, "alice").await;
    browser.shows("Last used: 5 minutes ago").await;
    browser.fill("First name", "").await;
    browser.click("Save").await;
    browser.shows("First name cannot be blank").await;
    assert_sound_but_for(&browser, "My account with an error", &[422]).await;

    browser.click("Change password").await;
    browser.shows("At least 8 characters.").await;
    assert_sound(&browser, "password").await;
    browser.fill("New password", "short").await;
    browser.click("Change password").await;
    browser.shows("Password is too short (minimum is 8 characters)").await;
    browser.shows("Password confirmation does not match the new password").await;
    assert_sound_but_for(&browser, "password with errors", &[422]).await;
}

#[rstest]
#[case::sqlite(Sqlite, Options::phone().dark())]
#[case::postgres(Postgres, Options::desktop())]
#[tokio::test]
async fn activity_is_sound_full_and_empty(#[case] db: Db, #[case] options: Options) {
    let site = Site::start(db).await;
    let alice = add_alice(&site).await;
    let browser = Browser::start(options).await;
    sign_in(&browser, &site.url, "alice").await;
    browser.click("Activity").await;
    browser.shows("Wrong password ×3").await;
    assert!(!browser.offers("Older").await, "one page offers another");
    assert_sound(&browser, "activity").await;

    add_many_events(&site, &alice).await;
    browser.goto(&browser.url().await).await;
    assert!(!browser.offers("Newer").await, "the first page offers one before it");
    browser.click("Older").await;
    browser.shows("API access key created").await;
    assert!(!browser.offers("Older").await, "the last page offers one after it");
    assert_sound(&browser, "activity, the second page").await;
    browser.click("Newer").await;
    browser.shows("Signed in less than a minute ago").await;

    browser.goto(&format!("{}/activity?page=9", site.url)).await;
    browser.shows("There is nothing older.").await;
    assert_sound(&browser, "activity after the last page").await;

    forget_events(&site, &alice);
    browser.click("Activity").await;
    browser.shows("Nothing has happened yet.").await;
    assert_sound(&browser, "activity, empty").await;
}

#[rstest]
#[case::sqlite(Sqlite, Options::desktop())]
#[case::postgres(Postgres, Options::phone().dark())]
#[tokio::test]
async fn error_pages_wear_the_same_dress_and_show_a_way_on(#[case] db: Db, #[case] options: Options) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let browser = Browser::start(options).await;
    browser.goto(&format!("{}/nowhere", site.url)).await;
    browser.shows("Error 404 Page not found").await;
    assert_sound_but_for(&browser, "404", &[404]).await;
    browser.click("Go to sign in").await;
    browser.shows("Password").await;

    for _ in 0..10 {
        assert_eq!(site.visitor().try_sign_in("alice", "a-wrong-password").await.status, 422);
    }
    sign_in(&browser, &site.url, "alice").await;
    browser.shows("Error 429 Too many requests Too many wrong passwords. Try again in 15 minutes.").await;
    assert_sound_but_for(&browser, "429", &[429]).await;
    site.later(TimeDelta::seconds(14 * 60 + 30));
    sign_in(&browser, &site.url, "alice").await;
    browser.shows("Too many wrong passwords. Try again in 1 minute.").await;
    assert_console(&browser, "429", &[429]).await;

    site.later(TimeDelta::seconds(30));
    sign_in(&browser, &site.url, "alice").await;
    browser.shows("Missing an API access key").await;
    browser.goto(&format!("{}/my/notices/1", site.url)).await;
    browser.shows("Error 405 This method is not supported").await;
    assert_sound_but_for(&browser, "405", &[405]).await;
    browser.click("Go to my account").await;
    browser.shows("Missing an API access key").await;
}

/// "The form names the key that it replaces, so that a form sent twice makes nothing the second time and says so."
#[rstest]
#[case::sqlite(Sqlite, Options::phone())]
#[case::postgres(Postgres, Options::desktop().dark())]
#[tokio::test]
async fn a_form_that_came_too_late_says_that_nothing_was_made(#[case] db: Db, #[case] options: Options) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let browser = Browser::start(options).await;
    sign_in(&browser, &site.url, "alice").await;
    browser.shows("Missing an API access key").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    browser.click("Create API access key").await;
    browser
        .shows("No new key was created: you have already sent this form, or the key has changed since you opened it.")
        .await;
    browser.shows("Never used").await;
    assert_sound_but_for(&browser, "key unchanged", &[409]).await;
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200);
}

#[rstest]
#[tokio::test]
async fn who_must_change_the_password_is_shown_nothing_else(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    site.set_user(&alice, "must_change_password = true");
    let browser = Browser::start(Options::desktop()).await;
    sign_in(&browser, &site.url, "alice").await;
    browser.shows("You must change your password before you can continue.").await;
    assert!(!browser.offers("My account").await && !browser.offers("Activity").await, "{}", browser.text().await);
    assert_sound(&browser, "password that must be changed").await;
    let new = "another-test-password";
    log::note_secret(new);
    browser.fill("Current password", PASSWORD).await;
    browser.fill("New password", new).await;
    browser.fill("Password confirmation", new).await;
    browser.click("Change password").await;
    browser.shows("Your password has been changed.").await;
    browser.shows("Missing an API access key").await;
    assert_sound(&browser, "My account, password changed").await;
}
