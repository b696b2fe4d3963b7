//! Service accounts: an administrator makes one, and its owner looks after its tokens.

use rstest::rstest;

use super::people::add_alice;
use super::{assert_sound, assert_sound_but_for, sign_in};
use crate::support::browser::{Browser, Options};
use crate::support::*;

#[rstest]
#[case::sqlite_desktop_dark(Sqlite, Options::desktop().dark())]
#[case::postgres_phone_light(Postgres, Options::phone())]
#[tokio::test]
async fn a_service_account_is_made_given_and_looked_after(#[case] db: Db, #[case] options: Options) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    add_alice(&site).await;
    let browser = Browser::start(options).await;
    sign_in(&browser, &site.url, "root").await;
    browser.goto(&format!("{}/admin/users", site.url)).await;
    browser.click("Add a service account").await;
    browser.shows("Nobody can sign in to it.").await;
    assert_sound(&browser, "adding a service account").await;
    browser.fill("Name", "Nightly backup").await;
    browser.fill("Login", "backup").await;
    browser.fill("Owners", "nobody").await;
    browser.click("Add service account").await;
    browser.shows("No account has the login nobody").await;
    assert_sound_but_for(&browser, "adding a service account with an error", &[422]).await;
    browser.fill("Owners", "root").await;
    browser.click("Add service account").await;
    browser.shows("Its owners can create access tokens for it.").await;
    assert_sound(&browser, "a service account").await;
    browser.click("Change owners").await;
    browser.shows("Owners of Nightly backup").await;
    assert_sound(&browser, "its owners").await;
    browser.fill("Owners", "alice").await;
    browser.click("Save").await;
    browser.shows("The owners have been changed.").await;
    browser.goto(&format!("{}/admin/users", site.url)).await;
    browser.shows("Service account").await;
    assert_sound(&browser, "people and service accounts").await;
    // Of the file of services, and no longer of it.
    for (kept_in, told) in [("file", "is defined in the file"), ("left_file", "This service account is closed:")] {
        site.database.execute(&format!("UPDATE users SET kept_in = '{kept_in}' WHERE kind = 'service'"));
        browser.click("Nightly backup").await;
        browser.shows(told).await;
        assert_sound(&browser, "a service account of the file").await;
        browser.click("Back to all people").await;
    }
    site.database.execute("UPDATE users SET kept_in = 'database'");
    browser.click("Sign out").await;
    browser.shows("You have signed out.").await;

    sign_in(&browser, &site.url, "alice").await;
    browser.click("Service accounts that you own").await;
    browser.shows("no access token").await;
    assert_sound(&browser, "service accounts of one's own").await;
    browser.click("Nightly backup").await;
    browser.shows("An access token lets one program act for Nightly backup.").await;
    assert_sound(&browser, "a service account without tokens").await;
    browser.click("Create your first access token").await;
    browser.fill("Name", "cron").await;
    browser.click("See your account account:read").await;
    browser.click("7 days until 1 Dec 2026").await;
    browser.click("Create access token").await;
    browser.shows("“cron” created").await;
    log::note_secret(&browser.value_of("Your new access token").await);
    assert_sound(&browser, "a new token of a service account").await;
    browser.click("View token").await;
    browser.shows("by alice").await;
    assert_sound(&browser, "a token of a service account").await;
    browser.click("Access tokens").await;
    browser.click("Show activity").await;
    browser.shows("created by alice").await;
    assert_sound(&browser, "the activity of a service account").await;
    browser.goto(&format!("{}/my/service-accounts", site.url)).await;
    browser.shows("1 access token").await;
    assert_sound(&browser, "a service account with a token").await;
}
