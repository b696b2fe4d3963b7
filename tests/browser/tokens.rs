//! *Access tokens*, as people see and use them.

use chrono::TimeDelta;
use latchkey::models::keys::key_request::{Expiry, Grace};
use latchkey::models::people::user::User;
use rstest::rstest;

use super::{assert_console, assert_sound, assert_sound_but_for, sign_in};
use crate::pages::tokens::{Made, add, rotate};
use crate::support::browser::{Browser, JavaScript, Options};
use crate::support::*;

/// The secret that the page shows, the one time.
async fn new_token(browser: &Browser) -> Key {
    let secret = browser.value_of("Your new access token").await;
    assert!(secret.starts_with("lk_"), "{secret:.6}");
    log::note_secret(&secret);
    Key { id: 0, secret }
}

async fn status(site: &Site, key: &Key) -> u16 {
    site.get_with_key("/users/current.json", key).await.status
}

/// One in every state that there is: safe to end, rotated with both secrets used, expired, about to expire, new.
async fn add_tokens(site: &Site, user: &User) -> Vec<Made> {
    let now = site.clock.now();
    let mut all = Vec::new();
    for (name, scopes, ago, expiry) in [
        ("Old laptop", "account:write tokens:write", 100, Expiry::Never),
        ("Backup on the NAS", "account:read", 80, Expiry::Never),
        ("Talk at the conference", "account:read", 12, Expiry::InDays(7)),
        ("Deploy", "account:read tokens:read", 6, Expiry::InDays(9)),
        ("Editor plug-in", "account:read", 0, Expiry::InDays(60)),
    ] {
        site.clock.set(now - TimeDelta::days(ago));
        all.push(add(site, user, name, scopes, expiry).await);
    }
    site.clock.set(now);
    let rotated = rotate(site, user, all[1].id, Grace::Week).await;
    for key in [&rotated.key, &all[1].key, &all[3].key] {
        assert_eq!(status(site, key).await, 200);
    }
    all
}

#[rstest]
#[case::sqlite_desktop_light(Sqlite, Options::desktop())]
#[case::postgres_phone_dark(Postgres, Options::phone().dark())]
#[case::postgres_desktop_dark(Postgres, Options::desktop().dark())]
#[case::sqlite_phone_light(Sqlite, Options::phone())]
#[case::sqlite_phone_without_javascript(Sqlite, Options::phone().without_javascript())]
#[case::postgres_desktop_without_javascript(Postgres, Options::desktop().without_javascript())]
#[tokio::test]
async fn a_token_is_made_used_rotated_renamed_and_revoked(#[case] db: Db, #[case] options: Options) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let browser = Browser::start(options).await;
    let sound = async |page: &str, statuses: &[u16]| match options.javascript {
        JavaScript::On => assert_sound_but_for(&browser, page, statuses).await,
        // Axe is a script itself.
        JavaScript::Off => assert_console(&browser, page, statuses).await,
    };
    sign_in(&browser, &site.url, "alice").await;
    browser.shows("No access token").await;
    browser.goto(&format!("{}/my/tokens", site.url)).await;
    browser.shows("An access token lets one program act for you.").await;
    sound("no token", &[]).await;

    browser.click("Create your first access token").await;
    browser.shows("7 days until 1 Dec 2026").await;
    let told = browser.text().await.contains("It will work until 24 Dec 2026.");
    assert_eq!(told, matches!(options.javascript, JavaScript::On), "{}", browser.text().await);
    sound("new token", &[]).await;
    browser.click("Create access token").await;
    browser.shows("There is a problem Name cannot be blank Choose at least one scope").await;
    sound("new token with errors", &[422]).await;

    browser.fill("Name", "Backup").await;
    browser.fill("Note (optional)", "Ask Bob where it runs").await;
    browser.click("See your account account:read").await;
    browser.click("7 days until 1 Dec 2026").await;
    if let JavaScript::On = options.javascript {
        browser.shows("It will work until 1 Dec 2026.").await;
    }
    browser.click("Create access token").await;
    browser.shows("“Backup” created").await;
    assert_eq!(browser.offers("Copy the token").await, matches!(options.javascript, JavaScript::On));
    sound("token made", &[]).await;
    let first = new_token(&browser).await;
    assert_eq!(status(&site, &first).await, 200);

    browser.click("View token").await;
    browser.shows("Last used: less than a minute ago").await;
    browser.shows("Expires in 7 days").await;
    sound("a token", &[]).await;
    browser.click("Rotate secret").await;
    browser.shows("Keep the old secret working for").await;
    sound("rotate asks", &[]).await;
    browser.click("1 hour until 24 Nov 2026, 10:30:00 UTC").await;
    browser.click("Rotate Backup").await;
    browser.shows("works until 24 Nov 2026, 10:30:00 UTC.").await;
    sound("token rotated", &[]).await;
    let second = new_token(&browser).await;
    assert_eq!((status(&site, &first).await, status(&site, &second).await), (200, 200));
    browser.click("View token").await;
    browser.shows("2 active secrets").await;
    sound("a token with two secrets", &[]).await;

    browser.click("Edit").await;
    browser.shows("Edit “Backup”").await;
    sound("edit a token", &[]).await;
    browser.fill("Name", "").await;
    browser.click("Save").await;
    browser.shows("There is a problem Name cannot be blank").await;
    sound("a token with an error", &[422]).await;
    browser.fill("Name", "Night watch").await;
    browser.click("Save").await;
    browser.shows("The access token has been changed.").await;
    sound("a token, changed", &[]).await;

    browser.click("Revoke").await;
    browser.shows("Programs that use it stop working at once").await;
    sound("revoke asks", &[]).await;
    browser.click("Cancel").await;
    browser.click("Revoke").await;
    browser.click("Revoke Night watch").await;
    browser.shows("The access token has been revoked.").await;
    browser.shows("An access token lets one program act for you.").await;
    assert_eq!((status(&site, &first).await, status(&site, &second).await), (401, 401));
}

