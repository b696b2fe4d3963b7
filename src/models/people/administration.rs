//! What administrators do about people: add, change, lock and delete them. Each change is recorded in the
//! person's activity, with who made it.

use diesel::prelude::*;

use super::new_address::NewAddress;
use super::refusal::PersonRefusal;
use super::service_account;
use super::user::{AccountKind, Locked, NewUser, Profile, User, UserField, UserStatus};
use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::db::schema::users;
use crate::models::event::{EventAction, NewEvent};
use crate::models::keys::token::Token;
use crate::models::mails::told;
use crate::models::rules::FieldError;
use crate::models::tx::Tx;

/// A person to be added.
pub struct Addition {
    /// The login, the profile and the password.
    pub new: NewUser,
    /// The initial status.
    pub status: UserStatus,
    /// Whether the person must choose another password first.
    pub must_change_password: bool,
    /// How many accounts there may be; 0: any number.
    pub most_accounts: u32,
}

/// Changes to a person. A field that is `None` stays as it is.
#[derive(AsChangeset, Clone, Default, PartialEq, Eq)]
#[diesel(table_name = users)]
pub struct PersonChanges {
    /// A valid login.
    pub login: Option<String>,
    /// A valid first name.
    pub firstname: Option<String>,
    /// A valid last name.
    pub lastname: Option<String>,
    /// A valid mail address.
    pub mail: Option<String>,
    /// Whether the person is an administrator.
    pub admin: Option<bool>,
    /// Whether the account is active.
    pub status: Option<UserStatus>,
    /// The hash of a new password, which also ends the person's sessions.
    pub password_hash: Option<String>,
    /// Whether the person must choose another password first.
    pub must_change_password: Option<bool>,
}

/// The permissions that a change takes away from a person.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    /// The person is no longer an administrator.
    Administration,
    /// The person can no longer sign in.
    Everything,
}

impl Addition {
    /// Adds the person.
    ///
    /// # Errors
    /// [`PersonRefusal`]
    pub fn make(&self, tx: &mut Tx<'_>) -> Result<User, PersonRefusal> {
        let gives_power = self.new.admin || self.new.password_hash.is_some();
        if gives_power && !tx.authority().is_full() {
            return Err(PersonRefusal::FullAccessNeeded);
        }
        let accounts: i64 = users::table.count().get_result(tx.connection)?;
        if self.most_accounts > 0 && accounts >= i64::from(self.most_accounts) {
            let too_many = "cannot be added: there are as many accounts as LATCHKEY_MOST_ACCOUNTS allows";
            return Err(PersonRefusal::Invalid(vec![FieldError::new(UserField::Login, too_many)]));
        }
        let user = self.new.insert(tx.connection, tx.now)?;
        let rest = PersonChanges {
            status: Some(self.status),
            must_change_password: Some(self.must_change_password),
            ..PersonChanges::default()
        };
        diesel::update(users::table.find(user.id)).set(&rest).execute(tx.connection)?;
        NewEvent::of_person(user.id, EventAction::AccountCreated).record(tx)?;
        Ok(users::table.find(user.id).select(User::as_select()).first(tx.connection)?)
    }
}

impl PersonChanges {
    /// The login and the profile of `user` after the changes.
    pub fn after(&self, user: &User) -> (String, Profile) {
        let changed = |new: &Option<String>, old: &str| new.clone().unwrap_or_else(|| old.to_owned());
        let profile = Profile {
            firstname: changed(&self.firstname, &user.firstname),
            lastname: changed(&self.lastname, &user.lastname),
            mail: changed(&self.mail, &user.mail),
        };
        (changed(&self.login, &user.login), profile)
    }

