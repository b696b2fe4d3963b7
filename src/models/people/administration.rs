//! What administrators do about people: find them, add, change, lock and delete them. Each change stands in the
//! person's activity, with who made it.

use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::user::{Locked, NewUser, SaveError, User, UserField, UserStatus};
use crate::db::schema::users;
use crate::db::{DbConnection, DbError, MultiBackend, lower, write_error};
use crate::models::event::{EventAction, NewEvent};
use crate::models::keys::token::Token;
use crate::models::rules::{FieldError, messages};
use crate::models::tx::Tx;

/// Which people are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeopleFilter {
    /// Whose status is one of these.
    pub statuses: Vec<UserStatus>,
    /// A part of the login or mail, or words that each are a part of the first or last name; in any case (on SQLite
    /// that of ASCII letters). Empty: everybody.
    pub name: String,
}

/// Some of the people who were found.
pub struct People {
    /// Those, by login.
    pub users: Vec<User>,
    /// How many there are altogether.
    pub total: i64,
}

type Condition = Box<dyn BoxableExpression<users::table, MultiBackend, SqlType = Bool>>;

impl PeopleFilter {
    /// The people who were found: `most` of them, after the first `skip`.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn find(&self, connection: &mut DbConnection, skip: i64, most: i64) -> QueryResult<People> {
        let found = || users::table.filter(users::status.eq_any(&self.statuses)).filter(self.is_named());
        let total = found().count().get_result(connection)?;
        let page = found().order(lower(users::login)).offset(skip).limit(most).select(User::as_select());
        Ok(People { users: page.load(connection)?, total })
    }

    fn is_named(&self) -> Condition {
        // Logins and mail are folded as their columns are, names as the database folds them: both sides by itself.
        let whole = pattern(&self.name.trim().to_ascii_lowercase());
        let login_or_mail =
            lower(users::login).like(whole.clone()).escape('\\').or(lower(users::mail).like(whole).escape('\\'));
        let words = self.name.split_whitespace().map(|word| {
            let word = pattern(word);
            let first = lower(users::firstname).like(lower(word.clone())).escape('\\');
            Box::new(first.or(lower(users::lastname).like(lower(word)).escape('\\'))) as Condition
        });
        match words.reduce(|all, word| Box::new(all.and(word))) {
            Some(words) => Box::new(login_or_mail.or(words)),
            None => Box::new(diesel::dsl::sql::<Bool>("1 = 1")),
        }
    }
}

/// What LIKE takes for "holds `text`", whatever stands in it.
fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    // PostgreSQL takes no NUL, and nobody's name holds one.
    for c in text.chars().filter(|c| *c != '\0') {
        if ['%', '_', '\\'].contains(&c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern + "%"
}

/// A person to be made.
pub struct Addition {
    /// Who.
    pub new: NewUser,
    /// Whether they are let in.
    pub status: UserStatus,
    /// Whether the first thing to do is to choose another password.
    pub must_change_password: bool,
}

/// What is to change about a person; `None` stays as it is.
#[derive(AsChangeset, Clone, Default, PartialEq, Eq)]
#[diesel(table_name = users)]
pub struct PersonChanges {
    /// A login that breaks no rule.
    pub login: Option<String>,
    /// A first name that breaks no rule.
    pub firstname: Option<String>,
    /// A last name that breaks no rule.
    pub lastname: Option<String>,
    /// A mail address that breaks no rule.
    pub mail: Option<String>,
    /// Whether they look after the others.
    pub admin: Option<bool>,
    /// Whether they may do anything.
    pub status: Option<UserStatus>,
    /// The hash of a new password. It ends their sessions.
    pub password_hash: Option<String>,
    /// Whether the next thing to do is to choose another password.
    pub must_change_password: Option<bool>,
}

/// Why nothing was done about a person.
#[derive(Debug, thiserror::Error)]
pub enum PersonRefusal {
    /// There is nobody with this id.
    #[error("There is nobody with this id")]
    Gone,
    /// Administrators do not shut themselves out.
    #[error("You cannot lock or delete your own account: ask another administrator")]
    OwnAccount,
    /// Nobody would be left to look after the others.
    #[error("Nobody else is an active administrator: make somebody else one first")]
    LastAdministrator,
    /// Rules that are broken.
    #[error("{}", messages(.0).join("; "))]
    Invalid(Vec<FieldError<UserField>>),
    /// The database would not.
    #[error(transparent)]
    Database(DbError),
}

write_error!(PersonRefusal);

impl From<SaveError> for PersonRefusal {
    fn from(error: SaveError) -> Self {
        match error {
            SaveError::Invalid(errors) => Self::Invalid(errors),
            SaveError::Database(error) => Self::Database(error),
        }
    }
}

impl From<DbError> for PersonRefusal {
    /// A login or mail that another has is a broken rule.
    fn from(error: DbError) -> Self {
        SaveError::from(error).into()
    }
}

/// What a change takes away from a person.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    /// They are an administrator no more.
    Administration,
    /// They are shut out.
    Everything,
}