#[rstest]
#[case::sqlite_desktop_light(Sqlite, Options::desktop())]
#[case::postgres_phone_dark(Postgres, Options::phone().dark())]
#[case::postgres_desktop_dark(Postgres, Options::desktop().dark())]
#[case::sqlite_phone_light(Sqlite, Options::phone())]
#[tokio::test]
async fn the_table_tells_what_needs_looking_after(#[case] db: Db, #[case] options: Options) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    add_tokens(&site, &root).await;
    let browser = Browser::start(options).await;
    sign_in(&browser, &site.url, "root").await;
    browser.shows("5 access tokens, 1 expired").await;
    assert_sound(&browser, "My account with tokens").await;
    browser.click("View access tokens").await;
    browser.shows("1 token is safe to end").await;
    browser.shows("Expires in 3 days").await;
    browser.shows("Expired 5 days ago").await;
    browser.shows("Safe to end").await;
    assert_sound(&browser, "tokens").await;
    browser.click("Last used first").await;
    let first = "return document.querySelector('.tokens .what a').textContent";
    let by_use = ["Deploy", "Backup on the NAS"].map(|name| serde_json::json!(name));
    assert!(by_use.contains(&browser.evaluate(first).await), "{}", browser.text().await);
    assert_sound(&browser, "tokens by last use").await;
    browser.click("Show only these").await;
    browser.shows("1 access token found").await;
    assert_sound(&browser, "tokens that are safe to end").await;
    browser.goto(&format!("{}/my/tokens?state=nonsense&sort=nonsense", site.url)).await;
    browser.shows("There is a problem Choose a state from the list Choose an order from the list").await;
    assert_sound_but_for(&browser, "tokens, wrongly asked for", &[422]).await;
    browser.click("Show all access tokens").await;

    browser.click("Talk at the conference").await;
    browser.shows("Programs that use it are refused.").await;
    assert_sound(&browser, "an expired token").await;
    browser.click("Remove").await;
    browser.shows("It has expired, so no program depends on it.").await;
    assert_sound(&browser, "remove asks").await;
    browser.click("Remove Talk at the conference").await;
    browser.shows("4 access tokens").await;

    browser.goto(&format!("{}/admin/users/{}", site.url, root.id)).await;
    browser.shows("Backup on the NAS").await;
    assert_sound(&browser, "a person with tokens").await;
}

