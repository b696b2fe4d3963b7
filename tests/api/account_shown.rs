//! `GET /my/account.{json,xml}`

use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use crate::support::*;

/// "`GET /my/account.json` → `{"user":{id, login, admin, firstname, lastname, mail, created_on, last_login_on}}`."
#[rstest]
#[tokio::test]
async fn the_json_is_as_clients_of_redmine_read_it(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let key = site.add_key(&root, TokenAction::Api).await;
    let new = concat!(
        r#"{"user":{"id":1,"login":"root","admin":true,"firstname":"Test","lastname":"Person root","#,
        r#""mail":"root@example.org","created_on":"2026-11-24T09:30:00Z","last_login_on":null}}"#,
    );
    let answer = site.get_with_key("/my/account.json", &key).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, new));
    assert_eq!(answer.header("Content-Type"), Some("application/json; charset=utf-8"));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    site.set_user(&root, "admin = false, last_login_on = '2026-01-31 10:00:00.7'");
    let later = new.replace("true", "false").replace("null", r#""2026-01-31T10:00:00Z""#);
    assert_eq!(site.get_with_key("/my/account.json", &key).await.text, later);
}

/// "The same in XML."
#[rstest]
#[tokio::test]
async fn the_xml_is_the_same(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let key = site.add_key(&root, TokenAction::Api).await;
    let new = concat!(
        r#"<?xml version="1.0" encoding="UTF-8"?><user><id>1</id><login>root</login><admin>true</admin>"#,
        "<firstname>Test</firstname><lastname>Person root</lastname><mail>root@example.org</mail>",
        "<created_on>2026-11-24T09:30:00Z</created_on><last_login_on/></user>",
    );
    let answer = site.get_with_key("/my/account.xml", &key).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, new));
    assert_eq!(answer.header("Content-Type"), Some("application/xml; charset=utf-8"));
    site.set_user(&root, "last_login_on = '2026-01-31 10:00:00'");
    let later = new.replace("<last_login_on/>", "<last_login_on>2026-01-31T10:00:00Z</last_login_on>");
    assert_eq!(site.get_with_key("/my/account.xml", &key).await.text, later);
}
