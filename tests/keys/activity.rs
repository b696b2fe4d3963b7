//! "Everything that happens to a key … is in the user's activity: who, when, from which address and agent, by which key
//! or session."

use std::sync::Arc;

use chrono::TimeDelta;
use latchkey::callers::verify::Credential;
use latchkey::models::client::Client;
use latchkey::models::keys::key_request::{KeyChanges, KeyPolicy, NewKey};
use latchkey::models::keys::scope::KeyScopes;
use latchkey::models::keys::token::TokenAction;
use latchkey::models::tx::Tx;
use reqwest::Method;
use rstest::rstest;

use super::*;
use crate::support::xml::Element;

/// The rows of the page, latest first: what, when, address and agent.
async fn rows(site: &Site) -> Vec<String> {
    let page = site.signed_in("alice").await.get("/activity").await;
    let body = page.html.split_once("<tbody").and_then(|(_, rest)| rest.split_once("</tbody>")).map_or("", |it| it.0);
    let row = |row: &str| Page { status: 200, headers: page.headers.clone(), html: format!("<tr{row}") }.text();
    // But for the sign-in that it took to look.
    body.split("<tr").skip(2).map(row).collect()
}

/// Title and content of the feed's entries, latest first.
async fn entries(site: &Site, feeds: &Key) -> Vec<(String, String)> {
    let feed = Answer::of(site.get(&format!("/activity.atom?key={}", feeds.secret))).await;
    let feed = Element::parse(&feed.text);
    let entries = feed.children("entry").map(|it| (it.text_of("title").to_owned(), it.text_of("content").to_owned()));
    entries.filter(|(title, _)| title.starts_with("Access token")).collect()
}

/// A key with a name of its own, made by `client`.
async fn add_by(site: &Site, user: &User, client: Client) -> Key {
    let (user_id, now, policy) = (user.id, site.clock.now(), KeyPolicy::of(&site.app.config));
    let scopes = KeyScopes::of_words(["account:read"]).expect("scopes");
    let new = NewKey { name: "nightly".into(), note: String::new(), scopes, expiry: None, networks: None };
    let make = move |tx: &mut Tx<'_>| OwnedKey::make(&mut tx.told(client, now), user_id, &new, &policy);
    let (key, secret) = site.write(make).await;
    log::note_secret(secret.expose());
    Key { id: key.id, secret: secret.expose().to_owned() }
}

