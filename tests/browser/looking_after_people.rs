//! *People*, as an administrator sees and uses it.

use chrono::TimeDelta;
use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::people::{LONG_LOGIN, add_alice, add_longest};
use super::{assert_console, assert_sound, assert_sound_but_for, sign_in};
use crate::support::browser::{Browser, JavaScript, Options};
use crate::support::*;

const NEW: &str = "a-password-that-root-set";

/// An administrator, Alice with two keys, Bob without, and Lisa who is locked.
async fn people(site: &Site) {
    site.add_admin("root").await;
    add_alice(site).await;
    let bob = site.add_user("bob").await;
    site.set_user(&bob, "firstname = 'Bob', lastname = 'Baker', status = 'registered'");
    let lisa = site.add_user("lisa").await;
    site.set_user(&lisa, "firstname = 'Lisa', lastname = 'Lock', status = 'locked', password_hash = NULL");
    site.add_key(&lisa, TokenAction::Api).await;
    log::note_secret(NEW);
}

#[rstest]
#[case::sqlite_desktop_light(Sqlite, Options::desktop())]
#[case::postgres_phone_dark(Postgres, Options::phone().dark())]
#[case::postgres_desktop_dark(Postgres, Options::desktop().dark())]
#[case::sqlite_phone_without_javascript(Sqlite, Options::phone().without_javascript())]
#[tokio::test]
async fn an_administrator_finds_locks_and_unlocks_somebody(#[case] db: Db, #[case] options: Options) {
    let site = Site::start(db).await;
    people(&site).await;
    let browser = Browser::start(options).await;
    let sound = async |page: &str| match options.javascript {
        JavaScript::On => assert_sound(&browser, page).await,
        // Axe is a script itself.
        JavaScript::Off => assert_console(&browser, page, &[]).await,
    };
    sign_in(&browser, &site.url, "root").await;
    browser.click("People").await;
    browser.shows("2 accounts").await;
    browser.goto(&format!("{}/admin/users?status=", site.url)).await;
    browser.shows("4 accounts").await;
    browser.shows("Alice Archer alice · alice.archer@example.org").await;
    browser.shows("Lisa Lock Locked lisa · lisa@example.org").await;
    browser.shows("Bob Baker Not yet activated bob").await;
    sound("people").await;

    browser.fill("Name, login or email", "ARCH").await;
    browser.click("Search").await;
    browser.shows("1 account").await;
    assert_eq!(browser.value_of("Name, login or email").await, "ARCH");
    browser.shows("5 minutes ago").await;
    browser.click("Alice Archer").await;
    browser.shows("Last used: 5 minutes ago").await;
    sound("a person").await;
    for (link, shows) in [
        ("Edit", "What they sign in with."),
        ("Delete", "so something may still depend on it"),
        ("Show activity", "Activity of Alice Archer"),
        ("API access key", "Everything that its owner may do on the API"),
    ] {
        browser.click(link).await;
        browser.shows(shows).await;
        sound(link).await;
        browser.click("Alice Archer").await;
        browser.shows("Login alice").await;
    }
    browser.click("Atom access key").await;
    browser.click("Suspend").await;
    browser.shows("Suspend “Atom access key” of Alice Archer?").await;
    sound("suspend asks").await;
    browser.click("Suspend Atom access key").await;
    browser.shows("The key has been suspended.").await;
    browser.shows("No program has tried to use this key").await;
    sound("a suspended key").await;
    browser.click("Switch on again").await;
    browser.shows("Switch on “Atom access key” of Alice Archer again?").await;
    sound("switching on asks").await;
    browser.click("Switch on Atom access key").await;
    browser.shows("The key works again.").await;
    browser.click("Revoke").await;
    browser.shows("Revoke “Atom access key” of Alice Archer?").await;
    sound("revoke asks").await;
    browser.click("Revoke Atom access key").await;
    browser.shows("The key has been revoked.").await;

    browser.click("Lock").await;
    browser.shows("programs that use these keys stop working at once.").await;
    browser.shows("They have no open session.").await;
    sound("lock asks").await;
    browser.click("Cancel").await;
    browser.shows("Status Active").await;
    browser.click("Lock").await;
    browser.click("Lock Alice Archer").await;
    browser.shows("The account has been locked.").await;
    browser.shows("Status Locked").await;
    assert!(!site.user("alice").is_active());
    sound("a person who is locked").await;

    browser.click("Unlock").await;
    browser.shows("What works again").await;
    sound("unlock asks").await;
    browser.click("Unlock Alice Archer").await;
    browser.shows("The account is active.").await;
    assert!(site.user("alice").is_active());

    browser.goto(&format!("{}/admin/users?status=registered", site.url)).await;
    browser.click("Bob Baker").await;
    browser.click("Activate").await;
    browser.shows("They can sign in. They have no key.").await;
    sound("activate asks").await;
    browser.click("Activate Bob Baker").await;
    browser.shows("Status Active").await;

    browser.click("People").await;
    browser.fill("Name, login or email", "nobody at all").await;
    browser.click("Search").await;
    browser.shows("No name, login or email of people with this status matches.").await;
    sound("nobody found").await;
    browser.click("Show all people").await;
    browser.shows("4 accounts").await;
}

