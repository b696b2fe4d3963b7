//! `latchkey key list`: the same filters as the page and the API, as a table, JSON, NDJSON or CSV.

use rstest::rstest;
use serde_json::Value;

use crate::support::database::TestDatabase;
use crate::support::*;

/// Alice with an API access key and two access tokens, of which the first was used.
fn filled(db: Db) -> (TestDatabase, CommandLine) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database);
    latchkey.add_user("alice", PASSWORD);
    latchkey.add_user("bob", PASSWORD);
    latchkey.add_key("alice");
    for name in ["deploy", "backup, nightly"] {
        let add = ["key", "add", "alice", "--action=access", "--name", name, "--scope=account:read"];
        log::note_secret(latchkey.run(&add).done().stdout.trim_end());
    }
    database.execute(
        "UPDATE tokens SET created_on = '2026-01-01 10:00:00', updated_on = '2026-03-01 10:00:00' WHERE name = 'deploy'",
    );
    (database, latchkey)
}

#[rstest]
fn keys_are_found_as_the_api_finds_them(#[values(Sqlite, Postgres)] db: Db) {
    let (_database, latchkey) = filled(db);
    let found = |arguments: &[&str]| {
        let list = latchkey.run(&[&["key", "list", "--ndjson"], arguments].concat()).done().stdout;
        let name = |line: &str| {
            let key: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
            key["name"].as_str().or(key["action"].as_str()).expect("a name").to_owned()
        };
        list.lines().map(name).collect::<Vec<_>>().join("|")
    };
    for (arguments, expected) in [
        (&["--sort=created_on"][..], "deploy|api|backup, nightly"),
        (&[], "backup, nightly|api|deploy"),
        (&["alice", "--action", "access"], "backup, nightly|deploy"),
        (&["bob"], ""),
        (&["--never-used", "--sort", "created_on"], "api|backup, nightly"),
        (&["--unused-since=2026-03-02", "--sort=last_used_on:desc"], "deploy|backup, nightly|api"),
        (&["--scope=account:read", "--action=access", "--state=active"], "backup, nightly|deploy"),
        (&["--search", "NIGHT"], "backup, nightly"),
        (&["--expires-before=2026-01-01"], ""),
    ] {
        assert_eq!(found(arguments), expected, "{arguments:?}");
    }
}

#[rstest]
fn the_list_is_a_table_an_array_or_a_file(#[values(Sqlite, Postgres)] db: Db) {
    let (_database, latchkey) = filled(db);
    let list =
        |arguments: &[&str]| latchkey.run(&[&["key", "list", "--sort=created_on"], arguments].concat()).done().stdout;
    let array: Value = serde_json::from_str(&list(&["--json"])).expect("JSON");
    let lines: Vec<Value> = list(&["--ndjson"]).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(array, Value::Array(lines));
    assert!(list(&["--json"]).starts_with("[\n  {\n    \"id\": "), "{}", list(&["--json"]));
    let csv = list(&["--csv"]);
    let rows: Vec<&str> = csv.split("\r\n").collect();
    assert!(rows.len() == 5 && rows[0].starts_with("id,user_id,login,"), "{csv}");
    assert!(rows[3].contains(",alice,access,\"backup, nightly\",,"), "{csv}");
    assert_eq!(list(&["bob", "--json"]), "[]\n");
    assert_eq!(list(&["bob", "--ndjson"]), "");
    assert_eq!(list(&["bob", "--csv"]).lines().count(), 1);
    assert_eq!(list(&[]).lines().count(), 4);
}

#[rstest]
fn what_cannot_be_meant_is_told_in_a_line(#[values(Sqlite, Postgres)] db: Db) {
    let (_database, latchkey) = filled(db);
    let line = |code: i32, arguments: &[&str]| latchkey.run(&[&["key", "list"], arguments].concat()).refused(code);
    for (arguments, told) in [
        (&["--state=broken"][..], "--state: it must be active, suspended or expired"),
        (&["--never-used", "--unused-since=2026-01-01"], "Ask either for keys without a recorded use"),
        (&["--sort=name"], "--sort: it must be created_on, last_used_on or expires_on"),
        (&["--scope=admin"], "Unknown scope: admin"),
        (&["--json", "--csv"], "cannot be used with"),
    ] {
        let line = line(2, arguments);
        assert!(line.contains(told), "{line}");
    }
    assert_eq!(line(1, &["nobody"]), "latchkey: No account has the login nobody");
    assert_eq!(line(1, &["--service=wiki"]), "latchkey: No service has the name wiki");
}
