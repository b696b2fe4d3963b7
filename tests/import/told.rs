//! What an import tells before, meanwhile and after, and what it leaves alone.

use rstest::rstest;

use super::*;
use crate::support::redmine::{From, From::*};

/// "`--dry-run` shows what would happen": all of it, and changes nothing. Nor does it make a database or hash anything.
#[rstest]
fn a_dry_run_says_the_same_and_changes_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    redmine.add_user(&RedmineUser { mail: Some(""), ..RedmineUser::new(9, "nomail") });
    let database = TestDatabase::migrated(db);
    for _ in 0..2 {
        let before = everything(&database);
        let report = database.folder().join("report.json");
        let dry = import(&database, &redmine, &["--dry-run", "--report", report.to_str().expect("a path")]).done();
        assert_eq!(everything(&database), before);
        let rest = dry.stdout.strip_prefix("dry run: nothing was changed\n").expect("that it was dry").to_owned();
        assert!(!dry.stderr.contains("hashing passwords"), "{}", dry.stderr);
        let report: serde_json::Value =
            serde_json::from_slice(&std::fs::read(report).expect("a report")).expect("JSON");
        assert_eq!(report["totals"]["people"]["found"], 5);
        assert_eq!(import(&database, &redmine, &[]).done().stdout, rest);
    }
}

#[rstest]
fn a_dry_run_makes_and_migrates_no_database(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let database = TestDatabase::empty(db);
    let said = import(&database, &redmine, &["--dry-run"]);
    match db {
        Sqlite => {
            assert!(said.done().stdout.contains("4 added"));
            assert!(!database.url.file().expect("a file").exists());
        }
        Postgres => {
            let line = said.refused(1);
            assert!(line.contains("latchkey migrate run first"), "{line}");
            let tables = "SELECT count(*) AS number FROM pg_class WHERE relname = 'users'";
            assert_eq!(database.number(tables), 0);
        }
    }
}

/// "The source is only read."
#[rstest]
fn the_source_is_only_read(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let folder = std::path::Path::new(redmine.url()).parent().expect("a folder").to_owned();
    let files = || {
        let all = std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("a file").path());
        let mut all: Vec<_> = all.map(|path| (path.clone(), std::fs::read(path).expect("a file"))).collect();
        all.sort();
        all
    };
    let before = files();
    let database = TestDatabase::migrated(db);
    import(&database, &redmine, &[]).done();
    assert!(before == files(), "the file, or what stands beside it, has changed");
}

/// A user that may only read is enough.
#[rstest]
fn a_reader_of_postgresql_may_import() {
    let redmine = Redmine::new(Postgresql);
    everybody(&redmine);
    let reader = format!("reader_{}", std::process::id());
    redmine.execute(&format!(
        "CREATE ROLE {reader} LOGIN PASSWORD 'a-readers-password';
         GRANT SELECT ON users, tokens, email_addresses TO {reader};"
    ));
    let url = redmine.url();
    let (_, place) = url.rsplit_once('@').expect("a user");
    let database = TestDatabase::migrated(Sqlite);
    let url = format!("postgres://{reader}:a-readers-password@{place}");
    // In the environment, where others on the machine cannot read the password.
    let latchkey = command_line(&database).with("LATCHKEY_SOURCE", &url);
    let said = latchkey.run(&["import", "redmine", "--source-time-zone=UTC"]).done();
    assert!(said.stdout.contains("4 added"), "{}", said.stdout);
    let without = "4 time zones of people (SELECT on user_preferences is not granted)";
    assert!(said.stdout.contains(without), "{}", said.stdout);
    assert!(!format!("{}{}", said.stdout, said.stderr).contains("a-readers-password"));
    redmine.execute(&format!("DROP OWNED BY {reader};\nDROP ROLE {reader};"));
}

