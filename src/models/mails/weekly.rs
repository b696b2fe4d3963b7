//! What administrators are told once a week, if there is anything.

use chrono::TimeDelta;
use diesel::prelude::*;

use super::facts::Facts;
use super::kind::MailKind;
use super::outbox::{GIVEN_UP, NewMail, Outbox};
use crate::clock::{Timestamp, iso8601};
use crate::db::DbConnection;
use crate::db::schema::{events, mail_switch, mails, users};
use crate::models::event::action::EventAction;
use crate::models::keys::census::Census;
use crate::models::keys::verdict::Verdict;
use crate::models::people::service_account::without_owner;
use crate::models::people::user::{AccountKind, User, UserStatus};
use crate::models::tx::Tx;

const WEEK: TimeDelta = TimeDelta::weeks(1);

/// Whether a week has passed since the last time.
///
/// # Errors
/// Returns an error if the query fails.
pub fn is_due(connection: &mut DbConnection, now: Timestamp) -> QueryResult<bool> {
    let due = mail_switch::table.filter(mail_switch::is_on).filter(mail_switch::weekly_on.le(now - WEEK));
    Ok(due.select(mail_switch::id).first::<i64>(connection).optional()?.is_some())
}

/// Tells each administrator. Of several processes one does it.
///
/// # Errors
/// Returns an error if a query fails.
pub fn tell(tx: &mut Tx<'_>, outbox: Outbox) -> QueryResult<()> {
    let (now, connection) = (tx.now, &mut *tx.connection);
    let due = mail_switch::table.filter(mail_switch::weekly_on.le(now - WEEK));
    if diesel::update(due).set(mail_switch::weekly_on.eq(now)).execute(connection)? == 0 {
        return Ok(());
    }
    let lines = lines(connection, now)?;
    if lines.is_empty() {
        return Ok(());
    }
    let facts = Facts { lines, ..Facts::default() };
    let administrators: Vec<User> = users::table
        .filter(users::admin)
        .filter(users::status.eq(UserStatus::Active))
        .order(users::id)
        .select(User::as_select())
        .load(connection)?;
    for administrator in administrators {
        outbox.put(connection, &NewMail::to_person(&administrator, MailKind::Weekly, &facts), now)?;
    }
    Ok(())
}

/// What there is to look at: a sentence, and the path of the page where one does it.
fn lines(connection: &mut DbConnection, now: Timestamp) -> QueryResult<Vec<(String, String)>> {
    let census = Census::take(connection, now)?;
    let with = |verdict: Verdict| census.keys.iter().filter(|it| it.1 == verdict).map(|(.., keys)| keys).sum::<i64>();
    // The first of the spans is a week, at the end of which there is the next mail.
    let [(days, expiring), _] = census.expiring;
    let expire = format!("/admin/keys?state=active&expires_before={}", iso8601(now + TimeDelta::days(days)));
    let leaked: i64 = events::table
        .filter(events::action.eq(EventAction::KeyLeaked))
        .filter(events::created_on.gt(now - WEEK))
        .count()
        .get_result(connection)?;
    let accounts = users::table.filter(users::kind.eq(AccountKind::Service)).select(users::id);
    let accounts: Vec<i64> = accounts.load(connection)?;
    let ownerless = i64::try_from(without_owner(connection, &accounts)?.len()).unwrap_or(i64::MAX);
    let undelivered: i64 = mails::table
        .filter(mails::outcome.eq(GIVEN_UP))
        .filter(mails::done_on.gt(now - WEEK))
        .count()
        .get_result(connection)?;
    let path = str::to_owned;
    let said = [
        (
            with(Verdict::Idle),
            "key is safe to end: it was not used in 90 days",
            "keys are safe to end: they were not used in 90 days",
            path("/admin/keys?verdict=idle"),
        ),
        (
            with(Verdict::Unused),
            "key is safe to end: it was never used",
            "keys are safe to end: they were never used",
            path("/admin/keys?verdict=unused"),
        ),
        (expiring, "key expires within 7 days", "keys expire within 7 days", expire),
        (
            leaked,
            "key was reported as leaked this week",
            "keys were reported as leaked this week",
            path("/admin/audit?action=key_leaked"),
        ),
        (
            ownerless,
            "service account has no owner",
            "service accounts have no owner",
            path("/admin/users?kind=service"),
        ),
        (undelivered, "mail could not be delivered", "mails could not be delivered", path("/admin/mails")),
    ];
    let lines = said
        .into_iter()
        .filter(|(number, ..)| *number > 0)
        .map(|(number, one, many, path)| (format!("{number} {}.", if number == 1 { one } else { many }), path));
    Ok(lines.collect())
}
