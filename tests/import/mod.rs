//! `latchkey import redmine`

mod again;
mod bad_rows;
mod conflicts;
mod groups;
mod ids;
mod killed;
mod moved_in;
mod passwords;
mod proxy;
mod time_zone;
mod told;
mod weak_keys;

use diesel::prelude::*;

use crate::support::command_line::Output;
use crate::support::database::TestDatabase;
use crate::support::redmine::{Redmine, RedmineUser, key};
use crate::support::*;

/// When keys are made, unless a test says otherwise.
const MADE: &str = "2021-03-04 05:06:07";

fn command_line(database: &TestDatabase) -> CommandLine {
    CommandLine::on(database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64))
}

/// Imports, in UTC unless `flags` say otherwise.
fn import(database: &TestDatabase, redmine: &Redmine, flags: &[&str]) -> Output {
    let zone: &[&str] =
        if flags.iter().any(|it| it.starts_with("--source-time-zone")) { &[] } else { &["--source-time-zone=UTC"] };
    command_line(database).run(&[&["import", "redmine", redmine.url()], zone, flags].concat())
}

/// A Redmine with people and keys of every sort, and what they are.
fn everybody(redmine: &Redmine) {
    redmine.add_user(&RedmineUser { password: Some(PASSWORD), admin: true, ..RedmineUser::new(1, "alice") });
    redmine.add_user(&RedmineUser { password: Some("bobs-old-password"), ..RedmineUser::new(5, "Bob") });
    redmine.add_user(&RedmineUser { status: 3, ..RedmineUser::new(6, "locked") });
    redmine.add_user(&RedmineUser { status: 2, ..RedmineUser::new(7, "registered") });
    for (user_id, action, seed, used) in [
        (1, "api", "alice api", "2022-01-02 03:04:05"),
        (1, "feeds", "alice feeds", MADE),
        (5, "api", "bob api", MADE),
        (6, "api", "locked api", MADE),
        (1, "session", "alice session", "2022-01-02 03:04:05"),
        (5, "session", "bob session", "2022-01-02 03:04:05"),
        (5, "recovery", "bob recovery", MADE),
    ] {
        redmine.add_token(user_id, action, &key(seed), MADE, used);
    }
}

/// A time in the one row of `table` that `condition` names, as it is stored.
fn time(database: &TestDatabase, column: &str, table: &str, condition: &str) -> String {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Timestamp>)]
        found: Option<chrono::NaiveDateTime>,
    }
    let query = format!("SELECT {column} AS found FROM {table} WHERE {condition}");
    let Found { found } = diesel::sql_query(&query).get_result(&mut database.connect()).expect(&query);
    found.map_or_else(|| "none".to_owned(), |time| time.to_string())
}

/// Everything that an import may write, as text, to see whether anything has changed.
fn everything(database: &TestDatabase) -> String {
    let counts = ["imported_users", "imported_tokens", "events"]
        .map(|table| database.number(&format!("SELECT count(*) AS number FROM {table}")));
    format!("{}{}{counts:?}", database.dump("users"), database.dump("tokens"))
}
