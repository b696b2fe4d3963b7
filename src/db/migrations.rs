//! The migrations, which are embedded in the binary: applies, reverts and lists them.

use diesel::connection::{SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::result::Error as QueryError;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::url::DatabaseUrl;
use super::{DbConnection, begin, connect, one_line};

const SQLITE_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Why migrations were not applied or reverted.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The database cannot be reached.
    #[error("cannot open the database: {0}")]
    Connection(#[from] ConnectionError),
    /// A newer release has changed the database in a way that this one does not support.
    #[error(
        "the database is too new: it needs a release that knows migration {needs}, and this one ends at {newest}; \
         install a newer Latchkey"
    )]
    TooNew {
        /// The migration that a release must know.
        needs: String,
        /// The newest migration that this release knows.
        newest: String,
    },
    /// A migration failed; nothing was changed.
    #[error("a migration failed, and nothing was changed: {0}")]
    Failed(String),
}

impl MigrationError {
    fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(one_line(&error.to_string()))
    }
}

/// A migration, as `migrate status` shows it.
#[derive(Debug, PartialEq, Eq)]
pub struct MigrationState {
    /// The name of its folder.
    pub name: String,
    /// Whether it has been applied.
    pub applied: bool,
}

/// Applies all pending migrations in one transaction, and returns their names. Other processes wait meanwhile.
///
/// # Errors
/// [`MigrationError`]
pub fn run(url: &DatabaseUrl) -> Result<Vec<String>, MigrationError> {
    // Check first without writing: the database may be read-only at the moment.
    if is_migrated(&mut connect(url)?).map_err(MigrationError::failed)? {
        return Ok(Vec::new());
    }
    migrating(url, run_pending)
}

/// Reverts the newest migration, and returns its name; `None` if none is applied.
///
/// # Errors
/// [`MigrationError`]
pub fn revert(url: &DatabaseUrl) -> Result<Option<String>, MigrationError> {
    migrating(url, revert_last)
}

/// The migrations that this release knows, oldest first.
///
/// # Errors
/// [`MigrationError`]
pub fn states(url: &DatabaseUrl) -> Result<Vec<MigrationState>, MigrationError> {
    let mut connection = connect(url)?;
    let applied = applied_versions(&mut connection).map_err(MigrationError::failed)?;
    let states = known_migrations(&connection).map_err(MigrationError::failed)?;
    let states = states.into_iter().map(|(version, name)| MigrationState { name, applied: applied.contains(&version) });
    Ok(states.collect())
}

/// Whether the database has every migration that this release needs.
///
/// # Errors
/// [`MigrationError`], including [`MigrationError::TooNew`].
pub fn is_up_to_date(url: &DatabaseUrl) -> Result<bool, MigrationError> {
    let mut connection = connect(url)?;
    refuse_if_too_new(&mut connection)?;
    is_migrated(&mut connection).map_err(MigrationError::failed)
}

/// Whether the database has every migration that this release needs, and this release is not too old for it.
///
/// # Errors
/// Returns an error if a query fails.
pub fn is_migrated(connection: &mut DbConnection) -> QueryResult<bool> {
    let applied = applied_versions(connection)?;
    let known = known_migrations(connection)?;
    Ok(known.iter().all(|(version, _)| applied.contains(version)) && too_new(connection)?.is_none())
}

fn run_pending(connection: &mut DbConnection) -> Result<Vec<String>, MigrationError> {
    let states = match connection {
        DbConnection::Sqlite(it) => it.run_pending_migrations(SQLITE_MIGRATIONS).map(names),
        DbConnection::Postgres(it) => it.run_pending_migrations(POSTGRES_MIGRATIONS).map(names),
    };
    let versions = states.map_err(MigrationError::failed)?;
    let known = known_migrations(connection).map_err(MigrationError::failed)?;
    Ok(known.into_iter().filter(|(version, _)| versions.contains(version)).map(|(_, name)| name).collect())
}

fn revert_last(connection: &mut DbConnection) -> Result<Option<String>, MigrationError> {
    let applied = applied_versions(connection).map_err(MigrationError::failed)?;
    let Some(newest) = applied.iter().max() else { return Ok(None) };
    let known = known_migrations(connection).map_err(MigrationError::failed)?;
    let Some((_, name)) = known.into_iter().find(|(version, _)| version == newest) else {
        return Err(MigrationError::Failed(format!("migration {newest} is of a newer release: use that to revert it")));
    };
    match connection {
        DbConnection::Sqlite(it) => it.revert_last_migration(SQLITE_MIGRATIONS).map(|_| ()),
        DbConnection::Postgres(it) => it.revert_last_migration(POSTGRES_MIGRATIONS).map(|_| ()),
    }
    .map_err(MigrationError::failed)?;
    Ok(Some(name))
}

fn names(versions: Vec<diesel::migration::MigrationVersion<'_>>) -> Vec<String> {
    versions.iter().map(ToString::to_string).collect()
}

