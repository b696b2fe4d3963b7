//! Clients that hold things up: the others are still served.

use std::io::Write;
use std::net::TcpStream;

use diesel::connection::SimpleConnection;
use rstest::rstest;

use super::make_keys;
use crate::support::database::TestDatabase;
use crate::support::load::Load;
use crate::support::*;

/// As many files as a process may open are often 20,000, so the two databases do not have their turns at once.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const CURRENT: &str = "/users/current.json";

fn scene(db: Db) -> (TestDatabase, Process, Vec<(i64, String)>) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    latchkey.add_user("alice", PASSWORD);
    let keys = make_keys(&database, 16);
    (database, Process::serve(&latchkey, &[]), keys)
}

/// PostgreSQL that answers nobody: every connection of the pool is held by a request that waits for it.
#[tokio::test]
async fn an_exhausted_pool() {
    let (database, process, keys) = scene(Postgres);
    let mut other = database.connect();
    other.batch_execute("BEGIN; LOCK TABLE tokens IN ACCESS EXCLUSIVE MODE").expect("the lock");
    let secrets: Vec<_> = keys.iter().map(|(_, secret)| secret.clone()).collect();
    let load = Load::start(&process.url, &secrets);
    let answer = process.get_with_key(CURRENT, &secrets[0]).await;
    assert_eq!(answer.status, 503, "all connections are held");
    assert!(answer.header("Retry-After").is_some());
    assert_eq!(process.get_with_key("/healthz", "").await.status, 200);
    assert_eq!(process.get_with_key("/static/latchkey.css", "").await.status, 200);
    assert_eq!(process.visitor().get("/login").await.status, 200);
    other.batch_execute("ROLLBACK").expect("the end of the lock");
    let mut tries = 0;
    while process.get_with_key(CURRENT, &secrets[0]).await.status != 200 {
        tries += 1;
        assert!(tries < 20, "it works again by itself");
    }
    for statuses in load.stop().await {
        assert!(statuses.keys().all(|status| [200, 503].contains(status)), "{statuses:?}");
    }
}

/// Requests that never end, and bodies that come a byte at a time.
#[rstest]
#[tokio::test]
async fn half_sent_requests(#[values(Sqlite, Postgres)] db: Db) {
    let _turn = TURN.lock().await;
    let (_database, process, keys) = scene(db);
    let address = process.url.trim_start_matches("http://");
    let body = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 500\r\n\r\nusername=";
    let halves = [
        "G".to_owned(),
        "GET /users/current.json HTTP/1.1\r\nHost: x\r\nX-Redmine-API-".to_owned(),
        format!("POST /login HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\n{body}"),
        format!("PUT /my/account.json HTTP/1.1\r\nHost: x\r\nX-Redmine-API-Key: {}\r\n{body}", keys[0].1),
    ];
    let mut open = Vec::new();
    for number in 0..200 {
        let mut connection = TcpStream::connect(address).expect("a connection");
        connection.write_all(halves[number % halves.len()].as_bytes()).expect("half a request");
        open.push(connection);
    }
    for (_, secret) in &keys {
        assert_eq!(process.get_with_key(CURRENT, secret).await.status, 200);
        for connection in &mut open {
            // One that has been given up on is closed, which is as well.
            let _ = connection.write_all(b"a");
        }
    }
    process.visitor().sign_in("alice", PASSWORD).await;
}

#[rstest]
#[tokio::test]
async fn ten_thousand_open_connections(#[values(Sqlite, Postgres)] db: Db) {
    let _turn = TURN.lock().await;
    let (_database, process, keys) = scene(db);
    let address = process.url.trim_start_matches("http://");
    let mut open = Vec::new();
    for number in 0..10_000 {
        open.push(TcpStream::connect(address).unwrap_or_else(|error| panic!("connection {number}: {error}")));
        if number % 1000 == 0 {
            let secret = &keys[number / 1000].1;
            assert_eq!(process.get_with_key(CURRENT, secret).await.status, 200, "beside {number} connections");
        }
    }
    for (_, secret) in &keys {
        assert_eq!(process.get_with_key(CURRENT, secret).await.status, 200);
    }
    process.visitor().sign_in("alice", PASSWORD).await;
    assert_eq!(open.len(), 10_000);
}
