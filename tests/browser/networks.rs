//! Where a key may be used from: the field of an access token, the page of other keys, and the question between.

use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::people::add_alice;
use super::{assert_sound, assert_sound_but_for, sign_in};
use crate::support::browser::{Browser, Options};
use crate::support::*;

#[rstest]
#[case::sqlite_phone_dark(Sqlite, Options::phone().dark())]
#[case::postgres_desktop_light(Postgres, Options::desktop())]
#[tokio::test]
async fn a_key_is_limited_to_where_its_program_is(#[case] db: Db, #[case] options: Options) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let alice = add_alice(&site).await;
    let token = site.add_access_token(&alice, "account:read", "30d").await;
    let api = site.add_key(&alice, TokenAction::Api).await;
    let browser = Browser::start(options).await;
    sign_in(&browser, &site.url, "alice").await;
    browser.click("Allowed networks of API access key").await;
    browser.shows("Allowed networks of “API access key”").await;
    assert_sound(&browser, "the networks of a key").await;
    browser.fill("Allowed networks (optional)", "10.0.0.1/8").await;
    browser.click("Save").await;
    browser.shows("There is a problem").await;
    assert_sound_but_for(&browser, "networks that are none", &[422]).await;
    browser.fill("Allowed networks (optional)", "10.0.0.0/8\n2001:db8:1234:5678:9abc:def0:1234:5678").await;
    browser.click("Save").await;
    browser.shows("The key need not work from 127.0.0.1").await;
    assert_sound_but_for(&browser, "the question", &[422]).await;
    browser.click("The key need not work from 127.0.0.1").await;
    browser.click("Save").await;
    browser.shows("The allowed networks have been saved.").await;
    browser.shows("Only from 10.0.0.0/8, 2001:db8:1234:5678:9abc:def0:1234:5678").await;
    assert_sound(&browser, "My account with a limited key").await;
    assert_eq!(site.get_with_key("/users/current.json", &api).await.status, 401);

    browser.goto(&format!("{}/my/tokens/{}/edit", site.url, token.id)).await;
    let networks: Vec<String> = (0..50).map(|at| format!("2001:db8:{at}:5678:9abc:def0:1234:5678")).collect();
    browser.fill("Allowed networks (optional)", &networks.join("\n")).await;
    browser.click("Save").await;
    browser.shows("Tick the box to save it anyway").await;
    assert_sound_but_for(&browser, "the question about a token", &[422]).await;
    browser.click("The key need not work from 127.0.0.1").await;
    browser.click("Save").await;
    browser.shows("The access token has been changed.").await;
    assert_sound(&browser, "a token with many networks").await;
    browser.goto(&format!("{}/my/tokens", site.url)).await;
    browser.shows("and 47 more").await;
    assert_sound(&browser, "the list with a limited token").await;
    browser.click("Sign out").await;
    browser.shows("You have signed out.").await;

    sign_in(&browser, &site.url, "root").await;
    browser.goto(&format!("{}/admin/users/{}/keys/{}", site.url, alice.id, token.id)).await;
    browser.shows("Allowed networks").await;
    assert_sound(&browser, "somebody's limited key").await;
    browser.click("Change the allowed networks").await;
    browser.fill("Allowed networks (optional)", "").await;
    assert_sound(&browser, "the networks of somebody's key").await;
    browser.click("Save").await;
    browser.shows("The allowed networks have been saved.").await;
    browser.goto(&format!("{}/admin/keys", site.url)).await;
    browser.shows("Only from 10.0.0.0/8").await;
    assert_sound(&browser, "everybody's keys with a limited one").await;
}