impl Addition {
    /// Makes the person.
    ///
    /// # Errors
    /// [`SaveError`]
    pub fn make(&self, tx: &mut Tx<'_>) -> Result<User, SaveError> {
        let user = self.new.insert(tx.connection, tx.now)?;
        let rest = PersonChanges {
            status: Some(self.status),
            must_change_password: Some(self.must_change_password),
            ..PersonChanges::default()
        };
        diesel::update(users::table.find(user.id)).set(&rest).execute(tx.connection)?;
        record(tx, user.id, EventAction::AccountCreated)?;
        Ok(users::table.find(user.id).select(User::as_select()).first(tx.connection)?)
    }
}

impl PersonChanges {
    /// Changes a person. A lock ends their sessions, as a new password does; their keys stop, and work again when they
    /// are unlocked.
    ///
    /// # Errors
    /// [`PersonRefusal`]
    pub fn apply(&self, tx: &mut Tx<'_>, user_id: i64) -> Result<(), PersonRefusal> {
        let before = lock_and_find(tx, user_id, self.take())?;
        if *self == Self::default() {
            return Ok(());
        }
        let has_new_password = self.password_hash.as_ref().map(|_| users::passwd_changed_on.eq(tx.now));
        diesel::update(users::table.find(user_id))
            .set((self, users::updated_on.eq(tx.now), has_new_password))
            .execute(tx.connection)?;
        let actions = self.actions(&before);
        if actions.iter().any(|action| matches!(action, EventAction::Locked | EventAction::PasswordChanged)) {
            Token::end_sessions(tx.connection, user_id)?;
        }
        Ok(actions.into_iter().try_for_each(|action| record(tx, user_id, action))?)
    }

    fn take(&self) -> Takes {
        match (self.status, self.admin) {
            (Some(UserStatus::Registered | UserStatus::Locked), _) => Takes::Everything,
            (_, Some(false)) => Takes::Administration,
            _ => Takes::Nothing,
        }
    }

    /// What happened to the person that was as in `before`.
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

/// Deletes a person, with everything of theirs: sessions, keys, activity. It stands in the activity of who did it.
///
/// # Errors
/// [`PersonRefusal`]
pub fn delete(tx: &mut Tx<'_>, user_id: i64) -> Result<(), PersonRefusal> {
    let user = lock_and_find(tx, user_id, Takes::Everything)?;
    // The tokens first: whoever records their uses holds them and then needs the person's row.
    Token::delete_all_of(tx.connection, user_id)?;
    diesel::delete(users::table.find(user_id)).execute(tx.connection)?;
    match tx.author().map(|author| author.id) {
        Some(author) => {
            Ok(NewEvent::of_person(author, EventAction::AccountDeleted).with(Some(&user.login)).record(tx)?)
        }
        None => Ok(()),
    }
}

/// The person, whose row is locked until the transaction ends, if what is to be taken from them may be. Where anything
/// is, the rows of all administrators are locked, too, so that two who shut each other out at the same time do not both
/// succeed.
fn lock_and_find(tx: &mut Tx<'_>, user_id: i64, takes: Takes) -> Result<User, PersonRefusal> {
    let whom = match takes {
        Takes::Nothing => Locked::These,
        Takes::Administration | Takes::Everything => Locked::AndAdministrators,
    };
    let mut locked = User::lock_rows(tx.connection, &[user_id].into(), whom)?;
    let user = locked.remove(&user_id).ok_or(PersonRefusal::Gone)?;
    // Asked again: another may have changed them while the lock was waited for.
    let active_admin = users::admin.and(users::status.eq(UserStatus::Active));
    let administrators: Vec<i64> = users::table.filter(active_admin).select(users::id).load(tx.connection)?;
    match takes {
        Takes::Everything if tx.author().is_some_and(|author| author.id == user_id) => Err(PersonRefusal::OwnAccount),
        Takes::Administration | Takes::Everything if administrators == [user_id] => {
            Err(PersonRefusal::LastAdministrator)
        }
        _ => Ok(user),
    }
}

fn record(tx: &mut Tx<'_>, user_id: i64, action: EventAction) -> QueryResult<()> {
    let by = tx.other_than(user_id).map(str::to_owned);
    NewEvent::of_person(user_id, action).with(by.as_deref()).record(tx)
}
