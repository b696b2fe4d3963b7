//! What events tell by mail, in the transaction that records them.

use chrono::TimeDelta;
use diesel::prelude::*;

use super::facts::{AccountFacts, Facts};
use super::kind::MailKind;
use super::outbox::{NewMail, Outbox};
use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::db::schema::{events, mails};
use crate::models::address_networks::narrowest;
use crate::models::event::action::EventAction;
use crate::models::people::service_account::owners_of;
use crate::models::people::user::User;
use crate::models::tx::Tx;

/// So long a place is remembered that somebody signed in from.
const PLACES_KEPT: TimeDelta = TimeDelta::days(90);
/// So many sign-ins are looked through for a place.
const LATEST_SIGN_INS: i64 = 1000;
/// Of a key that has expired and is still tried, its owner hears again after this time.
const MISSED_AGAIN: TimeDelta = TimeDelta::days(7);

/// Tells `user_id` that an event of this kind happened to them, or, if it is a service account, its owners.
///
/// # Errors
/// Returns an error if a query fails.
pub fn tell(
    connection: &mut DbConnection,
    (user_id, kind): (i64, MailKind),
    facts: &Facts,
    now: Timestamp,
) -> QueryResult<()> {
    let Some(outbox) = Outbox::open(connection)? else { return Ok(()) };
    let Some(user) = User::find(connection, user_id)? else { return Ok(()) };
    let skipped = match kind {
        MailKind::NewSignIn => is_known_place(connection, user_id, facts, now)?,
        MailKind::KeyMissed => was_told_of_missed(connection, facts, now)?,
        _ => false,
    };
    if skipped {
        return Ok(());
    }
    if !user.is_service_account() {
        return outbox.put(connection, &NewMail::to_person(&user, kind, facts), now);
    }
    let account = Some(AccountFacts { id: user.id, login: user.login.clone() });
    let facts = Facts { account, ..facts.clone() };
    for owner in owners_of(connection, user.id)? {
        outbox.put(connection, &NewMail::to_person(&owner, kind, &facts), now)?;
    }
    Ok(())
}

/// Sends a person their login and a link to choose a password.
///
/// # Errors
/// Returns an error if a query fails.
pub fn tell_of_account(tx: &mut Tx<'_>, user_id: i64) -> QueryResult<()> {
    let Some(outbox) = Outbox::open(tx.connection)? else { return Ok(()) };
    let Some(user) = User::find(tx.connection, user_id)? else { return Ok(()) };
    outbox.put(tx.connection, &NewMail::to_person(&user, MailKind::AccountMade, &Facts::default()), tx.now)
}

/// Tells a person, at the address that they have, that they or somebody else asks for another.
///
/// # Errors
/// Returns an error if a query fails.
pub fn tell_of_asked_address(tx: &mut Tx<'_>, outbox: Outbox, user: &User, address: &str) -> QueryResult<()> {
    let by = tx.client.administrator().map(str::to_owned);
    let facts = Facts { detail: Some(address.to_owned()), by, ..Facts::of_client(&tx.client, tx.now) };
    outbox.put(tx.connection, &NewMail::to_person(user, MailKind::NewAddressAsked, &facts), tx.now)
}

/// Sends the link by which a person confirms that `address` is theirs, to that address.
///
/// # Errors
/// Returns an error if a query fails.
pub fn send_address_link(tx: &mut Tx<'_>, outbox: Outbox, user: &User, address: &str) -> QueryResult<()> {
    let facts = Facts::default();
    outbox.put(tx.connection, &NewMail::to_person(user, MailKind::NewAddress, &facts).at(address), tx.now)
}

/// Tells a person whose mail address has just been changed from `before`, at both addresses.
///
/// # Errors
/// Returns an error if a query fails.
pub fn tell_of_new_address(tx: &mut Tx<'_>, user_id: i64, before: &str) -> QueryResult<()> {
    let Some(outbox) = Outbox::open(tx.connection)? else { return Ok(()) };
    let Some(user) = User::find(tx.connection, user_id)? else { return Ok(()) };
    let detail = Some(format!("from {before} to {}", user.mail));
    let by = tx.other_than(user_id).or(tx.client.administrator()).map(str::to_owned);
    let facts = Facts { detail, by, ..Facts::of_client(&tx.client, tx.now) };
    let mail = NewMail::to_person(&user, MailKind::MailChanged, &facts);
    if !before.is_empty() {
        outbox.put(tx.connection, &mail.clone().at(before), tx.now)?;
    }
    outbox.put(tx.connection, &mail, tx.now)
}

/// Whether a person has signed in from the same network with the same program within [`PLACES_KEPT`]. The event of this
/// sign-in must not be recorded yet.
fn is_known_place(connection: &mut DbConnection, user_id: i64, facts: &Facts, now: Timestamp) -> QueryResult<bool> {
    let Some(address) = &facts.address else { return Ok(true) };
    let known: Vec<(String, String)> = events::table
        .filter(events::user_id.eq(user_id))
        .filter(events::action.eq(EventAction::SignedIn))
        .filter(events::updated_on.ge(now - PLACES_KEPT))
        .order(events::id.desc())
        .limit(LATEST_SIGN_INS)
        .select((events::address, events::agent))
        .load(connection)?;
    let network = |address: &str| address.parse().ok().map(narrowest);
    let program = |agent: &str| agent.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    let here = (network(address), program(facts.agent.as_deref().unwrap_or_default()));
    Ok(known.iter().any(|(address, agent)| (network(address), program(agent)) == here))
}

/// Whether somebody has been told lately that this expired key is still used.
fn was_told_of_missed(connection: &mut DbConnection, facts: &Facts, now: Timestamp) -> QueryResult<bool> {
    let Some(key) = &facts.key else { return Ok(false) };
    let told = mails::table
        .filter(mails::kind.eq(MailKind::KeyMissed))
        .filter(mails::token_id.eq(key.id))
        .filter(mails::created_on.gt(now - MISSED_AGAIN));
    diesel::select(diesel::dsl::exists(told)).get_result(connection)
}
