//! What administrators do about service accounts: make one, and give it to others.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;

use super::administration::{Addition, PersonRefusal};
use super::service_account::{errors_of, logins_of, owners_of};
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
        let new = NewUser {
            login: self.login.clone(),
            profile: self.profile(),
            password_hash: None,
            admin: false,
            kind: AccountKind::Service,
        };
        let addition = Addition { new, status: UserStatus::Active, must_change_password: false, most_accounts };
        let account = addition.make(tx)?;
        set_owners(tx, account.id, &self.owners)?;
        Ok(account)
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
    let new = owners_named(tx.connection, logins)?.map_err(|error| PersonRefusal::Invalid(vec![error]))?;
    let before = owners_of(tx.connection, account_id)?;
    let ids = |people: &[User]| people.iter().map(|owner| owner.id).collect::<BTreeSet<_>>();
    if ids(&new) == ids(&before) {
        return Ok(());
    }
    let of_account = account_owners::table.filter(account_owners::account_id.eq(account_id));
    diesel::delete(of_account).execute(tx.connection)?;
    for owner in &new {
        let values = (account_owners::account_id.eq(account_id), account_owners::owner_id.eq(owner.id));
        diesel::insert_into(account_owners::table).values(values).execute(tx.connection)?;
    }
    let told = format!("owned by {}", logins_of(&new));
    Ok(NewEvent::of_person(account_id, EventAction::OwnersChanged).detail(told).record(tx)?)
}

/// The people whom `logins` name as owners, by login, or what is wrong with that.
fn owners_named(
    connection: &mut DbConnection,
    logins: &[String],
) -> QueryResult<Result<Vec<User>, FieldError<UserField>>> {
    let wrong = |problem: String| Ok(Err(FieldError::new(UserField::Owners, Problem::sentence(problem))));
    if logins.is_empty() {
        return wrong("A service account needs at least one owner: give the login of a person".into());
    }
    if logins.len() > MOST_OWNERS {
        return wrong(format!("A service account can have at most {MOST_OWNERS} owners"));
    }
    let mut owners = BTreeMap::new();
    for login in logins {
        match User::find_by_login(connection, login)? {
            None => return wrong(format!("No account has the login {login}")),
            Some(account) if account.is_service_account() => {
                return wrong(format!("{} is a service account: only people can own one", account.login));
            }
            Some(person) => owners.insert(person.login.to_ascii_lowercase(), person),
        };
    }
    Ok(Ok(owners.into_values().collect()))
}
