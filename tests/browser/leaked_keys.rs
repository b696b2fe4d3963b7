//! A key that was leaked: reported by a stranger, and told to its owner.

use rstest::rstest;

use super::people::{LONG_LOGIN, add_longest};
use super::{assert_sound, assert_sound_but_for, sign_in};
use crate::support::browser::{Browser, JavaScript, Options};
use crate::support::*;

#[rstest]
#[case::sqlite(Sqlite, Options::desktop())]
#[case::postgres(Postgres, Options::phone())]
#[case::sqlite_phone_dark(Sqlite, Options::phone().dark())]
#[case::postgres_without_javascript(Postgres, Options::desktop().dark().without_javascript())]
#[tokio::test]
async fn a_stranger_reports_it_and_its_owner_sees_that(#[case] db: Db, #[case] options: Options) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    let has_scripts = matches!(options.javascript, JavaScript::On);
    let browser = Browser::start(options).await;
    let sound = async |page: &str, statuses: &[u16]| {
        if has_scripts {
            assert_sound_but_for(&browser, page, statuses).await;
        }
    };
    browser.goto(&format!("{}/login", site.url)).await;
    browser.click("Report a leaked key").await;
    browser.shows("Have you found the secret of a key in a repository").await;
    sound("report", &[]).await;
    browser.click("Revoke the key").await;
    browser.shows("Secret cannot be blank").await;
    sound("report with an error", &[422]).await;
    browser.fill("Secret", &key.secret).await;
    browser.click("Revoke the key").await;
    browser.shows("Thank you.").await;
    assert_eq!(browser.value_of("Secret").await, "");
    assert!(!browser.url().await.contains(&key.secret));
    sound("reported", &[]).await;

    sign_in(&browser, &site.url, "alice").await;
    browser.shows("One of your keys was leaked").await;
    browser.shows(&format!("Access token “deploy” (····{}) was revoked on 24 Nov 2026", &key.secret[45..])).await;
    sound("My account, told", &[]).await;
    browser.click("Activity").await;
    browser.shows("Access token “deploy” revoked: its secret was reported as leaked").await;
    sound("activity", &[]).await;
    browser.goto(&format!("{}/my/account", site.url)).await;
    browser.click("Dismiss").await;
    browser.shows("Missing an API access key").await;
    assert!(!browser.text().await.contains("leaked"), "{}", browser.text().await);
    sound("My account, seen", &[]).await;
}

/// However long names are.
#[rstest]
#[tokio::test]
async fn what_the_owner_is_told_fits_any_width(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = add_longest(&site).await;
    let key = site.add_access_token(&user, "account:write tokens:write", "30d").await;
    site.database.execute(&format!("UPDATE tokens SET name = '{}' WHERE id = {}", "n".repeat(100), key.id));
    let report = site.request(reqwest::Method::POST, "/revoke.json");
    let report = report.body(serde_json::json!({ "secret": key.secret }).to_string());
    assert_eq!(Answer::of(report).await.status, 204);
    let browser = Browser::start(Options::desktop()).await;
    browser.goto(&format!("{}/revoke", site.url)).await;
    for width in [320, 719, 720, 1600] {
        browser.apply(Options { width, ..Options::desktop() }).await;
        assert!(!browser.scrolls_sideways().await, "the report scrolls sideways at {width} px");
    }
    sign_in(&browser, &site.url, LONG_LOGIN).await;
    for (path, text) in [("/my/account", "One of your keys was leaked"), ("/activity", "reported as leaked")] {
        browser.goto(&format!("{}{path}", site.url)).await;
        browser.shows(text).await;
        for width in [320, 719, 720, 1600] {
            browser.apply(Options { width, ..Options::desktop() }).await;
            assert!(!browser.scrolls_sideways().await, "{path} scrolls sideways at {width} px");
        }
        assert_sound(&browser, path).await;
    }
}
