//! *Services*, as an administrator sees and uses them.

use latchkey::models::services::admitted::Admitted;
use latchkey::models::services::settings::ServiceSettings;
use rstest::rstest;
use serde_json::json;

use super::people::{add_alice, add_longest};
use super::{assert_console, assert_sound, assert_sound_but_for, sign_in};
use crate::support::browser::{Browser, JavaScript, Options};
use crate::support::*;

#[rstest]
#[case::sqlite_desktop_light(Sqlite, Options::desktop())]
#[case::postgres_phone_dark(Postgres, Options::phone().dark())]
#[case::postgres_desktop_dark(Postgres, Options::desktop().dark())]
#[case::sqlite_phone_without_javascript(Sqlite, Options::phone().without_javascript())]
#[tokio::test]
async fn an_administrator_adds_changes_and_removes_a_service(#[case] db: Db, #[case] options: Options) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let alice = add_alice(&site).await;
    let browser = Browser::start(options).await;
    let sound = async |page: &str| match options.javascript {
        JavaScript::On => assert_sound(&browser, page).await,
        // Axe is a script itself.
        JavaScript::Off => assert_console(&browser, page, &[]).await,
    };
    sign_in(&browser, &site.url, "root").await;
    browser.click("Services").await;
    browser.shows("Protect any app behind your reverse proxy with Latchkey keys.").await;
    sound("services, none").await;
    browser.click("Add your first service").await;
    browser.shows("Used in scopes; cannot be changed later.").await;
    sound("add a service").await;
    browser.fill("Name", "wiki").await;
    browser.fill("Title", "Team wiki").await;
    browser.fill("Host", "wiki.example.org:443").await;
    browser.click("Add service").await;
    browser.shows("Host must not have a port").await;
    match options.javascript {
        JavaScript::On => assert_sound_but_for(&browser, "add a service with an error", &[422]).await,
        JavaScript::Off => assert_console(&browser, "add a service with an error", &[422]).await,
    }
    assert_eq!(browser.value_of("Title").await, "Team wiki");
    browser.fill("Host", "wiki.example.org").await;
    browser.fill("Writers (logins, or groups such as group:Writers, one per line)", "alice").await;
    browser.click("Add service").await;
    browser.shows("The service has been added.").await;
    browser.shows("Never used").await;
    sound("a service").await;

    for (proxy, shown) in [("nginx", "server_name wiki.example.org;"), ("Envoy", "domains: [\"wiki.example.org\"]")] {
        browser.click(proxy).await;
        browser.shows(shown).await;
        sound(proxy).await;
        browser.click("Team wiki").await;
        browser.shows("Try a key").await;
    }
    browser.click("Try a key on Team wiki").await;
    browser.shows("Leave this empty to try without a key.").await;
    sound("a key to try").await;
    browser.fill("Key", "no-key-of-anybody").await;
    browser.fill("Path of the request", "page").await;
    browser.click("Try key").await;
    browser.shows("Path must begin with a slash").await;
    match options.javascript {
        JavaScript::On => assert_sound_but_for(&browser, "try a key with an error", &[422]).await,
        JavaScript::Off => assert_console(&browser, "try a key with an error", &[422]).await,
    }
    browser.fill("Key", "no-key-of-anybody").await;
    browser.fill("Path of the request", "/page").await;
    browser.click("Try key").await;
    browser.shows("401 Unauthorized No key has this secret").await;
    sound("a key that was tried").await;
    browser.click("Back to Team wiki").await;
    browser.shows("Never used").await;

    site.add_access_token(&alice, "service:wiki:write", "30d").await;
    browser.fill("Title", "Wiki of the team").await;
    browser.click("Save").await;
    browser.shows("The service has been saved.").await;
    browser.click("Back to all services").await;
    browser.shows("Wiki of the team wiki · wiki.example.org").await;
    browser.shows("Write access: alice").await;
    sound("services").await;

    browser.click("Wiki of the team").await;
    browser.click("Remove Wiki of the team").await;
    browser.shows("1 key of 1 person loses service:wiki:write.").await;
    sound("remove asks").await;
    browser.click("Cancel").await;
    browser.click("Remove Wiki of the team").await;
    browser.shows("nothing seems to depend on it").await;
    browser.click("Remove Wiki of the team").await;
    browser.shows("The service has been removed. No key has its scopes any more.").await;
    assert_eq!(site.database.number("SELECT count(*) AS number FROM services"), 0);
}

