//! The ids of what is imported. People and groups keep those that they have in Redmine, because scripts name them by
//! these; keys get new ones, which no address of Redmine's names.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::db::DbConnection;
use crate::db::schema::{groups, users};

/// The highest id that is kept. Redmine's column has 32 bits; a higher one would leave few numbers for others.
const HIGHEST: i64 = i32::MAX as i64;

/// Whose rows keep their ids. In Redmine groups and people share one table, and so have different ids; here they do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// People.
    Users,
    /// Groups.
    Groups,
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Groups => "groups",
        }
    }
}

/// Gives ids to rows that are new here, in one transaction.
pub struct RowIds {
    table: Table,
    /// The last id that was given before the import.
    last_before: i64,
    /// The next id for a row that cannot keep its own. It is above all ids that others may still keep.
    next: i64,
    /// The highest id that was given.
    highest: i64,
}

impl RowIds {
    /// Ids for rows of `table` of which the last has the id `last_there` in Redmine. On PostgreSQL nobody else can add one
    /// until the transaction ends, because it would take an id that is to be kept.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn reserve(connection: &mut DbConnection, table: Table, last_there: i64) -> QueryResult<Self> {
        let last_before = lock_last_id(connection, table)?;
        let next = last_before.max(last_there.min(HIGHEST)) + 1;
        Ok(Self { table, last_before, next, highest: last_before })
    }

    /// The id for each of these rows: its own, if none here has it.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn give(&mut self, connection: &mut DbConnection, ids_there: &[i64]) -> QueryResult<Vec<i64>> {
        let held: Vec<i64> = match self.table {
            Table::Users => users::table.filter(users::id.eq_any(ids_there)).select(users::id).load(connection)?,
            Table::Groups => groups::table.filter(groups::id.eq_any(ids_there)).select(groups::id).load(connection)?,
        };
        let held: HashSet<i64> = held.into_iter().collect();
        let given = ids_there.iter().map(|id| {
            if (1..=HIGHEST).contains(id) && !held.contains(id) {
                return *id;
            }
            self.next += 1;
            self.next - 1
        });
        let given: Vec<i64> = given.collect();
        self.highest = given.iter().copied().fold(self.highest, i64::max);
        Ok(given)
    }

    /// Makes the next row that is added here get an id above all that were given. SQLite does so by itself.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn move_sequence(&self, connection: &mut DbConnection) -> QueryResult<()> {
        let DbConnection::Postgres(postgres) = connection else { return Ok(()) };
        if self.highest == self.last_before {
            return Ok(());
        }
        // Not setval(), which a rollback does not undo: after a dry run the ids would be taken.
        let restart = format!("ALTER SEQUENCE {}_id_seq RESTART WITH {}", self.table.name(), self.highest + 1);
        diesel::sql_query(restart).execute(postgres).map(|_| ())
    }
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// The last id that a row was given, or has. No other is given until the transaction ends.
fn lock_last_id(connection: &mut DbConnection, table: Table) -> QueryResult<i64> {
    let table = table.name();
    let last: Id = match connection {
        // SQLite has one writer.
        DbConnection::Sqlite(sqlite) => {
            let query = format!("SELECT coalesce(max(seq), 0) AS id FROM sqlite_sequence WHERE name = '{table}'");
            diesel::sql_query(query).get_result(sqlite)?
        }
        DbConnection::Postgres(postgres) => {
            // A change of the sequence locks it; this one changes nothing.
            diesel::sql_query(format!("ALTER SEQUENCE {table}_id_seq NO CYCLE")).execute(postgres)?;
            let query = format!(
                "SELECT greatest((SELECT max(id) FROM {table}),
                        CASE WHEN is_called THEN last_value ELSE last_value - 1 END) AS id FROM {table}_id_seq"
            );
            diesel::sql_query(query).get_result(postgres)?
        }
    };
    Ok(last.id)
}

/// Reserves `count` ids of tokens that no row has had or will have, so that many rows can be inserted at once.
///
/// # Errors
/// Returns an error if the query fails.
pub fn reserve_token_ids(connection: &mut DbConnection, count: usize) -> QueryResult<Vec<i64>> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    match connection {
        // SQLite has one writer, so nobody else can take these ids. Inserting the rows moves the sequence on.
        DbConnection::Sqlite(sqlite) => {
            let query = "SELECT coalesce(max(seq), 0) AS id FROM sqlite_sequence WHERE name = 'tokens'";
            let last: Id = diesel::sql_query(query).get_result(sqlite)?;
            Ok((last.id + 1..=last.id + count).collect())
        }
        DbConnection::Postgres(postgres) => {
            let query = "SELECT nextval('tokens_id_seq') AS id FROM generate_series(1, $1)";
            let ids: Vec<Id> = diesel::sql_query(query).bind::<BigInt, _>(count).load(postgres)?;
            Ok(ids.into_iter().map(|it| it.id).collect())
        }
    }
}
