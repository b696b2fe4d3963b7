//! The options of an import, and the reasons why it fails.

use chrono_tz::Tz;
use diesel::result::Error as QueryError;

use super::source::SourceError;
use crate::clock::Timestamp;
use crate::db::DbError;

/// How many people are read and written together.
pub(super) const PAGE: usize = 1000;

/// What to do with passwords.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passwords {
    /// Hash each once more, which takes a while, so that people sign in with the password they have
    Move,
    /// Leave them behind: people need a new one
    Skip,
}

/// What to do with a field that was changed here since the last import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflicts {
    /// The value here is kept.
    Keep,
    /// The value from Redmine replaces it.
    Overwrite,
}

/// Whether the import is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The import is committed.
    Real,
    /// Everything is rolled back at the end, and no password is hashed.
    DryRun,
}

/// The options of an import.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The time zone of the source's times.
    pub zone: Tz,
    /// What to do with passwords.
    pub passwords: Passwords,
    /// What to do with fields that were changed here.
    pub conflicts: Conflicts,
    /// Whether the import is committed.
    pub mode: Mode,
    /// The time of the import.
    pub now: Timestamp,
}

/// Why an import failed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The source cannot be read.
    #[error("cannot read the source: {0}")]
    Source(#[from] SourceError),
    /// The database cannot be written.
    #[error("{0}")]
    Database(#[from] DbError),
    /// The report cannot be written.
    #[error("cannot write the report: {0}")]
    Report(#[from] std::io::Error),
    /// The source is not the Redmine that was imported before.
    #[error(
        "user {0} has another creation time than the person who was imported with this id: this is another Redmine than \
         before, and each needs a database of its own"
    )]
    OtherSource(i64),
}

impl From<QueryError> for ImportError {
    fn from(error: QueryError) -> Self {
        Self::Database(error.into())
    }
}
