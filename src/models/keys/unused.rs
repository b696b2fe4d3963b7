//! Keys that nobody uses end by themselves, where the operator wants that: their owner is told, the key is suspended,
//! and later revoked as any key whose suspension was to end so.

use chrono::TimeDelta;
use diesel::prelude::*;

use super::ending::{Course, Ending, REVOKED_AFTER, TOLD_FOR};
use super::key::{Key, KeyRefusal};
use super::key_request::{KeyField, LONGEST_NOTE};
use super::refused_use::RefusedUse;
use super::suspension::{Suspension, SuspensionEnd, columns, secrets_of};
use super::token::{Token, TokenAction};
use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::db::schema::tokens;
use crate::models::event::{EventAction, NewEvent};
use crate::models::ids::{KeyId, UserId};
use crate::models::people::user::User;
use crate::models::rules::name_errors;
use crate::models::tx::Tx;

/// How many rows are looked at in one go. No index knows when keys were used last, which would make recording a use
/// dearer, so the recorder reads all rows, some at a time.
const WINDOW: i64 = 5000;

/// The first secrets of keys after the id `from` that may have to be told of or suspended, and the id up to which was looked:
/// 0 once all have been. `after` is the time without a use after which keys end.
///
/// # Errors
/// Returns an error if a query fails.
pub fn look(
    connection: &mut DbConnection,
    from: i64,
    (after, now): (TimeDelta, Timestamp),
) -> QueryResult<(Vec<Token>, i64)> {
    let rest = tokens::table.filter(tokens::id.gt(from));
    let last = rest.order(tokens::id).offset(WINDOW - 1).limit(1).select(tokens::id);
    let last: Option<i64> = last.first(connection).optional()?;
    let quiet = now - (after - TOLD_FOR);
    let found = rest
        .filter(tokens::id.le(last.unwrap_or(i64::MAX)))
        .filter(tokens::action.eq_any(TokenAction::KEYS))
        .filter(tokens::key_id.is_null())
        .filter(tokens::suspended_on.is_null())
        .filter(tokens::created_on.le(quiet))
        .filter(tokens::updated_on.is_null().or(tokens::updated_on.le(quiet).assume_not_null()))
        .order(tokens::id)
        .select(Token::as_select())
        .load(connection)?;
    Ok((found, last.unwrap_or(0)))
}

/// Does what is due about the key whose first secret is `token`: tells its owner that it ends, or suspends it. `last_use`
/// returns the last use of a secret, including uses that are not yet written. Of several processes one does it.
///
/// # Errors
/// Returns an error if a query fails.
pub fn follow(
    tx: &mut Tx<'_>,
    token: &Token,
    after: TimeDelta,
    last_use: impl Fn(&Token) -> Option<Timestamp>,
) -> QueryResult<()> {
    // Lock the owner's row first, as whoever switches the key on does, and look again.
    if User::lock_row(tx.connection, token.user_id).optional()?.is_none() {
        return Ok(());
    }
    let Some(key) = Key::find(tx.connection, token.user_id, token.id)?.filter(|key| key.works(tx.now)) else {
        return Ok(());
    };
    let quiet_since = key.quiet_since(key.last_use(last_use));
    match Ending::of_key(tx.connection, key.id)?.course(quiet_since, after, tx.now) {
        Course::Kept | Course::Told(_) => Ok(()),
        Course::ToBeTold => {
            Ending::tell(tx.connection, key.id, tx.now)?;
            let told = NewEvent::of_key(&key.current, EventAction::KeyToEnd);
            told.detail(format!("not used since {}", quiet_since.date())).record(tx)
        }
        Course::Due => suspend(tx, &key, quiet_since),
    }
}

/// Suspends a key that was not used since `quiet_since`, unless a use has been written meanwhile.
fn suspend(tx: &mut Tx<'_>, key: &Key, quiet_since: Timestamp) -> QueryResult<()> {
    let suspension = Suspension { since: tx.now, end: SuspensionEnd::Revoked(tx.now + REVOKED_AFTER) };
    let is_quiet = tokens::updated_on.is_null().or(tokens::updated_on.le(quiet_since).assume_not_null());
    let quiet = secrets_of(key.id).filter(is_quiet);
    let rows = diesel::update(quiet).set(columns(Some(suspension))).execute(tx.connection)?;
    if rows <= key.earlier.len() {
        // Another process has just written a use of one of the secrets.
        return diesel::update(secrets_of(key.id)).set(columns(None)).execute(tx.connection).map(|_| ());
    }
    RefusedUse::forget(tx.connection, key.id)?;
    let detail = format!("not used since {}; {}", quiet_since.date(), suspension.end.in_words());
    NewEvent::of_key(&key.current, EventAction::KeySuspended).detail(detail).record(tx)
}

/// Has a person's key kept although nobody uses it, `because` of something; `None`: it ends as any other. This is for
/// administrators.
///
/// # Errors
/// [`KeyRefusal`]
pub fn exempt(
    tx: &mut Tx<'_>,
    (UserId(user_id), KeyId(id)): (UserId, KeyId),
    because: Option<&str>,
) -> Result<Key, KeyRefusal> {
    let errors: Vec<_> = because.iter().flat_map(|it| name_errors(KeyField::Reason, it, LONGEST_NOTE)).collect();
    if !errors.is_empty() {
        return Err(KeyRefusal::Invalid(errors));
    }
    User::lock_row(tx.connection, user_id)?;
    let key = Key::find(tx.connection, user_id, id)?.ok_or(KeyRefusal::Gone)?;
    if Ending::of_key(tx.connection, id)?.exempt_because.as_deref() == because {
        return Ok(key);
    }
    Ending::exempt(tx.connection, id, because)?;
    let action = if because.is_some() { EventAction::KeyExempted } else { EventAction::KeyNotExempted };
    NewEvent::of_key(&key.current, action).detail(because.unwrap_or_default()).record(tx)?;
    Ok(key)
}
