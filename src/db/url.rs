//! The address of the database, from `DATABASE_URL`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The kind of database and its address.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A libpq connection URL.
    Postgres(String),
}

impl FromStr for DatabaseUrl {
    type Err = String;

    /// What is nearly right is refused: SQLite would make another, empty database of it in silence.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            Some(("postgres" | "postgresql", _)) => check_postgres(text).map(|()| Self::Postgres(text.to_owned())),
            Some(("sqlite", path)) => check_sqlite_url(path).and_then(|()| sqlite(path)),
            Some(_) => Err(KNOWN.into()),
            None => sqlite(text),
        }
    }
}

const KNOWN: &str = "use a path, sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME";
/// Names of programs, where the address of a database was meant.
const PROGRAMS: [&str; 6] = ["sqlite", "sqlite3", "postgres", "postgresql", "mysql", "mariadb"];
/// What the words of libpq's other form begin with, `host=db dbname=latchkey`.
const KEYWORDS: [&str; 8] = ["host=", "hostaddr=", "port=", "dbname=", "user=", "password=", "service=", "sslmode="];

/// The SQLite file at `path`.
fn sqlite(path: &str) -> Result<DatabaseUrl, String> {
    let quotes = ['"', '\'', '`'];
    if path.split_whitespace().any(|word| KEYWORDS.iter().any(|keyword| word.starts_with(keyword))) {
        return Err("write it as a URL: postgres://USER:PASSWORD@HOST/NAME".into());
    }
    if path.is_empty() || path.starts_with(':') || path.starts_with("file:") {
        return Err("use the path of a file: in-memory databases and file: names are not supported".into());
    }
    if path.starts_with(quotes) || path.ends_with(quotes) {
        return Err("leave out the quotes: they would be part of the file's name".into());
    }
    if path.trim() != path || path.contains(char::is_control) {
        return Err("leave out what cannot be seen: blanks around the path, and control characters".into());
    }
    if path.contains('?') {
        return Err("leave out what follows the question mark: a SQLite file has no parameters here".into());
    }
    if path.starts_with('~') || path.contains(['$', '\\']) {
        return Err("write the whole path, with slashes: ~ and variables are not filled in here".into());
    }
    if path.ends_with(['/', '.']) {
        return Err("name a file, such as latchkey.db: this is a folder".into());
    }
    // An address without its scheme, such as localhost:5432/latchkey, or with half of it: sqlite:latchkey.db.
    let first = path.split('/').next().unwrap_or_default();
    if first.contains([':', '@']) || PROGRAMS.iter().any(|program| path.eq_ignore_ascii_case(program)) {
        return Err(format!("{KNOWN}; a path may begin with ./"));
    }
    Ok(DatabaseUrl::Sqlite(PathBuf::from(path)))
}

/// Refuses what other programs read differently in a URL, where this one would take it for a part of the path.
fn check_sqlite_url(path: &str) -> Result<(), String> {
    if path.contains(['#', '%']) {
        return Err("write the path as it is, without % escapes and without a fragment".into());
    }
    if path.starts_with("localhost/") {
        return Err("name no host: sqlite:///PATH has three slashes where the path begins with one".into());
    }
    Ok(())
}

/// Whether each % in `url` begins an escape.
fn has_whole_escapes(url: &str) -> bool {
    url.split('%').skip(1).all(|it| it.len() >= 2 && it.bytes().take(2).all(|it| it.is_ascii_hexdigit()))
}

/// Refuses what libpq would misread, or quote in an error message: the password must not appear in one.
fn check_postgres(url: &str) -> Result<(), String> {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let (authority, after) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:%".contains(c);
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_host = |host: &str| match host.rsplit_once(':') {
        Some((_, port)) => is_port(port) || host.ends_with(']'),
        None => true,
    };
    let written = user.chars().all(plain) && !after.contains('@') && hosts.split(',').all(is_host);
    let printable = url.chars().all(|c| c.is_ascii_graphic());
    if written && printable && has_whole_escapes(url) {
        // Without one libpq takes whichever has the user's name.
        let (path, parameters) = after.split_once('?').unwrap_or((after, ""));
        let names_one = |it: &str| it.starts_with("dbname=") || it.starts_with("service=");
        return match path.len() > 1 || parameters.split('&').any(names_one) {
            true => Ok(()),
            false => Err("name the database: postgres://USER:PASSWORD@HOST/NAME".into()),
        };
    }
    Err("use postgres://USER:PASSWORD@HOST[:PORT]/NAME, and write what is special in it as %XX: @ as %40, / as %2F"
        .into())
}