#[rstest]
#[tokio::test]
async fn the_whole_life_of_a_key_is_told(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let feeds = site.add_key(&alice, TokenAction::Feeds).await;
    let ci = site.add_access_token(&alice, "tokens:write", "never").await;
    site.database.execute("DELETE FROM events");
    let by_ci = Credential::Token(Arc::new(site.token(ci.id).expect("a token"))).title();
    let api = Client::new("192.0.2.7", "ci/2").with_credential(by_ci);
    let page = Client::new("192.0.2.8", "Browser").with_credential(Credential::Password.title());
    let id = |key: &Key| (UserId(alice.id), KeyId(key.id));
    let minute = || site.later(TimeDelta::minutes(1));

    let key = add_by(&site, &alice, api.clone()).await;
    minute();
    assert_eq!(Answer::of(site.get(ADDRESS).bearer_auth(&key.secret).header("User-Agent", "curl/8")).await.status, 200);
    minute();
    let refused = site.request(Method::PUT, "/my/account.json").bearer_auth(&key.secret).header("User-Agent", "curl/8");
    assert_eq!(Answer::of(refused).await.status, 403);
    site.flush().await;
    minute();
    let scopes = KeyScopes::of_words(["account:write"]).expect("scopes");
    let (name, note) = (Some("daily".into()), Some("n".into()));
    let changes = KeyChanges { name, note, scopes: Some(scopes), ..KeyChanges::default() };
    let (policy, now, client, which) = (KeyPolicy::of(&site.app.config), site.clock.now(), page.clone(), id(&key));
    site.write(move |tx| OwnedKey::change(&mut tx.told(client, now), which, &changes, &policy)).await;
    minute();
    let (now, client, which) = (site.clock.now(), page.clone(), id(&key));
    let rotate = move |tx: &mut Tx<'_>| OwnedKey::rotate(&mut tx.told(client, now), which, Grace::Hour);
    let (_, secret) = site.write(rotate).await;
    log::note_secret(secret.expose());
    let new = Key { id: key.id, secret: secret.expose().to_owned() };
    minute();
    assert_eq!(Answer::of(site.get(ADDRESS).bearer_auth(&new.secret).header("User-Agent", "curl/8")).await.status, 200);
    minute();
    let (now, client, which) = (site.clock.now(), api.clone(), id(&key));
    site.write(move |tx| OwnedKey::revoke(&mut tx.told(client, now), which)).await;

    let (old_hint, new_hint, ci_hint) = (&key.secret[45..], &new.secret[45..], &ci.secret[45..]);
    let by_ci = format!("by Access token “deploy” ····{ci_hint}");
    let told = [
        format!("Access token “daily” revoked ····{new_hint} {by_ci} less than a minute ago 192.0.2.7 ci/2"),
        format!("Access token “daily” first used ····{new_hint} 1 minute ago 127.0.0.1 curl/8"),
        format!(
            "Access token “daily” rotated ····{new_hint} the old secret works until 2026-11-24T10:34:00Z; by password \
             2 minutes ago 192.0.2.8 Browser"
        ),
        format!(
            "Access token “daily” changed ····{old_hint} was called “nightly”, note, may do account:write; by password \
             3 minutes ago 192.0.2.8 Browser"
        ),
        format!(
            "Access token “nightly” refused: it may not do this ····{old_hint} needs account:write 4 minutes ago \
             127.0.0.1 curl/8"
        ),
        format!("Access token “nightly” first used ····{old_hint} 5 minutes ago 127.0.0.1 curl/8"),
        format!(
            "Access token “nightly” created ····{old_hint} may do account:read, expires 2026-12-24T09:30:00Z; {by_ci} \
             6 minutes ago 192.0.2.7 ci/2"
        ),
    ];
    assert_eq!(rows(&site).await, told);

    let by = format!("by Access token “deploy” ····{ci_hint}");
    let content = |hint: &str, rest: &str| format!("····{hint}, {rest}");
    let told = [
        ("Access token “daily” revoked", content(new_hint, &format!("{by}, from 192.0.2.7 with ci/2"))),
        ("Access token “daily” first used", content(new_hint, "from 127.0.0.1 with curl/8")),
        (
            "Access token “daily” rotated",
            content(
                new_hint,
                "the old secret works until 2026-11-24T10:34:00Z; by password, from 192.0.2.8 with Browser",
            ),
        ),
        (
            "Access token “daily” changed",
            content(
                old_hint,
                "was called “nightly”, note, may do account:write; by password, from 192.0.2.8 with Browser",
            ),
        ),
        (
            "Access token “nightly” refused: it may not do this",
            content(old_hint, "needs account:write, from 127.0.0.1 with curl/8"),
        ),
        ("Access token “nightly” first used", content(old_hint, "from 127.0.0.1 with curl/8")),
        (
            "Access token “nightly” created",
            content(
                old_hint,
                &format!("may do account:read, expires 2026-12-24T09:30:00Z; {by}, from 192.0.2.7 with ci/2"),
            ),
        ),
    ];
    let told: Vec<_> = told.into_iter().map(|(title, content)| (title.to_owned(), content)).collect();
    assert_eq!(entries(&site, &feeds).await, told);
}

