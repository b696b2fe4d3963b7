//! Migrations: by the stock diesel CLI, by `latchkey migrate`, and by `serve`; on databases with rows in them.

use std::process::Command;

use chrono::{TimeDelta, Utc};
use latchkey::db::migrations;
use latchkey::secret::Secret;
use reqwest::{Method, StatusCode};
use rstest::rstest;
use serde_json::json;

use crate::support::database::TestDatabase;
use crate::support::load::Load;
use crate::support::site::SECRET_KEY;
use crate::support::visitor::page;
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

/// A person with a key, something in their activity, a service that the key is used on, and a group.
fn insert_rows(database: &TestDatabase) {
    insert_rows_without_groups(database);
    database.execute(
        "INSERT INTO groups (name, folded, created_on, updated_on)
             SELECT 'Writers', 'writers', created_on, created_on FROM users;
         INSERT INTO group_members (group_id, user_id) SELECT groups.id, users.id FROM groups, users;
         INSERT INTO service_group_admissions SELECT services.id, groups.id, 'write' FROM services, groups;
         INSERT INTO mails (recipient, user_id, kind, facts, created_on, next_try_on)
             SELECT 'user:1', id, 'key_made', '{}', created_on, created_on FROM users;
         INSERT INTO unwanted_mails SELECT id, 'key_expiring' FROM users;
         INSERT INTO new_addresses SELECT id, 'other@example.org', created_on FROM users;",
    );
}

