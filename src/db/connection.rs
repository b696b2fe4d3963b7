//! One connection, to either database.

use std::path::Path;

use diesel::prelude::*;
use diesel::result::Error as QueryError;
use diesel::sql_types::Text;

use super::error::one_line;
use super::obstacle::explained;
use super::url::DatabaseUrl;

diesel::define_sql_function! {
    /// Folds ASCII letters, and only those, on both databases where the column is a login or mail (see the migration).
    fn lower(text: Text) -> Text;
}

/// How long a SQLite connection waits for others.
pub(crate) const BUSY_TIMEOUT: &str = "PRAGMA busy_timeout = 5000";

pub use either::*;

/// What the derived code adds has no documentation of its own.
#[allow(missing_docs)]
mod either {
    use diesel::{PgConnection, SqliteConnection};

    /// A connection to either database.
    ///
    /// A query for many ids is loaded on the connection inside: there PostgreSQL gets the ids as one array, so that Diesel
    /// prepares the query once, and not each time as for a list of parameters. For a thousand ids that takes longer than the
    /// query itself.
    #[derive(diesel::MultiConnection)]
    pub enum DbConnection {
        /// The embedded default.
        Sqlite(SqliteConnection),
        /// For several processes.
        Postgres(PgConnection),
    }
}

/// Opens one connection, set up as every connection of ours is.
///
/// # Errors
/// In one line, without the password: what the database's own library says, and of a file, what stands in its way.
pub fn connect(url: &DatabaseUrl) -> ConnectionResult<DbConnection> {
    let refused = |error: QueryError| ConnectionError::BadConnection(one_line(&error.to_string()));
    match url {
        DatabaseUrl::Sqlite(path) => {
            let refused = |said: String| ConnectionError::BadConnection(explained(path, &one_line(&said)));
            make_private(path);
            let opened = SqliteConnection::establish(&path.to_string_lossy());
            let mut connection = opened.map_err(|error| refused(error.to_string()))?;
            // busy_timeout comes first: connections that are opened side by side wait for each other's WAL.
            // synchronous=FULL: what a response has promised survives a power cut.
            // mmap_size: a table that is larger than a connection's cache is read where the system has it in memory,
            // without a call and a copy for every page.
            let pragmas = [
                BUSY_TIMEOUT,
                "PRAGMA journal_mode = WAL",
                "PRAGMA synchronous = FULL",
                "PRAGMA foreign_keys = ON",
                "PRAGMA mmap_size = 2147418112",
            ];
            for pragma in pragmas {
                let done = diesel::sql_query(pragma).execute(&mut connection);
                done.map_err(|error| refused(error.to_string()))?;
            }
            Ok(DbConnection::Sqlite(connection))
        }
        DatabaseUrl::Postgres(url) => {
            // Before libpq does it in its own way: OpenSSL must not be taken down at the end of the process, while the
            // pool may be making a connection on another thread.
            openssl_sys::init();
            let url = with_patience(url);
            let mut connection = PgConnection::establish(&url)
                .map_err(|error| ConnectionError::BadConnection(one_line(&error.to_string())))?;
            diesel::sql_query(settings_query()).execute(&mut connection).map_err(refused)?;
            // A role may have it off; what a response has promised survives a crash of the server all the same.
            let durable = "SELECT set_config('synchronous_commit', 'on', false)
                           WHERE current_setting('synchronous_commit') = 'off'";
            diesel::sql_query(durable).execute(&mut connection).map_err(refused)?;
            Ok(DbConnection::Postgres(connection))
        }
    }
}

/// Makes the file, if there is none, for its owner's eyes only: it holds mail addresses and password hashes. SQLite
/// makes those beside it alike.
fn make_private(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt;
    // What cannot be made is SQLite's to complain about.
    let _ = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
}

/// What the code relies on, whatever the role, the database or the server say of it. `transaction` says the isolation
/// once more, for whoever puts PgBouncer in between. Not `default_transaction_read_only`: with that somebody stops writes.
const SETTINGS: [(&str, &str); 12] = [
    // A transaction locks a row first and decides by what it reads then: a snapshot from before the lock is too old.
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_deferrable", "off"),
    ("TimeZone", "UTC"),
    // What others lock is waited for as long as SQLite's writer is.
    ("lock_timeout", "5000"),
    ("statement_timeout", "20000"),
    // Each statement is planned once, for any values: for a lookup of a few secrets PostgreSQL would do it every time,
    // which takes longer than to run it.
    ("plan_cache_mode", "force_generic_plan"),
    // Where PostgreSQL expects a page of a list to read much of the table, it would compile the query (JIT). That takes half
    // a second each time, and the page a millisecond.
    ("jit", "off"),
    // The pool keeps connections, and an import is one transaction, however long that takes.
    ("idle_session_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("transaction_timeout", "0"),
    // The queries are written for it: ESCAPE '\'.
    ("standard_conforming_strings", "on"),
    // States of the server are recognised by their text; see `DbError`. Only a superuser may set it.
    ("lc_messages", "C"),
];

/// Sets [`SETTINGS`] in one round trip: those that this server knows and this role may set.
fn settings_query() -> String {
    let wanted: Vec<String> = SETTINGS.iter().map(|(name, value)| format!("('{name}', '{value}')")).collect();
    format!(
        "SELECT set_config(known.name, wanted.value, false)
         FROM pg_settings AS known JOIN (VALUES {}) AS wanted (name, value) ON wanted.name = known.name
         WHERE known.context = 'user' OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)",
        wanted.join(", ")
    )
}

/// How long a connection is waited for, and how soon one that died in silence is given up: in libpq's words.
const PATIENCE: [(&str, &str); 5] = [
    ("connect_timeout", "3"),
    ("tcp_user_timeout", "10000"),
    ("keepalives_idle", "30"),
    ("keepalives_interval", "10"),
    ("keepalives_count", "3"),
];

/// `url`, with [`PATIENCE`] where it says nothing about it.
fn with_patience(url: &str) -> String {
    let mut url = url.to_owned();
    for (name, value) in PATIENCE {
        if !url.contains(&format!("{name}=")) {
            let separator = if url.contains('?') { '&' } else { '?' };
            url = format!("{url}{separator}{name}={value}");
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_died_is_given_up_soon_unless_the_url_says_otherwise() {
        let all =
            "connect_timeout=3&tcp_user_timeout=10000&keepalives_idle=30&keepalives_interval=10&keepalives_count=3";
        assert_eq!(with_patience("postgres://h/d"), format!("postgres://h/d?{all}"));
        assert_eq!(with_patience("postgres://h?sslmode=require"), format!("postgres://h?sslmode=require&{all}"));
        let said = with_patience("postgres://h/d?connect_timeout=9");
        assert!(said.starts_with("postgres://h/d?connect_timeout=9&tcp_user_timeout=10000"), "{said}");
    }
}
