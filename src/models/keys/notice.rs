//! What a person is told on their page until they say that they have seen it.

use diesel::prelude::*;

use super::token::Token;
use crate::db::DbConnection;
use crate::db::schema::{events, notices};
use crate::models::event::{Event, EventAction};

/// Something that has happened, and that its person has not yet seen.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Never given twice.
    pub id: i64,
    /// What has happened.
    pub event: Event,
}

impl Notice {
    /// Tells the owner of `token`, which has been revoked, that its secret was reported as leaked: the event must stand
    /// there already. No key leaks twice, as it is gone after the first time.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn of_leak(connection: &mut DbConnection, token: &Token) -> QueryResult<()> {
        let event_id: i64 = events::table
            .filter(events::user_id.eq(token.user_id))
            .filter(events::action.eq(EventAction::KeyLeaked))
            .filter(events::token_id.eq(token.key()))
            .select(events::id)
            .first(connection)?;
        let values = (notices::user_id.eq(token.user_id), notices::event_id.eq(event_id));
        diesel::insert_into(notices::table).values(values).execute(connection).map(|_| ())
    }

    /// What a person has not yet seen, oldest first.
    ///
    /// # Errors
    /// Those of the query.
    pub fn unseen(connection: &mut DbConnection, user_id: i64) -> QueryResult<Vec<Self>> {
        let unseen = notices::table.inner_join(events::table).filter(notices::user_id.eq(user_id)).order(notices::id);
        // As in Token::find_active: My account asks this each time it is looked at.
        let rows: Vec<(i64, Event)> = match connection {
            DbConnection::Sqlite(it) => unseen.select((notices::id, Event::as_select())).load(it),
            DbConnection::Postgres(it) => unseen.select((notices::id, Event::as_select())).load(it),
        }?;
        Ok(rows.into_iter().map(|(id, event)| Self { id, event }).collect())
    }

    /// Notes that a person has seen one of theirs. The event stays.
    ///
    /// # Errors
    /// Those of the query.
    pub fn seen(connection: &mut DbConnection, user_id: i64, id: i64) -> QueryResult<()> {
        let row = notices::table.find(id).filter(notices::user_id.eq(user_id));
        diesel::delete(row).execute(connection).map(|_| ())
    }
}
