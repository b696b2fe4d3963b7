//! The database of the system that people move in from: a SQLite file, PostgreSQL, or MariaDB and MySQL. It is only
//! read. All three give every value as the bytes of its text, since nothing can be said of them before they are looked
//! at: not even that they are UTF-8.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use diesel::backend::Backend;
use diesel::connection::SimpleConnection;
use diesel::deserialize::{self, FromSql, QueryableByName};
use diesel::prelude::*;
use diesel::row::NamedRow;
use diesel::sql_types::{Binary, Nullable};
use mysql::prelude::Queryable as _;

use crate::db::url::DatabaseUrl;
use crate::db::{self, DbConnection, one_line};

/// A value as text; `None`: NULL.
pub type Cell = Option<Vec<u8>>;

/// The names that a row's cells have in a query.
const NAMES: [&str; 16] =
    ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11", "c12", "c13", "c14", "c15"];

/// Which database, and where.
#[derive(Clone, PartialEq, Eq)]
pub enum SourceUrl {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A libpq connection URL.
    Postgres(String),
    /// `mysql://USER:PASSWORD@HOST:PORT/NAME`, for MariaDB too.
    MySql(String),
}

impl FromStr for SourceUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Rails calls its driver mysql2.
        if let Some(rest) = text.strip_prefix("mysql://").or_else(|| text.strip_prefix("mysql2://")) {
            return Ok(Self::MySql(format!("mysql://{rest}")));
        }
        match text.parse() {
            Ok(DatabaseUrl::Sqlite(path)) => Ok(Self::Sqlite(path)),
            Ok(DatabaseUrl::Postgres(url)) => Ok(Self::Postgres(url)),
            Err(_) => Err("name Redmine's database: the path of a SQLite file, postgres://USER:PASSWORD@HOST/NAME or \
                           mysql://USER:PASSWORD@HOST/NAME"
                .into()),
        }
    }
}

impl fmt::Display for SourceUrl {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => fmt::Display::fmt(&DatabaseUrl::Postgres(url.clone()), f),
            Self::MySql(url) => {
                let shown = DatabaseUrl::Postgres(url.clone()).to_string();
                f.write_str(&shown.replacen("postgres", "mysql", 1))
            }
        }
    }
}

impl fmt::Debug for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why the source could not be read, in one line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(String);

impl SourceError {
    /// A source that is not what it should be.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    fn failed(error: impl fmt::Display) -> Self {
        Self(one_line(&error.to_string()))
    }
}

/// A connection that only reads.
pub enum Source {
    /// A file, opened read-only.
    Sqlite(SqliteConnection),
    /// In read-only transactions.
    Postgres(PgConnection),
    /// In read-only transactions.
    MySql(Box<mysql::Conn>),
}

impl Source {
    /// Opens it.
    ///
    /// # Errors
    /// What the database says if it cannot be reached.
    pub fn open(url: &SourceUrl) -> Result<Self, SourceError> {
        match url {
            SourceUrl::Sqlite(path) => {
                let path = path.to_str().ok_or_else(|| SourceError::new("its path is not UTF-8"))?;
                let escaped = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
                let mut file =
                    SqliteConnection::establish(&format!("file:{escaped}?mode=ro")).map_err(SourceError::failed)?;
                file.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA query_only = ON")
                    .map_err(SourceError::failed)?;
                Ok(Self::Sqlite(file))
            }
            SourceUrl::Postgres(url) => {
                let connection = db::connect(&DatabaseUrl::Postgres(url.clone())).map_err(SourceError::failed)?;
                let DbConnection::Postgres(mut postgres) = connection else {
                    return Err(SourceError::new("it is no PostgreSQL"));
                };
                let settings = "SET statement_timeout = 0; SET default_transaction_read_only = on; SET DateStyle = ISO";
                postgres.batch_execute(settings).map_err(SourceError::failed)?;
                // SQL_ASCII promises nothing about its bytes: they come as they are, or PostgreSQL refuses the row.
                let as_they_are = "SELECT set_config('client_encoding', 'SQL_ASCII', false) \
                                   WHERE current_setting('server_encoding') = 'SQL_ASCII'";
                postgres.batch_execute(as_they_are).map_err(SourceError::failed)?;
                Ok(Self::Postgres(postgres))
            }
            SourceUrl::MySql(url) => {
                let options = mysql::Opts::from_url(url).map_err(SourceError::failed)?;
                let mut connection = mysql::Conn::new(options).map_err(SourceError::failed)?;
                for setting in ["NAMES utf8mb4", "SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"] {
                    connection.query_drop(format!("SET {setting}")).map_err(SourceError::failed)?;
                }
                Ok(Self::MySql(Box::new(connection)))
            }
        }
    }

