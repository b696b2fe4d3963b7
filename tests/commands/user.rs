//! `latchkey user`

use rstest::rstest;
use serde_json::json;

use crate::support::database::TestDatabase;
use crate::support::*;

fn command_line(database: &TestDatabase) -> CommandLine {
    CommandLine::on(database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64))
}

#[rstest]
#[tokio::test]
async fn a_person_who_was_added_can_sign_in(#[values(Sqlite, Postgres)] db: Db) {
    // On a database that is not even there yet.
    let database = TestDatabase::empty(db);
    let latchkey = command_line(&database);
    let add = ["user", "add", "alice", "--mail", "alice@example.org", "--firstname", "Alice", "--lastname", "Archer"];
    let input = format!("{PASSWORD}\n");
    let added = latchkey.run_with_input(&[&add[..], &["--admin", "--password-stdin"]].concat(), &input).done();
    assert_eq!(added.stdout, "added alice, id 1\n");
    let list = latchkey.run(&["user", "list"]).done().stdout;
    let row: Vec<_> = list.lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!(row, ["1", "alice", "active", "admin", "Alice", "Archer", "alice@example.org", "never"]);

    let process = Process::serve(&latchkey, &[]);
    let alice = process.visitor();
    alice.sign_in("ALICE", PASSWORD).await;
    assert_eq!(alice.get("/my/account").await.value_of("firstname"), "Alice");
    assert!(!latchkey.run(&["user", "list"]).done().stdout.contains("never"));
}

#[rstest]
#[tokio::test]
async fn locking_ends_sessions_and_keys_at_once_and_unlocking_brings_the_keys_back(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = command_line(&database);
    latchkey.add_user("alice", PASSWORD);
    let secret = latchkey.add_key("alice");
    let process = Process::serve(&latchkey, &[]);
    let alice = process.visitor();
    alice.sign_in("alice", PASSWORD).await;
    let by_key = async || process.get_with_key("/users/current.json", &secret).await.status;
    assert_eq!(by_key().await, 200);

    assert_eq!(latchkey.run(&["user", "lock", "alice"]).done().stdout, "alice is locked\n");
    assert_eq!(by_key().await, 401);
    assert!(!alice.is_signed_in().await);
    assert_eq!(process.visitor().try_sign_in("alice", PASSWORD).await.status, 422);
    assert_eq!(latchkey.run(&["user", "lock", "alice"]).done().stdout, "alice is locked already\n");

    assert_eq!(latchkey.run(&["user", "unlock", "alice"]).done().stdout, "alice is active\n");
    assert_eq!(by_key().await, 200);
    assert!(!alice.is_signed_in().await, "the session has ended for good");
    alice.sign_in("alice", PASSWORD).await;
    let activity = alice.get("/activity").await;
    assert!(activity.shows("Account locked") && activity.shows("Account unlocked") && activity.shows("command line"));
}

#[rstest]
#[tokio::test]
async fn a_new_password_ends_sessions_and_can_ask_for_another(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = command_line(&database);
    latchkey.add_user("alice", PASSWORD);
    let process = Process::serve(&latchkey, &[]);
    let alice = process.visitor();
    alice.sign_in("alice", PASSWORD).await;
    let new = "another-test-password";
    let arguments = ["user", "password", "alice", "--password-stdin", "--must-change"];
    latchkey.run_with_input(&arguments, new).done();
    assert!(!alice.is_signed_in().await);
    assert_eq!(alice.try_sign_in("alice", PASSWORD).await.status, 422);
    alice.sign_in("alice", new).await;
    assert_eq!(alice.get("/my/account").await.location(), "/my/password");
}

#[rstest]
#[tokio::test]
async fn people_are_changed_and_deleted(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = command_line(&database);
    latchkey.add_user("alice", PASSWORD);
    latchkey.add_user("bob", PASSWORD);
    let secret = latchkey.add_key("bob");
    let done = |arguments: &[&str]| latchkey.run(arguments).done().stdout;
    assert_eq!(done(&["user", "change", "alice", "--admin", "on", "--firstname", " Alice "]), "changed alice\n");
    let renamed = ["user", "change", "bob", "--login", "robert", "--mail=robert@example.org", "--lastname=Baker"];
    assert_eq!(done(&renamed), "changed bob, whose login is robert now\n");
    let list: serde_json::Value = serde_json::from_str(&done(&["user", "list", "--json"])).expect("JSON");
    let shown: Vec<_> =
        list.as_array().expect("an array").iter().map(|it| (&it["login"], &it["admin"], &it["mail"])).collect();
    let (yes, no) = (json!(true), json!(false));
    assert_eq!(
        shown,
        [(&json!("alice"), &yes, &json!("alice@example.org")), (&json!("robert"), &no, &json!("robert@example.org")),]
    );
    let process = Process::serve(&latchkey, &[]);
    let alice = process.visitor();
    alice.sign_in("alice", PASSWORD).await;
    let activity = alice.get("/activity").await;
    assert!(activity.shows("administrator") && activity.shows("command line"), "{}", activity.text());

    for (arguments, says) in [
        (&["user", "change", "alice", "--admin", "off"][..], "make somebody else an administrator first"),
        (&["user", "change", "alice", "--login", "ROBERT"], "Login has already been taken"),
        (&["user", "change", "alice", "--mail", "nowhere"], "Email is invalid"),
        (&["user", "change", "alice", "--login", "a b", "--lastname", ""], "Login can only have letters"),
        (&["user", "delete", "alice", "--yes"], "make somebody else an administrator first"),
        (
            &["user", "delete", "robert"],
            "robert (bob Baker) and their keys (1), sessions and activity for good, say --yes",
        ),
        (&["user", "change", "nobody", "--admin", "on"], "nobody has the login nobody"),
    ] {
        let line = latchkey.run(arguments).refused(1);
        assert!(line.contains(says), "{arguments:?}: {line}");
    }
    let line = latchkey.run(&["user", "change", "alice"]).refused(2);
    assert!(line.contains("--mail"), "{line}");

    assert_eq!(done(&["user", "change", "robert", "--admin", "on"]), "changed robert\n");
    assert_eq!(done(&["user", "change", "alice", "--admin", "off"]), "changed alice\n");
    assert_eq!(alice.get("/admin/users").await.status, 403, "at once");
    assert_eq!(done(&["user", "change", "alice", "--admin", "on"]), "changed alice\n");
    assert_eq!(done(&["user", "delete", "robert", "--yes"]), "deleted robert, id 2\n");
    assert_eq!(process.get_with_key("/users/current.json", &secret).await.status, 401);
    assert_eq!(database.dump("users").lines().count(), 1);
}

