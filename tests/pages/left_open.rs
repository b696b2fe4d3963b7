//! A browser that somebody left open makes no administrator, no key and no service, and changes none: every form that
//! gives somebody power asks for the password again if it was given more than 15 minutes ago.

use chrono::TimeDelta;
use latchkey::http::asks::Asks;
use latchkey::server::routes;
use rstest::rstest;

use super::*;
use crate::support::site::UNREACHABLE_MAIL;
use crate::support::world::{By, World, routes_that_write};

/// The forms that do not ask, and why they need not.
const HARMLESS: [(&str, &str); 20] = [
    ("/login", "it asks for the password itself"),
    ("/logout", "it ends what is left open"),
    ("/my/password", "it asks for the current password always"),
    ("/my/notices/{id:[0-9]+}", "it hides a notice"),
    ("/my/api_key/revoke", "it ends a key of one's own, which must be quick if it has leaked"),
    ("/my/atom_key/revoke", "it ends a key of one's own, which must be quick if it has leaked"),
    ("/my/tokens/{id:[0-9]+}/revoke", "it ends a key of one's own, which must be quick if it has leaked"),
    ("/my/tokens/{id:[0-9]+}/suspend", "it takes a key of one's own away for some time, and gives none back"),
    ("/my/service-accounts/{service_account}/notices/{id:[0-9]+}", "it hides a notice"),
    ("/my/service-accounts/{service_account}/tokens/{id:[0-9]+}/revoke", "the same, of a service account of one's own"),
    (
        "/my/service-accounts/{service_account}/tokens/{id:[0-9]+}/suspend",
        "the same, of a service account of one's own",
    ),
    ("/my/mail", "it says which mails one gets; those that protect the account come all the same"),
    ("/new-address", "it takes the link of a mail in place of a password"),
    ("/my/new-address/send", "it sends a link once more to an address for which the password was asked"),
    ("/my/new-address/forget", "it leaves one's own address as it is"),
    ("/admin/mails/{id:[0-9]+}/retry", "it sends a mail once more to whom it was for"),
    ("/lost-password", "it asks for a link, which only the mailbox has"),
    ("/lost-password/choose", "it takes the link of a mail in place of a password"),
    ("/revoke", "anybody may report a leak, without signing in"),
    ("/admin/services/{id:[0-9]+}/try", "it changes nothing, and says what a key may do to somebody who has the key"),
];
const LABEL: &str = "Your password You last entered it more than 15 minutes ago.";
const NEEDED: &str = "Enter your password: you last entered it more than 15 minutes ago";

fn posts() -> impl Iterator<Item = (String, Asks)> {
    routes::pages().into_iter().flat_map(|at| {
        let path = at.path().to_owned();
        let posts = at.answers().iter().filter(|answered| answered.method.as_str() == "POST");
        posts.map(|answered| (path.clone(), answered.asks)).collect::<Vec<_>>()
    })
}

/// Whether the page has the field in a form, with that value in it, chosen or typed.
fn keeps(page: &Page, name: &str, value: &str) -> bool {
    let named = format!("name=\"{name}\"");
    let areas = page.html.split("<textarea").skip(1).filter_map(|rest| rest.split_once("</textarea>"));
    if areas.into_iter().any(|(area, _)| area.contains(&named) && area.ends_with(&format!(">\n{value}"))) {
        return true;
    }
    let inputs = page.html.split("<input").skip(1).filter_map(|rest| rest.split_once('>')).map(|(input, _)| input);
    let mut areas = page.html.split("<textarea").skip(1).filter(|area| area.contains(&named));
    if areas.any(|area| area.contains(&format!(">\n{value}</textarea>"))) {
        return true;
    }
    let mut inputs = inputs.filter(|input| input.contains(&named) && input.contains(&format!("value=\"{value}\"")));
    let areas = page.html.split("<textarea").skip(1).filter_map(|rest| rest.split_once("</textarea>"));
    let mut areas = areas.filter_map(|(area, _)| area.split_once('>'));
    areas.any(|(tag, text)| tag.contains(&named) && text.trim() == value)
        || inputs.any(|input| {
            !input.contains("type=\"radio\"") && !input.contains("type=\"checkbox\"") || input.ends_with("checked")
        })
}

#[test]
fn every_form_asks_for_the_password_again_unless_it_gives_no_power() {
    for (path, asks) in posts() {
        let is_harmless = HARMLESS.iter().any(|(harmless, _)| *harmless == path);
        assert_eq!(asks != Asks::RecentPassword, is_harmless, "{path} asks for {asks:?}");
    }
    for (harmless, why) in HARMLESS {
        assert!(posts().any(|(path, _)| path == harmless), "{harmless}: {why}");
    }
}

