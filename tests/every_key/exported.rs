//! `/admin/keys.csv`, `/admin/keys.ndjson` and the same from the page: every key that the filter finds, in batches.

use std::io::{Read, Write};
use std::net::TcpStream;

use reqwest::Method;
use rstest::rstest;
use serde_json::Value;

use super::*;
use crate::support::visitor::page;

#[rstest]
#[tokio::test]
async fn every_key_that_is_found_is_in_the_file(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (_, admin) = administrator(&site).await;
    let alice = site.add_user("alice").await;
    named(&site, &alice, "=HYPERLINK(\"https://example.org\")", "account:read tokens:read", "never").await;
    // More than two batches, and one key that the filter does not find.
    add_many(&site.database, &alice, 2100, "");
    site.database.execute("UPDATE tokens SET note = '-1, twice', scopes = 'users:read' WHERE name = 'key 7'");
    let answer = site.get_with_key("/admin/keys.ndjson?owner=alice&sort=created_on", &admin).await;
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("application/x-ndjson; charset=utf-8")));
    let documents: Vec<Value> = answer
        .text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|it| panic!("{it}: {line}")))
        .collect();
    let found: Vec<&str> = documents.iter().map(|key| key["name"].as_str().expect("a name")).collect();
    let mut expected: Vec<String> = (1..=2100).map(|number| format!("key {number}")).collect();
    expected.push("=HYPERLINK(\"https://example.org\")".to_owned());
    assert_eq!(found, expected, "each once, in order");
    assert_eq!(documents[6]["note"], "-1, twice");
    let listed = site.get_with_key("/admin/keys.json?owner=alice&sort=created_on&limit=1", &admin).await.json();
    assert_eq!(listed["keys"][0], documents[0], "the same document as in the list");

    let answer = site.get_with_key("/admin/keys.csv?owner=alice&sort=created_on", &admin).await;
    assert_eq!(answer.header("Content-Type"), Some("text/csv; charset=utf-8; header=present"));
    let name = "attachment; filename=\"latchkey-keys-2026-11-24.csv\"";
    assert_eq!(answer.header("Content-Disposition"), Some(name));
    let lines: Vec<&str> = answer.text.split("\r\n").collect();
    assert_eq!(lines.len(), 2103, "a heading, the keys, and what follows the last line");
    assert!(lines[0].starts_with("id,user_id,login,action,name,note,hint,scopes,created_on,expires_on,state,"));
    assert!(lines[1].contains(",alice,access,key 1,,wxyz,account:read,2026-01-01T00:00:00Z,,active,"), "{}", lines[1]);
    // What a spreadsheet would run is a text.
    assert!(lines[7].contains(",key 7,\"'-1, twice\",wxyz,users:read,"), "{}", lines[7]);
    assert!(lines[2101].contains("\"'=HYPERLINK(\"\"https://example.org\"\")\""), "{}", lines[2101]);

    let filtered = site.get_with_key("/admin/keys.csv?scope=users:read&action=access", &admin).await;
    assert_eq!(filtered.text.lines().count(), 2, "{}", filtered.text);
    let none = site.get_with_key("/admin/keys.ndjson?state=expired", &admin).await;
    assert_eq!((none.status, none.text.as_str()), (200, ""));
}

#[rstest]
#[tokio::test]
async fn a_page_has_links_to_the_files_of_its_filter(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    administrator(&site).await;
    let alice = site.add_user("alice").await;
    named(&site, &alice, "deploy", "account:read", "never").await;
    let root = site.signed_in("root").await;
    let list = root.get("/admin/keys?owner=alice&limit=1").await;
    for ending in ["csv", "ndjson"] {
        let address = format!("/admin/keys/export.{ending}?owner=alice");
        assert!(list.html.contains(&format!("href=\"{address}\"")), "{}", list.html);
        let file = root.get(&address).await;
        assert_eq!(file.status, 200, "{}", file.html);
        assert!(file.html.contains("deploy") && !file.html.contains("root"), "{}", file.html);
        let head = page(root.request(Method::HEAD, &address)).await;
        assert_eq!((head.status, head.html.as_str()), (200, ""));
        assert_eq!(head.header("Content-Type"), file.header("Content-Type"));
        let refused = root.get(&format!("{address}&state=broken")).await;
        assert_eq!(refused.status, 422);
        assert!(refused.shows("State must be active, suspended or expired"), "{}", refused.text());
    }
    assert_eq!(site.signed_in("alice").await.get("/admin/keys/export.csv").await.status, 403);
}

#[rstest]
#[tokio::test]
async fn a_program_is_told_what_is_wrong_before_the_file_begins(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (_, admin) = administrator(&site).await;
    for (query, told) in [
        ("owner=nobody", "No account has the login nobody"),
        (
            "limit=10",
            "Unknown parameter limit: use owner, action, state, verdict, scope, service, never_used, unused_since, \
                      expires_before, search, sort",
        ),
    ] {
        for ending in ["csv", "ndjson"] {
            let answer = site.get_with_key(&format!("/admin/keys.{ending}?{query}"), &admin).await;
            assert_eq!((answer.status, answer.json()["detail"].as_str()), (422, Some(told)));
        }
    }
}

/// A client that takes its time keeps nobody from the database; and what breaks off half-way does not look complete.
#[rstest]
#[tokio::test]
async fn a_slow_client_holds_no_connection(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (_, admin) = administrator(&site).await;
    let alice = site.add_user("alice").await;
    // Much more than what waits between two programs on one machine.
    add_many(&site.database, &alice, 4000, &"n".repeat(8000));
    let address = site.url.strip_prefix("http://").expect("an address").to_owned();
    let mut slow = TcpStream::connect(address).expect("a connection");
    let request = format!("GET /admin/keys.ndjson HTTP/1.1\r\nHost: x\r\nX-Redmine-API-Key: {}\r\n\r\n", admin.secret);
    slow.write_all(request.as_bytes()).expect("a request");
    let mut beginning = [0; 1000];
    slow.read_exact(&mut beginning).expect("the beginning");
    let text = String::from_utf8_lossy(&beginning).into_owned();
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    eventually("no connection is in use", || {
        let pool = site.app.database.pool_state();
        pool.idle_connections == pool.connections
    })
    .await;
    site.database.execute("ALTER TABLE tokens RENAME TO gone");
    slow.set_read_timeout(Some(std::time::Duration::from_secs(30))).expect("a limit");
    let mut rest = Vec::new();
    // The connection is closed, in whatever way.
    let _ = slow.read_to_end(&mut rest);
    assert!(!rest.ends_with(b"\r\n0\r\n\r\n"), "it looks complete");
    assert!(!String::from_utf8_lossy(&rest).contains("\"name\":\"key 1\""), "it is complete");
}