#[rstest]
#[tokio::test]
async fn that_a_key_expires_is_refused_and_cleared_away_is_told(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let feeds = site.add_key(&alice, TokenAction::Feeds).await;
    let key = site.add_access_token(&alice, "account:read", "7d").await;
    site.later(TimeDelta::days(7) + TimeDelta::minutes(5));
    let request = site.get(ADDRESS).bearer_auth(&key.secret).header("User-Agent", "curl/8");
    assert_eq!(Answer::of(request).await.status, 401);
    site.flush().await;
    site.later(TimeDelta::days(30));
    site.flush().await;
    let hint = &key.secret[45..];
    let told = [
        format!("Access token “deploy” deleted: it expired long ago ····{hint} less than a minute ago automatic"),
        format!("Access token “deploy” refused: it has expired ····{hint} about 1 month ago 127.0.0.1 curl/8"),
        format!("Access token “deploy” expired ····{hint} about 1 month ago automatic"),
        format!(
            "Access token “deploy” created ····{hint} may do account:read, expires 2026-12-01T09:30:00Z \
             about 1 month ago command line"
        ),
    ];
    assert_eq!(rows(&site).await, told);
    let entries = entries(&site, &feeds).await;
    let contents: Vec<_> = entries.into_iter().map(|(_, content)| content).collect();
    assert_eq!(
        contents,
        [
            format!("····{hint}, automatic"),
            format!("····{hint}, from 127.0.0.1 with curl/8"),
            format!("····{hint}, automatic"),
            format!("····{hint}, may do account:read, expires 2026-12-01T09:30:00Z, from the command line"),
        ]
    );
}

/// "refused because expired or out of scope at most once an hour": each kind of refusal of each key by itself.
#[rstest]
#[tokio::test]
async fn a_refusal_is_told_once_an_hour(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let one = site.add_access_token(&alice, "account:read", "30d").await;
    let other = site.add_access_token(&alice, "tokens:read", "30d").await;
    let count = |action: &str| {
        site.database.number(&format!("SELECT count(*) AS number FROM events WHERE action = '{action}'"))
    };
    let refused = async |key: &Key, status: u16| {
        for number in 0..20 {
            let request = site.get("/users.json").bearer_auth(&key.secret);
            let answer = Answer::of(request.header("X-Forwarded-For", format!("192.0.2.{number}"))).await;
            assert_eq!(answer.status, status);
        }
        site.flush().await;
    };
    refused(&one, 403).await;
    assert_eq!(count("scope_refused"), 1);
    site.later(TimeDelta::minutes(59));
    refused(&one, 403).await;
    assert_eq!(count("scope_refused"), 1);
    refused(&other, 403).await;
    assert_eq!(count("scope_refused"), 2, "another key");
    site.later(TimeDelta::minutes(1));
    refused(&one, 403).await;
    assert_eq!(count("scope_refused"), 3, "after an hour");
    site.later(TimeDelta::days(30));
    refused(&one, 401).await;
    refused(&one, 401).await;
    assert_eq!((count("scope_refused"), count("expired_key_refused")), (3, 1), "for another reason");
    let warnings = site.signed_in("alice").await.get("/activity").await.html.matches("class=\"warning\"").count();
    assert_eq!(warnings, 4, "they look like warnings");
}

/// A key that is unknown, or of somebody who is locked, is told to nobody.
#[rstest]
#[tokio::test]
async fn what_nobody_owns_is_told_to_nobody(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "7d").await;
    site.database.execute("DELETE FROM events");
    site.later(TimeDelta::days(8));
    site.set_user(&alice, "status = 'locked'");
    assert_eq!(status(&site, &key).await, 401);
    let unknown = Key { id: 0, secret: latchkey::secret::Secret::generate().expose().to_owned() };
    assert_eq!(status(&site, &unknown).await, 401);
    site.flush().await;
    assert_eq!(site.database.number("SELECT count(*) AS number FROM events WHERE action LIKE '%refused'"), 0);
}

/// Whose account goes while a refusal is waiting to be told leaves nothing behind that is tried for ever.
#[rstest]
#[tokio::test]
async fn a_refusal_of_somebody_who_is_gone_is_let_go(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (alice, bob) = (site.add_user("alice").await, site.add_user("bob").await);
    let alices = site.add_access_token(&alice, "tokens:read", "30d").await;
    let bobs = site.add_access_token(&bob, "tokens:read", "30d").await;
    site.flush().await;
    assert_eq!((status(&site, &alices).await, status(&site, &bobs).await), (403, 403));
    site.database.execute(&format!("DELETE FROM events WHERE user_id = {0}; DELETE FROM tokens WHERE user_id = {0}; DELETE FROM users WHERE id = {0}", bob.id));
    site.flush().await;
    site.flush().await;
    let told = "SELECT count(*) AS number FROM events WHERE action = 'scope_refused'";
    assert_eq!(site.database.number(told), 1);
}
