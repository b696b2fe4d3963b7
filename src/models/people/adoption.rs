//! How service accounts become what a file says of them.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::by_login;
use super::ownership::{NewServiceAccount, put_owners};
use super::service_account::{all_kept_in, kept_in};
use super::user::{User, UserStatus};
use crate::db::schema::users;
use crate::db::{DbError, write_error};
use crate::models::event::{EventAction, NewEvent};
use crate::models::kept_in::{Adopted, KeptIn};
use crate::models::tx::Tx;

/// What came of the service accounts of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountAdoption {
    /// The accounts that something became of, by login.
    pub done: Vec<(String, Adopted)>,
    /// Logins that nobody has, by the account that names them as owners.
    pub unknown: Vec<(String, Vec<String>)>,
}

/// Why the service accounts are not what the file says.
#[derive(Debug, thiserror::Error)]
pub enum AccountAdoptionError {
    /// Somebody else has the login.
    #[error("a person has this login: choose another")]
    Person {
        /// The login.
        login: String,
    },
    /// A program is to own it.
    #[error("{owner} is a service account: only people can own one")]
    Owner {
        /// The login of the account in the file.
        login: String,
        /// That of the owner.
        owner: String,
    },
    /// The database would not.
    #[error(transparent)]
    Database(#[from] DbError),
}

write_error!(AccountAdoptionError);

/// Makes the service accounts what the file says of them, and locks those that stood there and do no more. Those that are
/// as they should be are left alone. No other process does so at the same time.
///
/// # Errors
/// [`AccountAdoptionError`], after which nothing is changed.
pub fn adopt(tx: &mut Tx<'_>, file: &[NewServiceAccount]) -> Result<AccountAdoption, AccountAdoptionError> {
    let mut adoption = AccountAdoption::default();
    for account in file {
        let (done, unknown) = adopt_one(tx, account)?;
        adoption.done.extend(done.map(|done| (account.login.clone(), done)));
        if !unknown.is_empty() {
            adoption.unknown.push((account.login.clone(), unknown));
        }
    }
    let in_file: BTreeSet<String> = file.iter().map(|account| account.login.to_ascii_lowercase()).collect();
    for (id, login) in all_kept_in(tx.connection, KeptIn::File)? {
        if !in_file.contains(&login.to_ascii_lowercase()) {
            close(tx, id)?;
            adoption.done.push((login, Adopted::Closed));
        }
    }
    Ok(adoption)
}

/// Makes one account what the file says of it. Returns what became of it, and the logins of owners that nobody has.
fn adopt_one(
    tx: &mut Tx<'_>,
    account: &NewServiceAccount,
) -> Result<(Option<Adopted>, Vec<String>), AccountAdoptionError> {
    let NewServiceAccount { login, name, .. } = account;
    let existing = User::find_by_login(tx.connection, login)?.map(|user| user.id);
    let before = existing.map(|id| User::lock_row(tx.connection, id).optional()).transpose()?.flatten();
    if before.as_ref().is_some_and(|user| !user.is_service_account()) {
        return Err(AccountAdoptionError::Person { login: login.clone() });
    }
    let logins: Vec<&str> = account.owners.iter().map(String::as_str).collect();
    let held = by_login::hold(tx.connection, &logins)?;
    let unknown = by_login::unknown(&logins, &held).into_iter().map(str::to_owned).collect();
    let owners = by_login::of_ids(tx.connection, held.into_iter().map(|(id, _)| id).collect())?;
    if let Some(owner) = owners.iter().find(|owner| owner.is_service_account()) {
        return Err(AccountAdoptionError::Owner { login: login.clone(), owner: owner.login.clone() });
    }
    let (id, done) = match before {
        None => (account.new_user().insert(tx.connection, tx.now)?.id, Some(Adopted::Added)),
        Some(user) => {
            let has_changed = (&user.login, &user.lastname) != (login, name);
            (user.id, Adopted::of(kept_in(tx.connection, user.id)?, has_changed))
        }
    };
    if let Some(done) = done {
        store(tx, (id, account), done)?;
    }
    let has_other_owners = put_owners(tx, id, &owners)?;
    Ok((done.or(has_other_owners.then_some(Adopted::Changed)), unknown))
}

/// Stores what the file says of the account with this id, but for its owners.
fn store(tx: &mut Tx<'_>, (id, account): (i64, &NewServiceAccount), done: Adopted) -> QueryResult<()> {
    let values = (
        users::login.eq(&account.login),
        users::lastname.eq(&account.name),
        users::kept_in.eq(KeptIn::File),
        (done == Adopted::Reopened).then(|| users::status.eq(UserStatus::Active)),
        users::updated_on.eq(tx.now),
    );
    diesel::update(users::table.find(id)).set(values).execute(tx.connection)?;
    record(tx, id, done)
}

/// Locks an account that has left the file. Its keys work again once it is back.
fn close(tx: &mut Tx<'_>, id: i64) -> QueryResult<()> {
    User::lock_row(tx.connection, id)?;
    let closed =
        (users::kept_in.eq(KeptIn::LeftFile), users::status.eq(UserStatus::Locked), users::updated_on.eq(tx.now));
    diesel::update(users::table.find(id)).set(closed).execute(tx.connection)?;
    record(tx, id, Adopted::Closed)
}

fn record(tx: &mut Tx<'_>, id: i64, done: Adopted) -> QueryResult<()> {
    let action = match done {
        Adopted::Added => EventAction::AccountCreated,
        Adopted::Changed | Adopted::TakenOver => EventAction::AccountChanged,
        Adopted::Reopened => EventAction::Unlocked,
        Adopted::Closed => EventAction::Locked,
    };
    NewEvent::of_person(id, action).detail(done.in_words("name and owners")).record(tx)
}
