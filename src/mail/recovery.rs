//! Mails with a link by which somebody chooses a password. The secret in the link is made when the mail is sent, so that
//! none waits in the outbox. A mail that is sent once more has another secret, and the one before no longer works.

use chrono::TimeDelta;
use diesel::QueryResult;

use super::correspondence::Addressee;
use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::models::keys::token::{Token, TokenAction};
use crate::models::mails::outbox::{self, TakenMail};
use crate::models::people::user::User;

/// The page on which somebody chooses a new password.
pub const PATH: &str = "/lost-password/choose";
/// A person gets so many of these mails within an hour, however often somebody asks for them.
const MOST_AN_HOUR: i64 = 3;

/// Finds out whom such a mail is for, and issues the token of its link. Or returns why nobody gets the mail.
///
/// # Errors
/// Returns an error if a query fails.
pub fn issue(
    connection: &mut DbConnection,
    mail: &TakenMail,
    now: Timestamp,
) -> QueryResult<Result<Addressee, &'static str>> {
    let found = match (mail.user_id, &mail.address) {
        (Some(id), _) => User::find(connection, id)?,
        (None, Some(asked)) => match User::find_by_login(connection, asked)? {
            Some(user) => Some(user),
            None => User::find_by_mail(connection, asked)?,
        },
        (None, None) => None,
    };
    // Nobody is told which of these it was.
    let may_choose = |user: &User| user.is_active() && !user.is_service_account() && user.password_hash.is_some();
    let Some(user) = found.filter(may_choose) else {
        return Ok(Err("nobody with a password has this login or address"));
    };
    User::lock_row(connection, user.id)?;
    if outbox::sent_with_links(connection, &user, now - TimeDelta::hours(1))? >= MOST_AN_HOUR {
        return Ok(Err("the person has been sent three of these within an hour"));
    }
    outbox::is_for(connection, mail, user.id)?;
    let (_, secret) = Token::issue(connection, user.id, TokenAction::Recovery, now)?;
    let link = Some(format!("{PATH}?token={}", secret.expose()));
    Ok(Ok(Addressee { address: user.mail.clone(), person: user, link }))
}
