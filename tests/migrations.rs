//! Migrations: by the stock diesel CLI, by `latchkey migrate`, and by `serve`; on databases with rows in them.

use std::process::Command;

use latchkey::migrations;
use reqwest::StatusCode;
use rstest::rstest;

use crate::support::database::TestDatabase;
use crate::support::load::Load;
use crate::support::*;

/// The stock diesel CLI in the project's folder, with the project's file for this database.
fn diesel(database: &TestDatabase, db: Db, arguments: &[&str]) -> String {
    let program = std::env::var("DIESEL").expect("DIESEL, which bin/test sets");
    let file = if db == Sqlite { "diesel.toml" } else { "diesel.postgres.toml" };
    let output = Command::new(program)
        .args(arguments)
        .args(["--config-file", file, "--database-url", &database.setting()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the diesel CLI");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "diesel {arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// A person with a key and something in their activity: whatever of it the tables that exist can hold.
fn insert_rows(database: &TestDatabase) {
    let at = "'2026-01-31 10:00:00.123456'";
    database.execute(&format!(
        "INSERT INTO users (login, firstname, lastname, mail, created_on, updated_on)
             VALUES ('alice', 'Alice', 'Archer', 'alice@example.org', {at}, {at});
         INSERT INTO tokens (user_id, action, digest, hint, created_on, updated_on)
             SELECT id, 'api', {}, 'wxyz', {at}, NULL FROM users;
         INSERT INTO events (user_id, action, address, agent, created_on, updated_on)
             SELECT id, 'signed_in', '192.0.2.1', 'curl', {at}, {at} FROM users;",
        match database.url {
            latchkey::config::DatabaseUrl::Sqlite(_) => "x'00ff'",
            latchkey::config::DatabaseUrl::Postgres(_) => "'\\x00ff'::bytea",
        }
    ));
}

fn count(database: &TestDatabase, table: &str) -> i64 {
    database.number(&format!("SELECT count(*) AS number FROM {table}"))
}

#[rstest]
fn the_stock_diesel_cli_runs_redoes_and_reverts_every_migration(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::empty(db);
    let names: Vec<_> = {
        diesel(&database, db, &["migration", "run"]);
        let states = migrations::states(&database.url).expect("states");
        assert!(states.iter().all(|state| state.applied), "{states:?}");
        states.into_iter().map(|state| state.name).collect()
    };
    for newest in (0..names.len()).rev() {
        // With every migration there and rows in every table, those from `newest` on are taken back and come again.
        insert_rows(&database);
        let depth = (names.len() - newest).to_string();
        diesel(&database, db, &["migration", "redo", "--number", &depth]);
        let states = migrations::states(&database.url).expect("states");
        assert!(states.iter().all(|state| state.applied), "{depth}: {states:?}");
        // What stands in tables that were not taken back is still there.
        for (table, made_by) in [("users", 0), ("tokens", 1), ("events", 2)] {
            assert_eq!(count(&database, table), i64::from(made_by < newest), "{table} after {depth}");
        }
        database.execute("DELETE FROM events; DELETE FROM tokens; DELETE FROM users");
    }
    insert_rows(&database);
    diesel(&database, db, &["migration", "revert", "--all"]);
    let states = migrations::states(&database.url).expect("states");
    assert!(states.iter().all(|state| !state.applied), "{states:?}");
    diesel(&database, db, &["migration", "run"]);
    insert_rows(&database);
}

#[rstest]
fn the_schema_is_what_diesel_prints(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let printed = diesel(&database, db, &["print-schema"]);
    // The names that PostgreSQL's types have in diesel, and the ones that both databases share.
    let printed = printed.replace("Int8", "BigInt").replace("Bytea", "Binary");
    let ours = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/schema.rs")).expect("the schema");
    let code = |text: &str| text.lines().filter(|line| !line.starts_with("//")).collect::<Vec<_>>().join("\n");
    assert_eq!(code(&printed).trim(), code(&ours).trim());
}

#[rstest]
fn migrations_are_applied_listed_and_taken_back_by_hand(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::empty(db);
    let latchkey = CommandLine::on(&database);
    let status = latchkey.run(&["migrate", "status"]).done().stdout;
    assert!(status.lines().count() >= 4 && status.lines().all(|line| line.starts_with("pending  20")), "{status}");
    let applied = latchkey.run(&["migrate", "run"]).done().stdout;
    assert_eq!(applied, status.replace("pending  ", "applied "));
    assert_eq!(latchkey.run(&["migrate", "run"]).done().stdout, "nothing to do: every migration is applied\n");
    let newest = applied.lines().last().expect("a line").replace("applied", "reverted");
    assert_eq!(latchkey.run(&["migrate", "revert"]).done().stdout.trim_end(), newest);
    let status = latchkey.run(&["migrate", "status"]).done().stdout;
    assert_eq!(status.lines().filter(|line| line.starts_with("pending")).count(), 1, "{status}");
    while latchkey.run(&["migrate", "revert"]).done().stdout != "nothing to do: no migration is applied\n" {}
    latchkey.run(&["migrate", "run"]).done();
    insert_rows(&database);
}

#[rstest]
fn serve_applies_what_is_pending(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::empty(db);
    Process::serve(&CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64)), &[]);
    let states = migrations::states(&database.url).expect("states");
    assert!(states.iter().all(|state| state.applied), "{states:?}");
}

#[rstest]
fn processes_that_start_at_once_do_not_trip_over_each_other(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::empty(db);
    let command_line = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    let serve = || Process::serve(&command_line, &[]);
    std::thread::scope(|scope| {
        let started: Vec<_> = (0..4).map(|_| scope.spawn(serve)).collect();
        for process in started {
            process.join().expect("a process that serves");
        }
    });
}

#[rstest]
#[tokio::test]
async fn readyz_fails_for_missing_migrations_and_not_for_newer_ones(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let readyz = async || Answer::of(site.get("/readyz")).await.status;
    assert_eq!(readyz().await, StatusCode::OK);
    site.database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000000')");
    assert_eq!(readyz().await, StatusCode::OK);
    site.database.execute("DELETE FROM __diesel_schema_migrations WHERE version = '20261124000003'");
    assert_eq!(readyz().await, StatusCode::SERVICE_UNAVAILABLE);
}

/// An upgrade without a gap: the next release has added its columns and tables, and this one goes on beside it.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_release_keeps_running_when_the_next_one_adds_its_migration(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    latchkey.add_user("alice", PASSWORD);
    let secret = latchkey.add_key("alice");
    let process = Process::serve(&latchkey, &[]);
    let load = Load::start(&process.url, std::slice::from_ref(&secret));
    let alice = process.visitor();
    alice.sign_in("alice", PASSWORD).await;

    let next = tempfile::tempdir().expect("a folder");
    let migration = next.path().join("2099-01-01-000000_next_release");
    std::fs::create_dir(&migration).expect("a folder");
    let up =
        "ALTER TABLE tokens ADD COLUMN place TEXT; ALTER TABLE users ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC';
              CREATE TABLE services (id BIGINT PRIMARY KEY);";
    std::fs::write(migration.join("up.sql"), up).expect("a file");
    std::fs::write(migration.join("down.sql"), "DROP TABLE services;").expect("a file");
    let folder = next.path().to_str().expect("a path");
    diesel(&database, db, &["migration", "run", "--migration-dir", folder]);
    assert_eq!(database.number("SELECT count(*) AS number FROM services"), 0, "the migration is there");

    let id = alice.get("/my/api_key").await.value_of("replaces");
    let reset = alice.make_key("/my/api_key", &id).await;
    assert_eq!(process.get_with_key("/users/current.json", &reset).await.status, 200);
    assert!(alice.get("/my/account").await.shows("API access key Last used: less than a minute ago"));
    process.visitor().sign_in("alice", PASSWORD).await;
    assert_eq!(process.get_with_key("/readyz", "").await.status, 200);
    let statuses = load.stop().await.remove(0);
    assert!(statuses.contains_key(&200) && statuses.keys().all(|status| [200, 401].contains(status)), "{statuses:?}");
    // And it starts again, should it have to.
    drop(Process::serve(&latchkey, &[]));
}

#[rstest]
fn a_newer_database_is_served_unless_it_says_that_this_release_is_too_old(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let command_line = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000000')");
    drop(Process::serve(&command_line, &[]));

    database.execute("UPDATE compatibility SET needs_migration = '20990101000000'");
    for arguments in [&["serve", "--bind=127.0.0.1:0", "--log=error"][..], &["migrate", "run"], &["user", "list"]] {
        let line = command_line.run(arguments).refused(1);
        assert!(line.contains("too new") && line.contains("install a newer Latchkey"), "{line}");
    }
}
