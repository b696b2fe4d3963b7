//! The mail address that somebody has asked for. It takes the place of theirs once they have opened the link that was sent
//! there: until then, nobody knows that it is theirs.

use chrono::TimeDelta;
use diesel::prelude::*;

use super::user::{Profile, SaveError, User, UserField};
use crate::clock::Timestamp;
use crate::db::schema::new_addresses;
use crate::db::{DbConnection, Stored};
use crate::models::keys::token::{Token, TokenAction};
use crate::models::mails::kind::MailKind;
use crate::models::mails::outbox::{self, Outbox};
use crate::models::mails::told;
use crate::models::rules::{FieldError, Problem};
use crate::models::tx::Tx;

/// A person has so many links sent within an hour: whoever signs in as them can fill no mailbox of a stranger.
const MOST_AN_HOUR: i64 = 3;

/// A row of `new_addresses`.
#[derive(Queryable, Selectable, Clone, Debug, PartialEq, Eq)]
#[diesel(table_name = new_addresses)]
pub struct NewAddress {
    /// The person.
    pub user_id: i64,
    /// The address that they have asked for.
    pub address: String,
    /// When they did.
    #[diesel(deserialize_as = Stored<Timestamp>)]
    pub created_on: Timestamp,
}

impl NewAddress {
    /// What a person has asked for and not confirmed.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn of(connection: &mut DbConnection, user_id: i64) -> QueryResult<Option<Self>> {
        new_addresses::table.find(user_id).select(Self::as_select()).first(connection).optional()
    }

    /// The same of several people.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn of_each(connection: &mut DbConnection, people: &[i64]) -> QueryResult<Vec<Self>> {
        new_addresses::table.filter(new_addresses::user_id.eq_any(people)).select(Self::as_select()).load(connection)
    }

    /// Stores that a person asks for `address`, in place of any that they have asked for before, sends a link there, and
    /// tells them at the address that they have.
    ///
    /// # Errors
    /// Returns [`SaveError::Invalid`] if they have had too many links sent lately, or an error if a query fails.
    pub fn ask(tx: &mut Tx<'_>, outbox: Outbox, user: &User, address: &str) -> Result<(), SaveError> {
        Self::forget(tx.connection, user.id)?;
        let values = (
            new_addresses::user_id.eq(user.id),
            new_addresses::address.eq(address),
            new_addresses::created_on.eq(tx.now),
        );
        diesel::insert_into(new_addresses::table).values(values).execute(tx.connection)?;
        told::tell_of_asked_address(tx, outbox, user, address)?;
        Self::send_link(tx, outbox, user, address)
    }

    /// Sends the link once more. Returns `false` if nothing is asked for, or no mail is sent.
    ///
    /// # Errors
    /// Returns [`SaveError::Invalid`] if they have had too many links sent lately, or an error if a query fails.
    pub fn send_again(tx: &mut Tx<'_>, user: &User) -> Result<bool, SaveError> {
        let Some(new) = Self::of(tx.connection, user.id)? else { return Ok(false) };
        let Some(outbox) = Outbox::open(tx.connection)? else { return Ok(false) };
        Self::send_link(tx, outbox, user, &new.address).map(|()| true)
    }

    fn send_link(tx: &mut Tx<'_>, outbox: Outbox, user: &User, address: &str) -> Result<(), SaveError> {
        let lately = tx.now - TimeDelta::hours(1);
        if outbox::put_since(tx.connection, (user, MailKind::NewAddress), lately)? >= MOST_AN_HOUR {
            let words = "Email cannot be changed again yet: three links to confirm an address were sent within an hour";
            return Err(SaveError::Invalid(vec![FieldError::new(UserField::Mail, Problem::sentence(words))]));
        }
        Ok(told::send_address_link(tx, outbox, user, address)?)
    }

    /// Forgets what a person has asked for, and ends its link. Returns `false` if they have asked for nothing.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn forget(connection: &mut DbConnection, user_id: i64) -> QueryResult<bool> {
        for token in Token::of_user(connection, user_id, &[TokenAction::NewAddress])? {
            Token::delete(connection, token.id)?;
        }
        diesel::delete(new_addresses::table.find(user_id)).execute(connection).map(|rows| rows > 0)
    }

    /// Puts the address in the place of the person's, and tells them at both. Returns `false` if they have asked for
    /// nothing.
    ///
    /// # Errors
    /// Returns [`SaveError::Invalid`] if somebody else has the address by now, or an error if a query fails.
    pub fn confirm(tx: &mut Tx<'_>, user_id: i64) -> Result<bool, SaveError> {
        let user = User::lock_row(tx.connection, user_id)?;
        let Some(new) = Self::of(tx.connection, user_id)? else { return Ok(false) };
        let before = user.profile();
        let after = Profile { mail: new.address, ..before.clone() };
        let errors = after.errors_of(tx.connection, Some(user_id), &user.login)?;
        if !errors.is_empty() {
            return Err(SaveError::Invalid(errors));
        }
        Self::forget(tx.connection, user_id)?;
        User::update_profile(tx.connection, user_id, &before, &after, tx.now)?;
        told::tell_of_new_address(tx, user_id, &before.mail)?;
        Ok(true)
    }
}
