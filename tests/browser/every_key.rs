//! *Keys*, as an administrator finds, suspends and revokes several of them.

use chrono::TimeDelta;
use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::people::{add_alice, add_longest};
use super::{assert_console, assert_sound, sign_in};
use crate::support::browser::{Browser, JavaScript, Options};
use crate::support::*;

#[rstest]
#[case::sqlite_desktop_light(Sqlite, Options::desktop())]
#[case::postgres_phone_dark(Postgres, Options::phone().dark())]
#[case::sqlite_phone_without_javascript(Sqlite, Options::phone().without_javascript())]
#[tokio::test]
async fn an_administrator_finds_keys_and_suspends_and_revokes_several(#[case] db: Db, #[case] options: Options) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let alice = add_alice(&site).await;
    for name in ["Nightly report", "Backup on the NAS"] {
        let key = site.add_access_token(&alice, "account:read", "30d").await;
        site.database.execute(&format!("UPDATE tokens SET name = '{name}' WHERE id = {}", key.id));
    }
    let browser = Browser::start(options).await;
    let sound = async |page: &str| match options.javascript {
        JavaScript::On => assert_sound(&browser, page).await,
        // Axe is a script itself.
        JavaScript::Off => assert_console(&browser, page, &[]).await,
    };
    sign_in(&browser, &site.url, "root").await;
    browser.click("Keys").await;
    browser.shows("Nightly report").await;
    sound("keys").await;
    browser.fill("Name or note", "nas").await;
    browser.click("Search").await;
    browser.shows("Show all keys").await;
    assert!(!browser.text().await.contains("Nightly report"));
    browser.click("Show all keys").await;
    browser.shows("Nightly report").await;
    browser.click("More filters").await;
    sound("keys with all filters").await;

    browser.goto(&format!("{}/admin/users/{}", site.url, alice.id)).await;
    browser.shows("Suspend the chosen keys…").await;
    sound("a person's keys to choose from").await;
    browser.click("Search these keys").await;
    browser.shows("Nightly report").await;

    site.later(TimeDelta::minutes(16));
    let of_two = "[...document.querySelectorAll('.pick')].slice(0, 2).forEach(box => box.click()); return 2";
    let choose = async |verb: &str| {
        if matches!(options.javascript, JavaScript::On) {
            browser.evaluate(of_two).await;
            browser.click(&format!("{verb} the chosen keys…")).await;
        } else {
            let ids = site.database.number("SELECT max(id) AS number FROM tokens WHERE action = 'access'");
            let verb = verb.to_lowercase();
            browser.goto(&format!("{}/admin/keys/{verb}?ids={ids}&ids={}", site.url, ids - 1)).await;
        }
    };
    choose("Suspend").await;
    browser.shows("Suspend 2 keys?").await;
    sound("the question before they are suspended").await;
    browser.fill("Your password", PASSWORD).await;
    browser.click("Suspend 2 keys").await;
    browser.shows("2 keys have been suspended. Their pages show who misses them.").await;
    sound("what was suspended").await;
    browser.click("Back to all keys").await;
    browser.shows("Suspended").await;

    choose("Revoke").await;
    browser.shows("Revoke 2 keys?").await;
    sound("the question").await;
    browser.click("Revoke 2 keys").await;
    browser.shows("2 keys have been revoked. No program can use them any more.").await;
    sound("the result").await;
    browser.click("Back to all keys").await;
    browser.shows("API access key").await;
    assert!(!browser.text().await.contains("Nightly report"));
}

#[rstest]
#[tokio::test]
async fn nothing_about_keys_scrolls_sideways_however_long_it_is(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let longest = add_longest(&site).await;
    let key = site.add_access_token(&longest, "account:read", "30d").await;
    site.database.execute(&format!("UPDATE tokens SET name = '{}' WHERE id = {}", "N".repeat(100), key.id));
    site.add_key(&longest, TokenAction::Api).await;
    let browser = Browser::start(Options::desktop()).await;
    sign_in(&browser, &site.url, "root").await;
    let filtered = format!("/admin/keys?search={}&state=broken&scope=x", "w".repeat(300));
    let questions = ["revoke", "suspend"].map(|verb| format!("/admin/keys/{verb}?ids={}", key.id));
    for path in ["/admin/keys".to_owned(), filtered].into_iter().chain(questions) {
        browser.goto(&format!("{}{path}", site.url)).await;
        for width in [320, 360, 540, 719, 720, 959, 960, 1280, 1600] {
            browser.apply(Options { width, ..Options::desktop() }).await;
            assert!(!browser.scrolls_sideways().await, "{path} scrolls sideways at {width} px");
        }
    }
}
