//! PostgreSQL restarted under load.

use latchkey::db::{connect, migrations};

use super::{is_unused, make_keys};
use crate::support::database::TestDatabase;
use crate::support::load::Load;
use crate::support::machine::PostgresServer;
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn requests_get_503_while_postgresql_is_away_and_no_use_is_lost() {
    let server = PostgresServer::start();
    let database = TestDatabase::at(server.url());
    migrations::run(&database.url).expect("migrations");
    let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    latchkey.add_user("alice", PASSWORD);
    let keys = make_keys(&database, 6);
    let (quiet, busy) = keys.split_first().expect("keys");
    let secrets: Vec<_> = busy.iter().map(|(_, secret)| secret.clone()).collect();
    let process = Process::serve(&latchkey, &[]);
    for (_, secret) in &keys {
        assert_eq!(process.get_with_key("/users/current.json", secret).await.status, 200);
    }
    let first_uses = database.dump("tokens");
    let load = Load::start(&process.url, &secrets);
    // A use within the minute of the first, so that it is pending, and the last of this key.
    assert_eq!(process.get_with_key("/users/current.json", &quiet.1).await.status, 200);

    server.stop();
    assert!(connect(&database.url).is_err(), "it is away");
    for path in ["/users/current.json", "/my/account.xml"] {
        let answer = process.get_with_key(path, &secrets[0]).await;
        assert_eq!(answer.status, 503, "{path}");
        assert!(answer.header("Retry-After").is_some_and(|wait| wait.parse::<u32>().is_ok_and(|wait| wait > 0)));
    }
    assert_eq!(process.get_with_key("/readyz", "").await.status, 503);
    assert_eq!(process.get_with_key("/healthz", "").await.status, 200);

    server.start_again();
    let mut tries = 0;
    while process.get_with_key("/users/current.json", &secrets[0]).await.status != 200 {
        tries += 1;
        assert!(tries < 20, "it works again without a restart of ours");
    }
    assert_eq!(process.get_with_key("/readyz", "").await.status, 200);
    for statuses in load.stop().await {
        assert!(statuses.keys().all(|status| [200, 503].contains(status)), "{statuses:?}");
        assert!(statuses.contains_key(&200) && statuses.contains_key(&503), "{statuses:?}");
    }
    process.terminate();
    assert_eq!(process.ended(), Some(0));
    let last_uses = database.dump("tokens");
    for ((id, _), (before, after)) in keys.iter().zip(first_uses.lines().zip(last_uses.lines())) {
        assert!(after > before && !is_unused(&database, *id), "the use that was pending is written: {before} {after}");
    }
}