impl fmt::Display for DatabaseUrl {
    /// The URL without the password, so that it can be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => {
                let (_, rest) = url.split_once("://").unwrap_or(("", url));
                let place = rest.split('?').next().unwrap_or_default();
                write!(f, "postgres://{}", place.rsplit_once('@').map_or(place, |(_, host)| host))
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl DatabaseUrl {
    /// The path of the SQLite file; `None` for PostgreSQL.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_database_is_named_by_a_path_or_a_url() {
        let sqlite = |path: &str| Ok(DatabaseUrl::Sqlite(path.into()));
        let postgres = |url: &str| Ok(DatabaseUrl::Postgres(url.to_owned()));
        for (text, url) in [
            ("latchkey.db", sqlite("latchkey.db")),
            ("/var/lib/latchkey.db", sqlite("/var/lib/latchkey.db")),
            ("sqlite://data/latchkey.db", sqlite("data/latchkey.db")),
            ("sqlite:///data/latchkey.db", sqlite("/data/latchkey.db")),
            ("postgres://u:p@h/d", postgres("postgres://u:p@h/d")),
            ("postgres://u:p%2Fq@[::1]:5432/d", postgres("postgres://u:p%2Fq@[::1]:5432/d")),
            ("postgres://u@h1:1,h2:2/d", postgres("postgres://u@h1:1,h2:2/d")),
            ("postgresql:///d?host=/run", postgres("postgresql:///d?host=/run")),
            ("postgres://h?dbname=d", postgres("postgres://h?dbname=d")),
            ("./odd:name@.db", sqlite("./odd:name@.db")),
            ("/srv/o'neil/my keys.db", sqlite("/srv/o'neil/my keys.db")),
        ] {
            assert_eq!(text.parse::<DatabaseUrl>(), url, "{text}");
        }
    }

    /// SQLite would make a new file of each, and PostgreSQL go to another database, without a word.
    #[test]
    fn what_is_nearly_right_is_refused_with_what_to_write_instead() {
        let said = |text: &str| text.parse::<DatabaseUrl>().expect_err(text);
        for (texts, told) in [
            (
                &["sqlite://x.db?mode=rwc", "x.db?mode=rwc", "sqlite:///x.db?", "./x.db?cache=shared"][..],
                "question mark",
            ),
            (&["sqlite://x.db#main", "sqlite:///my%20data/x.db"], "as it is"),
            (&["sqlite://localhost/x.db"], "no host"),
            (&["", ":memory:", "sqlite://:memory:", "file:x", "file:x?mode=memory", "sqlite://"], "path of a file"),
            (
                &["mysql://u:p@h/d", "sqlite3://x.db", "SQLite://x.db", "Postgres://h/d", "postgresql+psycopg://h/d"],
                KNOWN,
            ),
            (&["jdbc:sqlite:x.db", "jdbc:postgresql://h/d", "http://h/d", "://x.db"], KNOWN),
            (&["sqlite:x.db", "sqlite3:x.db", "postgres:h/d", "postgres:/h/d", "C:/data/x.db"], KNOWN),
            (&["localhost:5432/latchkey", "u:p@h/d", "u@h", "db.example.org:5432", "postgres", "SQLITE"], KNOWN),
            (&["\"x.db\"", "'x.db'", "sqlite://\"x.db\"", "x.db\""], "quotes"),
            (&[" x.db", "x.db ", "x.db\n", "x.db\r", "data\0/x.db", "sqlite:// x.db"], "cannot be seen"),
            (&["~/x.db", "$HOME/x.db", "sqlite://${DATA}/x.db", "data\\x.db"], "whole path"),
            (&["/var/lib/latchkey/", "sqlite:///", ".", "..", "data/.."], "folder"),
            (&["host=db dbname=latchkey", "user=u password=p", "port=5432"], "as a URL"),
            (&["postgres://u:p@h", "postgres://u:p@h/", "postgres://h?sslmode=require"], "name the database"),
            (
                &["postgres://u:1/2@h/d", "postgres://u:100%x@h/d", "postgres://u:p@q@h/d", "postgres://u:p h@h/d"],
                "%XX",
            ),
        ] {
            for text in texts {
                assert!(said(text).contains(told), "{text}: {}", said(text));
            }
        }
    }

    proptest! {
        #[test]
        fn a_database_is_shown_without_its_password(user in "[a-z]{1,8}", password in "[ -~]{1,20}") {
            let urls = [
                format!("postgres://{user}:{password}@host:5432/name?sslmode=disable"),
                format!("postgres://host:5432/name?user={user}&password={password}"),
            ];
            for text in urls {
                match text.parse::<DatabaseUrl>() {
                    Ok(url) => {
                        prop_assert_eq!(url.to_string(), "postgres://host:5432/name");
                        prop_assert_eq!(format!("{url:?}"), url.to_string());
                    }
                    Err(said) => prop_assert!(said.contains("postgres://USER:PASSWORD@HOST"), "{}", said),
                }
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*|[0-9a-z:/.@?#%\\[\\]]*") {
            let _ = text.parse::<DatabaseUrl>();
        }
    }
}