/// "A progress bar on a terminal, plain lines elsewhere."
#[rstest]
fn progress_is_a_bar_on_a_terminal_and_plain_lines_elsewhere() {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let database = TestDatabase::migrated(Sqlite);
    let said = import(&database, &redmine, &[]).done();
    let lines: Vec<_> = said.stderr.lines().collect();
    assert!(lines[0].starts_with("2 passwords to hash once more: about ") && lines[0].contains(" cores"), "{lines:?}");
    assert!(
        lines.contains(&"hashing passwords: 2 of 2 (100%)") && lines.contains(&"moving in: 4 of 4 (100%)"),
        "{lines:?}"
    );
    assert!(!said.stderr.contains(['\r', '[']), "{}", said.stderr);

    // A terminal, of util-linux' script.
    let database = TestDatabase::migrated(Sqlite);
    let line = format!(
        "{} import redmine {} --source-time-zone=UTC --database-url={}",
        env!("CARGO_BIN_EXE_latchkey"),
        redmine.url(),
        database.setting()
    );
    let mut script = std::process::Command::new("script");
    let script = script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    let output = script.stdin(std::process::Stdio::null()).output().expect("script, of util-linux");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && shown.contains("moving in [##############################] 100% 4/4"),
        "{shown}"
    );
}

#[rstest]
fn what_cannot_be_read_is_told_in_one_line(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = command_line(&database);
    let empty = TestDatabase::empty(Postgres);
    let own = TestDatabase::migrated(Sqlite);
    let file = database.folder().join("text");
    std::fs::write(&file, "this is no database".repeat(100)).expect("a file");
    for (source, says) in [
        ("/nowhere/redmine.sqlite3", "cannot read /nowhere/redmine.sqlite3"),
        (file.to_str().expect("a path"), "file is not a database"),
        (&empty.setting(), "this is not a database of Redmine 3.4 or later: users.id is missing"),
        (&own.setting(), "this is not a database of Redmine 3.4 or later: users.type is missing"),
        ("postgres://redmine:hunter2hunter2@127.0.0.1:1/redmine", "cannot read postgres://127.0.0.1:1/redmine: "),
        ("mysql://redmine:hunter2hunter2@127.0.0.1:1/redmine", "cannot read mysql://127.0.0.1:1/redmine: "),
    ] {
        let line = latchkey.run(&["import", "redmine", source, "--source-time-zone=UTC"]).refused(1);
        assert!(line.contains(says) && !line.contains("hunter2"), "{source}: {line}");
    }
    let line = latchkey.run(&["import", "redmine", "oracle://redmine:hunter2hunter2@db/x", "--source-time-zone=UTC"]);
    let line = line.refused(2);
    assert!(
        line.contains("name Redmine's database: use a path, sqlite://PATH or postgres://") && !line.contains("hunter2"),
        "{line}"
    );
    assert_eq!(database.number("SELECT count(*) AS number FROM users"), 0);
}

/// However many rows there is something to say about, what is printed can be read; the file has all.
#[rstest]
fn the_report_is_short_on_the_screen_and_whole_in_the_file(#[values(SqliteFile, Mariadb)] from: From) {
    let redmine = Redmine::new(from);
    for id in 1..=25 {
        redmine.add_user(&RedmineUser { mail: Some(""), ..RedmineUser::new(id, &format!("user{id}")) });
    }
    let database = TestDatabase::migrated(Sqlite);
    let file = database.folder().join("report.json");
    let said = import(&database, &redmine, &["--report", file.to_str().expect("a path")]).done().stdout;
    assert!(said.contains("Missing or invalid email addresses (25):\n  user 1 (user1): "), "{said}");
    assert!(said.contains("user 20 (user20)") && !said.contains("user 21 (user21)"), "{said}");
    assert!(said.contains("  and 5 more; use --report FILE to see all\n"), "{said}");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).expect("a report")).expect("JSON");
    assert_eq!(report["entries"].as_array().expect("entries").len(), 25);
    let first = serde_json::json!({"kind": "mail", "user_id": 1, "login": "user1",
        "found": "has no default address", "done": "imported with a placeholder"});
    assert_eq!(report["entries"][0], first);

    // No import without its report.
    let database = TestDatabase::migrated(Sqlite);
    let line = import(&database, &redmine, &["--report", "/nowhere/report.json"]).refused(1);
    assert!(line.contains("cannot write the report"), "{line}");
    assert_eq!(database.number("SELECT count(*) AS number FROM users"), 0);
}
