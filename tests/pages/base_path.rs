//! Mounted under a prefix: "Every link and redirect goes through one function that knows the base path, so that the pages
//! can be mounted under a prefix."

use std::collections::BTreeSet;

use latchkey::models::keys::token::TokenAction;
use reqwest::Method;
use rstest::rstest;

use super::*;
use crate::support::visitor::page;

const URL: &str = "--url=http://127.0.0.1/keys";

/// Every address that a page links, loads or sends forms to.
fn addresses(page: &Page) -> BTreeSet<String> {
    let attributes = ["href=\"", "src=\"", "action=\""];
    let values = attributes.into_iter().flat_map(|name| page.html.split(name).skip(1));
    values.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
}

#[rstest]
#[tokio::test]
async fn every_address_on_every_page_is_below_the_prefix_and_there(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &[URL]).await;
    let user = site.add_user("alice").await;
    let key = site.add_key(&user, TokenAction::Api).await;
    let alice = site.visitor();
    let sign_in = alice.get("/keys/login").await;
    assert_eq!(sign_in.status, 200);
    let form = [("username", "alice"), ("password", PASSWORD), ("back_url", "/keys/activity?page=1")];
    let signed_in = alice.post("/keys/login", &form).await;
    assert_eq!((signed_in.status, signed_in.location()), (303, "/keys/activity?page=1"));
    let reset = alice.get("/keys/my/api_key").await;
    let pages = vec![
        ("sign in", sign_in),
        ("account", alice.get("/keys/my/account").await),
        ("asks", reset),
        ("asks before the end", alice.get("/keys/my/api_key/revoke").await),
        ("asks how long", alice.get(&format!("/keys/my/tokens/{}/suspend", key.id)).await),
        ("networks", alice.get(&format!("/keys/my/tokens/{}/networks", key.id)).await),
        ("made", alice.post("/keys/my/atom_key", &[("replaces", "")]).await),
        ("not made", alice.post("/keys/my/atom_key", &[("replaces", "")]).await),
        ("password", alice.get("/keys/my/password").await),
        ("activity", alice.get("/keys/activity?page=2").await),
        ("sign out", alice.get("/keys/logout").await),
        ("errors", alice.post("/keys/my/account", &[("mail", "x")]).await),
        ("not found", alice.get("/keys/nothing-here").await),
    ];
    pages[6].1.secret();
    let mut all = BTreeSet::new();
    for (what, page) in pages {
        let addresses = addresses(&page);
        assert!(addresses.len() >= 5, "{what}: {addresses:?}");
        for address in &addresses {
            assert!(address.starts_with("/keys/") || address.starts_with('#'), "{what} has {address}");
        }
        all.extend(addresses);
    }
    all.retain(|address| !address.starts_with('#'));
    assert!(all.contains("/keys/static/latchkey.css") && all.contains("/keys/logout"), "{all:?}");
    for address in all {
        let answer = alice.get(&address).await;
        assert!([200, 303].contains(&answer.status), "{address}: {}", answer.status);
    }
}

#[rstest]
#[tokio::test]
async fn every_redirect_stays_below_the_prefix(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &[URL]).await;
    let user = site.add_user("alice").await;
    let alice = site.visitor();
    let turned_away = alice.get("/keys/my/account").await;
    assert_eq!((turned_away.status, turned_away.location()), (302, "/keys/login?back_url=%2Fkeys%2Fmy%2Faccount"));
    let posted = alice.post("/keys/my/account", &[("x", "y")]).await;
    assert_eq!(posted.location(), "/keys/login?back_url=%2Fkeys%2Fmy%2Faccount");
    let form = [("username", "alice"), ("password", PASSWORD)];
    assert_eq!(alice.post("/keys/login", &form).await.location(), "/keys/my/account");
    assert_eq!(alice.get("/keys/").await.location(), "/keys/my/account");
    assert_eq!(alice.get("/keys/login").await.location(), "/keys/my/account");
    assert_eq!(alice.get("/keys/my/api_key").await.location(), "/keys/my/account");
    let save = [("firstname", "A"), ("lastname", "B"), ("mail", "a@example.org")];
    assert_eq!(alice.post("/keys/my/account", &save).await.location(), "/keys/my/account?notice=account_saved");
    site.set_user(&user, "must_change_password = true");
    assert_eq!(alice.get("/keys/my/account").await.location(), "/keys/my/password");
    assert_eq!(alice.post("/keys/logout", &[]).await.location(), "/keys/login?notice=signed_out");
}

#[rstest]
#[tokio::test]
async fn the_cookie_is_for_the_prefix_alone(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &[URL]).await;
    site.add_user("alice").await;
    let alice = site.visitor();
    let form = [("username", "alice"), ("password", PASSWORD)];
    let cookie = cookie::set_by(&alice.post("/keys/login", &form).await.headers).expect("a cookie");
    assert_eq!(cookie.path(), Some("/keys"));
    assert_eq!(alice.get("/keys/my/account").await.status, 200);
    let removed = cookie::set_by(&alice.post("/keys/logout", &[]).await.headers).expect("a cookie");
    assert_eq!((removed.path(), removed.value()), (Some("/keys"), ""));
}

/// What is to be used elsewhere names the whole public address.
#[rstest]
#[tokio::test]
async fn commands_and_feeds_name_the_public_address(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--url=https://example.org/keys/"]).await;
    let user = site.add_user("alice").await;
    let session = {
        let form = [("username", "alice"), ("password", PASSWORD)];
        let request = site.visitor().request(Method::POST, "/keys/login").header("Sec-Fetch-Site", "same-origin");
        cookie::sent_back(&cookie::set_by(&page(request.form(&form)).await.headers).expect("a cookie"))
    };
    let make = async |path: &str| {
        let request = site.visitor().request(Method::POST, path).header("Sec-Fetch-Site", "same-origin");
        page(request.header("Cookie", &session).form(&[("replaces", "")])).await
    };
    let api = make("/keys/my/api_key").await;
    let secret = api.secret();
    let curl = format!("curl -H 'X-Redmine-API-Key: {secret}' https://example.org/keys/users/current.json");
    assert!(api.shows(&curl), "{}", api.text());
    let atom = make("/keys/my/atom_key").await;
    let atom_key = atom.secret();
    assert!(atom.shows("https://example.org/keys/activity.atom?key=lk_"), "{}", atom.text());
    let feed = Answer::of(site.get(&format!("/keys/activity.atom?key={atom_key}"))).await;
    assert!(feed.text.contains("href=\"https://example.org/keys/activity\""), "{}", feed.text);
    let own = format!("href=\"https://example.org/keys/activity.atom?key={atom_key}\"");
    assert!(feed.text.contains(&own), "{}", feed.text);
    let key = site.add_key(&user, TokenAction::Api).await;
    assert_eq!(site.get_with_key("/keys/users/current.json", &key).await.status, 200, "the API is below it, too");
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 404, "and nowhere else");
}

/// Who types the address as the setting has it, without the slash at its end, comes in.
#[rstest]
#[tokio::test]
async fn the_prefix_itself_leads_to_the_account(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &[URL]).await;
    let visitor = site.visitor();
    for path in ["/keys", "/keys/"] {
        let answer = visitor.get(path).await;
        assert_eq!((answer.status, answer.header("Location")), (303, Some("/keys/my/account")), "{path}");
    }
    for path in ["/", "/keysmith", "/my/account", "/login"] {
        assert_eq!(visitor.get(path).await.status, 404, "{path} is not ours");
    }
}
