//! Backups that are made while it runs (`docs/operations.md`), and served afterwards.

use std::process::Command;

use diesel::connection::SimpleConnection;
use latchkey::db::url::DatabaseUrl;
use rstest::rstest;

use crate::support::database::TestDatabase;
use crate::support::load::Load;
use crate::support::*;

const CURRENT: &str = "/users/current.json";

/// A copy of a database that is in use, made as the documentation says.
fn back_up(database: &TestDatabase) -> TestDatabase {
    match &database.url {
        DatabaseUrl::Sqlite(_) => {
            let copy = TestDatabase::empty(Sqlite);
            let statement = format!("VACUUM INTO '{}'", copy.setting());
            database.connect().batch_execute(&statement).expect("a copy");
            copy
        }
        DatabaseUrl::Postgres(_) => {
            let copy = TestDatabase::empty(Postgres);
            let dump = format!("pg_dump --no-owner '{}' | psql --quiet '{}'", database.setting(), copy.setting());
            let output = Command::new("sh").args(["-c", &dump]).output().expect("pg_dump and psql");
            assert!(output.status.success(), "{output:?}");
            copy
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_made_under_load_is_whole(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let secret_key = "k".repeat(64);
    let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &secret_key);
    latchkey.add_user("alice", PASSWORD);
    let secret = latchkey.add_key("alice");
    let process = Process::serve(&latchkey, &[]);
    let alice = process.visitor();
    alice.sign_in("alice", PASSWORD).await;
    assert_eq!(process.get_with_key(CURRENT, &secret).await.status, 200);
    let load = Load::start(&process.url, std::slice::from_ref(&secret));
    let copy = back_up(&database);
    let statuses = load.stop().await.remove(0);
    assert_eq!(statuses.keys().collect::<Vec<_>>(), [&200], "nobody noticed");

    let restored = Process::serve(&CommandLine::on(&copy).with("LATCHKEY_SECRET_KEY", &secret_key), &[]);
    let visitor = restored.visitor();
    visitor.sign_in("alice", PASSWORD).await;
    let page = visitor.get("/my/account").await;
    assert!(page.shows("API access key Last used: less than a minute ago"), "{}", page.text());
    assert_eq!(restored.get_with_key(CURRENT, &secret).await.status, 200);
}
