//! What can go wrong with the database, and with whatever writes to it.

use std::sync::Arc;

use diesel::result::{DatabaseErrorKind, Error as QueryError};

/// Why the database could not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DbError {
    /// It is away; this connection is of no more use.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Somebody else holds what is needed, for longer than is waited.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// It answers, but cannot be written to now.
    #[error("the database cannot be written to: {0}")]
    ReadOnly(String),
    /// Its disk is full.
    #[error("the database has no room: {0}")]
    Full(String),
    /// A mistake of ours.
    #[error("the query failed: {0}")]
    Query(Arc<QueryError>),
}

impl From<QueryError> for DbError {
    fn from(error: QueryError) -> Self {
        use DatabaseErrorKind::{ClosedConnection, ReadOnlyTransaction, SerializationFailure, UnableToSendCommand};
        let text = one_line(&error.to_string());
        let says = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
        let kind = match &error {
            QueryError::DatabaseError(kind, _) => Some(kind),
            _ => None,
        };
        let broken = matches!(error, QueryError::BrokenTransactionManager);
        if broken || matches!(kind, Some(ClosedConnection | UnableToSendCommand)) || says(UNAVAILABLE) {
            Self::Unavailable(text)
        } else if matches!(kind, Some(ReadOnlyTransaction)) || says(READ_ONLY) {
            Self::ReadOnly(text)
        } else if says(FULL) {
            Self::Full(text)
        } else if matches!(kind, Some(SerializationFailure)) || says(BUSY) {
            Self::Busy(text)
        } else {
            Self::Query(error.into())
        }
    }
}

// What SQLite and PostgreSQL say, in English, when it is the state of the database, not the query, that is wrong.
const UNAVAILABLE: &[&str] = &[
    "unable to open database file",
    "server closed the connection",
    "terminating connection",
    "the database system is",
    "connection to server",
    "no connection to the server",
    "could not receive data from server",
    "could not send data to server",
    "SSL connection has been closed",
];
const READ_ONLY: &[&str] = &["readonly database"];
const FULL: &[&str] = &["is full", "disk I/O error", "No space left on device"];
const BUSY: &[&str] = &["is locked", "due to statement timeout", "due to lock timeout", "deadlock detected"];

/// What libraries say in several lines, in one.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Why a transaction was rolled back: the database's own error, or a refusal of what was asked for.
pub trait WriteError: From<QueryError> + From<DbError> {
    /// The database's own error, if it is one.
    fn database_error(&self) -> Option<&DbError>;

    /// The same, taken out.
    ///
    /// # Errors
    /// Itself, if it is a refusal.
    fn into_database_error(self) -> Result<DbError, Self>
    where
        Self: Sized;
}

impl WriteError for DbError {
    fn database_error(&self) -> Option<&DbError> {
        Some(self)
    }

    fn into_database_error(self) -> Result<Self, Self> {
        Ok(self)
    }
}

/// Makes an error of those who write of an enum with a variant `Database` that holds a [`DbError`].
macro_rules! write_error {
    ($name:ty) => {
        impl From<diesel::result::Error> for $name {
            fn from(error: diesel::result::Error) -> Self {
                crate::db::error::DbError::from(error).into()
            }
        }

        impl crate::db::error::WriteError for $name {
            fn database_error(&self) -> Option<&crate::db::error::DbError> {
                match self {
                    Self::Database(error) => Some(error),
                    _ => None,
                }
            }

            fn into_database_error(self) -> Result<crate::db::error::DbError, Self> {
                match self {
                    Self::Database(error) => Ok(error),
                    refusal => Err(refusal),
                }
            }
        }
    };
}
pub(crate) use write_error;
