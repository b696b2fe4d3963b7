//! Mail: a forgotten password, what somebody is told, and what an administrator sees of the outbox.

use rstest::rstest;

use super::people::add_alice;
use super::{assert_console, assert_sound, assert_sound_but_for, sign_in};
use crate::support::browser::{Browser, JavaScript, Options};
use crate::support::*;

#[rstest]
#[case::sqlite_desktop_dark(Sqlite, Options::desktop().dark())]
#[case::postgres_phone_light(Postgres, Options::phone())]
#[tokio::test]
async fn a_link_leads_from_the_mailbox_to_a_new_password(#[case] db: Db, #[case] options: Options) {
    let server = MailServer::start();
    let site = Site::start_with(db, &[&server.flag(), "--mail-from=keys@example.org"]).await;
    add_alice(&site).await;
    site.add_admin("root").await;
    let browser = Browser::start(options).await;
    browser.goto(&format!("{}/login", site.url)).await;
    browser.click("Forgotten your password?").await;
    browser.shows("We send you a link by email.").await;
    assert_sound(&browser, "asking for a link").await;
    browser.click("Send the link").await;
    browser.shows("Enter your login or email address").await;
    assert_sound_but_for(&browser, "asking for a link with an error", &[422]).await;
    browser.fill("Login or email", "alice").await;
    browser.click("Send the link").await;
    browser.shows("a link is on its way").await;
    let asked = || server.mails().into_iter().find(|mail| mail.subject.starts_with("Choose a new password"));
    eventually("the link arrives", || asked().is_some()).await;
    let link = asked().expect("a mail").link("/lost-password/choose");
    browser.goto(&link).await;
    browser.shows("Choose a new password").await;
    assert_sound(&browser, "choosing a password").await;
    let new = "another-password-7d1e";
    browser.fill("New password", new).await;
    browser.fill("Password confirmation", new).await;
    browser.click("Set password").await;
    browser.shows("Your password has been set.").await;
    browser.goto(&link).await;
    browser.shows("This link does not work").await;
    assert_sound_but_for(&browser, "a link that is used up", &[410]).await;

    // What is still on its way to her would be refused, too.
    eventually("nothing is left in the outbox", || {
        site.database.number("SELECT count(*) AS number FROM mails WHERE outcome IS NULL") == 0
    })
    .await;
    server.refuse(Some("550 5.1.1 no such mailbox"));
    sign_in(&browser, &site.url, "root").await;
    eventually("it is given up", || {
        site.database.number("SELECT count(*) AS number FROM mails WHERE outcome = 'given_up'") > 0
    })
    .await;
    server.refuse(None);
    browser.click("Choose which mails you get").await;
    browser.shows("Mails that you always get").await;
    assert_sound(&browser, "which mails somebody gets").await;
    browser.fill("Time zone", "Berlin").await;
    browser.click("Save").await;
    browser.shows("Time zone is not known").await;
    assert_sound_but_for(&browser, "which mails somebody gets, with an error", &[422]).await;
    browser.fill("Time zone", "Europe/Berlin").await;
    browser.click("Save").await;
    browser.shows("Your choice of mails has been saved.").await;
    browser.goto(&format!("{}/admin/mails", site.url)).await;
    browser.shows("no such mailbox").await;
    assert_sound(&browser, "mails that were not delivered").await;
    browser.click("Try again to send the mail to root <root@example.org>").await;
    browser.shows("The mail will be tried again.").await;
}

#[rstest]
#[case::sqlite_phone_dark(Sqlite, Options::phone().dark())]
#[case::postgres_desktop_light(Postgres, Options::desktop())]
#[case::sqlite_phone_without_javascript(Sqlite, Options::phone().without_javascript())]
#[tokio::test]
async fn a_new_address_is_confirmed_by_its_link(#[case] db: Db, #[case] options: Options) {
    let server = MailServer::start();
    let site = Site::start_with(db, &[&server.flag(), "--mail-from=keys@example.org"]).await;
    add_alice(&site).await;
    let browser = Browser::start(options).await;
    sign_in(&browser, &site.url, "alice").await;
    let before = browser.value_of("Email").await;
    let sound = async |page: &str, statuses: &[u16]| match options.javascript {
        JavaScript::On => assert_sound_but_for(&browser, page, statuses).await,
        // The rules are a script that waits.
        JavaScript::Off => assert_console(&browser, page, statuses).await,
    };
    let ask = async |address: &str| {
        browser.fill("Email", address).await;
        browser.click("Save").await;
        browser.shows(&format!("You asked for mail to go to {address}.")).await;
        browser.shows(&format!("Until then, mail goes to {before}.")).await;
    };
    ask("alice@exmaple.net").await;
    sound("an address that waits to be confirmed", &[]).await;
    assert!(!browser.scrolls_sideways().await);
    browser.click(&format!("Keep {before}")).await;
    browser.shows("Mail goes on to the address that you have.").await;
    ask("alice@example.net").await;
    browser.click("Send the link again").await;
    browser.shows("The link has been sent again.").await;
    let links = || server.mails().into_iter().filter(|mail| mail.to == ["alice@example.net"]).collect::<Vec<_>>();
    eventually("both links arrive", || links().len() == 2).await;
    browser.goto(&links()[1].link("/new-address")).await;
    browser.shows("Mail about the account alice will go to alice@example.net").await;
    sound("confirming an address", &[]).await;
    browser.click("Use this address").await;
    browser.shows("Your email address has been changed.").await;
    assert_eq!(browser.value_of("Email").await, "alice@example.net");
    browser.goto(&links()[0].link("/new-address")).await;
    browser.shows("This link does not work").await;
    sound("a link that was replaced", &[410]).await;
}
