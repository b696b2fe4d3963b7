//! `latchkey serve`: how it starts, what it logs, and how it ends.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;

use rstest::rstest;
use rustix::process::Signal;

use crate::support::database::TestDatabase;
use crate::support::wire::Conversation;
use crate::support::*;

fn command_line(database: &TestDatabase) -> CommandLine {
    CommandLine::on(database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64))
}

/// A stop ends requests in flight first, and then exits with 0.
#[rstest]
fn sigterm_lets_a_request_in_flight_end(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = command_line(&database);
    latchkey.add_user("alice", PASSWORD);
    let process = Process::serve(&latchkey, &[]);
    let body = format!("username=alice&password={PASSWORD}");
    let (first, rest) = body.split_at(5);
    let mut connection = TcpStream::connect(process.url.trim_start_matches("http://")).expect("a connection");
    let head = format!(
        "POST /login HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).expect("the head");
    // The interim answer tells that the request is being handled.
    let mut interim = [0; 25];
    connection.read_exact(&mut interim).expect("100 Continue");
    connection.write_all(first.as_bytes()).expect("a part of the body");
    process.terminate();
    while TcpStream::connect(process.url.trim_start_matches("http://")).is_ok() {
        std::thread::yield_now();
    }
    connection.write_all(rest.as_bytes()).expect("the rest of the body");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    assert_eq!(process.ended(), Some(0));
}

/// Connections stay open for minutes without a request, and none of them is waited for.
#[rstest]
fn sigterm_waits_for_no_idle_connection(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let process = Process::serve(&command_line(&database), &["--keep-alive=1h"]);
    let (mut used, mut unused) = (Conversation::with(&process.url), Conversation::with(&process.url));
    used.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(used.answer().map(|answer| answer.status), Some(200));
    process.terminate();
    assert!(used.is_closed() && unused.is_closed());
    let log = process.log();
    assert!(log.contains("\"stopped\"") && !log.contains("force shutdown"), "{log}");
}

/// What is pending is written before the end, whichever signal says to stop. Those that say something else to other
/// programs stop nothing.
#[rstest]
#[tokio::test]
async fn no_signal_but_sigkill_loses_a_last_use(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = command_line(&database);
    latchkey.add_user("alice", PASSWORD);
    let secret = latchkey.add_key("alice");
    let first = Process::serve(&latchkey, &[]);
    assert_eq!(first.get_with_key("/users/current.json", &secret).await.status, 200);
    first.terminate();
    assert_eq!(first.ended(), Some(0));
    let harmless = [Signal::PIPE, Signal::USR1, Signal::USR2, Signal::ALARM, Signal::PROF, Signal::IO, Signal::XFSZ];
    for stop in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT, Signal::XCPU] {
        let before = database.dump("tokens");
        // Whoever runs the tests may have them ignore a hangup.
        let process = Process::serve_by(&["env", "--default-signal=HUP"], 0, &latchkey, &[]);
        for signal in harmless {
            process.signal(signal);
        }
        assert_eq!(process.get_with_key("/users/current.json", &secret).await.status, 200);
        assert_eq!(database.dump("tokens"), before, "within the minute nothing is written");
        process.signal(stop);
        assert_eq!(process.ended(), Some(0), "{stop:?}");
        assert!(database.dump("tokens") > before, "{stop:?}: {before}{}", database.dump("tokens"));
    }
}

/// `nohup latchkey serve &` goes on when its terminal is closed.
#[test]
fn a_hangup_that_is_ignored_from_the_start_stops_nothing() {
    let database = TestDatabase::migrated(Sqlite);
    let process = Process::serve_by(&["nohup"], 0, &command_line(&database), &[]);
    process.signal(Signal::HUP);
    process.signal(Signal::USR1);
    process.terminate();
    let log = process.log();
    assert!(log.contains("\"signal\":\"SIGTERM\"") && !log.contains("SIGHUP"), "{log}");
}

