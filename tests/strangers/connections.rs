//! Connections that clients keep: what they offer to make of them, and how long they stay.

use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;
use crate::support::wire::Conversation;

/// What Java's `HttpClient` sends with each request, and others with some.
const OFFERS: [&str; 5] = [
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n",
    "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n",
    "connection: upgrade\r\nupgrade: TLS/1.0, HTTP/1.1\r\n",
    "Upgrade: websocket\r\n",
    "Connection: upgrade\r\n",
];

/// A request with `body`, and other header lines than usual.
fn post(lines: &str, secret: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /my/tokens.json HTTP/1.1\r\nHost: latchkey.test\r\nX-Redmine-API-Key: {secret}\r\n{lines}\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

#[rstest]
#[tokio::test]
async fn an_offer_to_upgrade_is_ignored_and_the_connection_kept(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let key = site.add_key(&root, TokenAction::Api).await;
    let mut connection = Conversation::with(&site.url);
    for (number, offer) in OFFERS.into_iter().cycle().take(25).enumerate() {
        let body = format!(r#"{{"name": "program {number}", "scopes": ["account:read"]}}"#);
        let request = post(offer, &key.secret, &body);
        // The body arrives later, as Java sends it.
        let (head, body) = request.split_at(request.len() - body.len());
        connection.send(head.as_bytes());
        connection.send(body.as_bytes());
        let answer = connection.answer().unwrap_or_else(|| panic!("no answer to {number}, {offer}"));
        if let Some(secret) = answer.text.split_once("\"secret\":\"").and_then(|(_, rest)| rest.split('"').next()) {
            log::note_secret(secret);
        }
        assert_eq!(answer.status, 201, "{offer}: {}", answer.text);
        let head = answer.text.to_ascii_lowercase();
        assert!(!head.contains("\r\nconnection:") && !head.contains("\r\nupgrade:"), "{offer}: {head}");
    }
}

/// Whoever offers and wants to end it is still heard.
#[rstest]
#[tokio::test]
async fn an_offer_with_close_closes(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let mut connection = Conversation::with(&site.url);
    connection.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close, upgrade\r\nUpgrade: h2c\r\n\r\n");
    assert_eq!(connection.answer().map(|answer| answer.status), Some(200));
    assert!(connection.is_closed());
}

#[rstest]
#[tokio::test]
async fn an_idle_connection_stays_open_as_long_as_is_set(#[values(Sqlite, Postgres)] db: Db) {
    let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    for (flag, is_kept) in [("--keep-alive=1h", true), ("--keep-alive=50ms", false), ("--keep-alive=0", false)] {
        let site = Site::start_with(db, &[flag]).await;
        let mut connection = Conversation::with(&site.url);
        connection.send(request);
        let answer = connection.answer().expect("an answer");
        assert_eq!(answer.text.contains("connection: close"), flag.ends_with("=0"), "{}", answer.text);
        if is_kept {
            connection.send(request);
            assert_eq!(connection.answer().map(|answer| answer.status), Some(200), "{flag}");
        } else {
            assert!(connection.is_closed(), "{flag}");
        }
    }
}
