//! The picture in the README.

use std::path::Path;

use chrono::TimeDelta;
use latchkey::models::keys::key_request::Expiry;
use rstest::rstest;

use super::people::add_alice;
use super::sign_in;
use crate::pages::tokens::add;
use crate::support::browser::{Browser, Options};
use crate::support::*;

/// Writes `docs/my-account.png` if `UPDATE_SCREENSHOTS` is set, else a file that nobody keeps.
#[rstest]
#[tokio::test]
async fn my_account_has_its_picture_taken() {
    let site = Site::start(Sqlite).await;
    let alice = add_alice(&site).await;
    for (name, days) in [("Backup on the NAS", 90), ("Nightly report", 60), ("Editor plug-in", 30)] {
        let made = add(&site, &alice, name, "account:read", Expiry::InDays(days)).await;
        assert_eq!(site.get_with_key("/users/current.json", &made.key).await.status, 200);
    }
    site.later(TimeDelta::minutes(2));
    let browser = Browser::start(Options { height: 776, ..Options::desktop() }).await;
    sign_in(&browser, &site.url, "alice").await;
    browser.shows("Last used: 2 minutes ago 3 access tokens").await;
    browser.shows("Last used: 7 minutes ago").await;
    browser.shows("Never used").await;
    let picture = match std::env::var_os("UPDATE_SCREENSHOTS") {
        Some(_) => Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/my-account.png"),
        None => site.database.folder().join("my-account.png"),
    };
    browser.screenshot(&picture).await;
    let png = std::fs::read(picture).expect("the picture");
    assert!(png.starts_with(b"\x89PNG"), "it is no PNG");
}
