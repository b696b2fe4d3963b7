//! The audit log in a browser.

use rstest::rstest;
use serde_json::json;

use super::{assert_sound, assert_sound_but_for, sign_in};
use crate::support::browser::{Browser, Options};
use crate::support::*;

#[rstest]
#[tokio::test]
async fn the_audit_log_reads_well_at_every_width(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let long = "w".repeat(255);
    site.database.execute(&format!(
        "INSERT INTO audit_entries (created_on, action, times, user_id, user_login, actor_id, actor, acting_as_id,
             acting_as, token_id, token_action, token_name, token_hint, address, agent, credential, detail)
         VALUES ('2026-11-24 09:00:00', 'scope_refused', 30, 2, '{0}', 1, '{0}', 3, '{0}', 7, 'access', '{1}', 'wxyz',
             '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', '{long}', 'access token “{1}”', '{long}')",
        "l".repeat(60),
        "n".repeat(100),
    ));
    for options in [Options::desktop(), Options::phone()] {
        let browser = Browser::start(options).await;
        sign_in(&browser, &site.url, "root").await;
        browser.click("Audit log").await;
        browser.shows("Signed in").await;
        assert_sound(&browser, "the audit log").await;
        browser.fill("About", "nobody").await;
        browser.click("Search").await;
        browser.shows("No entry matches.").await;
        assert_sound(&browser, "nothing found").await;
        browser.goto(&format!("{}/admin/audit?user=two+words", site.url)).await;
        browser.shows("About must be a login, or an id such as id:12.").await;
        assert_sound_but_for(&browser, "a search that cannot be", &[422]).await;
        browser.goto(&format!("{}/admin/audit", site.url)).await;
        for width in [320, 360, 540, 719, 720, 959, 960, 1280, 1600] {
            browser.apply(Options { width, ..Options::desktop() }).await;
            assert!(!browser.scrolls_sideways().await, "it scrolls sideways at {width} px");
        }
    }
    let browser = Browser::start(Options::desktop()).await;
    sign_in(&browser, &site.url, "root").await;
    browser.goto(&format!("{}/admin/audit", site.url)).await;
    let headings = browser.evaluate("return [...document.querySelectorAll('th')].map(th => th.textContent)").await;
    assert_eq!(headings, json!(["What", "About", "Done by", "When", "Address and program"]));
}