fn insert_rows_without_groups(database: &TestDatabase) {
    let at = "'2026-01-31 10:00:00.123456'";
    database.execute(&format!(
        "INSERT INTO users (login, firstname, lastname, mail, created_on, updated_on)
             VALUES ('alice', 'Alice', 'Archer', 'alice@example.org', {at}, {at});
         INSERT INTO tokens (user_id, action, digest, hint, created_on, updated_on)
             SELECT id, 'api', {}, 'wxyz', {at}, NULL FROM users;
         INSERT INTO events (user_id, action, address, agent, created_on, updated_on)
             SELECT id, 'signed_in', '192.0.2.1', 'curl', {at}, {at} FROM users;
         INSERT INTO services (name, title, host, path, reading_methods, created_on, updated_on)
             VALUES ('wiki', 'Wiki', 'wiki.example.org', '/', 'GET HEAD', {at}, {at});
         INSERT INTO service_admissions SELECT services.id, users.id, 'write' FROM services, users;
         INSERT INTO token_services SELECT tokens.id, services.id, 'read' FROM tokens, services;
         INSERT INTO service_uses SELECT tokens.id, services.id, {at}, '192.0.2.1', 'curl' FROM tokens, services;
         INSERT INTO key_endings SELECT id, {at}, {at}, 'It runs once a year.' FROM tokens;
         INSERT INTO refused_uses SELECT id, 'wiki', '192.0.2.1', 'curl', 2, {at}, {at} FROM tokens;",
        match database.url {
            latchkey::db::url::DatabaseUrl::Sqlite(_) => "x'00ff'",
            latchkey::db::url::DatabaseUrl::Postgres(_) => "'\\x00ff'::bytea",
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
        database.execute("INSERT INTO account_owners SELECT id, id FROM users");
        let depth = (names.len() - newest).to_string();
        diesel(&database, db, &["migration", "redo", "--number", &depth]);
        let states = migrations::states(&database.url).expect("states");
        assert!(states.iter().all(|state| state.applied), "{depth}: {states:?}");
        // What stands in tables that were not taken back is still there.
        let number = |name: &str| names.iter().position(|it| it.ends_with(name)).expect("a migration");
        let (services, uses) = (number("create_services"), number("create_service_uses"));
        let accounts = number("add_service_accounts");
        let suspensions = number("add_suspensions");
        for (table, made_by) in [
            ("users", 0),
            ("tokens", 1),
            ("events", 2),
            // It has what the events say, and begins with them when it comes again.
            ("audit_entries", 2),
            ("services", services),
            ("account_owners", accounts),
            ("service_admissions", services),
            ("token_services", services),
            ("service_uses", uses),
            ("refused_uses", suspensions),
            ("key_endings", number("create_key_endings")),
            ("groups", number("create_groups")),
            ("group_members", number("create_groups")),
            ("service_group_admissions", number("create_groups")),
            ("mails", number("create_mails")),
            ("unwanted_mails", number("create_mails")),
            ("new_addresses", number("create_new_addresses")),
        ] {
            assert_eq!(count(&database, table), i64::from(made_by < newest), "{table} after {depth}");
        }
        database.execute("DELETE FROM groups; DELETE FROM services; DELETE FROM audit_entries; DELETE FROM events; DELETE FROM tokens; DELETE FROM users");
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
    let ours = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/db/schema.rs")).expect("the schema");
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

/// "An upgrade from the foundation's database, with keys in it, keeps every key working and its last use": the tables
/// are those that its migrations made, and the rows those that it wrote.
#[rstest]
#[tokio::test]
async fn keys_of_the_foundation_go_on_working_with_their_last_use(#[values(Sqlite, Postgres)] db: Db) {
    let database = foundation(db);
    let at = |minutes: i64| {
        let time = Utc::now() - TimeDelta::minutes(minutes);
        format!("'{}'", time.format("%Y-%m-%d %H:%M:%S%.6f"))
    };
    let password = site::quick_hash(PASSWORD);
    database.execute(&format!(
        "INSERT INTO users (login, firstname, lastname, mail, password_hash, created_on, updated_on)
         VALUES ('alice', 'Alice', 'Archer', 'alice@example.org', '{password}', {0}, {0});
         INSERT INTO events (user_id, action, token_action, token_hint, address, agent, created_on, updated_on)
         SELECT id, 'key_created', 'api', 'wxyz', '192.0.2.1', 'curl', {0}, {0} FROM users",
        at(900)
    ));
    let secrets = ["api", "feeds", "session"].map(|action| {
        let secret = Secret::generate();
        log::note_secret(secret.expose());
        let digest: String = secret.digest().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let digest = if db == Sqlite { format!("x'{digest}'") } else { format!("'\\x{digest}'::bytea") };
        database.execute(&format!(
            "INSERT INTO tokens (user_id, action, digest, hint, created_on, updated_on)
             SELECT id, '{action}', {digest}, '{}', {}, {} FROM users",
            secret.hint(),
            at(800),
            at(10),
        ));
        secret.expose().to_owned()
    });
    let [api, feeds, session] = &secrets;
    let (before, user_id) = (database.dump("tokens"), database.number("SELECT id AS number FROM users"));

    let process = Process::serve(&CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", SECRET_KEY), &[]);
    assert!(migrations::states(&database.url).expect("states").iter().all(|state| state.applied));
    assert_eq!(database.dump("tokens"), before, "not a key, and not a last use, is another");
    let held = json!({ "user": user_id, "secret": session, "form": "f".repeat(32) });
    let cookie = cookie::sealed(held.as_object().expect("an object"));
    let my_account = process.visitor().request(Method::GET, "/my/account").header("Cookie", cookie);
    let my_account = page(my_account).await;
    assert_eq!(my_account.status, 200, "a session goes on");
    assert!(my_account.shows("API access key Last used: 10 minutes ago"), "{}", my_account.text());
    assert!(my_account.shows("Atom access key Last used: 10 minutes ago"), "{}", my_account.text());
    for address in ["/users/current.json", "/my/account.xml"] {
        assert_eq!(process.get_with_key(address, api).await.status, 200, "{address}: with every right of its owner");
    }
    let feed = process.get_with_key(&format!("/activity.atom?key={feeds}"), "").await;
    assert!(feed.status == 200 && feed.text.contains("API access key created"), "{}", feed.text);
    let alice = process.visitor();
    alice.sign_in("alice", PASSWORD).await;
    let my_account = alice.get("/my/account").await;
    assert!(my_account.shows("API access key Last used: less than a minute ago"), "{}", my_account.text());
    assert!(my_account.shows("Atom access key Last used: less than a minute ago"), "{}", my_account.text());
    assert!(alice.get("/activity").await.shows("API access key created ····wxyz about 15 hours ago 192.0.2.1 curl"));
}

/// A database as the foundation left it: with its migrations and no others.
fn foundation(db: Db) -> TestDatabase {
    let database = TestDatabase::empty(db);
    let all = format!("{}/migrations/{}", env!("CARGO_MANIFEST_DIR"), if db == Sqlite { "sqlite" } else { "postgres" });
    let some = tempfile::tempdir().expect("a folder");
    for folder in std::fs::read_dir(&all).expect("migrations").map(|folder| folder.expect("a folder")) {
        let name = folder.file_name().into_string().expect("UTF-8");
        if name.as_str() < "2026-11-24-000021" {
            let copy = some.path().join(name);
            std::fs::create_dir(&copy).expect("a folder");
            for file in ["up.sql", "down.sql"] {
                std::fs::copy(folder.path().join(file), copy.join(file)).expect("a copy");
            }
        }
    }
    diesel(&database, db, &["migration", "run", "--migration-dir", some.path().to_str().expect("a path")]);
    let states = migrations::states(&database.url).expect("states");
    let applied: Vec<_> = states.iter().filter(|state| state.applied).map(|state| state.name.as_str()).collect();
    assert_eq!(applied.last(), Some(&"2026-11-24-000020_create_imports"), "{states:?}");
    database
}

/// Whoever goes back a release loses access tokens, whose scopes and expiry have nowhere to stand: none of them works
/// without, not even when the migration comes again.
#[rstest]
#[tokio::test]
async fn access_tokens_do_not_outlive_their_scopes(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    latchkey.add_user("alice", PASSWORD);
    let api = latchkey.add_key("alice");
    let secret_of = |arguments: &[&str]| {
        let secret = latchkey.run(arguments).done().stdout.trim_end().to_owned();
        log::note_secret(&secret);
        secret
    };
    let add = ["key", "add", "alice", "--action", "access", "--name", "deploy", "--scope", "account:read"];
    let old = secret_of(&add);
    let id = database.number("SELECT max(id) AS number FROM tokens").to_string();
    let new = secret_of(&["key", "rotate", &id]);
    let leaked = secret_of(&add);
    let statuses = async || {
        let process = Process::serve(&latchkey, &[]);
        let report = json!({ "secret": leaked }).to_string();
        let report = process.visitor().request(Method::POST, "/revoke.json").body(report);
        assert_eq!(Answer::of(report).await.status, 204);
        let mut statuses = Vec::new();
        for secret in [&api, &old, &new] {
            statuses.push(process.get_with_key("/users/current.json", secret).await.status);
        }
        statuses
    };
    assert_eq!(statuses().await, [200, 200, 200]);
    let last_use = || database.number("SELECT count(*) AS number FROM tokens WHERE updated_on > created_on");
    assert_eq!(last_use(), 3);
    while !latchkey.run(&["migrate", "revert"]).done().stdout.contains("000030_add_access_tokens") {}
    assert_eq!(database.number("SELECT count(*) AS number FROM tokens"), 1, "but for the API access key");
    assert_eq!(last_use(), 1, "with its last use");
    assert_eq!(statuses().await, [200, 401, 401]);
}

/// Whoever goes back a release lets no key work that is suspended, although that release does not know what that is.
#[rstest]
#[tokio::test]
async fn a_suspended_key_does_not_work_in_the_release_before(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    latchkey.add_user("alice", PASSWORD);
    let (secret, id) = (latchkey.add_key("alice"), database.number("SELECT id AS number FROM tokens").to_string());
    latchkey.run(&["key", "suspend", &id, "--for", "1h"]).done();
    while !latchkey.run(&["migrate", "revert"]).done().stdout.contains("151000_add_suspensions") {}
    // The release before refuses what was replaced; so does this one, to which the migration has come again.
    let process = Process::serve(&latchkey, &[]);
    assert_eq!(database.number("SELECT count(*) AS number FROM tokens WHERE suspended_on IS NULL"), 1);
    assert_eq!(process.get_with_key("/users/current.json", &secret).await.status, 401);
}

/// Nor does one work from everywhere that was limited to networks.
#[rstest]
#[tokio::test]
async fn a_limited_key_does_not_work_in_the_release_before(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    latchkey.add_user("alice", PASSWORD);
    let secret = latchkey.add_key("alice");
    let id = database.number("SELECT id AS number FROM tokens").to_string();
    latchkey.run(&["key", "limit", &id, "--from", "127.0.0.1"]).done();
    while !latchkey.run(&["migrate", "revert"]).done().stdout.contains("210000_limit_keys_to_networks") {}
    let process = Process::serve(&latchkey, &[]);
    assert_eq!(database.number("SELECT count(*) AS number FROM tokens WHERE networks IS NULL"), 1);
    assert_eq!(process.get_with_key("/users/current.json", &secret).await.status, 401);
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
        "ALTER TABLE tokens ADD COLUMN place TEXT; ALTER TABLE users ADD COLUMN favourite_colour TEXT NOT NULL DEFAULT 'green';
              CREATE TABLE rooms (id BIGINT PRIMARY KEY);";
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

/// An upgrade: what stands in people's activity is told in the audit log, too, and what comes meanwhile.
#[rstest]
fn the_audit_log_begins_with_the_events_that_there_are(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database);
    while !latchkey.run(&["migrate", "revert"]).done().stdout.contains("create_audit_entries") {}
    insert_rows_without_groups(&database);
    let at = "'2026-01-31 11:00:00'";
    database.execute(&format!(
        "INSERT INTO events (user_id, action, token_id, token_action, token_hint, token_name, address, agent, times,
             created_on, updated_on, other_login, credential, detail)
         SELECT id, 'key_revoked', 7, 'access', 'abcd', 'deploy', '192.0.2.9', 'curl', 1, {at}, {at}, 'root',
             'session', 'more' FROM users"
    ));
    latchkey.run(&["migrate", "run"]).done();
    let signed_in = "2026-01-31T10:00:00Z signed_in about alice by alice from 192.0.2.1";
    let revoked = "2026-01-31T11:00:00Z key_revoked about alice by root from 192.0.2.9, key 7 “deploy” ending in abcd, \
                   with session: more";
    let told = latchkey.run(&["audit"]).done().stdout;
    assert_eq!(told.lines().collect::<Vec<_>>(), [signed_in, revoked]);
}