#[rstest]
#[tokio::test]
async fn each_of_them_asks_and_keeps_what_was_typed(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let asking: Vec<_> = posts().filter(|(_, asks)| *asks == Asks::RecentPassword).map(|(path, _)| path).collect();
    assert!(asking.len() > 8, "{asking:?}");
    for (number, pattern) in asking.iter().enumerate() {
        let world = World::new(&site, number, By::Session).await;
        let (browser, path, typed) = (&world.visitor, world.address(pattern, ""), world.form(pattern));
        let typed: Vec<(&str, &str)> = typed.iter().map(|(name, value)| (*name, value.as_str())).collect();
        site.later(TimeDelta::minutes(16));
        let before = site.database.written();
        let form = match pattern.as_str() {
            it if it.ends_with("/tokens") => format!("{path}/new"),
            "/admin/keys/revoke" | "/admin/keys/suspend" => format!("{path}?ids={}", world.others_key.id),
            it if it.ends_with("/groups/{id:[0-9]+}/remove") => format!("{path}?logins={}", world.other.login),
            _ => path.clone(),
        };
        let form = browser.get(&form).await;
        // Names may be changed without it, so the page asks only once the mail address is to be changed.
        let asks_first = pattern != "/my/account" && !pattern.ends_with("/unlock");
        assert_eq!(form.shows(LABEL), asks_first, "{pattern}: {}", form.text());
        for password in [None, Some("")] {
            let fields: Vec<_> = typed.iter().copied().chain(password.map(|it| ("password", it))).collect();
            let asked = browser.post(&path, &fields).await;
            assert_eq!(asked.status, 422, "{pattern}: {}", asked.text());
            assert!(asked.shows(&format!("There is a problem {NEEDED}")), "{pattern}: {}", asked.text());
            assert!(asked.shows(LABEL), "{pattern}: {}", asked.text());
            assert!(asked.html.contains("<title>Error: ") && asked.html.contains("href=\"#password\""), "{pattern}");
            for (name, value) in &typed {
                let is_password = name.starts_with("new_password");
                assert_eq!(keeps(&asked, name, value), !is_password, "{pattern}: {name} in {}", asked.html);
            }
        }
        assert_eq!(site.database.written(), before, "{pattern} has written");
        let done = browser.post(&path, &[&typed[..], &[("password", PASSWORD)]].concat()).await;
        assert!([200, 303].contains(&done.status), "{pattern}: {}", done.text());
        assert_ne!(site.database.written(), before, "{pattern} has not written");
        if done.status == 200 && !pattern.starts_with("/admin/keys/") {
            done.secret();
        }
    }
}

/// The forms that do not ask do their work.
#[rstest]
#[tokio::test]
async fn what_gives_no_power_needs_no_password(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &UNREACHABLE_MAIL).await;
    let harmless = routes_that_write(By::Session).into_iter().filter(|(_, pattern, _)| {
        *pattern != "/my/password" && HARMLESS.iter().any(|(harmless, _)| harmless == pattern)
    });
    for (number, route) in harmless.enumerate() {
        let world = World::new(&site, number, By::Session).await;
        site.later(TimeDelta::minutes(16));
        let answer = Answer::of(world.request(&site, By::Session, &route)).await;
        let done = if route.1.ends_with("/try") { 200 } else { 303 };
        assert_eq!(answer.status, done, "{}: {}", route.1, answer.text);
    }
    let alice = site.add_user("alice").await;
    let browser = site.signed_in("alice").await;
    site.later(TimeDelta::minutes(16));
    let names = [("firstname", "Al"), ("lastname", "Ice"), ("mail", alice.mail.as_str())];
    assert_eq!(browser.post("/my/account", &names).await.status, 303, "names are not what one signs in with");
    assert_eq!(browser.post("/logout", &[]).await.status, 303);
    assert!(!browser.is_signed_in().await);
}

/// Who typed the right password into a form that is wrong elsewhere need not type it again, whatever the form.
#[rstest]
#[tokio::test]
async fn a_right_password_counts_although_the_form_is_wrong(
    #[values("/my/account", "/admin/users/new", "/admin/services/new")] path: &str,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let root = site.signed_in("root").await;
    site.later(TimeDelta::minutes(16));
    let wrong = root.post(path, &[("firstname", ""), ("password", PASSWORD)]).await;
    assert_eq!(wrong.status, 422, "{}", wrong.text());
    assert!(wrong.shows("cannot be blank") && !wrong.shows(LABEL), "{}", wrong.text());
    assert!(!wrong.html.contains(PASSWORD));
    let again = root.post(path, &[("firstname", "")]).await;
    assert!(again.shows("cannot be blank") && !again.shows(NEEDED), "{}", again.text());
}

/// Even where it was given just now.
#[rstest]
#[tokio::test]
async fn the_password_page_asks_for_the_current_one_always(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let before = site.database.written();
    let new = [("new_password", "a-new-one-4711"), ("new_password_confirmation", "a-new-one-4711")];
    assert_eq!(alice.post("/my/password", &new).await.status, 422);
    assert_eq!(site.database.written(), before);
}
