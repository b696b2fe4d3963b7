//! How to import, and why nothing was imported.

use chrono_tz::Tz;
use diesel::result::Error as QueryError;

use super::source::SourceError;
use crate::clock::Timestamp;
use crate::db::DbError;

/// People whose rows are read and written together.
pub(super) const PAGE: usize = 1000;

/// What to do with passwords.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passwords {
    /// Hash each once more, which takes a while, so that people sign in with the password they have
    Move,
    /// Leave them behind: people need a new one
    Skip,
}

/// What was changed here since it was moved in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflicts {
    /// Stays.
    Keep,
    /// Becomes what the source says.
    Overwrite,
}

/// Whether it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is done.
    Real,
    /// It is taken back at the end; no password is hashed.
    DryRun,
}

/// How to import.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The zone of the times in the source.
    pub zone: Tz,
    /// What to do with passwords.
    pub passwords: Passwords,
    /// What to do with what was changed here.
    pub conflicts: Conflicts,
    /// Whether it is meant.
    pub mode: Mode,
    /// The time of the import.
    pub now: Timestamp,
}

/// Why nothing was imported.
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
    /// The people there are not those who were moved in before.
    #[error(
        "user {0} was made at another time than the one who was moved in with this id: this is not the Redmine that was \
         imported before; each needs a database of its own"
    )]
    OtherSource(i64),
}

impl From<QueryError> for ImportError {
    fn from(error: QueryError) -> Self {
        Self::Database(error.into())
    }
}