/// What differs in meaning differs in shape, and not by its colour alone.
#[rstest]
#[tokio::test]
async fn what_expires_soon_stands_out_by_a_sign(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    add_tokens(&site, &alice).await;
    let browser = Browser::start(Options::desktop()).await;
    sign_in(&browser, &site.url, "alice").await;
    browser.goto(&format!("{}/my/tokens", site.url)).await;
    let signs = "return visible('.tokens .state').filter(e => e.querySelector('.soon') &&
        getComputedStyle(e.querySelector('.soon'), '::before').content.startsWith('\"!\"')).map(e => tidy(e.textContent))";
    assert_eq!(browser.evaluate(signs).await, serde_json::json!(["Expires in 3 days"]));
}

/// "the expiry's date shown while choosing"
#[rstest]
#[tokio::test]
async fn a_date_that_is_typed_is_the_one_chosen_and_said(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let browser = Browser::start(Options::desktop()).await;
    sign_in(&browser, &site.url, "alice").await;
    browser.goto(&format!("{}/my/tokens/new", site.url)).await;
    browser.click("No expiration").await;
    browser.shows("It will work until you revoke it.").await;
    let today = "const day = days => new Date(Date.now() + days * 86400000).toISOString().slice(0, 10);
                 const date = document.querySelector('#date'); date.value = day(40);
                 date.dispatchEvent(new Event('input', { bubbles: true }));
                 return document.querySelector('[value=date]').checked";
    assert_eq!(browser.evaluate(today).await, serde_json::json!(true));
    browser.shows("(UTC), 41 days from now.").await;
    assert_sound(&browser, "new token until a date").await;
}

#[rstest]
#[case::sqlite(Sqlite, Options::desktop().dark())]
#[case::postgres(Postgres, Options::phone())]
#[case::without_javascript(Sqlite, Options::phone().without_javascript())]
#[tokio::test]
async fn the_password_is_asked_for_again_where_it_was_given_long_ago(#[case] db: Db, #[case] options: Options) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let made = add(&site, &alice, "Backup", "account:read", Expiry::Never).await;
    let browser = Browser::start(options).await;
    let sound = async |page: &str, statuses: &[u16]| match options.javascript {
        JavaScript::On => assert_sound_but_for(&browser, page, statuses).await,
        JavaScript::Off => assert_console(&browser, page, statuses).await,
    };
    sign_in(&browser, &site.url, "alice").await;
    browser.shows("Missing an API access key").await;
    site.later(TimeDelta::minutes(16));
    browser.click("Create API access key").await;
    browser.shows("Enter your password: you last entered it more than 15 minutes ago").await;
    sound("make a key, too late", &[422]).await;
    browser.goto(&format!("{}/my/account", site.url)).await;
    browser.click("Create API access key").await;
    browser.shows("Create your API access key").await;
    sound("make a key", &[]).await;

    for path in ["/my/tokens/new".to_owned(), format!("{}/rotate", made.path())] {
        browser.goto(&format!("{}{path}", site.url)).await;
        browser.shows("You last entered it more than 15 minutes ago.").await;
        sound(&path, &[]).await;
    }
    browser.fill("Your password", "a-wrong-password").await;
    browser.click("Rotate Backup").await;
    browser.shows("There is a problem Your password is wrong").await;
    sound("a wrong password", &[422]).await;
    browser.fill("Your password", PASSWORD).await;
    browser.click("Rotate Backup").await;
    browser.shows("“Backup” has a new secret").await;
    new_token(&browser).await;
    browser.goto(&format!("{}/my/tokens/new", site.url)).await;
    browser.shows("Expiration").await;
    assert!(!browser.text().await.contains("Your password"));
}

