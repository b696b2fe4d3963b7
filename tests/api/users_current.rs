//! `/users/current`

use latchkey::models::keys::token::TokenAction;
use reqwest::Method;
use rstest::rstest;

use crate::support::*;

#[rstest]
#[tokio::test]
async fn a_key_in_the_header_shows_its_owner(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let answer = site.get_with_key("/users/current.json", &key).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["user"]["login"], "alice");
}

/// "`GET /users/current.json` → `{"user":{id, login, admin, firstname, lastname, mail, created_on, updated_on,
/// last_login_on, passwd_changed_on, twofa_scheme, api_key}}`, times as `2026-01-31T10:00:00Z` […] Latchkey cannot and
/// must not: leave the field [`api_key`] out."
#[rstest]
#[tokio::test]
async fn the_json_is_as_clients_of_redmine_read_it(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let answer = site.get_with_key("/users/current.json", &key).await;
    assert_eq!(answer.header("Content-Type"), Some("application/json; charset=utf-8"));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    let new = concat!(
        r#"{"user":{"id":1,"login":"alice","admin":false,"firstname":"Test","lastname":"Person alice","#,
        r#""mail":"alice@example.org","created_on":"2026-11-24T09:30:00Z","updated_on":"2026-11-24T09:30:00Z","#,
        r#""last_login_on":null,"passwd_changed_on":"2026-11-24T09:30:00Z","twofa_scheme":null}}"#,
    );
    assert_eq!(answer.text, new);
    site.set_user(&alice, EVERY_COLUMN);
    let full = concat!(
        r#"{"user":{"id":1,"login":"alice","admin":true,"firstname":"<Zoë> & \"co\"","lastname":"O'Brien 🔑","#,
        r#""mail":"alice@example.org","created_on":"2025-01-31T10:00:00Z","updated_on":"2025-02-28T23:59:59Z","#,
        r#""last_login_on":"2025-03-01T00:00:00Z","passwd_changed_on":"2025-02-28T12:30:01Z","#,
        // She has become an administrator, and is told more.
        r#""twofa_scheme":"totp","status":1,"kind":"person"}}"#,
    );
    assert_eq!(site.get_with_key("/users/current.json", &key).await.text, full);
}

/// "`.xml` → the same as `<user><id>…`, with an XML declaration."
#[rstest]
#[tokio::test]
async fn the_xml_is_the_same(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let answer = site.get_with_key("/users/current.xml", &key).await;
    assert_eq!(answer.header("Content-Type"), Some("application/xml; charset=utf-8"));
    let new = concat!(
        r#"<?xml version="1.0" encoding="UTF-8"?><user><id>1</id><login>alice</login><admin>false</admin>"#,
        "<firstname>Test</firstname><lastname>Person alice</lastname><mail>alice@example.org</mail>",
        "<created_on>2026-11-24T09:30:00Z</created_on><updated_on>2026-11-24T09:30:00Z</updated_on>",
        "<last_login_on/><passwd_changed_on>2026-11-24T09:30:00Z</passwd_changed_on><twofa_scheme/></user>",
    );
    assert_eq!(answer.text, new);
    site.set_user(&alice, EVERY_COLUMN);
    let full = concat!(
        r#"<?xml version="1.0" encoding="UTF-8"?><user><id>1</id><login>alice</login><admin>true</admin>"#,
        r#"<firstname>&lt;Zoë&gt; &amp; "co"</firstname><lastname>O'Brien 🔑</lastname>"#,
        "<mail>alice@example.org</mail>",
        "<created_on>2025-01-31T10:00:00Z</created_on><updated_on>2025-02-28T23:59:59Z</updated_on>",
        "<last_login_on>2025-03-01T00:00:00Z</last_login_on>",
        "<passwd_changed_on>2025-02-28T12:30:01Z</passwd_changed_on><twofa_scheme>totp</twofa_scheme><status>1</status><kind>person</kind></user>",
    );
    assert_eq!(site.get_with_key("/users/current.xml", &key).await.text, full);
}

const EVERY_COLUMN: &str = "admin = true, firstname = '<Zoë> & \"co\"', lastname = 'O''Brien 🔑',
    created_on = '2025-01-31 10:00:00.999999', updated_on = '2025-02-28 23:59:59.5',
    last_login_on = '2025-03-01 00:00:00', passwd_changed_on = '2025-02-28 12:30:01', twofa_scheme = 'totp'";

/// "GET, HEAD": the same without the body.
#[rstest]
#[tokio::test]
async fn head_is_answered_like_get_without_the_body(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    for address in ["/users/current.json", "/users/current.xml", "/my/account.json", "/my/account.xml"] {
        let get = site.get_with_key(address, &key).await;
        let head = Answer::of(site.request(Method::HEAD, address).header("X-Redmine-API-Key", &key.secret)).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{address}");
        assert_eq!(head.header("Content-Type"), get.header("Content-Type"), "{address}");
        assert_eq!(head.header("Content-Length"), Some(get.text.len().to_string().as_str()), "{address}");
        let refused = Answer::of(site.request(Method::HEAD, address)).await;
        assert_eq!((refused.status, refused.text.as_str()), (401, ""), "{address}");
        assert_eq!(
            refused.header("WWW-Authenticate"),
            Some(r#"Basic realm="Redmine API", charset="UTF-8""#),
            "{address}"
        );
    }
}