#[rstest]
#[case::sqlite(Sqlite, Options::phone())]
#[case::postgres(Postgres, Options::desktop().dark())]
#[tokio::test]
async fn a_service_of_the_file_and_one_that_left_it_are_sound(#[case] db: Db, #[case] options: Options) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let service = site.add_service("wiki", ServiceSettings::new("Team wiki", "wiki.example.org")).await;
    let browser = Browser::start(options).await;
    sign_in(&browser, &site.url, "root").await;
    for (kept_in, told) in [("file", "This service is defined in the file"), ("left_file", "This service is closed:")] {
        site.database.execute(&format!("UPDATE services SET kept_in = '{kept_in}'"));
        browser.goto(&format!("{}/admin/services/{}", site.url, service.id)).await;
        browser.shows(told).await;
        assert_sound(&browser, kept_in).await;
    }
}

/// What another administrator has changed meanwhile is told where the eye is, and what was typed is kept.
#[rstest]
#[case::sqlite(Sqlite, Options::desktop())]
#[case::postgres(Postgres, Options::phone().dark())]
#[tokio::test]
async fn a_form_that_is_out_of_date_is_sound_and_has_the_focus(#[case] db: Db, #[case] options: Options) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let service = site.add_service("wiki", ServiceSettings::new("Team wiki", "wiki.example.org")).await;
    let browser = Browser::start(options).await;
    sign_in(&browser, &site.url, "root").await;
    browser.goto(&format!("{}/admin/services/{}", site.url, service.id)).await;
    browser.fill("Title", "Docs").await;
    site.database.execute("UPDATE services SET host = 'elsewhere.example.org', updated_on = '2026-11-24 09:40:00'");
    browser.click("Save").await;
    browser.shows("Nothing was saved Somebody else has changed this service").await;
    browser.shows("Address elsewhere.example.org").await;
    assert_eq!(browser.value_of("Title").await, "Docs");
    let focused = browser.evaluate("return document.activeElement.getAttribute('aria-labelledby')").await;
    assert_eq!(focused, "outdated-title");
    assert_sound_but_for(&browser, "a form that is out of date", &[409]).await;
    browser.click("Save").await;
    browser.shows("The service has been saved.").await;
}

#[rstest]
#[tokio::test]
async fn nothing_about_services_scrolls_sideways_however_long_it_is(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let longest = add_longest(&site).await;
    let label = "d".repeat(63);
    let settings = ServiceSettings {
        path: format!("/{}", "p".repeat(254)),
        reading_methods: vec!["M".repeat(40); 1],
        readers: Admitted::people([longest.login.clone()]),
        writers: Admitted::people([longest.login]),
        ..ServiceSettings::new("T".repeat(100), format!("{label}.{label}.{label}.example"))
    };
    let service = site.add_service(&"n".repeat(40), settings).await;
    let browser = Browser::start(Options::desktop()).await;
    sign_in(&browser, &site.url, "root").await;
    let one = format!("/admin/services/{}", service.id);
    for kept_in in ["database", "file"] {
        site.database.execute(&format!("UPDATE services SET kept_in = '{kept_in}'"));
        let of_one = ["", "/remove", "/proxy?for=envoy", "/try"].map(|end| format!("{one}{end}"));
        for path in ["/admin/services", "/admin/services/new"].into_iter().chain(of_one.iter().map(String::as_str)) {
            browser.goto(&format!("{}{path}", site.url)).await;
            for width in [320, 360, 540, 719, 720, 959, 960, 1280, 1600] {
                browser.apply(Options { width, ..Options::desktop() }).await;
                assert!(!browser.scrolls_sideways().await, "{path} scrolls sideways at {width} px, in {kept_in}");
            }
        }
    }
}

/// An administrator has one more page than fits into a line of a small phone.
#[rstest]
#[tokio::test]
async fn no_word_of_the_navigation_is_broken(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let browser = Browser::start(Options::desktop()).await;
    sign_in(&browser, &site.url, "root").await;
    browser.goto(&format!("{}/admin/services", site.url)).await;
    for width in [320, 360, 719, 720, 1280] {
        browser.apply(Options { width, ..Options::desktop() }).await;
        let lines = "
            const lines = a => {
                const range = document.createRange();
                range.selectNodeContents(a);
                return [tidy(a.textContent), range.getClientRects().length];
            };
            return visible('.nav a').map(lines)";
        let one = |name: &str| json!([name, 1]);
        let expected = ["My account", "Activity", "People", "Groups", "Keys", "Services", "Audit log"].map(one);
        assert_eq!(browser.evaluate(lines).await, json!(expected), "at {width} px");
    }
}
