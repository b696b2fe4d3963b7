//! A database that is away, locked, full or read-only delays uses, and neither loses them nor counts them twice.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use diesel::connection::SimpleConnection;
use latchkey::db::migrations;
use latchkey::db::url::DatabaseUrl;
use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;
use crate::support::database::Held;
use crate::support::machine::{PostgresServer, SmallDisk};

const CURRENT: &str = "/users/current.json";

/// Holds what a write of uses of services needs.
fn hold_writes(database: &TestDatabase) -> Held {
    database.hold("LOCK TABLE service_use_counts IN EXCLUSIVE MODE")
}

#[rstest]
#[tokio::test]
async fn uses_wait_while_another_holds_the_lock(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let (key, wiki) = (add_keys(&database, 1)[0], add_service(&database, "wiki"));
    let counting = Counting::on(&database);
    counting.use_key(key, wiki);
    let held = hold_writes(&database);
    counting.recorder.flush().await;
    counting.use_key(key, wiki);
    assert_eq!((recorded(&database, key, wiki), counting.usage(key).await[0].total()), (0, 2));
    drop(held);
    counting.recorder.flush().await;
    assert_eq!((recorded(&database, key, wiki), counting.uses().pending()), (2, 0));
}

/// "Failure here must not hold up first uses": on SQLite there is one lock, and everybody waits for it.
#[tokio::test]
async fn first_uses_are_written_while_uses_of_services_cannot_be() {
    let site = Site::start(Postgres).await;
    let alice = site.add_user("alice").await;
    let wiki = add_service(&site.database, "wiki");
    let keys =
        [site.add_key(&alice, TokenAction::Api).await, site.add_access_token(&alice, "account:read", "1d").await];
    let held = hold_writes(&site.database);
    site.app.recorder.service_uses.count(&call(keys[0].id, wiki, site.clock.now()));
    for key in &keys {
        site.flush().await;
        assert_eq!(site.get_with_key(CURRENT, key).await.status, 200);
        assert!(site.recorded_use(key).is_some(), "the answer is here, so the row must say it");
    }
    assert_eq!(site.app.recorder.last_use.answered_unwritten(), 0);
    assert_eq!(site.app.recorder.service_uses.pending(), 1);
    drop(held);
    site.flush().await;
    assert_eq!(recorded(&site.database, keys[0].id, wiki), 1);
}

#[tokio::test]
async fn uses_wait_while_the_disk_is_full() {
    let disk = SmallDisk::mount(8);
    let database = TestDatabase::at(DatabaseUrl::Sqlite(disk.path().join("latchkey.db")));
    migrations::run(&database.url).expect("migrations");
    let (keys, wiki) = (add_keys(&database, 200), add_service(&database, "wiki"));
    let counting = Counting::on(&database);
    disk.fill();
    keys.iter().for_each(|key| counting.use_key(*key, wiki));
    counting.recorder.flush().await;
    assert_eq!(counting.uses().pending(), 200, "there is no room for them");
    keys.iter().for_each(|key| counting.use_key(*key, wiki));
    disk.make_room();
    counting.recorder.flush().await;
    assert_eq!(counting.uses().pending(), 0);
    assert_eq!(database.number("SELECT count(*) AS number FROM service_use_counts WHERE times = 2"), 200);
}

#[tokio::test]
async fn uses_wait_while_postgresql_is_read_only() {
    let database = TestDatabase::migrated(Postgres);
    let (key, wiki) = (add_keys(&database, 1)[0], add_service(&database, "wiki"));
    let setting = database.setting();
    let name = setting.rsplit_once('/').expect("a name").1;
    database.execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    let counting = Counting::on(&database);
    counting.use_key(key, wiki);
    counting.recorder.flush().await;
    assert_eq!(counting.uses().pending(), 1);
    let mut session = database.connect();
    session.batch_execute("SET default_transaction_read_only = off").expect("a session that may write");
    let back = format!("ALTER DATABASE {name} RESET default_transaction_read_only");
    session.batch_execute(&back).expect("the end of it");
    counting.use_key(key, wiki);
    counting.recorder.flush().await;
    assert_eq!((recorded(&database, key, wiki), counting.uses().pending()), (2, 0));
}

