//! "Rows that break our rules […] are named in the report with what was done about them; nothing is dropped in silence."

use rstest::rstest;

use super::*;
use crate::support::redmine::{From, From::*};

/// What the report says about a person, as `kind: found; done`.
fn told(report: &serde_json::Value, user_id: i64) -> Vec<String> {
    let entries = report["entries"].as_array().expect("entries").iter().filter(|it| it["user_id"] == user_id);
    let text = |entry: &serde_json::Value, field: &str| entry[field].as_str().expect("text").to_owned();
    entries.map(|it| format!("{}: {}; {}", text(it, "kind"), text(it, "found"), text(it, "done"))).collect()
}

fn import_and_read(database: &TestDatabase, redmine: &Redmine) -> serde_json::Value {
    let file = database.folder().join("report.json");
    import(database, redmine, &["--report", file.to_str().expect("a path")]).done();
    let text = std::fs::read_to_string(&file).expect("a report");
    std::fs::remove_file(file).expect("a report");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// Each bad row: what is done to make it, by its owner's id; and what is told of it.
fn bad_rows(redmine: &Redmine) -> Vec<(i64, Vec<&'static str>)> {
    let long_first = "f".repeat(31);
    let long_last = "l".repeat(255);
    let add = |user: RedmineUser| redmine.add_user(&user);
    let mut told = Vec::new();
    let mut expect = |id: i64, lines: &[&'static str]| told.push((id, lines.to_vec()));

    add(RedmineUser { password: Some(PASSWORD), ..RedmineUser::new(1, "Twin") });
    expect(1, &[]);
    add(RedmineUser { mail: Some("other@example.org"), ..RedmineUser::new(2, "tWIN") });
    expect(
        2,
        &[
            "login-taken: another account has the login tWIN; imported with another login",
            "login: has another login in Latchkey; signs in as redmine-2",
        ],
    );
    add(RedmineUser { mail: Some("TWIN@EXAMPLE.ORG"), ..RedmineUser::new(3, "third") });
    expect(3, &["mail-taken: another account has the mail address TWIN@EXAMPLE.ORG; imported with a placeholder"]);
    add(RedmineUser { mail: Some("nologin@example.org"), ..RedmineUser::new(4, "") });
    expect(
        4,
        &[
            "login: \"\" (Login cannot be blank); imported with another login",
            "login: has another login in Latchkey; signs in as redmine-4",
        ],
    );
    add(RedmineUser { mail: Some("blank@example.org"), ..RedmineUser::new(5, "with blank") });
    expect(
        5,
        &[
            "login: \"with blank\" (Login can only have letters, digits and _ @ . -); imported with another login",
            "login: has another login in Latchkey; signs in as redmine-5",
        ],
    );
    add(RedmineUser { mail: Some(""), ..RedmineUser::new(6, "nomail") });
    expect(6, &["mail: has no default address; imported with a placeholder"]);
    add(RedmineUser { mail: Some("not an address"), ..RedmineUser::new(7, "badmail") });
    expect(7, &["mail: \"not an address\" is not valid; imported with a placeholder"]);
    add(RedmineUser::new(8, "manymails"));
    redmine.add_mail(8, "second@example.org", true);
    redmine.add_mail(8, "third@example.org", false);
    expect(8, &["mail: has 2 default addresses; the first is used"]);
    add(RedmineUser { firstname: &long_first, lastname: &long_last, ..RedmineUser::new(9, "longname") });
    expect(9, &["name: first name is longer than 30 characters; cut to \"ffffffffffffffffffffffffffffff\""]);
    add(RedmineUser { firstname: "", lastname: " ", ..RedmineUser::new(10, "noname") });
    expect(10, &["name: first name is missing; set to \"-\"", "name: last name is missing; set to \"-\""]);
    add(RedmineUser { firstname: "a\u{7}b", ..RedmineUser::new(11, "wake_up") });
    expect(11, &["name: first name has invisible characters; left out"]);
    add(RedmineUser { created_on: "1969-12-31 23:59:59", ..RedmineUser::new(12, "old") });
    expect(
        12,
        &[
            "time: created_on is 1969-12-31 23:59:59, before 1970; set to 1970-01-01",
            "time: updated_on is 1969-12-31 23:59:59, before 1970; set to 1970-01-01",
            "time: passwd_changed_on is 1969-12-31 23:59:59, before 1970; set to 1970-01-01",
        ],
    );
    add(RedmineUser { status: 9, ..RedmineUser::new(13, "status") });
    expect(13, &["account: status is \"9\"; locked"]);
    add(RedmineUser::new(14, "language"));
    redmine.execute("UPDATE users SET language = '?!' WHERE id = 14");
    expect(14, &["account: language is \"?!\"; set to en"]);
    add(RedmineUser::new(15, "nocreation"));
    redmine.execute("UPDATE users SET created_on = NULL WHERE id = 15");
    expect(15, &["time: created_on is missing; set to now"]);
    add(RedmineUser::new(16, "future"));
    redmine.execute("UPDATE users SET last_login_on = '2999-01-01 00:00:00' WHERE id = 16");
    expect(16, &["time: last_login_on is 2999-01-01 00:00:00, in the future; set to now"]);
    told
}

#[rstest]
#[tokio::test]
async fn bad_people_come_in_as_well_as_can_be_and_are_named(
    #[values(SqliteFile, Postgresql, Mariadb)] from: From,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let redmine = Redmine::new(from);
    let expected = bad_rows(&redmine);
    for (id, _) in &expected {
        redmine.add_token(*id, "api", &key(&format!("of {id}")), MADE, MADE);
    }
    let database = TestDatabase::migrated(db);
    let report = import_and_read(&database, &redmine);
    for (id, lines) in &expected {
        assert_eq!(&told(&report, *id), lines, "{id}");
    }
    let people = &report["totals"]["people"];
    assert_eq!((&people["found"], &people["added"]), (&16.into(), &16.into()));

    // Everybody's key works, but of those who are locked for it.
    let process = Process::serve(&command_line(&database), &[]);
    for (id, _) in &expected {
        let answer = process.get_with_key("/users/current.json", &key(&format!("of {id}"))).await;
        assert_eq!(answer.status, if *id == 13 { 401 } else { 200 }, "{id}");
        if *id != 13 {
            let user = &answer.json()["user"];
            let (login, mail, first, last) = match id {
                2 => ("redmine-2", "other@example.org", "Test", "Person"),
                3 => ("third", "redmine-3@moved.invalid", "Test", "Person"),
                4 => ("redmine-4", "nologin@example.org", "Test", "Person"),
                5 => ("redmine-5", "blank@example.org", "Test", "Person"),
                6 => ("nomail", "redmine-6@moved.invalid", "Test", "Person"),
                7 => ("badmail", "redmine-7@moved.invalid", "Test", "Person"),
                8 => ("manymails", "manymails@example.org", "Test", "Person"),
                9 => ("longname", "longname@example.org", "ffffffffffffffffffffffffffffff", &*"l".repeat(255)),
                10 => ("noname", "noname@example.org", "-", "-"),
                11 => ("wake_up", "wake_up@example.org", "ab", "Person"),
                _ => continue,
            };
            assert_eq!(user["login"], login);
            assert_eq!(user["mail"], mail);
            assert_eq!((&user["firstname"], &user["lastname"]), (&first.into(), &last.into()), "{id}");
        }
    }
    process.visitor().sign_in("twin", PASSWORD).await;
    assert_eq!(time(&database, "created_on", "users", "login = 'old'"), "1970-01-01 00:00:00");
    // The same again changes nothing.
    let before = everything(&database);
    let report = import_and_read(&database, &redmine);
    assert_eq!(report["totals"]["people"]["unchanged"], 16, "{report}");
    for (id, lines) in &expected {
        assert_eq!(&told(&report, *id), lines, "{id} again");
    }
    assert_eq!(everything(&database), before);
}

#[rstest]
#[tokio::test]
async fn bad_keys_are_named(#[values(SqliteFile, Postgresql, Mariadb)] from: From, #[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(from);
    for (id, login) in [(1, "blank"), (2, "two"), (3, "future"), (4, "old")] {
        redmine.add_user(&RedmineUser::new(id, login));
    }
    redmine.add_token(1, "api", "", MADE, MADE);
    redmine.add_token(2, "api", &key("first"), MADE, MADE);
    redmine.add_token(2, "api", &key("second"), MADE, MADE);
    redmine.add_token(3, "api", &key("future"), MADE, "2999-01-01 00:00:00");
    redmine.add_token(4, "api", &key("old"), "1950-01-01 00:00:00", "1950-01-02 00:00:00");
    redmine.add_token(900_001, "feeds", &key("anonymous"), MADE, MADE);
    redmine.add_token(4711, "api", &key("nobody"), MADE, MADE);
    let database = TestDatabase::migrated(db);
    let report = import_and_read(&database, &redmine);
    let one = |id: i64| told(&report, id).join("\n");
    assert_eq!(one(1), "key: the api key with the id 1 is not a usable key; left out");
    let several = "key: has 2 api keys; all work; pages show the oldest, and resetting it ends all of them";
    assert_eq!(one(2), several);
    let future = "time: updated_on of the api key with the id 4 is 2999-01-01 00:00:00, in the future; set to now";
    assert_eq!(one(3), future);
    assert!(
        one(4).contains("created_on of the api key with the id 5 is 1950-01-01 00:00:00, before 1970"),
        "{}",
        one(4)
    );
    assert_eq!(one(900_001), "key-of-nobody: the feeds key with the id 6 belongs to no imported person; left out");
    assert_eq!(one(4711), "key-of-nobody: the api key with the id 7 belongs to no imported person; left out");
    let keys = &report["totals"]["keys"];
    assert_eq!((&keys["found"], &keys["added"], &keys["left_out"]), (&7.into(), &4.into(), &3.into()));

    let process = Process::serve(&command_line(&database), &[]);
    for (seed, status) in [("first", 200), ("second", 200), ("future", 200), ("old", 200), ("anonymous", 401)] {
        assert_eq!(process.get_with_key("/users/current.json", &key(seed)).await.status, status, "{seed}");
    }
    assert_eq!(process.get_with_key("/users/current.json", "").await.status, 401);
}

/// Only SQLite, and PostgreSQL where it was told to promise nothing, hold text that is not UTF-8.
#[rstest]
#[tokio::test]
async fn text_that_is_not_utf_8_is_named(
    #[values(SqliteFile, Postgresql)] from: From,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let redmine = match from {
        Postgresql => Redmine::in_sql_ascii(),
        _ => Redmine::new(from),
    };
    let bytes = |hex: &str| match from {
        Postgresql => format!("convert_from('\\x{hex}', 'SQL_ASCII')"),
        _ => format!("CAST(x'{hex}' AS TEXT)"),
    };
    redmine.add_user(&RedmineUser::new(1, "latin"));
    redmine.add_user(&RedmineUser::new(2, "login"));
    redmine.add_user(&RedmineUser::new(3, "mail"));
    // "Jörg" in Latin-1.
    redmine.execute(&format!("UPDATE users SET firstname = {} WHERE id = 1", bytes("4af67267")));
    redmine.execute(&format!("UPDATE users SET login = {} WHERE id = 2", bytes("6cf667")));
    redmine.execute(&format!(
        "UPDATE email_addresses SET address = {} WHERE user_id = 3",
        bytes("f6406578616d706c652e6f7267")
    ));
    redmine.add_token(1, "api", &key("latin"), MADE, MADE);
    redmine.add_token(2, "api", &key("to be broken"), MADE, MADE);
    redmine.execute(&format!("UPDATE tokens SET value = {} WHERE user_id = 2", bytes("f6f6f6f6")));
    let database = TestDatabase::migrated(db);
    let report = import_and_read(&database, &redmine);
    assert_eq!(told(&report, 1), ["invalid-utf8: first name is not UTF-8; changed to \"J\u{fffd}rg\""]);
    let second = told(&report, 2).join("\n");
    assert!(
        second.contains("invalid-utf8: login is not UTF-8") && second.contains("signs in as redmine-2"),
        "{second}"
    );
    assert!(second.contains("is not a usable key; left out"), "{second}");
    let third = told(&report, 3).join("\n");
    assert!(
        third.contains("invalid-utf8: mail is not UTF-8") && third.contains("imported with a placeholder"),
        "{third}"
    );
    let process = Process::serve(&command_line(&database), &[]);
    let latin = process.get_with_key("/users/current.json", &key("latin")).await.json();
    assert_eq!(latin["user"]["firstname"], "J\u{fffd}rg");
}

/// MySQL's day zero, which it took for a time unless told otherwise.
#[rstest]
fn the_day_zero_is_no_time(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(Mariadb);
    redmine.add_user(&RedmineUser::new(1, "zero"));
    redmine.execute("UPDATE users SET created_on = '0000-00-00 00:00:00', last_login_on = '0000-00-00 00:00:00'");
    let database = TestDatabase::migrated(db);
    let report = import_and_read(&database, &redmine);
    assert_eq!(
        told(&report, 1),
        [
            "time: created_on is \"0000-00-00 00:00:00\"; set to now",
            "time: last_login_on is \"0000-00-00 00:00:00\"; left empty"
        ]
    );
    assert_eq!(time(&database, "last_login_on", "users", "login = 'zero'"), "none");
}
