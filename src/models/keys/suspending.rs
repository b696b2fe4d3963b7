//! Suspending a key, to hear who misses it, and switching it on again. While a key is suspended, every secret of it is
//! refused, at the next request on every process. The recorder only tidies up behind, and revokes what is to be revoked.

use diesel::prelude::*;

use super::ending::Ending;
use super::key::{Key, KeyRefusal};
use super::refused_use::RefusedUse;
use super::suspension::{NewSuspension, Suspension, SuspensionEnd, columns, secrets_of};
use super::token::Token;
use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::db::schema::tokens;
use crate::models::client::Client;
use crate::models::event::{EventAction, NewEvent};
use crate::models::ids::{KeyId, UserId};
use crate::models::people::user::User;
use crate::models::tx::Tx;

/// The most suspensions whose end is looked after in one go.
const BATCH: i64 = 200;

impl Key {
    /// Suspends a person's key of any kind at once, with all its secrets. The authority that this needs is that of
    /// [`Key::revoke`], as it only takes something away: a key that is suspended already gets another end, but none by
    /// which it would work again earlier.
    ///
    /// # Errors
    /// [`KeyRefusal`]
    pub fn suspend(
        tx: &mut Tx<'_>,
        (UserId(user_id), KeyId(id)): (UserId, KeyId),
        new: NewSuspension,
    ) -> Result<Self, KeyRefusal> {
        let key = Self::find_not_over(tx, (UserId(user_id), KeyId(id)))?;
        let end = new.end(tx.now);
        let since = match key.suspension(tx.now) {
            Some(before) if end.gives_back_before(before.end) => return Err(KeyRefusal::SuspendedForLonger),
            Some(before) => before.since,
            None => tx.now,
        };
        let suspension = Suspension { since, end };
        diesel::update(secrets_of(id)).set(columns(Some(suspension))).execute(tx.connection)?;
        if since == tx.now {
            // What is shown is who misses the key this time. This comes after the rows of the key are locked, as the
            // recorder locks them first, too.
            RefusedUse::forget(tx.connection, id)?;
        }
        let suspended = NewEvent::of_key(&key.current, EventAction::KeySuspended);
        suspended.detail(suspension.end.in_words()).record(tx)?;
        Self::find(tx.connection, user_id, id)?.ok_or(KeyRefusal::Gone)
    }

    /// Ends the suspension of a person's key, which works again at once. A key that is not suspended stays as it is. This
    /// gives power as creating a key does, and needs as much authority.
    ///
    /// # Errors
    /// [`KeyRefusal`]
    pub fn resume(tx: &mut Tx<'_>, (UserId(user_id), KeyId(id)): (UserId, KeyId)) -> Result<Self, KeyRefusal> {
        let key = Self::find_not_over(tx, (UserId(user_id), KeyId(id)))?;
        if !key.is_within(tx.authority()) || !key.is_in_reach_of(tx.authority()) {
            return Err(Self::beyond(tx));
        }
        if key.suspension(tx.now).is_none() {
            return Ok(key);
        }
        diesel::update(secrets_of(id)).set(columns(None)).execute(tx.connection)?;
        // Whoever wants it back needs it, although nobody may have used it for long.
        Ending::count_from(tx.connection, id, tx.now)?;
        NewEvent::of_key(&key.current, EventAction::KeyResumed).record(tx)?;
        Self::find(tx.connection, user_id, id)?.ok_or(KeyRefusal::Gone)
    }

    /// Finds a key that the author may revoke, and that has neither expired nor reached the time at which it is revoked.
    fn find_not_over(tx: &mut Tx<'_>, (UserId(user_id), KeyId(id)): (UserId, KeyId)) -> Result<Self, KeyRefusal> {
        let key = Self::find_to_revoke(tx, (UserId(user_id), KeyId(id)))?;
        match key.suspension(tx.now) {
            _ if key.is_expired(tx.now) => Err(KeyRefusal::Expired),
            Some(suspension) if suspension.revokes(tx.now) => Err(KeyRefusal::Gone),
            _ => Ok(key),
        }
    }

    /// The first secrets of keys whose suspension has ended by itself: a batch of them.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn with_ended_suspension(connection: &mut DbConnection, now: Timestamp) -> QueryResult<Vec<Token>> {
        tokens::table
            .filter(tokens::key_id.is_null())
            .filter(tokens::suspended_until.le(now))
            .order(tokens::id)
            .limit(BATCH)
            .select(Token::as_select())
            .load(connection)
    }

    /// Does what is left to do at the end of the suspension of the key whose first secret is `token`, and tells its owner:
    /// the key is revoked, or its rows say no more that it is suspended. Of several processes one does it, and none if
    /// somebody has given the suspension another end meanwhile.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn end_suspension(tx: &mut Tx<'_>, token: &Token) -> QueryResult<()> {
        // Lock the owner's row first, as whoever suspends the key or switches it on does.
        let is_there = User::lock_row(tx.connection, token.user_id).optional()?.is_some();
        let Some(suspension) = token.suspension().filter(|_| is_there) else { return Ok(()) };
        let ended = tokens::suspended_until.le(tx.now);
        let (rows, action, at) = match suspension.end {
            SuspensionEnd::Open => return Ok(()),
            SuspensionEnd::Resumed(at) => {
                let secrets = secrets_of(token.id).filter(ended).filter(tokens::revoked_then.eq(false));
                let rows = diesel::update(secrets).set(columns(None)).execute(tx.connection)?;
                (rows, EventAction::KeyResumed, at)
            }
            SuspensionEnd::Revoked(at) => {
                let key = tokens::table.find(token.id).filter(ended).filter(tokens::revoked_then.eq(true));
                (diesel::delete(key).execute(tx.connection)?, EventAction::SuspendedKeyRevoked, at)
            }
        };
        match rows {
            0 => Ok(()),
            _ => NewEvent::of_key(token, action).done_by(&Client::latchkey(), at).record(tx),
        }
    }
}