#[tokio::test]
async fn uses_wait_while_postgresql_is_away() {
    let server = PostgresServer::start();
    let database = TestDatabase::at(server.url());
    migrations::run(&database.url).expect("migrations");
    let (key, wiki) = (add_keys(&database, 1)[0], add_service(&database, "wiki"));
    let counting = Counting::on(&database);
    counting.use_key(key, wiki);
    counting.recorder.flush().await;
    counting.use_key(key, wiki);
    server.stop();
    counting.recorder.flush().await;
    counting.use_key(key, wiki);
    counting.recorder.flush().await;
    assert!(counting.uses().pending() > 0);
    assert!(latchkey::db::connect(&database.url).is_err(), "it is away");
    server.start_again();
    counting.recorder.flush().await;
    assert_eq!((recorded(&database, key, wiki), counting.uses().pending()), (3, 0));
}

/// What happens to the next COMMIT that comes by.
#[derive(Clone, Copy)]
enum Loses {
    Nothing = 0,
    /// It does not arrive.
    Request = 1,
    /// It is done, and nobody is told.
    Answer = 2,
}

/// Between a process and PostgreSQL: breaks a connection in the worst moment.
struct Breaking {
    loses: Arc<AtomicU8>,
    url: DatabaseUrl,
}

impl Breaking {
    fn before(database: &TestDatabase) -> Self {
        let setting = database.setting();
        let (scheme, rest) = setting.split_once("://").expect("an address");
        let (authority, name) = rest.split_once('/').expect("a name");
        let (who, server) = authority.rsplit_once('@').expect("a person");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        // Not encrypted: it has to be read.
        let separator = if name.contains('?') { '&' } else { '?' };
        let url = format!("{scheme}://{who}@127.0.0.1:{port}/{name}{separator}sslmode=disable");
        let loses = Arc::new(AtomicU8::new(Loses::Nothing as u8));
        let server = if server.contains(':') { server.to_owned() } else { format!("{server}:5432") };
        std::thread::spawn({
            let loses = loses.clone();
            move || {
                for client in listener.incoming().map_while(Result::ok) {
                    let server = TcpStream::connect(&server).expect("PostgreSQL");
                    let (loses, answers) = (loses.clone(), (server.try_clone(), client.try_clone()));
                    let broken = Arc::new(AtomicU8::new(0));
                    let is_broken = broken.clone();
                    std::thread::spawn(move || pass_requests(client, server, &loses, &broken));
                    std::thread::spawn(move || {
                        let (server, client) = (answers.0.expect("a connection"), answers.1.expect("a connection"));
                        pass_answers(server, client, &is_broken);
                    });
                }
            }
        });
        Self { loses, url: DatabaseUrl::Postgres(url) }
    }

    fn lose(&self, what: Loses) {
        self.loses.store(what as u8, Ordering::SeqCst);
    }
}

fn pass_requests(mut client: TcpStream, mut server: TcpStream, loses: &AtomicU8, broken: &AtomicU8) {
    let mut buffer = [0; 65_536];
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        let is_commit = buffer[..length].windows(7).any(|it| it == b"COMMIT\0");
        let lost = if is_commit { loses.swap(Loses::Nothing as u8, Ordering::SeqCst) } else { Loses::Nothing as u8 };
        broken.store(lost, Ordering::SeqCst);
        if lost == Loses::Request as u8 {
            let _ = client.shutdown(Shutdown::Both);
            break;
        }
        if server.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    if broken.load(Ordering::SeqCst) != Loses::Answer as u8 {
        let _ = server.shutdown(Shutdown::Both);
    }
}

