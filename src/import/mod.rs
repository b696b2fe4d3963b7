//! Moving people and their keys in from Redmine: all of them or none, and again whenever there is something new.

pub mod apply;
pub mod hashing;
pub mod progress;
pub mod redmine;
pub mod report;
pub mod source;
pub mod zone;

use chrono_tz::Tz;
use diesel::connection::SimpleConnection;
use diesel::result::Error as QueryError;

use self::apply::Applied;
use self::hashing::Wrapped;
use self::progress::Progress;
use self::redmine::Redmine;
use self::report::Report;
use self::source::SourceError;
use crate::clock::Timestamp;
use crate::config::DatabaseUrl;
use crate::db::{self, DbConnection, DbError};

/// People whose rows are read and written together.
const PAGE: usize = 1000;

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

/// Moves everybody in `source` into the database at `target`, which has all migrations, in one transaction.
///
/// # Errors
/// [`ImportError`], after which nothing is changed.
pub fn run(
    mut redmine: Redmine,
    target: &DatabaseUrl,
    options: Options,
    report: &mut Report,
    progress: &mut Progress,
) -> Result<(), ImportError> {
    let mut connection = db::connect(target).map_err(|error| DbError::Unavailable(error.to_string()))?;
    if let DbConnection::Sqlite(sqlite) = &mut connection {
        // The indexes of digests are written all over: with the usual 2 MB each page would be written many times.
        sqlite.batch_execute("PRAGMA cache_size = -65536; PRAGMA busy_timeout = 30000")?;
    }
    // Before the transaction begins: it takes hours for a million, and a transaction keeps others waiting.
    let wrapped = hashing::wrap_all(&mut redmine, &mut connection, options, progress)?;
    redmine.begin()?;
    let mut failed = None;
    let done = db::transaction(&mut connection, |connection| {
        match write_all(&mut redmine, connection, options, &wrapped, report, progress) {
            Ok(()) if options.mode == Mode::Real => Ok(()),
            Ok(()) => Err(QueryError::RollbackTransaction),
            Err(error) => {
                failed = Some(error);
                Err(QueryError::RollbackTransaction)
            }
        }
    });
    match (failed, done) {
        (Some(error), _) => Err(error),
        (None, Err(QueryError::RollbackTransaction)) if options.mode == Mode::DryRun => Ok(()),
        (None, done) => Ok(done?),
    }
}

fn write_all(
    redmine: &mut Redmine,
    connection: &mut DbConnection,
    options: Options,
    wrapped: &Wrapped,
    report: &mut Report,
    progress: &mut Progress,
) -> Result<(), ImportError> {
    crate::models::import::lock_out_others(connection)?;
    report.totals.left_behind = redmine.left_behind()?.into_iter().collect();
    for entry in redmine.keys_of_nobody()? {
        report.totals.keys.found += 1;
        report.totals.keys.left_out += 1;
        report.note(entry);
    }
    progress.begin("moving in", redmine.count_people()?);
    let mut after = i64::MIN;
    while let Some(page) = redmine.page(after, PAGE)? {
        after = page.last_id();
        let rows = page.count();
        let people = page.people(options.zone, options.now);
        Applied { connection, options, wrapped, report }.page(people)?;
        progress.advance(rows as u64);
    }
    progress.end();
    // Whoever reads the report must be able to rely on it: it is whole before anything is done.
    Ok(report.finish()?)
}
