//! "Redmine's groups come along at the import": with their ids and members, and again what has changed.

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::support::redmine::{From, From::*};

/// The groups as `latchkey group` shows them: id, name, and the logins of members.
fn groups(database: &TestDatabase) -> Value {
    let latchkey = command_line(database);
    let list: Value = serde_json::from_str(&latchkey.run(&["group", "list", "--json"]).done().stdout).expect("JSON");
    let shown = |group: &Value| {
        let name = group["name"].as_str().expect("a name");
        let shown = latchkey.run(&["group", "show", name, "--json"]).done().stdout;
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        json!([shown["id"], shown["name"], shown["logins"]])
    };
    list.as_array().expect("groups").iter().map(shown).collect()
}

#[rstest]
fn groups_come_with_their_ids_and_members(
    #[values(SqliteFile, Postgresql, Mariadb)] from: From,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let redmine = Redmine::new(from);
    everybody(&redmine);
    redmine.add_group(8, "Managers", &[1, 5, 900_001, 4711]);
    redmine.add_group(9, "Größe 10", &[]);
    let database = TestDatabase::empty(db);
    let said = import(&database, &redmine, &[]).done().stdout;
    let told = "groups: 2 found, 2 added, 0 changed, 0 unchanged, 0 deleted in Latchkey; 2 members added, 0 taken out";
    assert!(said.contains(told) && said.contains("1 GroupAnonymous in users, 1 GroupNonMember in users"), "{said}");
    assert_eq!(groups(&database), json!([[9, "Größe 10", []], [8, "Managers", ["alice", "Bob"]]]));
    assert_eq!(time(&database, "created_on", "groups", "id = 8"), "2020-02-03 04:05:06");
    let told = command_line(&database).run(&["audit", "--action=group_added"]).done().stdout;
    assert!(told.contains("by command line") && told.contains("Managers: moved in with 2 members"), "{told}");
    let said = import(&database, &redmine, &["--overwrite"]).done().stdout;
    assert!(said.contains("groups: 2 found, 0 added, 0 changed, 2 unchanged"), "{said}");
    assert_eq!(groups(&database), json!([[9, "Größe 10", []], [8, "Managers", ["alice", "Bob"]]]));
    // Who comes next gets an id above theirs.
    let added = command_line(&database).run(&["group", "add", "New"]).done().stdout;
    assert_eq!(added, "New added, id 10, members: 0\n");
}

#[rstest]
fn what_has_changed_there_comes_and_what_was_changed_here_stays(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    redmine.add_group(8, "Managers", &[1, 5]);
    redmine.add_group(9, "Readers", &[1]);
    redmine.add_group(10, "Gone", &[1]);
    let database = TestDatabase::migrated(db);
    import(&database, &redmine, &[]).done();
    let latchkey = command_line(&database);
    for arguments in [
        &["group", "members", "Managers", "--remove=alice", "--add=registered"][..],
        &["group", "rename", "Readers", "Our readers"],
        &["group", "delete", "Gone", "--yes"],
    ] {
        latchkey.run(arguments).done();
    }
    let here = json!([[8, "Managers", ["Bob", "registered"]], [9, "Our readers", ["alice"]]]);
    assert_eq!(groups(&database), here);
    redmine.execute("UPDATE users SET lastname = 'Leaders' WHERE id = 8");
    redmine.execute("UPDATE users SET lastname = 'All readers' WHERE id = 9");
    redmine.execute("DELETE FROM groups_users WHERE group_id = 8 AND user_id = 5");
    redmine.execute("INSERT INTO groups_users (group_id, user_id) VALUES (8, 6)");
    let before = groups(&database);
    import(&database, &redmine, &["--dry-run"]).done();
    assert_eq!(groups(&database), before, "it was only tried");
    let said = import(&database, &redmine, &[]).done().stdout;
    for told in [
        "groups: 3 found, 0 added, 1 changed, 1 unchanged, 1 deleted in Latchkey; 1 members added, 1 taken out",
        "group 8 (Leaders): name changed; updated",
        "group 8 (Leaders): 1 member taken out in Latchkey; kept; use --overwrite to take Redmine's",
        "group 8 (Leaders): 1 member added, 1 taken out; updated",
        "group 9 (All readers): name was changed in Latchkey; kept; use --overwrite to take Redmine's",
        "group 10 (Gone): was deleted in Latchkey; left out",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
    let here = json!([[8, "Leaders", ["locked", "registered"]], [9, "Our readers", ["alice"]]]);
    assert_eq!(groups(&database), here);
    let said = import(&database, &redmine, &["--overwrite"]).done().stdout;
    assert!(said.contains("groups: 3 found, 0 added, 2 changed, 0 unchanged, 1 deleted"), "{said}");
    let there = json!([[9, "All readers", ["alice"]], [8, "Leaders", ["alice", "locked"]]]);
    assert_eq!(groups(&database), there);
    let said = import(&database, &redmine, &["--overwrite"]).done().stdout;
    assert!(said.contains("groups: 3 found, 0 added, 0 changed, 2 unchanged"), "{said}");
}

/// "imports twice do not duplicate, conflicts of names reported": whoever made a group here did not mean Redmine's people.
#[rstest]
fn names_that_are_taken_or_no_names_here_are_told(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    redmine.add_group(8, "managers", &[1]);
    redmine.add_group(9, " Sales,  EMEA ", &[]);
    redmine.add_group(10, "", &[]);
    redmine.add_group(11, "Kept", &[1]);
    let database = TestDatabase::migrated(db);
    let latchkey = command_line(&database);
    latchkey.run(&["group", "add", "Managers"]).done();
    database.execute("UPDATE groups SET id = 9");
    let said = import(&database, &redmine, &[]).done().stdout;
    for told in [
        "group 8 (managers): another group has the name managers; imported with another name",
        "group 9 ( Sales,  EMEA ): cannot keep the id 9; has the id 12 in Latchkey",
        "called \"Sales EMEA\"",
        "called \"redmine-10\"",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
    let here = json!([
        [11, "Kept", ["alice"]],
        [9, "Managers", []],
        [8, "managers (redmine-8)", ["alice"]],
        [10, "redmine-10", []],
        [12, "Sales EMEA", []],
    ]);
    assert_eq!(groups(&database), here);
    // What the file keeps is the file's.
    database.execute("UPDATE groups SET kept_in = 'file' WHERE id = 11");
    redmine.execute("DELETE FROM groups_users WHERE group_id = 11");
    let said = import(&database, &redmine, &["--overwrite"]).done().stdout;
    assert!(said.contains("group 11 (Kept): is kept in the services file; left as it is"), "{said}");
    assert!(said.contains("groups: 4 found, 0 added, 0 changed, 4 unchanged"), "{said}");
    assert_eq!(groups(&database), here);
}
