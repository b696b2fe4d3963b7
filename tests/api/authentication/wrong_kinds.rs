//! Secrets that are right, but are no API access keys.

use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;

/// "A feeds key on the API: 401." And every other kind of token.
#[rstest]
#[tokio::test]
async fn only_api_keys_open_the_api(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let mut keys = Vec::new();
    for action in [
        TokenAction::Feeds,
        TokenAction::Session,
        TokenAction::Autologin,
        TokenAction::Recovery,
        TokenAction::Register,
        TokenAction::TwofaBackupCode,
        TokenAction::Unknown,
    ] {
        keys.push((action, site.add_key(&alice, action).await));
    }
    let before = site.database.dump("tokens");
    for (action, key) in &keys {
        for (way, request) in ways_of(&site, &key.secret) {
            let challenge = match way {
                "parameter" | "header" => None,
                "Bearer" => BEARER,
                _ => BASIC,
            };
            assert_refused(request, challenge, &format!("a token of kind {}, {way}", action.as_str())).await;
        }
    }
    site.flush().await;
    assert_eq!(site.database.dump("tokens"), before, "what was refused is no use");
    // The secrets were right: as API keys each of them opens.
    site.database.execute("UPDATE tokens SET action = 'api'");
    for (action, key) in &keys {
        assert_eq!(site.get_with_key(ADDRESS, key).await.status, 200, "{}", action.as_str());
    }
}

/// "The API never looks at the session cookie."
#[rstest]
#[tokio::test]
async fn a_session_does_not_open_the_api(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let browser = site.signed_in("alice").await;
    assert!(browser.is_signed_in().await);
    site.flush().await;
    site.later(chrono::TimeDelta::minutes(5));
    let before = site.database.dump("tokens");
    for address in ["/users/current.json", "/users/current.xml", "/my/account.json", "/my/account.xml"] {
        let answer = Answer::of(browser.request(reqwest::Method::GET, address)).await;
        assert_eq!((answer.status, answer.header("WWW-Authenticate")), (401, BASIC), "{address}");
        assert_eq!(answer.header("Set-Cookie"), None, "{address}");
    }
    let body = r#"{"user":{"firstname":"Eve"}}"#;
    let put = browser.request(reqwest::Method::PUT, "/my/account.json").header("Sec-Fetch-Site", "same-origin");
    assert_eq!(Answer::of(put.body(body)).await.status, 401);
    assert_eq!(site.user("alice").firstname, alice.firstname);
    site.flush().await;
    assert_eq!(site.database.dump("tokens"), before, "the session was not used");
    assert!(browser.is_signed_in().await, "the session goes on all the same");
}

/// "The API never looks at the session cookie": not even when it is somebody else's, or broken.
#[rstest]
#[tokio::test]
async fn a_cookie_beside_a_key_changes_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let bob = site.add_user("bob").await;
    let key = site.add_key(&bob, TokenAction::Api).await;
    let alices_browser = site.signed_in("alice").await;
    let both = alices_browser.request(reqwest::Method::GET, ADDRESS).header(KEY_HEADER, &key.secret);
    assert_eq!(login_of(both, "another's session").await, "bob");
    for cookie in ["latchkey=broken", "latchkey=", ";;=;", "latchkey=%ff%00"] {
        let request = site.get(ADDRESS).header(KEY_HEADER, &key.secret).header("Cookie", cookie);
        assert_eq!(login_of(request, cookie).await, "bob", "{cookie}");
    }
}
