//! What people do not want to be told by mail, and the time zone in which mails tell them times.

use chrono_tz::Tz;
use diesel::prelude::*;

use super::kind::MailKind;
use crate::db::DbConnection;
use crate::db::schema::{unwanted_mails, users};

/// The optional kinds that a person does not want.
///
/// # Errors
/// Returns an error if the query fails.
pub fn unwanted_by(connection: &mut DbConnection, user_id: i64) -> QueryResult<Vec<MailKind>> {
    let kinds = unwanted_mails::table.filter(unwanted_mails::user_id.eq(user_id)).select(unwanted_mails::kind);
    let kinds: Vec<MailKind> = kinds.load(connection)?;
    Ok(kinds.into_iter().filter(|kind| kind.is_optional()).collect())
}

/// Stores which of the kinds that were `offered` to a person they want. Their choice of others stays as it is.
///
/// # Errors
/// Returns an error if a query fails.
pub fn want(connection: &mut DbConnection, user_id: i64, offered: &[MailKind], wanted: &[MailKind]) -> QueryResult<()> {
    let theirs = unwanted_mails::table.filter(unwanted_mails::user_id.eq(user_id));
    diesel::delete(theirs.filter(unwanted_mails::kind.eq_any(offered))).execute(connection)?;
    for kind in offered.iter().filter(|kind| !wanted.contains(kind)) {
        let values = (unwanted_mails::user_id.eq(user_id), unwanted_mails::kind.eq(*kind));
        diesel::insert_into(unwanted_mails::table).values(values).execute(connection)?;
    }
    Ok(())
}

/// Whether `name` is a time zone of the IANA database, or empty, which is UTC.
pub fn is_zone(name: &str) -> bool {
    name.is_empty() || name.parse::<Tz>().is_ok()
}

/// The name of a person's time zone; empty: UTC.
///
/// # Errors
/// Returns an error if the query fails, and `NotFound` if the person is gone.
pub fn zone_name(connection: &mut DbConnection, user_id: i64) -> QueryResult<String> {
    users::table.find(user_id).select(users::time_zone).first(connection)
}

/// The time zone of a person; `None`: UTC, or one that only a newer release knows.
///
/// # Errors
/// Returns an error if the query fails, and `NotFound` if the person is gone.
pub fn zone_of(connection: &mut DbConnection, user_id: i64) -> QueryResult<Option<Tz>> {
    Ok(zone_name(connection, user_id)?.parse().ok())
}

/// Stores the time zone of a person; see [`is_zone`].
///
/// # Errors
/// Returns an error if the query fails.
pub fn set_zone(connection: &mut DbConnection, user_id: i64, zone: &str) -> QueryResult<()> {
    diesel::update(users::table.find(user_id)).set(users::time_zone.eq(zone)).execute(connection).map(|_| ())
}