#[rstest]
fn a_list_of_people_can_be_narrowed_down(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = command_line(&database);
    ["carol", "alice", "bob"].iter().for_each(|login| latchkey.add_user(login, PASSWORD));
    latchkey.run(&["user", "lock", "bob"]).done();
    latchkey.run(&["user", "change", "alice", "--admin", "on", "--lastname", "Archer"]).done();
    for (flags, expected) in [
        (&[][..], "alice bob carol"),
        (&["--status", "active"], "alice carol"),
        (&["--status=locked"], "bob"),
        (&["--status=registered"], ""),
        (&["--admin"], "alice"),
        (&["--name", "archer"], "alice"),
        (&["--name", "o", "--status", "active"], "alice carol"),
        (&["--name", "carol@", "--admin"], ""),
    ] {
        let list = latchkey.run(&[&["user", "list"], flags].concat()).done().stdout;
        let logins = list.lines().skip(1).map(|line| line.split_whitespace().nth(1).expect("a login"));
        assert_eq!(logins.collect::<Vec<_>>().join(" "), expected, "{flags:?}");
        let list = latchkey.run(&[&["user", "list", "--json"], flags].concat()).done().stdout;
        let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
        let logins = list.as_array().expect("an array").iter().map(|it| it["login"].as_str().expect("a login"));
        assert_eq!(logins.collect::<Vec<_>>().join(" "), expected, "{flags:?}");
    }
    let line = latchkey.run(&["user", "list", "--status", "gone"]).refused(2);
    assert!(line.contains("use active or registered or locked"), "{line}");
}

/// However soon it is over: the pool may still be making connections then.
#[rstest]
fn a_command_that_is_soon_over_ends_as_it_should(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = command_line(&database);
    for _ in 0..100 {
        latchkey.run(&["user", "lock", "nobody"]).refused(1);
    }
}

#[rstest]
fn what_cannot_be_is_refused_in_one_line_and_changes_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = command_line(&database);
    latchkey.add_user("alice", PASSWORD);
    let before = database.dump("users");
    let mail = "--mail=other@example.org";
    let add = |login, mail| ["user", "add", login, mail, "--password-stdin"];
    for (arguments, password, says) in [
        (&add("Alice", mail)[..], PASSWORD, "Login has already been taken"),
        (&add("bob", "--mail=ALICE@example.org"), PASSWORD, "Email has already been taken"),
        (&add("bob", "--mail=bob"), PASSWORD, "Email is invalid"),
        (&add("b ob", mail), PASSWORD, "Login can only have letters, digits and _ @ . -"),
        (&add("", mail), PASSWORD, "Login cannot be blank"),
        (&add("bob", mail), "1234567", "Password is too short (minimum is 8 characters)"),
        (&add("bob", mail)[..4], PASSWORD, "--password-stdin"),
        (&["user", "lock", "nobody"], "", "nobody has the login nobody; latchkey user list shows who there is"),
        (&["user", "password", "alice", "--password-stdin"], "short", "Password is too short"),
    ] {
        let line = latchkey.run_with_input(arguments, password).refused(1);
        assert!(line.contains(says), "{arguments:?}: {line}");
    }
    assert_eq!(database.dump("users"), before);
}

/// "`latchkey user change` and `delete` keep the last administrator, too; `latchkey user lock` does not."
#[rstest]
fn the_last_administrator_can_be_locked_on_the_machine_itself(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database);
    latchkey.add_user("root", PASSWORD);
    latchkey.run(&["user", "change", "root", "--admin=on"]).done();
    for kept in [&["user", "change", "root", "--admin=off"][..], &["user", "delete", "root", "--yes"]] {
        assert!(latchkey.run(kept).refused(1).contains("This is the only active administrator"), "{kept:?}");
    }
    assert_eq!(latchkey.run(&["user", "lock", "root"]).done().stdout, "root is locked\n");
}
