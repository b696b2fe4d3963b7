//! The ids that people have after they moved in: scripts name people by them, as in `DELETE /users/7.json`.

use rstest::rstest;

use super::*;
use crate::support::redmine::{From, From::*};

/// Everybody's id here, by their id in Redmine.
fn ids(database: &TestDatabase) -> Vec<(i64, i64)> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        there: i64,
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        here: i64,
    }
    let query = "SELECT source_id AS there, users.id AS here FROM imported_users JOIN users ON users.id = user_id
                 ORDER BY source_id";
    let rows: Vec<Row> = diesel::sql_query(query).load(&mut database.connect()).expect(query);
    rows.into_iter().map(|row| (row.there, row.here)).collect()
}

/// Adds a person here, and gives their id.
fn added(database: &TestDatabase, login: &str) -> i64 {
    let mail = format!("{login}@here.example.org");
    let arguments = ["user", "add", login, "--mail", &mail, "--password-stdin"];
    let said = command_line(database).run_with_input(&arguments, PASSWORD).done().stdout;
    said.trim().rsplit(' ').next().and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no id: {said}"))
}

#[rstest]
#[tokio::test]
async fn a_first_import_keeps_every_id(
    #[values(SqliteFile, Postgresql, Mariadb)] from: From,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let redmine = Redmine::new(from);
    everybody(&redmine);
    let database = TestDatabase::empty(db);
    // What is only looked at, and what fails, takes no id.
    if let Sqlite = db {
        import(&database, &redmine, &["--dry-run"]).done();
    }
    let said = import(&database, &redmine, &[]).done().stdout;
    assert_eq!(ids(&database), [(1, 1), (5, 5), (6, 6), (7, 7)]);
    assert!(!said.contains("cannot keep the id"), "{said}");
    let process = Process::serve(&command_line(&database), &[]);
    let bob = process.get_with_key("/users/5.json", &key("alice api")).await.json();
    assert_eq!(bob["user"]["login"], "Bob");
    assert_eq!(added(&database, "dave"), 8, "the next person is above them all");
    assert_eq!(added(&database, "erin"), 9);
}

/// The first administrator, who was made before, has the id of somebody in Redmine.
#[rstest]
fn an_id_that_is_taken_changes_and_is_told(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let database = TestDatabase::migrated(db);
    assert_eq!(added(&database, "boss"), 1);
    let changed = "user 1 (alice): cannot keep the id 1; has the id 8 in Latchkey";
    for run in 0..2 {
        let dry = import(&database, &redmine, &["--dry-run"]).done().stdout;
        let said = import(&database, &redmine, &[]).done().stdout;
        assert!(dry.contains(changed), "{dry}");
        assert!(said.contains("People whose id has changed (1):") && said.contains(changed), "{said}");
        assert!(said.contains(["4 added", "4 unchanged"][run]), "{said}");
        assert_eq!(ids(&database), [(1, 8), (5, 5), (6, 6), (7, 7)]);
    }
    assert_eq!(added(&database, "dave"), 9);
}

/// People go on being made on both sides.
#[rstest]
fn a_newcomer_keeps_the_id_that_is_free(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let database = TestDatabase::migrated(db);
    import(&database, &redmine, &[]).done();
    assert_eq!(added(&database, "dave"), 8);
    for (id, login) in [(2, "two"), (8, "eight"), (9, "nine"), (3_000_000_000, "far")] {
        redmine.add_user(&RedmineUser::new(id, login));
    }
    let said = import(&database, &redmine, &[]).done().stdout;
    let there = i64::from(i32::MAX);
    assert_eq!(
        ids(&database),
        [(1, 1), (2, 2), (5, 5), (6, 6), (7, 7), (8, there + 1), (9, 9), (3_000_000_000, there + 2)]
    );
    assert!(
        said.contains(&format!("user 8 (eight): cannot keep the id 8; has the id {} in Latchkey", there + 1)),
        "{said}"
    );
    assert!(said.contains("People whose id has changed (2):"), "{said}");
    assert_eq!(added(&database, "erin"), there + 3);
}

/// Somebody who was made and deleted here is not in the way: scripts of Redmine's mean whoever has the id there.
#[rstest]
fn an_id_that_is_free_again_is_kept(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let database = TestDatabase::migrated(db);
    for (id, login) in (1..).zip(["one", "two", "three", "four", "five", "six"]) {
        assert_eq!(added(&database, login), id);
    }
    database.execute("DELETE FROM users WHERE id > 4");
    import(&database, &redmine, &[]).done();
    assert_eq!(ids(&database), [(1, 8), (5, 5), (6, 6), (7, 7)]);
    assert_eq!(added(&database, "dave"), 9);
}

/// A key of a script goes on meaning the same people.
#[rstest]
#[tokio::test]
async fn a_script_deletes_whom_it_meant(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let site = Site::start(db).await;
    import(&site.database, &redmine, &[]).done();
    let delete = site.request(reqwest::Method::DELETE, "/users/7.json");
    assert_eq!(Answer::of(delete.header("X-Redmine-API-Key", key("alice api"))).await.status, 204);
    assert_eq!(ids(&site.database), [(1, 1), (5, 5), (6, 6)]);
    assert_eq!(site.user("Bob").id, 5);
}
