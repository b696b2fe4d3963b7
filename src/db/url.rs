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

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return check_postgres(text).map(|()| Self::Postgres(text.to_owned()));
        }
        let path = text.strip_prefix("sqlite://").unwrap_or(text);
        if path.contains("://") {
            return Err("use a path, sqlite://PATH or postgres://…".into());
        }
        let is_keyword = |word: &str| ["host=", "dbname=", "service="].iter().any(|it| word.starts_with(it));
        if path.split_whitespace().any(is_keyword) {
            return Err("write it as a URL: postgres://USER:PASSWORD@HOST/NAME".into());
        }
        if path.is_empty() || path.starts_with(':') || path.starts_with("file:") {
            return Err("use the path of a file: in-memory databases and file: names are not supported".into());
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }
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
    let escapes = url.split('%').skip(1).all(|it| it.len() >= 2 && it.bytes().take(2).all(|it| it.is_ascii_hexdigit()));
    let written = user.chars().all(plain) && !after.contains('@') && hosts.split(',').all(is_host);
    let printable = url.chars().all(|c| c.is_ascii_graphic());
    if written && printable && escapes {
        return Ok(());
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
        ] {
            assert_eq!(text.parse::<DatabaseUrl>(), url, "{text}");
        }
        for text in ["postgres://u:1/2@h/d", "postgres://u:100%x@h/d", "postgres://u:p@q@h/d", "postgres://u:p h@h/d"] {
            assert!(text.parse::<DatabaseUrl>().is_err(), "{text}");
        }
        for text in ["", ":memory:", "file:x?mode=memory", "sqlite://", "sqlite://:memory:", "mysql://u:p@h/d"] {
            assert!(text.parse::<DatabaseUrl>().is_err(), "{text}");
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
                    Err(said) => prop_assert!(said.starts_with("use postgres://USER:PASSWORD@HOST"), "{}", said),
                }
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*|[0-9a-z:/.@?#%\\[\\]]*") {
            let _ = text.parse::<DatabaseUrl>();
        }
    }
}
