//! Notices on a person's page, shown until the person dismisses them.

use diesel::prelude::*;

use super::token::Token;
use crate::db::DbConnection;
use crate::db::schema::{events, notices};
use crate::models::event::{Event, EventAction};
use crate::models::retention::BATCH;

/// The most notices that wait for a person. When there is one more, the oldest goes; its event stays in the activity.
const MOST_PER_USER: i64 = 100;

/// An event that the person has not yet dismissed.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The id. It is never used again.
    pub id: i64,
    /// The event that the notice is about.
    pub event: Event,
}

impl Notice {
    /// Tells the owner of `token` that its secret was reported as leaked. The event must have been recorded before. A
    /// key can leak only once, because the report revokes it.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn of_leak(connection: &mut DbConnection, token: &Token) -> QueryResult<()> {
        let event_id: i64 = events::table
            .filter(events::user_id.eq(token.user_id))
            .filter(events::action.eq(EventAction::KeyLeaked))
            .filter(events::token_id.eq(token.key()))
            .select(events::id)
            .first(connection)?;
        let values = (notices::user_id.eq(token.user_id), notices::event_id.eq(event_id));
        diesel::insert_into(notices::table).values(values).execute(connection)?;
        let theirs = notices::table.filter(notices::user_id.eq(token.user_id));
        let oldest: Vec<i64> =
            theirs.order(notices::id.desc()).offset(MOST_PER_USER).limit(BATCH).select(notices::id).load(connection)?;
        diesel::delete(notices::table.filter(notices::id.eq_any(oldest))).execute(connection).map(|_| ())
    }

    /// The notices that a person has not yet dismissed, oldest first.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn unseen(connection: &mut DbConnection, user_id: i64) -> QueryResult<Vec<Self>> {
        let unseen = notices::table.inner_join(events::table).filter(notices::user_id.eq(user_id)).order(notices::id);
        // Each backend has its own query, as in `Token::find_active`: My account runs it on every view.
        let rows: Vec<(i64, Event)> = match connection {
            DbConnection::Sqlite(it) => unseen.select((notices::id, Event::as_select())).load(it),
            DbConnection::Postgres(it) => unseen.select((notices::id, Event::as_select())).load(it),
        }?;
        Ok(rows.into_iter().map(|(id, event)| Self { id, event }).collect())
    }

    /// The notices that each of several people has not yet dismissed, oldest first, with the id of the person.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn unseen_by(connection: &mut DbConnection, user_ids: &[i64]) -> QueryResult<Vec<(i64, Self)>> {
        let unseen =
            notices::table.inner_join(events::table).filter(notices::user_id.eq_any(user_ids)).order(notices::id);
        let rows: Vec<(i64, i64, Event)> = match connection {
            DbConnection::Sqlite(it) => unseen.select((notices::user_id, notices::id, Event::as_select())).load(it),
            DbConnection::Postgres(it) => unseen.select((notices::user_id, notices::id, Event::as_select())).load(it),
        }?;
        Ok(rows.into_iter().map(|(user_id, id, event)| (user_id, Self { id, event })).collect())
    }

    /// Dismisses a notice of a person. The event stays.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn seen(connection: &mut DbConnection, user_id: i64, id: i64) -> QueryResult<()> {
        let row = notices::table.find(id).filter(notices::user_id.eq(user_id));
        diesel::delete(row).execute(connection).map(|_| ())
    }
}
