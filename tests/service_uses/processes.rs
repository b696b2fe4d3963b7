//! Through the questions of proxies, over processes that stop, are killed, and share a database.

use diesel::connection::SimpleConnection;
use futures_util::future::join_all;
use latchkey::db::migrations;
use latchkey::db::url::DatabaseUrl;
use rstest::rstest;

use super::*;
use crate::support::machine::SmallDisk;

/// A database with the service wiki, which admits everyone to read, and a key of Alice's that may.
struct Scene {
    database: TestDatabase,
    latchkey: CommandLine,
    secret: String,
    key: i64,
    wiki: i64,
}

impl Scene {
    fn on(database: TestDatabase) -> Self {
        let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
        let latchkey = latchkey.with("LATCHKEY_TRUSTED_PROXIES", "127.0.0.1");
        latchkey.add_user("alice", PASSWORD);
        let flags = ["key", "add", "alice", "--action", "access", "--name", "deploy", "--scope", "account:read"];
        let secret = latchkey.run(&flags).done().stdout.trim_end().to_owned();
        log::note_secret(&secret);
        let key = database.number("SELECT max(id) AS number FROM tokens");
        let wiki = add_service(&database, "wiki");
        database.execute(&format!(
            "UPDATE services SET everyone_reads = TRUE; INSERT INTO token_services VALUES ({key}, {wiki}, 'read')"
        ));
        Self { database, latchkey, secret, key, wiki }
    }

    fn serve(&self) -> Process {
        Process::serve(&self.latchkey, &[])
    }

    /// Asks as Caddy does, for somebody at 192.0.2.7 who uses curl; gives the status.
    async fn ask(&self, process: &Process, method: &str, secret: Option<&str>) -> u16 {
        let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        let request = http.get(format!("{}/auth/forwarded", process.url)).header("X-Forwarded-Method", method);
        let request = request.header("X-Forwarded-Proto", "https").header("X-Forwarded-Host", "wiki.example.org");
        let request = request.header("X-Forwarded-Uri", "/page").header("X-Forwarded-For", "192.0.2.7");
        let request = request.header("User-Agent", CURL);
        let request = match secret {
            Some(secret) => request.bearer_auth(secret),
            None => request,
        };
        Answer::of(request).await.status
    }

    async fn use_key(&self, process: &Process, times: usize) {
        let asked = (0..times).map(|_| self.ask(process, "GET", Some(&self.secret)));
        assert!(join_all(asked).await.into_iter().all(|status| status == 200));
    }

    fn recorded(&self) -> i64 {
        recorded(&self.database, self.key, self.wiki)
    }
}

/// Ends a process as an administrator does; it must have written everything.
fn stop(process: Process) {
    process.terminate();
    assert_eq!(process.ended(), Some(0));
}

#[rstest]
#[tokio::test]
async fn counts_are_right_to_the_request_after_a_clean_stop(#[values(Sqlite, Postgres)] db: Db) {
    let scene = Scene::on(TestDatabase::migrated(db));
    let (one, other) = (scene.serve(), scene.serve());
    tokio::join!(scene.use_key(&one, 150), scene.use_key(&other, 100));
    let alice = one.visitor();
    alice.sign_in("alice", PASSWORD).await;
    let page = alice.get(&format!("/my/tokens/{}", scene.key)).await;
    let used = "Wiki Last used less than a minute ago from 192.0.2.7 by curl/8.5.0 150 requests in the last 90 days";
    assert!(page.shows(used), "what this process knows: {}", page.text());
    // What is not let through is not a use.
    for (method, secret, status) in
        [("POST", Some(scene.secret.as_str()), 403), ("GET", Some("wrong"), 401), ("GET", None, 401)]
    {
        assert_eq!(scene.ask(&one, method, secret).await, status);
    }
    stop(one);
    stop(other);
    assert_eq!(scene.recorded(), 250);
    let shown = scene.latchkey.run(&["key", "show", &scene.key.to_string()]).done().stdout;
    assert!(shown.contains("from 192.0.2.7 by curl/8.5.0, requests in 90 days: 250"), "{shown}");
}

/// "kill -9 loses at most a minute", and damages nothing.
#[rstest]
#[tokio::test]
async fn kill_9_loses_what_was_not_written_in_the_last_minute(#[values(Sqlite, Postgres)] db: Db) {
    let scene = Scene::on(TestDatabase::migrated(db));
    let process = scene.serve();
    scene.use_key(&process, 20).await;
    process.kill();
    assert!((0..=20).contains(&scene.recorded()));
    let before = scene.recorded();

    let process = scene.serve();
    scene.use_key(&process, 10).await;
    // Nobody stops it, and nothing is to be waited for but the minute.
    let started = std::time::Instant::now();
    while scene.recorded() != before + 10 {
        assert!(started.elapsed() < Duration::from_secs(100), "{} are written", scene.recorded() - before);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    scene.use_key(&process, 5).await;
    process.kill();
    let lost = before + 15 - scene.recorded();
    assert!((0..=5).contains(&lost), "{lost} are lost");
    if db == Sqlite {
        let sound = "SELECT count(*) AS number FROM pragma_integrity_check WHERE integrity_check = 'ok'";
        assert_eq!(scene.database.number(sound), 1);
    }
    let process = scene.serve();
    scene.use_key(&process, 1).await;
    stop(process);
    assert_eq!(scene.recorded(), before + 16 - lost);
}

#[tokio::test]
async fn uses_wait_while_sqlite_is_read_only() {
    let disk = SmallDisk::mount(8);
    let database = TestDatabase::at(DatabaseUrl::Sqlite(disk.path().join("latchkey.db")));
    migrations::run(&database.url).expect("migrations");
    let scene = Scene::on(database);
    let process = scene.serve();
    scene.use_key(&process, 3).await;
    let before = scene.recorded();
    process.kill();
    disk.make_read_only();
    let refused = scene.database.connect().batch_execute("DELETE FROM service_use_counts");
    assert!(refused.is_err_and(|error| error.to_string().contains("readonly")), "it is read-only");

    let process = scene.serve();
    scene.use_key(&process, 7).await;
    disk.make_writable();
    stop(process);
    assert_eq!(scene.recorded(), before + 7);
}