    /// Every rule that `user` would break after the changes, those about other people included.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn errors(&self, connection: &mut DbConnection, user: &User) -> QueryResult<Vec<FieldError<UserField>>> {
        let (login, profile) = self.after(user);
        if user.is_service_account() {
            return service_account::errors_of(connection, Some(user.id), &login, &profile);
        }
        profile.errors_of(connection, Some(user.id), &login)
    }

    /// Changes a person. Locking the account or setting a password ends their sessions. The keys of a locked person
    /// stop working, and work again when the person is unlocked.
    ///
    /// # Errors
    /// [`PersonRefusal`]
    pub fn apply(&self, tx: &mut Tx<'_>, user_id: i64) -> Result<(), PersonRefusal> {
        let before = lock_and_find(tx, user_id, self.take())?;
        if before.is_service_account() && (self.password_hash.is_some() || self.must_change_password == Some(true)) {
            return Err(PersonRefusal::NoPassword);
        }
        if before.is_service_account() {
            self.confirm_not_of_file(tx.connection, &before)?;
        }
        let gives_power = self.password_hash.is_some() || self.admin == Some(true);
        if gives_power && !tx.authority().is_full() {
            return Err(PersonRefusal::FullAccessNeeded);
        }
        if *self == Self::default() {
            return Ok(());
        }
        let has_new_password = self.password_hash.as_ref().map(|_| users::passwd_changed_on.eq(tx.now));
        diesel::update(users::table.find(user_id))
            .set((self, users::updated_on.eq(tx.now), has_new_password))
            .execute(tx.connection)?;
        if self.mail.as_ref().is_some_and(|mail| *mail != before.mail) && !before.is_service_account() {
            NewAddress::forget(tx.connection, user_id)?;
            told::tell_of_new_address(tx, user_id, &before.mail)?;
        }
        let actions = self.actions(&before);
        if actions.iter().any(|action| matches!(action, EventAction::Locked | EventAction::PasswordChanged)) {
            Token::end_sessions(tx.connection, user_id)?;
        }
        Ok(actions.into_iter().try_for_each(|action| NewEvent::of_person(user_id, action).record(tx))?)
    }

    /// Checks that the changes are none to what the file says of a service account. It does not say whether it is locked.
    fn confirm_not_of_file(&self, connection: &mut DbConnection, before: &User) -> Result<(), PersonRefusal> {
        let says_the_same = self.after(before) == (before.login.clone(), before.profile());
        match service_account::can_be_changed(connection, before) {
            Err(PersonRefusal::InFile(_)) if says_the_same => Ok(()),
            other => other,
        }
    }

    fn take(&self) -> Takes {
        match (self.status, self.admin) {
            (Some(UserStatus::Registered | UserStatus::Locked), _) => Takes::Everything,
            (_, Some(false)) => Takes::Administration,
            _ => Takes::Nothing,
        }
    }

    /// The events that the change causes, for a person who was as in `before`.
    fn actions(&self, before: &User) -> Vec<EventAction> {
        let differs = |new: &Option<String>, old: &str| new.as_ref().is_some_and(|new| new != old);
        let changed = differs(&self.login, &before.login)
            || differs(&self.firstname, &before.firstname)
            || differs(&self.lastname, &before.lastname)
            || differs(&self.mail, &before.mail);
        let mut actions = Vec::new();
        actions.extend(changed.then_some(EventAction::AccountChanged));
        actions.extend(match self.admin {
            Some(true) if !before.admin => Some(EventAction::AdminGranted),
            Some(false) if before.admin => Some(EventAction::AdminRevoked),
            _ => None,
        });
        actions.extend(self.password_hash.as_ref().map(|_| EventAction::PasswordChanged));
        actions.extend(match (before.status, self.status) {
            (UserStatus::Active, Some(UserStatus::Registered | UserStatus::Locked)) => Some(EventAction::Locked),
            (UserStatus::Registered | UserStatus::Locked, Some(UserStatus::Active)) => Some(EventAction::Unlocked),
            _ => None,
        });
        actions
    }
}

/// Checks that the person has this login, before something is done about them that cannot be undone.
///
/// # Errors
/// [`PersonRefusal`]
pub fn confirm_login(tx: &mut Tx<'_>, user_id: i64, login: &str) -> Result<(), PersonRefusal> {
    let user = lock_and_find(tx, user_id, Takes::Nothing)?;
    if user.login.eq_ignore_ascii_case(login.trim()) { Ok(()) } else { Err(PersonRefusal::OtherLogin) }
}

/// Checks that nobody has changed the person since `seen` (an optimistic lock).
///
/// # Errors
/// [`PersonRefusal`]
pub fn confirm_unchanged(tx: &mut Tx<'_>, user_id: i64, seen: Timestamp) -> Result<(), PersonRefusal> {
    let user = lock_and_find(tx, user_id, Takes::Nothing)?;
    if user.updated_on == seen { Ok(()) } else { Err(PersonRefusal::ChangedMeanwhile) }
}

/// Deletes a person with all their sessions, keys and activity. The event goes into the activity of whoever does it.
///
/// # Errors
/// [`PersonRefusal`]
pub fn delete(tx: &mut Tx<'_>, user_id: i64) -> Result<(), PersonRefusal> {
    let user = lock_and_find(tx, user_id, Takes::Everything)?;
    if !service_account::kept_in(tx.connection, user_id)?.can_be_removed() {
        return Err(PersonRefusal::InFile(user.login));
    }
    // Delete the tokens first, to avoid a deadlock: the recorder locks a token before it needs the row of its owner.
    Token::delete_all_of(tx.connection, user_id)?;
    diesel::delete(users::table.find(user_id)).execute(tx.connection)?;
    Ok(NewEvent::of_deleted(&user, EventAction::AccountDeleted).record(tx)?)
}

/// Locks the person's row until the transaction ends, and checks that the author may change the person, and that the
/// permissions may be taken away. If any are, the rows of all administrators are locked, too: otherwise two administrators
/// could lock each other out at the same time.
fn lock_and_find(tx: &mut Tx<'_>, user_id: i64, takes: Takes) -> Result<User, PersonRefusal> {
    let whom = match takes {
        Takes::Nothing => Locked::These,
        Takes::Administration | Takes::Everything => Locked::AndAdministrators,
    };
    let mut locked = User::lock_rows(tx.connection, &[user_id].into(), whom)?;
    let user = locked.remove(&user_id).ok_or(PersonRefusal::Gone)?;
    if user.admin && !tx.authority().is_full() {
        return Err(PersonRefusal::FullAccessNeeded);
    }
    // Read the administrators only now: they may have changed while the lock was waited for (TOCTOU).
    // A service account cannot look after the others, so it is not the last administrator that there must be.
    let active_admin = users::admin.and(users::status.eq(UserStatus::Active)).and(users::kind.eq(AccountKind::Person));
    let administrators: Vec<i64> = users::table.filter(active_admin).select(users::id).load(tx.connection)?;
    match takes {
        Takes::Everything if tx.author().is_some_and(|author| author.id == user_id) => Err(PersonRefusal::OwnAccount),
        Takes::Administration | Takes::Everything if administrators == [user_id] => {
            Err(PersonRefusal::LastAdministrator)
        }
        _ => Ok(user),
    }
}
