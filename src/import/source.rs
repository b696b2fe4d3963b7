//! The database that is imported from, which is only read: a SQLite file, PostgreSQL, MariaDB or MySQL. Each of them
//! returns every value as the bytes of its text, because nothing can be assumed about the values, not even that they
//! are UTF-8.

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

/// The bytes of a value as text; `None` for NULL.
pub type Cell = Option<Vec<u8>>;

/// The names of the columns in the result of a query.
const NAMES: [&str; 16] =
    ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11", "c12", "c13", "c14", "c15"];

/// The database that is imported from.
#[derive(Clone, PartialEq, Eq)]
pub enum SourceUrl {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A libpq connection URL.
    Postgres(String),
    /// `mysql://USER:PASSWORD@HOST:PORT/NAME`, also for MariaDB.
    MySql(String),
}

impl FromStr for SourceUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Rails calls its driver for MySQL mysql2.
        if let Some(rest) = text.strip_prefix("mysql://").or_else(|| text.strip_prefix("mysql2://")) {
            return Ok(Self::MySql(format!("mysql://{rest}")));
        }
        match text.parse() {
            Ok(DatabaseUrl::Sqlite(path)) => Ok(Self::Sqlite(path)),
            Ok(DatabaseUrl::Postgres(url)) => Ok(Self::Postgres(url)),
            Err(wrong) => Err(format!(
                "name Redmine's database: {wrong} (or mysql://USER:PASSWORD@HOST/NAME for MySQL and MariaDB)"
            )),
        }
    }
}

impl fmt::Display for SourceUrl {
    /// The URL without the password.
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
    /// An error about the contents of the source.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    fn failed(error: impl fmt::Display) -> Self {
        Self(one_line(&error.to_string()))
    }
}

/// A read-only connection to the source.
pub enum Source {
    /// A SQLite file, opened read-only.
    Sqlite(SqliteConnection),
    /// PostgreSQL, in read-only transactions.
    Postgres(PgConnection),
    /// MariaDB or MySQL, in read-only transactions.
    MySql(Box<mysql::Conn>),
}

impl Source {
    /// Connects to the source.
    ///
    /// # Errors
    /// Returns an error if the database cannot be reached.
    pub fn open(url: &SourceUrl) -> Result<Self, SourceError> {
        match url {
            SourceUrl::Sqlite(path) => {
                let path = path.to_str().ok_or_else(|| SourceError::new("its path is not UTF-8"))?;
                // SQLite says only that it cannot.
                std::fs::File::open(path).map_err(SourceError::failed)?;
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
                    return Err(SourceError::new("the server is not PostgreSQL"));
                };
                let settings = "SET statement_timeout = 0; SET default_transaction_read_only = on; SET DateStyle = ISO";
                postgres.batch_execute(settings).map_err(SourceError::failed)?;
                // An SQL_ASCII database does not know the encoding of its text. Ask for the bytes as they are: with a
                // conversion, PostgreSQL would refuse rows that are not valid.
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

    /// Begins a transaction that reads a snapshot: all rows are as of the same moment.
    ///
    /// # Errors
    /// Returns an error if the database fails.
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

    /// The names of a table's columns; empty if there is no such table.
    ///
    /// # Errors
    /// Returns an error if the query fails.
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

    /// A `SELECT` of these expressions, each as text.
    pub fn select<const N: usize>(&self, expressions: [&str; N]) -> String {
        let as_text = |expression: &str| match self {
            _ if expression == "NULL" => "NULL".to_owned(),
            Self::Sqlite(_) => format!("CAST({expression} AS BLOB)"),
            Self::Postgres(_) => format!("textsend(CAST({expression} AS text))"),
            // MySQL's text protocol returns every value as text.
            Self::MySql(_) => expression.to_owned(),
        };
        let cells =
            expressions.iter().zip(NAMES).map(|(expression, name)| format!("{} AS {name}", as_text(expression)));
        format!("SELECT {}", cells.collect::<Vec<_>>().join(", "))
    }

    /// A condition that is true where the boolean `column` is true.
    pub fn is_true(&self, column: &str) -> String {
        match self {
            // Rails wrote booleans as 't' before version 5.2, and as 1 since.
            Self::Sqlite(_) => format!("{column} IN (1, 't')"),
            Self::Postgres(_) => format!("{column} = true"),
            Self::MySql(_) => format!("{column} = 1"),
        }
    }

    /// The rows of a query that begins with the text from [`Source::select`].
    ///
    /// # Errors
    /// Returns an error if the query fails.
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