    /// From now on all rows are those of one moment.
    ///
    /// # Errors
    /// Those of the database.
    pub fn begin(&mut self) -> Result<(), SourceError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.batch_execute("BEGIN").map_err(SourceError::failed),
            Self::Postgres(postgres) => {
                postgres.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").map_err(SourceError::failed)
            }
            Self::MySql(mysql) => {
                mysql.query_drop("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").map_err(SourceError::failed)
            }
        }
    }

    /// The columns that a table has; none: there is no such table.
    ///
    /// # Errors
    /// Those of the query.
    pub fn columns(&mut self, table: &str) -> Result<Vec<String>, SourceError> {
        let query = match self {
            Self::Sqlite(_) => format!("SELECT CAST(name AS BLOB) AS c0 FROM pragma_table_info('{table}')"),
            Self::Postgres(_) => format!(
                "SELECT textsend(CAST(attname AS text)) AS c0 FROM pg_attribute
                 WHERE attrelid = to_regclass('{table}') AND attnum > 0 AND NOT attisdropped"
            ),
            Self::MySql(_) => format!(
                "SELECT column_name AS c0 FROM information_schema.columns
                 WHERE table_schema = database() AND table_name = '{table}'"
            ),
        };
        let rows: Vec<[Cell; 1]> = self.rows(&query)?;
        Ok(rows.into_iter().filter_map(|[name]| String::from_utf8(name?).ok()).collect())
    }

    /// `SELECT` and these expressions, each as the text that it is.
    pub fn select<const N: usize>(&self, expressions: [&str; N]) -> String {
        let as_text = |expression: &str| match self {
            _ if expression == "NULL" => "NULL".to_owned(),
            Self::Sqlite(_) => format!("CAST({expression} AS BLOB)"),
            Self::Postgres(_) => format!("textsend(CAST({expression} AS text))"),
            // Its text protocol gives everything as text.
            Self::MySql(_) => expression.to_owned(),
        };
        let cells =
            expressions.iter().zip(NAMES).map(|(expression, name)| format!("{} AS {name}", as_text(expression)));
        format!("SELECT {}", cells.collect::<Vec<_>>().join(", "))
    }

    /// A condition that holds where the boolean `column` is true.
    pub fn is_true(&self, column: &str) -> String {
        match self {
            // As Rails wrote it before and since version 5.2.
            Self::Sqlite(_) => format!("{column} IN (1, 't')"),
            Self::Postgres(_) => format!("{column} = true"),
            Self::MySql(_) => format!("{column} = 1"),
        }
    }

    /// The rows of a query that [`Source::select`] began.
    ///
    /// # Errors
    /// Those of the query.
    pub fn rows<const N: usize>(&mut self, query: &str) -> Result<Vec<[Cell; N]>, SourceError> {
        let rows: Vec<Cells<N>> = match self {
            Self::Sqlite(sqlite) => diesel::sql_query(query).load(sqlite).map_err(SourceError::failed)?,
            Self::Postgres(postgres) => diesel::sql_query(query).load(postgres).map_err(SourceError::failed)?,
            Self::MySql(mysql) => {
                let rows = mysql.query_iter(query).map_err(SourceError::failed)?;
                rows.map(|row| row.map(Cells::of_mysql)).collect::<Result<_, _>>().map_err(SourceError::failed)?
            }
        };
        Ok(rows.into_iter().map(|row| row.0).collect())
    }
}

struct Cells<const N: usize>([Cell; N]);

impl<DB: Backend, const N: usize> QueryableByName<DB> for Cells<N>
where
    Cell: FromSql<Nullable<Binary>, DB>,
{
    fn build<'a>(row: &impl NamedRow<'a, DB>) -> deserialize::Result<Self> {
        let mut cells = [const { None }; N];
        for (cell, name) in cells.iter_mut().zip(NAMES) {
            *cell = NamedRow::get::<Nullable<Binary>, Cell>(row, name)?;
        }
        Ok(Self(cells))
    }
}

impl<const N: usize> Cells<N> {
    fn of_mysql(row: mysql::Row) -> Self {
        let mut values = row.unwrap_raw().into_iter().map(|value| match value {
            None | Some(mysql::Value::NULL) => None,
            Some(mysql::Value::Bytes(bytes)) => Some(bytes),
            Some(other) => Some(other.as_sql(true).into_bytes()),
        });
        Self(std::array::from_fn(|_| values.next().flatten()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_named_without_its_password() {
        for (text, shown) in [
            ("mysql://redmine:hunter2@db:3306/redmine", "mysql://db:3306/redmine"),
            ("mysql2://redmine:hunter2@db/redmine", "mysql://db/redmine"),
            ("postgres://redmine:hunter2@db/redmine?sslmode=require", "postgres://db/redmine"),
            ("/var/lib/redmine/redmine.sqlite3", "/var/lib/redmine/redmine.sqlite3"),
        ] {
            assert_eq!(text.parse::<SourceUrl>().expect("a source").to_string(), shown);
        }
        assert!("oracle://db/redmine".parse::<SourceUrl>().is_err());
    }
}
