//! PostgreSQL that takes no writes, as a standby does.

use diesel::connection::SimpleConnection;

use super::{is_unused, make_keys};
use crate::support::database::TestDatabase;
use crate::support::*;

#[tokio::test]
async fn known_keys_work_while_postgresql_is_read_only_and_uses_are_written_afterwards() {
    let database = TestDatabase::migrated(Postgres);
    let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    latchkey.add_user("alice", PASSWORD);
    let keys = make_keys(&database, 2);
    let setting = database.setting();
    let name = setting.rsplit_once('/').expect("a name").1;
    database.execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    let refused = database.connect().batch_execute("DELETE FROM tokens");
    assert!(refused.is_err_and(|error| error.to_string().contains("read-only")), "it is read-only");

    let process = Process::serve(&latchkey, &[]);
    for (_, secret) in &keys {
        for _ in 0..2 {
            assert_eq!(process.get_with_key("/users/current.json", secret).await.status, 200);
        }
    }
    let sign_in = process.visitor().try_sign_in("alice", PASSWORD).await;
    assert_eq!(sign_in.status, 503);
    assert!(sign_in.shows("The database is read-only or full at the moment, so nothing was saved."));
    assert!(keys.iter().all(|(id, _)| is_unused(&database, *id)));

    let mut session = database.connect();
    session.batch_execute("SET default_transaction_read_only = off").expect("a session that may write");
    session
        .batch_execute(&format!("ALTER DATABASE {name} RESET default_transaction_read_only"))
        .expect("the end of it");
    eventually("the uses that waited are written", || !keys.iter().any(|(id, _)| is_unused(&database, *id))).await;
    process.visitor().sign_in("alice", PASSWORD).await;
}