/// A row whose foreign key refers to no row, with the column names of SQLite's check.
#[derive(QueryableByName)]
struct Orphan {
    #[diesel(sql_type = diesel::sql_types::Text)]
    table: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    parent: String,
}

/// Runs `work` in one transaction, for which other processes wait. On SQLite foreign keys are off meanwhile, because
/// rebuilding a table would delete the rows that refer to it; they are all checked at the end.
fn migrating<T>(
    url: &DatabaseUrl,
    work: impl FnOnce(&mut DbConnection) -> Result<T, MigrationError>,
) -> Result<T, MigrationError> {
    let mut connection = connect(url)?;
    if let DbConnection::Sqlite(sqlite) = &mut connection {
        let alone = sqlite.batch_execute("PRAGMA busy_timeout = 60000; PRAGMA foreign_keys = OFF");
        alone.map_err(MigrationError::failed)?;
    }
    begin(&mut connection).map_err(MigrationError::failed)?;
    if let DbConnection::Postgres(postgres) = &mut connection {
        // An advisory lock keeps other processes from migrating at the same time. Its number is arbitrary, but must not
        // change.
        let locked = postgres.batch_execute(
            "SET lock_timeout = 60000; SET statement_timeout = 0; SELECT pg_advisory_xact_lock(7305808869229538)",
        );
        locked.map_err(MigrationError::failed)?;
    }
    refuse_if_too_new(&mut connection)?;
    let done = work(&mut connection)?;
    if let DbConnection::Sqlite(_) = connection {
        let orphans: Vec<Orphan> =
            diesel::sql_query("PRAGMA foreign_key_check").load(&mut connection).map_err(MigrationError::failed)?;
        if let Some(orphan) = orphans.first() {
            let what = format!("rows of {} would be left that refer to none in {}", orphan.table, orphan.parent);
            return Err(MigrationError::Failed(what));
        }
    }
    // After an error this is not reached: closing the connection rolls the transaction back.
    <DbConnection as diesel::Connection>::TransactionManager::commit_transaction(&mut connection)
        .map_err(MigrationError::failed)?;
    Ok(done)
}

fn refuse_if_too_new(connection: &mut DbConnection) -> Result<(), MigrationError> {
    let Some(needs) = too_new(connection).map_err(MigrationError::failed)? else { return Ok(()) };
    let known = known_migrations(connection).map_err(MigrationError::failed)?;
    let newest = known.into_iter().map(|(version, _)| version).max().unwrap_or_default();
    Err(MigrationError::TooNew { needs, newest })
}

/// The migration that a release must know to use this database, if this one does not know it.
fn too_new(connection: &mut DbConnection) -> QueryResult<Option<String>> {
    use super::schema::compatibility::dsl::{compatibility, needs_migration};
    if !has_table(connection, "compatibility")? {
        return Ok(None);
    }
    let needs: Option<String> = compatibility.select(needs_migration).first(connection).optional()?;
    let known = known_migrations(connection)?;
    Ok(needs.filter(|needs| known.iter().all(|(version, _)| version < needs)))
}

fn applied_versions(connection: &mut DbConnection) -> QueryResult<Vec<String>> {
    if !has_table(connection, "__diesel_schema_migrations")? {
        return Ok(Vec::new());
    }
    diesel::table! {
        __diesel_schema_migrations (version) { version -> Text, }
    }
    __diesel_schema_migrations::table.select(__diesel_schema_migrations::version).load(connection)
}

fn has_table(connection: &mut DbConnection, name: &str) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let query = match connection {
        DbConnection::Sqlite(_) => "SELECT count(*) AS count FROM sqlite_master WHERE type = 'table' AND name = ?",
        DbConnection::Postgres(_) => "SELECT count(*) AS count FROM pg_class WHERE oid = to_regclass($1)",
    };
    let found: Count = diesel::sql_query(query).bind::<diesel::sql_types::Text, _>(name).get_result(connection)?;
    Ok(found.count > 0)
}

/// The version and name of each migration in the binary, oldest first.
fn known_migrations(connection: &DbConnection) -> QueryResult<Vec<(String, String)>> {
    use diesel::migration::{Migration, MigrationSource};
    fn listed<DB: diesel::backend::Backend>(
        migrations: diesel::migration::Result<Vec<Box<dyn Migration<DB>>>>,
    ) -> QueryResult<Vec<(String, String)>> {
        let migrations = migrations.map_err(QueryError::QueryBuilderError)?;
        let mut known: Vec<_> =
            migrations.iter().map(|it| (it.name().version().to_string(), it.name().to_string())).collect();
        known.sort();
        Ok(known)
    }
    match connection {
        DbConnection::Sqlite(_) => listed::<diesel::sqlite::Sqlite>(SQLITE_MIGRATIONS.migrations()),
        DbConnection::Postgres(_) => listed::<diesel::pg::Pg>(POSTGRES_MIGRATIONS.migrations()),
    }
}
