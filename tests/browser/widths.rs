//! "320 to 1600 px"

use rstest::rstest;

use super::people::{LONG_LOGIN, add_longest};
use super::sign_in;
use crate::support::browser::{Browser, Options};
use crate::support::*;

/// At and around each width at which the stylesheet changes its mind, and those of common screens.
const WIDTHS: [u32; 11] = [320, 360, 414, 540, 640, 719, 720, 800, 960, 1280, 1600];

async fn assert_fits(browser: &Browser, page: &str) {
    for width in WIDTHS {
        browser.apply(Options { width, ..Options::desktop() }).await;
        assert!(!browser.scrolls_sideways().await, "{page} scrolls sideways at {width} px");
    }
}

#[rstest]
#[tokio::test]
async fn nothing_scrolls_sideways_however_long_it_is(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    add_longest(&site).await;
    let browser = Browser::start(Options::desktop()).await;
    let at = |path: &str| format!("{}{path}", site.url);
    for path in ["/login", "/login?notice=signed_out", "/nowhere"] {
        browser.goto(&at(path)).await;
        assert_fits(&browser, path).await;
    }
    browser.goto(&at("/login")).await;
    browser.fill("Login", &"w".repeat(200)).await;
    browser.click("Sign in").await;
    browser.shows("There is a problem").await;
    assert_fits(&browser, "sign in with an error").await;

    sign_in(&browser, &site.url, LONG_LOGIN).await;
    for path in ["/my/account", "/my/password", "/my/api_key", "/my/atom_key", "/activity", "/activity?page=9", "/no"] {
        browser.goto(&at(path)).await;
        browser.shows(LONG_LOGIN).await;
        assert_fits(&browser, path).await;
    }
    browser.goto(&at("/my/account")).await;
    browser.fill("First name", &"F".repeat(31)).await;
    browser.fill("Email", &"m".repeat(300)).await;
    browser.click("Save").await;
    browser.shows("There is a problem").await;
    assert_fits(&browser, "My account with errors").await;
    browser.goto(&at("/my/password")).await;
    browser.click("Change password").await;
    browser.shows("There is a problem").await;
    assert_fits(&browser, "password with errors").await;
    for (path, name) in [("/my/api_key", "Reset API access key"), ("/my/atom_key", "Reset Atom access key")] {
        browser.goto(&at(path)).await;
        browser.click(name).await;
        browser.shows("it will not be shown again").await;
        browser.click("Copy the key").await;
        browser.shows("Copied").await;
        assert_fits(&browser, name).await;
    }
}
