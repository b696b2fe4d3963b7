//! Keys that will expire, and whose owners are told so before.

use chrono::TimeDelta;
use diesel::prelude::*;

use super::facts::Facts;
use super::kind::MailKind;
use super::told::tell;
use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::db::schema::tokens;
use crate::models::keys::key::Key;
use crate::models::keys::token::{Token, TokenAction};
use crate::models::retention::BATCH;
use crate::models::tx::Tx;

/// So many days before a key expires its owner is told.
const DAYS_BEFORE: [i64; 3] = [14, 3, 1];
/// A key that was not used for this time counts as one that nobody uses.
const UNUSED_FOR: TimeDelta = TimeDelta::days(30);

/// The keys that expire within the next 14 days, and whose owners have not yet been told all that there is to tell,
/// by their first secrets.
///
/// # Errors
/// Returns an error if the query fails.
pub fn due(connection: &mut DbConnection, now: Timestamp) -> QueryResult<Vec<Token>> {
    let expiring: Vec<(Token, Option<Timestamp>)> = tokens::table
        .filter(tokens::key_id.is_null())
        .filter(tokens::action.eq_any(TokenAction::KEYS))
        .filter(tokens::suspended_on.is_null())
        .filter(tokens::expires_on.gt(now))
        .filter(tokens::expires_on.le(now + TimeDelta::days(DAYS_BEFORE[0])))
        .filter(
            // What was told today cannot be due again before the next of the days.
            tokens::expiry_warned.is_null().or(tokens::expiry_warned.le(now - TimeDelta::days(2)).assume_not_null()),
        )
        .order(tokens::expires_on)
        .limit(BATCH)
        .select((Token::as_select(), tokens::expiry_warned))
        .load(connection)?;
    let is_due = |(token, warned): &(Token, Option<Timestamp>)| moment_due(token, *warned, now).is_some();
    Ok(expiring.into_iter().filter(is_due).map(|(token, _)| token).collect())
}

/// The latest moment to tell the owner of the key that has passed, unless they were told since. A key that was created after
/// that moment expires as soon as its owner wished, so nothing need be said of it.
fn moment_due(token: &Token, warned: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let expires_on = token.expires_on?;
    let moments = DAYS_BEFORE.into_iter().map(|days| expires_on - TimeDelta::days(days));
    let latest = moments.filter(|moment| *moment <= now).max()?;
    (token.created_on <= latest && warned.is_none_or(|warned| warned < latest)).then_some(latest)
}

/// Tells the owner of the key whose first secret is `token` that it expires. Of several processes one does it. `last_use`
/// returns the last use of a secret, including uses that are not yet written. Of a key that nobody uses, its owner is told
/// once.
///
/// # Errors
/// Returns an error if a query fails.
pub fn warn(tx: &mut Tx<'_>, token: &Token, last_use: impl Fn(&Token) -> Option<Timestamp>) -> QueryResult<()> {
    let (now, row) = (tx.now, tokens::table.find(token.id));
    let found: Option<(Token, Option<Timestamp>)> =
        row.select((Token::as_select(), tokens::expiry_warned)).first(tx.connection).optional()?;
    let Some((token, warned)) = found else { return Ok(()) };
    let Some(moment) = moment_due(&token, warned, now) else { return Ok(()) };
    // Another process may have told it in the meantime.
    let since = row.filter(tokens::expiry_warned.is_null().or(tokens::expiry_warned.lt(moment).assume_not_null()));
    if diesel::update(since).set(tokens::expiry_warned.eq(moment)).execute(tx.connection)? == 0 {
        return Ok(());
    }
    let Some(key) = Key::find(tx.connection, token.user_id, token.id)? else { return Ok(()) };
    let unused = key.last_use(last_use).is_none_or(|used| now - used.on >= UNUSED_FOR);
    if unused && warned.is_some() {
        return Ok(());
    }
    let facts = Facts { unused, ..Facts::default() }.about(&key.current);
    tell(tx.connection, (token.user_id, MailKind::KeyExpiring), &facts, now)
}
