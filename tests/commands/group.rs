//! `latchkey group`

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::database::TestDatabase;
use crate::support::*;

fn with_people(db: Db) -> (TestDatabase, CommandLine) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database);
    for login in ["alice", "bob"] {
        latchkey.add_user(login, PASSWORD);
    }
    (database, latchkey)
}

#[rstest]
fn groups_are_added_listed_shown_filled_renamed_and_deleted(#[values(Sqlite, Postgres)] db: Db) {
    let (database, latchkey) = with_people(db);
    let run = |arguments: &[&str]| latchkey.run(arguments).done().stdout;
    assert_eq!(run(&["group", "list"]), "ID  NAME  STATE  MEMBERS  ADMITTED BY\n");
    assert_eq!(run(&["group", "list", "--json"]), "[]\n");
    assert_eq!(run(&["group", "add", "QA team", "--members", "alice,BOB"]), "QA team added, id 1, members: 2\n");
    let service = ["service", "add", "wiki", "--host=h", "--writers=group:qa team,alice", "--readers", "group:QA team"];
    assert_eq!(run(&service), "wiki added at h: readers group:QA team, writers group:QA team, alice\n");
    let changed = run(&["group", "members", "qa TEAM", "--remove", "bob,alice"]);
    assert_eq!(changed, "QA team changed, id 1, members: 0\n");
    assert_eq!(run(&["group", "members", "QA team", "--add=bob"]), "QA team changed, id 1, members: 1\n");
    assert_eq!(run(&["group", "rename", "QA team", "Testers"]), "Testers is the new name, id 1, members: 1\n");
    let list = run(&["group", "list", "--name=TEST"]);
    let line: Vec<&str> = list.lines().nth(1).expect("a line").split_whitespace().collect();
    assert_eq!(line, ["1", "Testers", "open", "1", "wiki"]);
    let told = run(&["group", "show", "testers"]);
    for line in ["name        Testers", "state       open", "admitted by wiki (write)", "members     bob"] {
        assert!(told.lines().any(|told| told == line), "{line}: {told}");
    }
    let shown: Value = serde_json::from_str(&run(&["group", "show", "testers", "--json"])).expect("JSON");
    assert_eq!(
        (&shown["logins"], &shown["members"], &shown["kept_in"]),
        (&json!(["bob"]), &json!(1), &json!("database"))
    );
    let shown: Value = serde_json::from_str(&run(&["service", "show", "wiki", "--json"])).expect("JSON");
    assert_eq!(shown["writers"], json!(["group:Testers", "alice"]));
    let told = run(&["audit", "--action=added_to_group"]);
    assert!(told.contains("about bob by command line") && told.contains("QA team"), "{told}");

    let asked = latchkey.run(&["group", "delete", "Testers"]).refused(1);
    let expected = "to delete the group Testers (1 member, admitted by wiki) for good, say --yes";
    assert!(asked.contains(expected), "{asked}");
    assert_eq!(run(&["group", "delete", "Testers", "--yes"]), "deleted Testers, id 1\n");
    assert_eq!(database.number("SELECT count(*) AS number FROM service_group_admissions"), 0);
    assert_eq!(run(&["group", "list"]).lines().count(), 1);
}

#[rstest]
fn what_cannot_be_done_about_a_group_is_told_in_one_line(#[values(Sqlite, Postgres)] db: Db) {
    let (_database, latchkey) = with_people(db);
    latchkey.run(&["group", "add", "Writers"]).done();
    for (code, arguments, told) in [
        (1, &["show", "docs"][..], "no group has the name docs; latchkey group list shows them"),
        (1, &["add", "WRITERS"], "Name has already been taken"),
        (1, &["add", "a,b"], "Name cannot have a comma"),
        (1, &["add", "New", "--members=carol"], "No account has the login carol"),
        (
            1,
            &["members", "Writers", "--add=writers"],
            "“writers” is a group, and a group cannot be a member of a group",
        ),
        (1, &["members", "docs", "--add=alice"], "no group has the name docs"),
        (1, &["rename", "Writers", " "], "Name cannot be blank"),
        (1, &["delete", "docs", "--yes"], "no group has the name docs"),
        (2, &["members", "Writers"], "--add"),
        (2, &["add"], "NAME"),
    ] {
        let line = latchkey.run(&[&["group"], arguments].concat()).refused(code);
        assert!(line.contains(told), "{arguments:?}: {line}");
    }
}
