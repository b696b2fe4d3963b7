//! SQLite that is locked, full or read-only: known keys still authenticate, uses wait, and what must write says so.

use diesel::connection::SimpleConnection;
use latchkey::db::url::DatabaseUrl;
use latchkey::db::{connect, migrations};

use super::{is_unused, make_keys};
use crate::support::database::TestDatabase;
use crate::support::machine::SmallDisk;
use crate::support::*;

const CURRENT: &str = "/users/current.json";

/// A process, a person who is signed in, and keys; the first of them has been used.
struct Scene {
    database: TestDatabase,
    latchkey: CommandLine,
    process: Process,
    alice: Visitor,
    keys: Vec<(i64, String)>,
}

impl Scene {
    async fn set(database: TestDatabase) -> Self {
        migrations::run(&database.url).expect("migrations");
        let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
        latchkey.add_user("alice", PASSWORD);
        let keys = make_keys(&database, 3);
        let process = Process::serve(&latchkey, &[]);
        let alice = process.visitor();
        alice.sign_in("alice", PASSWORD).await;
        let scene = Self { database, latchkey, process, alice, keys };
        scene.use_key(0).await;
        scene
    }

    async fn use_key(&self, index: usize) {
        let answer = self.process.get_with_key(CURRENT, &self.keys[index].1).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    fn is_unused(&self, index: usize) -> bool {
        is_unused(&self.database, self.keys[index].0)
    }

    /// While nothing can be written: a known key works, for the first time and again, and pages can be read; what must
    /// write says that it cannot.
    async fn reads_and_refuses_to_write(&self) {
        self.use_key(0).await;
        self.use_key(1).await;
        self.use_key(1).await;
        assert!(self.alice.get("/my/account").await.shows("Last used: less than a minute ago"));
        let sign_in = self.process.visitor().try_sign_in("alice", PASSWORD).await;
        let reset = self.alice.post("/my/atom_key", &[("replaces", "")]).await;
        for page in [sign_in, reset] {
            assert_eq!(page.status, 503, "{}", page.text());
            assert!(page.header("Retry-After").is_some());
            assert!(page.shows("The database is busy") || page.shows("nothing was saved"), "{}", page.text());
        }
    }

    /// When it can be written again, what waited is, and people get on.
    async fn catches_up(&self) {
        eventually("the use that waited is written", || !self.is_unused(1)).await;
        assert_eq!(self.process.visitor().try_sign_in("alice", PASSWORD).await.status, 303);
        self.alice.make_key("/my/atom_key", "").await;
        assert!(self.is_unused(2), "and nothing else");
    }
}

/// A plain write by somebody else.
fn write(database: &TestDatabase) -> Result<(), String> {
    let mut connection = connect(&database.url).map_err(|error| error.to_string())?;
    let big = "CREATE TABLE proof (text TEXT); INSERT INTO proof VALUES (hex(randomblob(65536))); DROP TABLE proof";
    connection.batch_execute(big).map_err(|error| error.to_string())
}

#[tokio::test]
async fn locked_by_another_process() {
    let scene = Scene::set(TestDatabase::empty(Sqlite)).await;
    let mut other = scene.database.connect();
    other.batch_execute("BEGIN IMMEDIATE").expect("the lock");
    let refused = connect(&scene.database.url).map(|mut connection| {
        connection.batch_execute("PRAGMA busy_timeout = 0; BEGIN IMMEDIATE").map_err(|error| error.to_string())
    });
    assert!(refused.expect("a connection").is_err_and(|error| error.contains("locked")), "it is locked");
    scene.reads_and_refuses_to_write().await;
    other.batch_execute("ROLLBACK").expect("the end of the lock");
    scene.catches_up().await;
}

/// Writers that wait for the lock hold nothing that readers need.
#[tokio::test]
async fn locked_while_many_wait_to_write() {
    let scene = Scene::set(TestDatabase::empty(Sqlite)).await;
    let mut other = scene.database.connect();
    other.batch_execute("BEGIN IMMEDIATE").expect("the lock");
    let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
    let secret = &scene.keys[0].1;
    let change = |number: u32| {
        let request = http.put(format!("{}/my/account.json", scene.process.url));
        let body = format!("{{\"user\":{{\"firstname\":\"Number {number}\"}}}}");
        tokio::spawn(Answer::of(request.header("X-Redmine-API-Key", secret).body(body)))
    };
    let writers: Vec<_> = (0..16).map(change).collect();
    for _ in 0..20 {
        scene.use_key(0).await;
        assert_eq!(scene.process.get_with_key("/healthz", "").await.status, 200);
    }
    assert!(!writers.iter().any(tokio::task::JoinHandle::is_finished), "all that was answered while they waited");
    for writer in writers {
        let answer = writer.await.expect("an answer");
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert!(answer.header("Retry-After").is_some());
    }
    other.batch_execute("ROLLBACK").expect("the end of the lock");
    scene.use_key(1).await;
    scene.catches_up().await;
}

#[tokio::test]
async fn a_full_disk() {
    let disk = SmallDisk::mount(4);
    let scene = Scene::set(TestDatabase::at(DatabaseUrl::Sqlite(disk.path().join("latchkey.db")))).await;
    disk.fill();
    // Until the space that SQLite holds already is used up, too.
    while scene.alice.post("/my/account", &[("firstname", "A"), ("lastname", "B"), ("mail", "a@b.c")]).await.status
        == 303
    {}
    let refused = write(&scene.database);
    assert!(refused.as_ref().is_err_and(|error| error.contains("full")), "the disk is full: {refused:?}");
    scene.reads_and_refuses_to_write().await;
    // A crash loses nothing either: what is kept for the next start needed no room.
    let Scene { database, latchkey, process, mut alice, keys } = scene;
    let log = process.kill();
    assert!(log.contains("answered before the first use was written"), "{log}");
    assert!(is_unused(&database, keys[1].0), "the crash lost it");
    disk.make_room();
    let process = Process::serve(&latchkey, &[]);
    alice.url.clone_from(&process.url);
    Scene { database, latchkey, process, alice, keys }.catches_up().await;
}

#[tokio::test]
async fn a_read_only_disk_over_the_files_of_a_killed_process() {
    let disk = SmallDisk::mount(8);
    let Scene { database, latchkey, process, mut alice, keys } =
        Scene::set(TestDatabase::at(DatabaseUrl::Sqlite(disk.path().join("latchkey.db")))).await;
    process.kill();
    disk.make_read_only();
    let refused = write(&database);
    assert!(refused.as_ref().is_err_and(|error| error.contains("readonly")), "it is read-only: {refused:?}");

    let process = Process::serve(&latchkey, &[]);
    alice.url.clone_from(&process.url);
    let scene = Scene { database, latchkey, process, alice, keys };
    scene.reads_and_refuses_to_write().await;
    disk.make_writable();
    scene.catches_up().await;
}

#[tokio::test]
async fn a_read_only_disk_over_a_database_that_was_cleanly_closed() {
    let disk = SmallDisk::mount(8);
    let Scene { latchkey, process, .. } =
        Scene::set(TestDatabase::at(DatabaseUrl::Sqlite(disk.path().join("latchkey.db")))).await;
    process.terminate();
    assert_eq!(process.ended(), Some(0));
    assert!(!disk.path().join("latchkey.db-wal").exists(), "it was cleanly closed");
    disk.make_read_only();
    let line = latchkey.run(&["serve", "--bind=127.0.0.1:0", "--log=error"]).refused(1);
    assert!(line.contains("latchkey.db") && (line.contains("readonly") || line.contains("unable to open")), "{line}");
}
