//! What administrators do about service accounts: make one, and give it to others.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::administration::Addition;
use super::by_login;
use super::refusal::PersonRefusal;
use super::service_account::{can_be_changed, errors_of, logins_of, owners_of};
use super::user::{AccountKind, NewUser, Profile, User, UserField, UserStatus};
use crate::db::DbConnection;
use crate::db::schema::account_owners;
use crate::models::event::{EventAction, NewEvent};
use crate::models::rules::{FieldError, Problem};
use crate::models::tx::Tx;

/// The most people who own one service account.
pub const MOST_OWNERS: usize = 20;

/// A service account to be made.
#[derive(Clone, Debug)]
pub struct NewServiceAccount {
    /// The login, by which services and other settings name the account.
    pub login: String,
    /// What people call it: 1 to 255 characters.
    pub name: String,
    /// The logins of the people who own it.
    pub owners: Vec<String>,
}

impl NewServiceAccount {
    /// Every rule that it breaks, those about other accounts included.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn errors(&self, connection: &mut DbConnection) -> QueryResult<Vec<FieldError<UserField>>> {
        let mut errors = errors_of(connection, None, &self.login, &self.profile())?;
        errors.extend(owners_named(connection, &self.owners)?.err());
        Ok(errors)
    }

    /// Makes the account, with the authority of the author.
    ///
    /// # Errors
    /// [`PersonRefusal`]
    pub fn make(&self, tx: &mut Tx<'_>, most_accounts: u32) -> Result<User, PersonRefusal> {
        let errors = self.errors(tx.connection)?;
        if !errors.is_empty() {
            return Err(PersonRefusal::Invalid(errors));
        }
        let new = self.new_user();
        let addition = Addition { new, status: UserStatus::Active, must_change_password: false, most_accounts };
        let account = addition.make(tx)?;
        set_owners(tx, account.id, &self.owners)?;
        Ok(account)
    }

    /// Its row. Nobody signs in to it, so it has no password.
    pub(super) fn new_user(&self) -> NewUser {
        let (login, profile) = (self.login.clone(), self.profile());
        NewUser { login, profile, password_hash: None, admin: false, kind: AccountKind::Service }
    }

    /// The name of a service account stands where a person has the last name.
    fn profile(&self) -> Profile {
        Profile { firstname: String::new(), lastname: self.name.clone(), mail: String::new() }
    }
}

/// Puts the people with these logins in place of those who own a service account.
///
/// # Errors
/// [`PersonRefusal`]
pub fn set_owners(tx: &mut Tx<'_>, account_id: i64, logins: &[String]) -> Result<(), PersonRefusal> {
    let account = User::lock_row(tx.connection, account_id).optional()?.ok_or(PersonRefusal::Gone)?;
    if !account.is_service_account() {
        return Err(PersonRefusal::NoServiceAccount);
    }
    can_be_changed(tx.connection, &account)?;
    let new = owners_named(tx.connection, logins)?.map_err(|error| PersonRefusal::Invalid(vec![error]))?;
    put_owners(tx, account_id, &new)?;
    Ok(())
}

/// Makes these people the owners of an account, and gives whether they were others before.
pub(super) fn put_owners(tx: &mut Tx<'_>, account_id: i64, new: &[User]) -> QueryResult<bool> {
    let before = owners_of(tx.connection, account_id)?;
    let ids = |people: &[User]| people.iter().map(|owner| owner.id).collect::<BTreeSet<_>>();
    if ids(new) == ids(&before) {
        return Ok(false);
    }
    let of_account = account_owners::table.filter(account_owners::account_id.eq(account_id));
    diesel::delete(of_account).execute(tx.connection)?;
    for owner in new {
        let values = (account_owners::account_id.eq(account_id), account_owners::owner_id.eq(owner.id));
        diesel::insert_into(account_owners::table).values(values).execute(tx.connection)?;
    }
    let told = match new {
        [] => "owned by nobody".to_owned(),
        new => format!("owned by {}", logins_of(new)),
    };
    NewEvent::of_person(account_id, EventAction::OwnersChanged).detail(told).record(tx)?;
    Ok(true)
}

/// What is wrong with so many owners, as a sentence without a full stop.
pub fn number_problem(owners: usize) -> Option<String> {
    match owners {
        0 => Some("A service account needs at least one owner: give the login of a person".to_owned()),
        1..=MOST_OWNERS => None,
        _ => Some(format!("A service account can have at most {MOST_OWNERS} owners")),
    }
}

/// The people whom `logins` name as owners, by login, or what is wrong with that. None of them can be deleted before the
/// transaction ends.
fn owners_named(
    connection: &mut DbConnection,
    logins: &[String],
) -> QueryResult<Result<Vec<User>, FieldError<UserField>>> {
    let wrong = |problem: String| Ok(Err(FieldError::new(UserField::Owners, Problem::sentence(problem))));
    if let Some(problem) = number_problem(logins.len()) {
        return wrong(problem);
    }
    let named: Vec<&str> = logins.iter().map(String::as_str).collect();
    let held = by_login::hold(connection, &named)?;
    if let Some(problem) = by_login::nobody(&by_login::unknown(&named, &held)) {
        return wrong(problem);
    }
    let owners = by_login::of_ids(connection, held.into_iter().map(|(id, _)| id).collect())?;
    match owners.iter().find(|owner| owner.is_service_account()) {
        Some(account) => wrong(format!("{} is a service account: only people can own one", account.login)),
        None => Ok(Ok(owners)),
    }
}
