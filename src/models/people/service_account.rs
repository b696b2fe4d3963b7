//! Service accounts: accounts of programs. Nobody can sign in to one. The people who own it look after its keys, each
//! within what they may do themselves.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::refusal::PersonRefusal;
use super::user::{AccountKind, Profile, TAKEN, User, UserField, UserStatus, login_errors};
use crate::db::schema::{account_owners, users};
use crate::db::{DbConnection, lower};
use crate::models::kept_in::KeptIn;
use crate::models::rules::{FieldError, Problem, name_errors};

/// Every rule that a service account with this login and profile breaks, those about other accounts included. `None`: it
/// is a new one.
///
/// # Errors
/// Returns an error if a query fails.
pub fn errors_of(
    connection: &mut DbConnection,
    id: Option<i64>,
    login: &str,
    profile: &Profile,
) -> QueryResult<Vec<FieldError<UserField>>> {
    let mut errors = login_errors(login);
    if errors.is_empty() && User::find_by_login(connection, login)?.is_some_and(|other| Some(other.id) != id) {
        errors.push(FieldError::new(UserField::Login, TAKEN));
    }
    errors.extend(name_errors(UserField::AccountName, &profile.lastname, Profile::LONGEST_LASTNAME));
    let has = |text: &str, field, problem: &str| {
        (!text.is_empty()).then(|| FieldError::new(field, Problem::sentence(problem)))
    };
    errors.extend(has(&profile.firstname, UserField::Firstname, "A service account has one name: give it as lastname"));
    errors.extend(has(&profile.mail, UserField::Mail, "A service account has no email address"));
    Ok(errors)
}

/// The logins of `people`, with commas between.
pub fn logins_of(people: &[User]) -> String {
    people.iter().map(|person| person.login.as_str()).collect::<Vec<_>>().join(", ")
}

/// The people who own a service account, by login.
///
/// # Errors
/// Returns an error if the query fails.
pub fn owners_of(connection: &mut DbConnection, account_id: i64) -> QueryResult<Vec<User>> {
    let owners = account_owners::table.filter(account_owners::account_id.eq(account_id));
    let owners = users::table.filter(users::id.eq_any(owners.select(account_owners::owner_id)));
    owners.order(lower(users::login)).select(User::as_select()).load(connection)
}

/// The service accounts that a person owns, by login.
///
/// # Errors
/// Returns an error if the query fails.
pub fn owned_by(connection: &mut DbConnection, owner_id: i64) -> QueryResult<Vec<User>> {
    let owned = account_owners::table.filter(account_owners::owner_id.eq(owner_id));
    let owned = users::table.filter(users::id.eq_any(owned.select(account_owners::account_id)));
    owned.order(lower(users::login)).select(User::as_select()).load(connection)
}

/// The service account with this id, if the person owns it.
///
/// # Errors
/// Returns an error if the query fails.
pub fn find_owned(connection: &mut DbConnection, account_id: i64, owner_id: i64) -> QueryResult<Option<User>> {
    let owns = account_owners::table.find((account_id, owner_id));
    let owned = users::table.filter(users::id.eq_any(owns.select(account_owners::account_id)));
    owned.filter(users::kind.eq(AccountKind::Service)).select(User::as_select()).first(connection).optional()
}

/// Which of these service accounts nobody who is active owns.
///
/// # Errors
/// Returns an error if the query fails.
pub fn without_owner(connection: &mut DbConnection, account_ids: &[i64]) -> QueryResult<BTreeSet<i64>> {
    let owned: Vec<i64> = account_owners::table
        .inner_join(users::table.on(users::id.eq(account_owners::owner_id)))
        .filter(users::status.eq(UserStatus::Active))
        .filter(account_owners::account_id.eq_any(account_ids))
        .select(account_owners::account_id)
        .load(connection)?;
    let owned: BTreeSet<i64> = owned.into_iter().collect();
    Ok(account_ids.iter().copied().filter(|id| !owned.contains(id)).collect())
}

/// Whether administrators change the login, name and owners of an account.
///
/// # Errors
/// It is kept in the file, or was: [`PersonRefusal`].
pub fn can_be_changed(connection: &mut DbConnection, account: &User) -> Result<(), PersonRefusal> {
    match kept_in(connection, account.id)? {
        KeptIn::Database => Ok(()),
        KeptIn::File => Err(PersonRefusal::InFile(account.login.clone())),
        KeptIn::LeftFile => Err(PersonRefusal::LeftFile(account.login.clone())),
    }
}

/// Where an account is kept.
///
/// # Errors
/// Returns an error if the query fails, and `NotFound` if the account is gone.
pub fn kept_in(connection: &mut DbConnection, id: i64) -> QueryResult<KeptIn> {
    users::table.find(id).select(users::kept_in).first(connection)
}

/// The ids and logins of the service accounts that are kept so, by login.
///
/// # Errors
/// Returns an error if the query fails.
pub fn all_kept_in(connection: &mut DbConnection, kept_in: KeptIn) -> QueryResult<Vec<(i64, String)>> {
    let accounts = users::table.filter(users::kept_in.eq(kept_in)).order(users::login);
    accounts.select((users::id, users::login)).load(connection)
}
