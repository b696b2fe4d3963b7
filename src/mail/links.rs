//! Mails with a link by which somebody chooses a password or confirms an address. The secret in the link is made when the
//! mail is sent, so that none waits in the outbox. A mail that is sent once more has another secret, and the one before no
//! longer works.

use chrono::TimeDelta;
use diesel::{OptionalExtension, QueryResult};

use super::correspondence::Addressee;
use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::models::keys::token::Token;
use crate::models::mails::link::MailLink;
use crate::models::mails::outbox::{self, TakenMail};
use crate::models::people::new_address::NewAddress;
use crate::models::people::user::User;

/// A person gets so many links for a password within an hour, however often somebody asks for them.
const MOST_AN_HOUR: i64 = 3;

/// Finds out whom such a mail is for, and issues the token of its link. Or returns why nobody gets the mail.
///
/// # Errors
/// Returns an error if a query fails.
pub fn issue(
    connection: &mut DbConnection,
    (mail, link): (&TakenMail, MailLink),
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
    let may_follow = |user: &User| {
        user.is_active() && !user.is_service_account() && (link != MailLink::Password || user.password_hash.is_some())
    };
    // As it is under the lock: an address may just have been changed.
    let found = found.map(|user| User::lock_row(connection, user.id).optional()).transpose()?.flatten();
    let Some(user) = found.filter(may_follow) else {
        return Ok(Err("nobody with a password has this login or address"));
    };
    let address = match link {
        MailLink::Address => {
            // The link confirms the address that is asked for now, so only that one may get it.
            let new = NewAddress::of(connection, user.id)?.map(|new| new.address);
            let Some(address) = new.filter(|new| mail.address.as_ref() == Some(new)) else {
                return Ok(Err("the person no longer asks for this address"));
            };
            address
        }
        MailLink::Password => {
            if outbox::sent_with_links(connection, (&user, mail.kind), now - TimeDelta::hours(1))? >= MOST_AN_HOUR {
                return Ok(Err("the person has been sent three of these within an hour"));
            }
            outbox::is_for(connection, mail, user.id)?;
            user.mail.clone()
        }
    };
    let (_, secret) = Token::issue(connection, user.id, *link.action(), now)?;
    let link = format!("{}?token={}", link.path(), secret.expose());
    Ok(Ok(Addressee { address, person: user, link: Some(link) }))
}
