//! Imports people, their keys and their groups from Redmine: all of them or none, and again whenever something has changed there.

pub mod apply;
pub mod groups;
pub mod hashing;
pub mod ids;
pub mod options;
pub mod progress;
pub mod redmine;
pub mod report;
pub mod rows;
pub mod source;
pub mod zone;

use diesel::connection::SimpleConnection;
use diesel::result::Error as QueryError;

use self::apply::Applied;
use self::hashing::Wrapped;
use self::ids::{RowIds, Table};
use self::options::{ImportError, Mode, Options, PAGE};
use self::progress::Progress;
use self::redmine::Redmine;
use self::report::Report;
use crate::db::url::DatabaseUrl;
use crate::db::{self, DbConnection, DbError};

/// Imports everybody from `redmine` into the database at `target`, in one transaction. All migrations must have been
/// applied.
///
/// # Errors
/// [`ImportError`]; nothing is changed then.
#[expect(clippy::disallowed_methods, reason = "whoever can start an import can write to the database anyway")]
pub fn run(
    mut redmine: Redmine,
    target: &DatabaseUrl,
    options: Options,
    report: &mut Report,
    progress: &mut Progress,
) -> Result<(), ImportError> {
    let mut connection = db::connect(target).map_err(|error| DbError::Unavailable(error.to_string()))?;
    if let DbConnection::Sqlite(sqlite) = &mut connection {
        // The import writes to the indexes on digests in random order: with SQLite's default cache of 2 MB, each page
        // would be written many times.
        sqlite.batch_execute("PRAGMA cache_size = -65536; PRAGMA busy_timeout = 30000")?;
    }
    // Hash the passwords before the transaction begins. A million of them take hours, and an open transaction makes
    // others wait.
    let wrapped = hashing::wrap_all(&mut redmine, &mut connection, options, progress)?;
    redmine.begin()?;
    let mut failed = None;
    let done: Result<(), QueryError> = db::transaction(&mut connection, |connection| {
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
    self::rows::lock_out_others(connection)?;
    report.totals.left_behind = redmine.left_behind()?.into_iter().collect();
    for entry in redmine.keys_of_nobody()? {
        report.totals.keys.found += 1;
        report.totals.keys.left_out += 1;
        report.note(entry);
    }
    let mut ids = RowIds::reserve(connection, Table::Users, redmine.last_person()?)?;
    progress.begin("moving in", redmine.count_people()?);
    let mut after = i64::MIN;
    while let Some(page) = redmine.page(after, PAGE)? {
        after = page.last_id();
        let rows = page.count();
        let people = page.people(options.zone, options.now);
        Applied { connection, options, wrapped, ids: &mut ids, report }.page(people)?;
        progress.advance(rows as u64);
    }
    progress.end();
    ids.move_sequence(connection)?;
    groups::move_in(redmine, connection, options, report)?;
    // Finish the report before the commit: if it cannot be written, the import is rolled back.
    Ok(report.finish()?)
}