#[rstest]
#[case::sqlite(Sqlite, Options::phone().dark())]
#[case::postgres(Postgres, Options::desktop())]
#[tokio::test]
async fn forms_that_came_too_late_say_that_nothing_was_made(#[case] db: Db, #[case] options: Options) {
    let site = Site::start_with(db, &["--access-tokens-per-user=2"]).await;
    let alice = site.add_user("alice").await;
    let browser = Browser::start(options).await;
    sign_in(&browser, &site.url, "alice").await;
    browser.goto(&format!("{}/my/tokens/new", site.url)).await;
    browser.fill("Name", "Backup").await;
    browser.click("See your account account:read").await;
    // The same form, sent in another window.
    let fields = [("after", ""), ("name", "Backup"), ("scopes", "account:read"), ("expiry", "30d")];
    site.signed_in("alice").await.post("/my/tokens", &fields).await.secret();
    let made = site.database.number("SELECT max(id) AS number FROM tokens WHERE action = 'access'");
    browser.click("Create access token").await;
    browser.shows("You have already created this access token with this form.").await;
    assert_eq!(browser.value_of("Name").await, "Backup");
    assert_sound_but_for(&browser, "no token made", &[409]).await;

    browser.click("Rotate Backup").await;
    browser.shows("Keep the old secret working for").await;
    rotate(&site, &alice, made, Grace::Day).await;
    browser.click("Rotate Backup").await;
    browser.shows("or rotated “Backup” since you opened it.").await;
    assert_sound_but_for(&browser, "no secret made", &[409]).await;

    add(&site, &alice, "The last", "account:read", Expiry::Never).await;
    for path in ["/my/tokens", "/my/tokens/new"] {
        browser.goto(&format!("{}{path}", site.url)).await;
        browser.shows("You have 2 access tokens, the most that one person may have.").await;
        assert_sound(&browser, path).await;
    }
}

#[rstest]
#[tokio::test]
async fn nothing_about_tokens_scrolls_sideways_however_long_it_is(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let now = site.clock.now();
    let all = &latchkey::models::keys::scope::Scopes::ALL.to_string();
    site.clock.set(now - TimeDelta::days(700));
    let made = add(&site, &root, &"N".repeat(100), all, Expiry::InDays(703)).await;
    let expired = add(&site, &root, &"ÄÖÜ word ".repeat(11), all, Expiry::InDays(690)).await;
    site.clock.set(now);
    rotate(&site, &root, made.id, Grace::Week).await;
    assert_eq!(status(&site, &made.key).await, 200);
    site.database.execute(&format!("UPDATE tokens SET note = '{}' WHERE action = 'access'", "note".repeat(125)));
    let browser = Browser::start(Options::desktop()).await;
    sign_in(&browser, &site.url, "root").await;
    // Later by enough that the password is asked for, too.
    site.later(TimeDelta::minutes(16));
    let mut paths = vec!["/my/account".to_owned(), "/my/tokens".into(), "/my/tokens/new".into()];
    paths.extend(["expired", "nonsense"].map(|state| format!("/my/tokens?state={state}&sort=nonsense")));
    let ends = ["", "/edit", "/rotate", "/revoke"];
    paths.extend(ends.iter().flat_map(|end| [&made, &expired].map(|made| format!("{}{end}", made.path()))));
    paths.push(format!("/admin/users/{}", root.id));
    for path in paths {
        browser.goto(&format!("{}{path}", site.url)).await;
        for width in [320, 360, 540, 719, 720, 800, 959, 960, 1280, 1600] {
            browser.apply(Options { width, ..Options::desktop() }).await;
            assert!(!browser.scrolls_sideways().await, "{path} scrolls sideways at {width} px");
        }
    }
}

/// "Printed and without CSS, the page still reads in order."
#[rstest]
#[tokio::test]
async fn on_paper_the_table_has_exact_times_and_no_actions(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    add(&site, &alice, "Backup", "account:read", Expiry::InDays(3)).await;
    let browser = Browser::start(Options::desktop()).await;
    sign_in(&browser, &site.url, "alice").await;
    browser.goto(&format!("{}/my/tokens", site.url)).await;
    browser.shows("Expires in 3 days").await;
    browser.print_preview().await;
    for gone in ["Revoke Backup", "Last used first", "New access token"] {
        assert!(!browser.offers(gone).await, "{gone:?} is printed");
    }
    let behind_the_time = "return getComputedStyle(document.querySelector('.state time'), '::after').content";
    assert_eq!(browser.evaluate(behind_the_time).await, r#"" (27 Nov 2026, 09:30:00 UTC)""#);
}