#[rstest]
fn what_stands_in_the_way_is_told_in_one_line_with_exit_code_1(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").to_string();
    let serve = |latchkey: CommandLine, flags: &[&str]| latchkey.run(&[&["serve", "--log=error"], flags].concat());

    let line = serve(command_line(&database), &["--bind", &port]).refused(1);
    assert!(line.contains(&port) && line.contains("in use") && line.contains("LATCHKEY_BIND"), "{line}");
    for (url, says) in [
        ("mysql://root@localhost/x", "use a path, sqlite://PATH or postgres://"),
        ("/nowhere/at/all/latchkey.db", "there is no folder /nowhere/at/all; create it, or name another file"),
        ("/nowhere/at/all/latchkey.db", "DATABASE_URL is /nowhere/at/all/latchkey.db"),
        ("/dev/null/latchkey.db", "/dev/null is no folder; name another file (DATABASE_URL is /dev/null/latchkey.db)"),
        ("/", "name a file, such as latchkey.db: this is a folder"),
        ("postgres://u:hidden@127.0.0.1:1/x", "DATABASE_URL is postgres://127.0.0.1:1/x"),
        (":memory:", "use the path of a file"),
        ("dbname=latchkey password=hidden", "write it as a URL"),
        ("sqlite://latchkey.db?mode=rwc", "leave out what follows the question mark"),
        ("sqlite:latchkey.db", "use a path, sqlite://PATH or postgres://"),
        ("alice:hidden@localhost/latchkey", "use a path, sqlite://PATH or postgres://"),
        ("\"latchkey.db\"", "leave out the quotes"),
    ] {
        let line = serve(command_line(&database).with("DATABASE_URL", url), &["--bind=127.0.0.1:0"]).refused(1);
        assert!(line.contains(says) && !line.contains("hidden"), "{url}: {line}");
    }
    let line = serve(command_line(&database), &["--bind=no-such-host.invalid:80"]).refused(1);
    assert!(line.contains("cannot listen on no-such-host.invalid:80") && line.contains("LATCHKEY_BIND"), "{line}");
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let database = TestDatabase::empty(Sqlite);
    let path = database.folder().join("letter.txt");
    std::fs::write(&path, "Dear Sir or Madam, this is no database but a letter.\n".repeat(100)).expect("a file");
    let before = std::fs::read(&path).expect("the file");
    let latchkey = command_line(&database).with("DATABASE_URL", path.to_str().expect("a path"));
    let line = latchkey.run(&["serve", "--bind=127.0.0.1:0", "--log=error"]).refused(1);
    assert!(line.contains("not a database"), "{line}");
    assert_eq!(std::fs::read(&path).expect("the file"), before);
}

/// Made on first start and kept beside the SQLite file, mode 0600: sessions survive a restart.
#[tokio::test]
async fn the_secret_key_is_made_once_and_kept_beside_the_sqlite_file() {
    let database = TestDatabase::migrated(Sqlite);
    let latchkey = CommandLine::on(&database);
    latchkey.add_user("alice", PASSWORD);
    let process = Process::serve(&latchkey, &[]);
    let mut alice = process.visitor();
    alice.sign_in("alice", PASSWORD).await;
    process.terminate();
    process.ended();
    let file = database.folder().join("latchkey.key");
    assert_eq!(std::fs::metadata(&file).expect("the key").permissions().mode() & 0o777, 0o600);
    let key = std::fs::read_to_string(&file).expect("the key");
    log::note_secret(key.trim());

    let process = Process::serve(&latchkey, &[]);
    alice.url.clone_from(&process.url);
    assert!(alice.is_signed_in().await);
    assert_eq!(std::fs::read_to_string(&file).expect("the key"), key);
}

/// It holds mail addresses and password hashes.
#[tokio::test]
async fn a_database_that_is_made_is_for_its_owners_eyes_only() {
    let database = TestDatabase::empty(Sqlite);
    let latchkey = CommandLine::on(&database);
    latchkey.add_user("alice", PASSWORD);
    let secret = latchkey.add_key("alice");
    let process = Process::serve(&latchkey, &[]);
    // What is beside the file is there from the first connection on, and not before.
    assert_eq!(process.get_with_key("/users/current.json", &secret).await.status, 200);
    for name in ["latchkey.db", "latchkey.db-wal", "latchkey.db-shm"] {
        let mode = std::fs::metadata(database.folder().join(name)).expect(name).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn postgresql_needs_a_secret_key_that_its_processes_share() {
    let database = TestDatabase::migrated(Postgres);
    let line = CommandLine::on(&database).run(&["serve", "--bind=127.0.0.1:0", "--log=error"]).refused(1);
    assert!(line.contains("LATCHKEY_SECRET_KEY") && line.contains("openssl rand -hex 32"), "{line}");
}

#[test]
fn a_secret_key_that_cannot_be_used_is_not_replaced() {
    let database = TestDatabase::migrated(Sqlite);
    let file = database.folder().join("latchkey.key");
    std::fs::write(&file, "short\n").expect("a key");
    let line = CommandLine::on(&database).run(&["serve", "--bind=127.0.0.1:0", "--log=error"]).refused(1);
    assert!(line.contains("latchkey.key") && line.contains("64 characters"), "{line}");
    assert_eq!(std::fs::read_to_string(&file).expect("the key"), "short\n");
}

/// Structured, one line a request: id, method, route, status, duration, user and token, and never an address's query.
#[rstest]
#[tokio::test]
async fn each_request_is_one_line_of_json_in_the_log(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = command_line(&database);
    latchkey.add_user("alice", PASSWORD);
    let secret = latchkey.add_key("alice");
    let process = Process::serve(&latchkey, &[]);
    let answer = process.get_with_key(&format!("/users/current.json?key={secret}"), "").await;
    assert_eq!(answer.status, 200);
    let id = answer.header("X-Request-Id").expect("an id").to_owned();
    process.get_with_key("/no/such/page?key=visible", "").await;
    process.terminate();
    let log = process.log();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let line = lines.iter().find(|line| line["request_id"] == id.as_str()).expect("a line of the request");
    assert_eq!(line["method"], "GET");
    assert_eq!(line["route"], "/users/current.{format:json|xml}");
    assert_eq!(line["status"], 200);
    assert!(line["duration_us"].is_u64() && line["user_id"] == 1 && line["token_id"] == 1, "{line}");
    assert_eq!(line["address"], "127.0.0.1");
    assert!(!log.contains(&secret) && !log.contains("visible") && !log.contains("/no/such/page"), "{log}");
}
