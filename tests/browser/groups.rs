//! *Groups*, as an administrator makes, fills and deletes them.

use rstest::rstest;

use super::people::{add_alice, add_longest};
use super::{assert_console, assert_sound, assert_sound_but_for, sign_in};
use crate::support::browser::{Browser, JavaScript, Options};
use crate::support::*;

#[rstest]
#[case::sqlite_desktop_light(Sqlite, Options::desktop())]
#[case::postgres_phone_dark(Postgres, Options::phone().dark())]
#[case::sqlite_phone_without_javascript(Sqlite, Options::phone().without_javascript())]
#[tokio::test]
async fn an_administrator_makes_fills_and_deletes_a_group(#[case] db: Db, #[case] options: Options) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    add_alice(&site).await;
    let longest = add_longest(&site).await;
    let browser = Browser::start(options).await;
    let sound = async |page: &str| match options.javascript {
        JavaScript::On => assert_sound(&browser, page).await,
        // Axe is a script itself.
        JavaScript::Off => assert_console(&browser, page, &[]).await,
    };
    let refused = async |page: &str| match options.javascript {
        JavaScript::On => assert_sound_but_for(&browser, page, &[422]).await,
        JavaScript::Off => assert_console(&browser, page, &[422]).await,
    };
    sign_in(&browser, &site.url, "root").await;
    browser.click("Groups").await;
    browser.shows("A group lets several people use a service at once.").await;
    sound("groups, none").await;
    browser.click("Add your first group").await;
    browser.shows("Services name it as group:Writers.").await;
    sound("add a group").await;
    browser.fill("Members (logins, one per line)", "nobody").await;
    browser.click("Add group").await;
    browser.shows("No account has the login nobody").await;
    refused("add a group with an error").await;
    // As long as a name may be, without a place to break it.
    let name = "W".repeat(255);
    browser.fill("Name", &name).await;
    browser.fill("Members (logins, one per line)", "alice").await;
    browser.click("Add group").await;
    browser.shows("The group has been added.").await;
    sound("a group with a long name").await;
    browser.fill("Logins", &longest.login).await;
    browser.click("Add members").await;
    browser.shows("They are members now.").await;
    sound("a group with members").await;
    browser.click("Rename").await;
    browser.shows("Its members stay, and services go on admitting it.").await;
    browser.fill("Name", "Writers").await;
    sound("rename").await;
    browser.click("Save").await;
    browser.shows("The group has been renamed.").await;
    let id = site.database.number("SELECT id AS number FROM groups");
    match options.javascript {
        JavaScript::On => {
            browser.evaluate("document.querySelector('.pick').click(); return 1").await;
            browser.click("Take the chosen members out…").await;
        }
        JavaScript::Off => browser.goto(&format!("{}/admin/groups/{id}/remove?logins=alice", site.url)).await,
    }
    browser.shows("out of Writers?").await;
    sound("taking out asks").await;
    browser.click("Cancel").await;
    browser.shows("2 members").await;
    site.write(|tx| {
        let mut settings = latchkey::models::services::settings::ServiceSettings::new("Team wiki", "wiki.example.org");
        settings.writers = latchkey::models::services::admitted::Admitted::of_text("group:Writers");
        latchkey::models::services::service::Service::add(tx, "wiki", &settings)
    })
    .await;
    browser.goto(&format!("{}/admin/groups", site.url)).await;
    browser.shows("Admitted by Team wiki").await;
    sound("groups").await;
    browser.click("Writers").await;
    browser.click("Delete").await;
    browser.shows("Delete the group “Writers”?").await;
    sound("delete asks").await;
    browser.click("Delete Writers").await;
    browser.shows("The group has been deleted.").await;
    assert_eq!(site.database.number("SELECT count(*) AS number FROM group_members"), 0);
}