fn pass_answers(mut server: TcpStream, mut client: TcpStream, broken: &AtomicU8) {
    let mut buffer = [0; 65_536];
    while let Ok(length @ 1..) = server.read(&mut buffer) {
        // The answer is here, so it is done.
        if broken.load(Ordering::SeqCst) == Loses::Answer as u8 || client.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

/// "nothing is lost or counted twice", not even where nobody can tell whether a transaction was committed.
#[rstest]
#[case::lost_on_the_way(Loses::Request, 0)]
#[case::done_without_an_answer(Loses::Answer, 1)]
#[tokio::test]
async fn a_commit_whose_connection_breaks_counts_once(#[case] lost: Loses, #[case] written: i64) {
    let database = TestDatabase::migrated(Postgres);
    let (key, wiki) = (add_keys(&database, 1)[0], add_service(&database, "wiki"));
    let breaking = Breaking::before(&database);
    let far = TestDatabase::at(breaking.url.clone());
    let counting = Counting::on(&far);
    counting.recorder.flush().await;
    for round in 0..3 {
        counting.use_key(key, wiki);
        breaking.lose(lost);
        counting.recorder.flush().await;
        assert_eq!(recorded(&database, key, wiki), round * 2 + written, "the commit got there, or did not");
        assert_eq!(counting.uses().pending(), 1, "and nobody knows");
        counting.use_key(key, wiki);
        counting.recorder.flush().await;
        assert_eq!((recorded(&database, key, wiki), counting.uses().pending()), (round * 2 + 2, 0));
    }
    // At a stop as well.
    counting.use_key(key, wiki);
    breaking.lose(lost);
    assert!(counting.recorder.stop());
    assert_eq!(recorded(&database, key, wiki), 7);
}

/// A stop says so when it could not write everything, and writes the rest all the same.
#[rstest]
#[tokio::test]
async fn a_stop_that_cannot_write_everything_fails(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let (key, wiki) = (site.add_key(&alice, TokenAction::Api).await, add_service(&site.database, "wiki"));
    assert_eq!(site.get_with_key(CURRENT, &key).await.status, 200);
    site.later(chrono::TimeDelta::seconds(10));
    assert_eq!(site.get_with_key(CURRENT, &key).await.status, 200);
    site.app.recorder.service_uses.count(&call(key.id, wiki, site.clock.now()));
    site.database.execute("ALTER TABLE service_use_counts RENAME TO nowhere");
    assert!(!site.app.recorder.stop());
    assert_eq!(site.recorded_use(&key), Some(site.clock.now()), "last use is written");
    assert_eq!(site.database.number("SELECT count(*) AS number FROM service_uses"), 0, "all of a use, or nothing");
    assert_eq!(site.app.recorder.service_uses.pending(), 1);
}

/// "Bounded": what is more than is kept in memory is dropped, counted, and said once.
#[rstest]
#[tokio::test]
async fn what_is_too_much_to_be_kept_is_dropped_and_counted(#[values(Sqlite, Postgres)] db: Db) {
    const MOST: i64 = 40_000;
    let database = TestDatabase::migrated(db);
    let (key, wiki) = (add_keys(&database, 1)[0], add_service(&database, "wiki"));
    let counting = Counting::on(&database);
    let held = hold_writes(&database);
    counting.use_key(key, wiki);
    // Of keys that are gone, which nobody misses.
    (1..MOST + 5).for_each(|n| counting.use_key(1_000_000 + n, wiki));
    assert_eq!((counting.uses().dropped(), counting.uses().pending()), (5, 40_000));
    // What is known already is counted on.
    counting.use_key(key, wiki);
    drop(held);
    counting.recorder.flush().await;
    assert_eq!(counting.uses().pending(), 0);
    counting.use_key(key, wiki);
    counting.recorder.flush().await;
    assert_eq!((recorded(&database, key, wiki), counting.uses().dropped()), (3, 5));
}

/// What is much is not left until its minute is over.
#[rstest]
#[tokio::test]
async fn much_is_written_at_once(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let (key, wiki) = (add_keys(&database, 1)[0], add_service(&database, "wiki"));
    let counting = Counting::on(&database);
    counting.use_key(key, wiki);
    (1..19_999).for_each(|n| counting.use_key(1_000_000 + n, wiki));
    assert_eq!(counting.uses().pending(), 19_999);
    counting.use_key(2_000_000, wiki);
    eventually("they are written", || recorded(&database, key, wiki) == 1).await;
}
