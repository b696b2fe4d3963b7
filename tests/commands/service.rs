//! `latchkey service`

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::database::TestDatabase;
use crate::support::*;

fn with_alice(db: Db) -> (TestDatabase, CommandLine) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database);
    latchkey.add_user("alice", PASSWORD);
    (database, latchkey)
}

fn shown(latchkey: &CommandLine, name: &str) -> Value {
    let output = latchkey.run(&["service", "show", name, "--json"]).done();
    serde_json::from_str(&output.stdout).expect("JSON")
}

#[rstest]
fn services_are_added_listed_shown_changed_and_removed(#[values(Sqlite, Postgres)] db: Db) {
    let (_database, latchkey) = with_alice(db);
    let run = |arguments: &[&str]| latchkey.run(&[&["service"], arguments].concat()).done().stdout;
    assert_eq!(run(&["list"]), "NAME  AT  STATE  READERS  WRITERS  KEYS  LAST USE\n");
    assert_eq!(run(&["list", "--json"]), "[]\n");
    let added = run(&["add", "wiki", "--host", "Wiki.example.org", "--readers", "everyone", "--writers", "ALICE"]);
    assert_eq!(added, "wiki added at wiki.example.org: readers everyone, writers alice\n");
    let files = ["add", "files", "--host=apps.example.org", "--path=/files/", "--title=Shared files", "--json"];
    let files: Value = serde_json::from_str(&run(&files)).expect("JSON");
    assert_eq!(
        (&files["title"], &files["path"], &files["readers"]),
        (&json!("Shared files"), &json!("/files"), &json!([]))
    );
    let listed = run(&["list"]);
    let lines: Vec<Vec<&str>> = listed.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    let expected = [
        ["files", "apps.example.org/files", "open", "nobody", "nobody", "0", "never"],
        ["wiki", "wiki.example.org", "open", "everyone", "alice", "0", "never"],
    ];
    assert_eq!(lines, expected);
    let changed = run(&["change", "wiki", "--readers=nobody", "--requests-per-minute=60", "--read-methods=GET,report"]);
    assert_eq!(changed, "wiki is now at wiki.example.org: readers nobody, writers alice\n");
    run(&["change", "wiki", "--anonymous-reads", "--classic-keys=on", "--key-parameter=on", "--path", "/w"]);
    let told = run(&["show", "wiki"]);
    for line in [
        "title           wiki",
        "at              wiki.example.org/w",
        "state           open",
        "readers         nobody",
        "writers         alice",
        "reading methods GET REPORT",
        "anonymous reads yes",
        "classic keys    yes",
        "key parameter   yes",
        "limit a minute  60",
        "keys            0 of 0 people",
        "last use        never",
    ] {
        assert!(told.lines().any(|told| told == line), "{line}: {told}");
    }
    run(&["change", "wiki", "--requests-per-minute=none", "--read-methods=none", "--anonymous-reads=off"]);
    let wiki = shown(&latchkey, "wiki");
    let now = (&wiki["requests_per_minute"], &wiki["reading_methods"], &wiki["anonymous_reads"], &wiki["classic_keys"]);
    assert_eq!(now, (&json!(null), &json!([]), &json!(false), &json!(true)));
    assert_eq!(run(&["remove", "wiki"]), "removed wiki, at wiki.example.org/w: no key had its scopes\n");
    assert_eq!(run(&["list"]).lines().count(), 2);
}

#[rstest]
fn what_cannot_be_done_is_told_in_one_line(#[values(Sqlite, Postgres)] db: Db) {
    let (_database, latchkey) = with_alice(db);
    latchkey.run(&["service", "add", "wiki", "--host=wiki.example.org"]).done();
    for (code, arguments, told) in [
        (1, &["show", "docs"][..], "no service has the name docs; latchkey service list shows them"),
        (1, &["change", "a b", "--title=x"], "no service has the name a b"),
        (1, &["remove", "docs"], "no service has the name docs"),
        (1, &["add", "wiki", "--host=h"], "Name has already been taken"),
        (1, &["add", "docs", "--host=wiki.example.org"], "Path is already used by the service wiki on this host"),
        (1, &["add", "docs", "--host=h:80"], "Host must not have a port"),
        (1, &["add", "docs", "--host=h", "--readers=bob,carol"], "No account has one of the logins bob, carol"),
        (
            1,
            &["change", "wiki", "--requests-per-minute=0"],
            "Requests per minute must be a whole number from 1 to 1000000, or none",
        ),
        (2, &["change", "wiki", "--requests-per-minute=x"], "use a whole number, or none"),
        (2, &["add", "docs"], "--host"),
        (2, &["add", "docs", "--host=h", "--classic-keys=maybe"], "--classic-keys"),
    ] {
        let line = latchkey.run(&[&["service"], arguments].concat()).refused(code);
        assert!(line.contains(told), "{arguments:?}: {line}");
    }
}

/// "its owners are told", whoever removes it.
#[rstest]
fn a_removal_takes_scopes_from_keys_and_tells_their_owners(#[values(Sqlite, Postgres)] db: Db) {
    let (database, latchkey) = with_alice(db);
    latchkey.run(&["service", "add", "wiki", "--host=h", "--writers=alice"]).done();
    let token =
        ["key", "add", "alice", "--action=access", "--name=bot", "--scope=service:wiki:write", "--scope=account:read"];
    let secret = latchkey.run(&token).done().stdout;
    log::note_secret(secret.trim());
    assert_eq!(shown(&latchkey, "wiki")["keys"], 1);
    let removed = latchkey.run(&["service", "remove", "wiki", "--json"]).done().stdout;
    assert_eq!(serde_json::from_str::<Value>(&removed).expect("JSON")["keys"], 1);
    let keys: Value = serde_json::from_str(&latchkey.run(&["key", "list", "--json"]).done().stdout).expect("JSON");
    assert_eq!(keys[0]["scopes"], json!(["account:read"]));
    let told = "SELECT count(*) AS number FROM events WHERE action = 'key_changed' AND other_login IS NULL
                AND detail = 'may no longer do service:wiki:write: the service “wiki” was removed'";
    assert_eq!(database.number(told), 1);
}
