//! "Printed and without CSS, the page still reads in order."

use latchkey::models::keys::key_request::Expiry;
use rstest::rstest;

use super::people::add_alice;
use super::sign_in;
use crate::support::browser::{Browser, Options};
use crate::support::*;

#[rstest]
#[tokio::test]
async fn without_the_stylesheet_my_account_reads_in_order(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    add_alice(&site).await;
    let browser = Browser::start(Options::desktop()).await;
    sign_in(&browser, &site.url, "alice").await;
    browser.shows("Last used: 5 minutes ago").await;
    browser.evaluate("document.querySelector('link[rel=stylesheet]').remove()").await;
    let text = browser.text().await;
    let in_order = [
        "Skip to content",
        "Latchkey",
        "Activity",
        "Signed in as alice",
        "Sign out",
        "My account",
        "First name",
        "Save",
        "Change password",
        "Login: alice",
        "Created over 1 year ago",
        "API access key",
        "Last used: 5 minutes ago",
        "API access key created 3 months ago",
        "Ends in",
        "Reset API access key",
        "Atom access key",
        "Never used",
        "Atom access key created 12 days ago",
        "Reset Atom access key",
    ];
    let mut rest = text.as_str();
    for wanted in in_order {
        let (_, after) = rest.split_once(wanted).unwrap_or_else(|| panic!("{wanted:?} is not in its place in {text}"));
        rest = after;
    }
}

#[rstest]
#[tokio::test]
async fn on_paper_there_are_exact_times_and_no_buttons(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    add_alice(&site).await;
    let browser = Browser::start(Options::desktop()).await;
    sign_in(&browser, &site.url, "alice").await;
    browser.shows("Last used: 5 minutes ago").await;
    browser.print_preview().await;
    for gone in ["Skip to content", "Sign out", "Save", "Change password", "Reset API access key"] {
        assert!(!browser.offers(gone).await, "{gone:?} is printed");
    }
    let behind_the_time = "return getComputedStyle(document.querySelector('.use time'), '::after').content";
    assert_eq!(browser.evaluate(behind_the_time).await, r#"" (24 Nov 2026, 09:25:00 UTC)""#);
}

/// In landscape a sheet is wider than high, and long times stand beside what is short anywhere.
#[rstest]
#[tokio::test]
async fn printed_either_way_no_page_takes_many_more_sheets(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = add_alice(&site).await;
    site.set_user(&alice, "admin = true");
    for name in ["Nightly report", "Backup on the NAS", "Wiki bot", "Editor plug-in"] {
        let made = crate::pages::tokens::add(&site, &alice, name, "account:read users:read", Expiry::InDays(60)).await;
        site.get_with_key("/users/current.json", &made.key).await;
    }
    let browser = Browser::start(Options::desktop()).await;
    sign_in(&browser, &site.url, "alice").await;
    for path in ["/my/account", "/my/tokens", "/my/tokens/new", "/activity", "/admin/users", "/admin/services/new"] {
        browser.goto(&format!("{}{path}", site.url)).await;
        let (upright, landscape) = (browser.sheets("portrait").await, browser.sheets("landscape").await);
        assert!((1..=3).contains(&upright), "{path} takes {upright} sheets");
        assert!((1..=2 * upright + 1).contains(&landscape), "{path}: {upright} upright, {landscape} in landscape");
    }
}