#[rstest]
#[case::sqlite_desktop_light(Sqlite, Options::desktop())]
#[case::postgres_phone_dark(Postgres, Options::phone().dark())]
#[tokio::test]
async fn an_administrator_adds_somebody_and_sets_a_password(#[case] db: Db, #[case] options: Options) {
    let site = Site::start(db).await;
    people(&site).await;
    let browser = Browser::start(options).await;
    sign_in(&browser, &site.url, "root").await;
    browser.click("People").await;
    browser.click("Add a person").await;
    browser.shows("Letters, digits and _ @ . -").await;
    assert_sound(&browser, "add a person").await;
    browser.fill("Login", "alice").await;
    browser.fill("First name", "Dora").await;
    browser.fill("Password", "short").await;
    browser.click("Administrator").await;
    browser.click("Add person").await;
    browser.shows("Last name cannot be blank").await;
    browser.shows("Password confirmation does not match the new password").await;
    assert_eq!(browser.value_of("Login").await, "alice");
    assert_sound_but_for(&browser, "add a person with errors", &[422]).await;
    browser.fill("Last name", "Doe").await;
    browser.fill("Email", "dora@example.org").await;
    browser.fill("Password", NEW).await;
    browser.fill("Password confirmation", NEW).await;
    browser.click("Add person").await;
    browser.shows("Login has already been taken").await;
    browser.fill("Login", "dora").await;
    browser.fill("Password", NEW).await;
    browser.fill("Password confirmation", NEW).await;
    browser.click("Add person").await;
    browser.shows("The account has been created.").await;
    browser.shows("Status Active, administrator").await;
    let dora = site.user("dora");
    assert!(dora.admin && dora.must_change_password);
    assert_console(&browser, "person added", &[422]).await;

    browser.click("Set a new password").await;
    browser.shows("Their sessions end at once.").await;
    assert_sound(&browser, "new password").await;
    browser.fill("New password", "short").await;
    browser.click("Must change it at next sign-in").await;
    browser.click("Set password").await;
    browser.shows("Password is too short").await;
    assert_sound_but_for(&browser, "new password with errors", &[422]).await;
    browser.fill("New password", NEW).await;
    browser.fill("Password confirmation", NEW).await;
    browser.click("Set password").await;
    browser.shows("The password has been set and their sessions have ended.").await;
    assert!(!site.user("dora").must_change_password, "the box stayed as it was left");
}

#[rstest]
#[tokio::test]
async fn nothing_about_people_scrolls_sideways_however_long_it_is(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    people(&site).await;
    let longest = add_longest(&site).await;
    site.set_user(&longest, "admin = true, must_change_password = true, twofa_scheme = 'totp'");
    let browser = Browser::start(Options::desktop()).await;
    sign_in(&browser, &site.url, "root").await;
    site.later(TimeDelta::minutes(1));
    let person = format!("/admin/users/{}", longest.id);
    let paths = ["", "/lock", "/password", "/edit", "/delete", "/activity"].map(|end| format!("{person}{end}"));
    let list = ["/admin/users".to_owned(), format!("/admin/users?name={}", "w".repeat(300)), "/admin/users/new".into()];
    for path in list.iter().chain(&paths) {
        browser.goto(&format!("{}{path}", site.url)).await;
        for width in [320, 360, 540, 719, 720, 959, 960, 1280, 1600] {
            browser.apply(Options { width, ..Options::desktop() }).await;
            assert!(!browser.scrolls_sideways().await, "{path} scrolls sideways at {width} px");
        }
    }
    assert!(browser.text().await.contains(&"L".repeat(255)));
    browser.goto(&format!("{}/admin/users", site.url)).await;
    browser.shows(LONG_LOGIN).await;
}
