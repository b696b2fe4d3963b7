//! Service accounts on the command line.

use rstest::rstest;
use serde_json::json;

use crate::support::database::TestDatabase;
use crate::support::*;

#[rstest]
#[tokio::test]
async fn they_are_made_listed_and_given_on_the_command_line(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    latchkey.add_user("alice", PASSWORD);
    latchkey.add_user("bob", PASSWORD);
    let add = ["user", "add-service", "backup", "--name", "Nightly backup", "--owner", "alice"];
    assert_eq!(latchkey.run(&add).done().stdout, "added the service account backup, id 3\n");
    assert!(latchkey.run(&add).refused(1).contains("Login has already been taken"));
    let list = latchkey.run(&["user", "list", "--kind", "service", "--json"]).done().stdout;
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!(
        (&list[0]["login"], &list[0]["kind"], list.as_array().map(Vec::len)),
        (&json!("backup"), &json!("service"), Some(1))
    );
    let row = latchkey.run(&["user", "list", "--kind", "service"]).done().stdout;
    assert!(row.contains("backup  active  service  Nightly backup"), "{row}");
    assert!(!latchkey.run(&["user", "list", "--kind", "person"]).done().stdout.contains("backup"));
    latchkey.run(&["user", "list", "--kind", "robot"]).refused(2);

    assert_eq!(latchkey.run(&["user", "owners", "backup"]).done().stdout, "backup is owned by alice\n");
    let given = latchkey.run(&["user", "owners", "backup", "--owner", "bob", "--owner", "Alice"]).done().stdout;
    assert_eq!(given, "backup is owned by alice, bob\n");
    for (arguments, told) in [
        (&["user", "owners", "alice"][..], "only service accounts have owners"),
        (&["user", "owners", "backup", "--owner", "backup"], "backup is a service account: only people can own one"),
        (&["user", "add-service", "x", "--owner", "nobody"], "No account has the login nobody"),
        (&["user", "password", "backup", "--password-stdin"], "A service account cannot sign in"),
        (&["key", "add", "backup"], "which has access tokens only"),
    ] {
        let refused = latchkey.run(arguments).refused(1);
        assert!(refused.contains(told), "{arguments:?}: {refused}");
    }
    latchkey.run(&["user", "add-service", "x"]).refused(2);

    let make = ["key", "add", "backup", "--action", "access", "--name", "cron", "--scope", "account:read"];
    let secret = latchkey.run(&make).done().stdout.trim().to_owned();
    log::note_secret(&secret);
    let process = Process::serve(&latchkey, &[]);
    let who = process.get_with_key("/users/current.json", &secret).await;
    assert_eq!((who.status, &who.json()["user"]["login"]), (200, &json!("backup")), "{}", who.text);
}
