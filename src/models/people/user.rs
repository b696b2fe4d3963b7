//! People: who they are, and the rules of what may be said about them.

use std::collections::{BTreeMap, BTreeSet};

use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::clock::Timestamp;
use crate::db::schema::users;
use crate::db::{DbConnection, DbError, lower, write_error};
use crate::models::rules::{FieldError, Labelled, messages, name_errors, presence_and_length};
use crate::models::text_enum::{stored_as_text, text_enum};

text_enum! {
    /// What a person may do at all.
    #[derive(AsExpression, FromSqlRow, Clone, Copy, Debug, PartialEq, Eq)]
    #[diesel(sql_type = Text)]
    pub enum UserStatus {
        /// Signs in, and has keys that work.
        Active = "active",
        /// Not yet activated.
        Registered = "registered",
        /// Shut out, with all keys.
        Locked = "locked",
    }
}

impl UserStatus {
    /// What Redmine's API calls it: 1, 2 or 3.
    pub fn number(self) -> i64 {
        match self {
            Self::Active => 1,
            Self::Registered => 2,
            Self::Locked => 3,
        }
    }

    /// The one that Redmine's API calls so.
    pub fn numbered(number: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.number().to_string() == number)
    }
}

// A newer release may have states that this one must not let in.
stored_as_text!(UserStatus, otherwise Locked);

/// Whose rows are locked together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locked {
    /// Those of the people who are named.
    These,
    /// Theirs, and those of all active administrators.
    AndAdministrators,
}

/// A row of `users`.
#[derive(Queryable, Selectable, Clone)]
#[diesel(table_name = users)]
pub struct User {
    /// Never given twice.
    pub id: i64,
    /// Unique without regard to case.
    pub login: String,
    /// 1 to 30 characters.
    pub firstname: String,
    /// 1 to 255 characters.
    pub lastname: String,
    /// Unique without regard to case.
    pub mail: String,
    /// An Argon2id PHC string; `None`: no sign-in by password.
    pub password_hash: Option<String>,
    /// Whether they look after the others.
    pub admin: bool,
    /// Whether they may do anything.
    pub status: UserStatus,
    /// Whether the next thing to do is to choose a new password.
    pub must_change_password: bool,
    /// Set where a second factor is asked for, which a password alone must not stand in for.
    pub twofa_scheme: Option<String>,
    /// An IETF language tag.
    pub language: String,
    /// When the account was made.
    pub created_on: Timestamp,
    /// When it was last changed.
    pub updated_on: Timestamp,
    /// The last sign-in, or Basic by password to the minute.
    pub last_login_on: Option<Timestamp>,
    /// When the password was set.
    pub passwd_changed_on: Option<Timestamp>,
}

/// What a new person is made of.
pub struct NewUser {
    /// Who signs in.
    pub login: String,
    /// Names and mail.
    pub profile: Profile,
    /// An Argon2id PHC string.
    pub password_hash: Option<String>,
    /// Whether they look after the others.
    pub admin: bool,
}

/// What people say about themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The first name.
    pub firstname: String,
    /// The last name.
    pub lastname: String,
    /// The mail address.
    pub mail: String,
}

/// The parts of a person that a rule can be broken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserField {
    /// `login`
    Login,
    /// `firstname`
    Firstname,
    /// `lastname`
    Lastname,
    /// `mail`
    Mail,
    /// The password they have.
    CurrentPassword,
    /// The password to be.
    Password,
    /// The password to be, again.
    PasswordConfirmation,
    /// Whether they may do anything.
    Status,
}

impl Labelled for UserField {
    fn label(self) -> &'static str {
        match self {
            Self::Login => "Login",
            Self::Firstname => "First name",
            Self::Lastname => "Last name",
            Self::Mail => "Email",
            Self::CurrentPassword => "Current password",
            Self::Password => "Password",
            Self::PasswordConfirmation => "Password confirmation",
            Self::Status => "Status",
        }
    }
}

/// Why a person could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Rules that are broken.
    #[error("{}", messages(.0).join("; "))]
    Invalid(Vec<FieldError<UserField>>),
    /// The database would not.
    #[error(transparent)]
    Database(DbError),
}

write_error!(SaveError);

impl From<DbError> for SaveError {
    /// Uniqueness is the database's to decide: only there are two at the same time told apart.
    fn from(error: DbError) -> Self {
        use diesel::result::{DatabaseErrorKind::UniqueViolation, Error::DatabaseError};
        let taken = match &error {
            DbError::Query(DatabaseError(UniqueViolation, information)) => {
                let named =
                    |index| information.constraint_name() == Some(index) || information.message().contains(index);
                let fields = [("users_login_unique", UserField::Login), ("users_mail_unique", UserField::Mail)];
                fields.into_iter().find(|(index, _)| named(index)).map(|(_, field)| field)
            }
            _ => None,
        };
        match taken {
            Some(field) => Self::Invalid(vec![FieldError::new(field, "has already been taken")]),
            None => Self::Database(error),
        }
    }
}

impl Profile {
    /// The most characters of a first name.
    pub const LONGEST_FIRSTNAME: usize = 30;
    /// The most characters of a last name.
    pub const LONGEST_LASTNAME: usize = 255;

    /// The same without blanks around its parts.
    pub fn trimmed(self) -> Self {
        let trim = |text: String| text.trim().to_owned();
        Self { firstname: trim(self.firstname), lastname: trim(self.lastname), mail: trim(self.mail) }
    }

    /// Every rule of names and mail that it breaks, in the order of the form.
    pub fn errors(&self) -> Vec<FieldError<UserField>> {
        let mut errors = name_errors(UserField::Firstname, &self.firstname, Self::LONGEST_FIRSTNAME);
        errors.extend(name_errors(UserField::Lastname, &self.lastname, Self::LONGEST_LASTNAME));
        errors.extend(mail_errors(&self.mail));
        errors
    }
}

/// Every rule of a login that `login` breaks: 1 to 60 of `[A-Za-z0-9_@.-]`.
pub fn login_errors(login: &str) -> Vec<FieldError<UserField>> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_@.-".contains(c);
    let mut errors = presence_and_length(UserField::Login, login, 60);
    if !login.chars().all(allowed) {
        errors.push(FieldError::new(UserField::Login, "may hold letters, digits and _ @ . - only"));
    }
    errors
}

/// Every rule of a mail address that `mail` breaks.
pub fn mail_errors(mail: &str) -> Vec<FieldError<UserField>> {
    let errors = presence_and_length(UserField::Mail, mail, 254);
    if !errors.is_empty() {
        return errors;
    }
    // ASCII only: beyond it the databases do not agree on what differs by case alone.
    let plain = |c: char| c.is_ascii_graphic() && !r#"<>()[]\,;:""#.contains(c);
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let valid = mail.chars().all(plain)
        && mail.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !local.starts_with('.')
                && !local.ends_with('.')
                && !local.contains("..")
                && domain.split('.').all(label)
        });
    if valid { Vec::new() } else { vec![FieldError::new(UserField::Mail, "is invalid")] }
}

impl User {
    /// The person who signs in as `login`, written in any case. What cannot be a login finds nobody.
    ///
    /// # Errors
    /// Those of the query.
    pub fn find_by_login(connection: &mut DbConnection, login: &str) -> QueryResult<Option<Self>> {
        if !login_errors(login).is_empty() {
            return Ok(None);
        }
        let same_login = lower(users::login).eq(login.to_ascii_lowercase());
        users::table.filter(same_login).select(Self::as_select()).first(connection).optional()
    }

    /// The person with this id.
    ///
    /// # Errors
    /// Those of the query.
    pub fn find(connection: &mut DbConnection, id: i64) -> QueryResult<Option<Self>> {
        users::table.find(id).select(Self::as_select()).first(connection).optional()
    }

    /// Everybody, by login.
    ///
    /// # Errors
    /// Those of the query.
    pub fn all(connection: &mut DbConnection) -> QueryResult<Vec<Self>> {
        users::table.order(lower(users::login)).select(Self::as_select()).load(connection)
    }

    /// What they say about themselves.
    pub fn profile(&self) -> Profile {
        let Self { firstname, lastname, mail, .. } = self.clone();
        Profile { firstname, lastname, mail }
    }

    /// Whether they may do anything.
    pub fn is_active(&self) -> bool {
        self.status == UserStatus::Active
    }

    /// Locks the row, so that what is decided about this person is decided by one at a time: the first thing that a
    /// transaction about one person does. SQLite has one writer anyway. Foreign keys may still refer to the row
    /// meanwhile: the recorder's events do, and would deadlock with a stronger lock.
    ///
    /// # Errors
    /// Those of the query; `NotFound`: the person is gone.
    pub fn lock_row(connection: &mut DbConnection, id: i64) -> QueryResult<Self> {
        let row = users::table.find(id);
        match connection {
            DbConnection::Sqlite(sqlite) => row.select(Self::as_select()).first(sqlite),
            DbConnection::Postgres(postgres) => row.select(Self::as_select()).for_no_key_update().first(postgres),
        }
    }

    /// Locks the rows of these people, and where it is said those of all active administrators, in the order of their
    /// ids: transactions that lock several people wait for each other, and never in a circle (a deadlock). Gives those
    /// who are there, by their ids, as they are now. SQLite has one writer anyway.
    ///
    /// # Errors
    /// Those of the query.
    pub fn lock_rows(
        connection: &mut DbConnection,
        ids: &BTreeSet<i64>,
        whom: Locked,
    ) -> QueryResult<BTreeMap<i64, Self>> {
        let these = users::id.eq_any(ids.iter().copied().collect::<Vec<_>>());
        let active_admin = users::admin.and(users::status.eq(UserStatus::Active));
        let rows = users::table.order(users::id);
        let locked: Vec<Self> = match (connection, whom) {
            (DbConnection::Sqlite(it), _) => rows.filter(these).select(Self::as_select()).load(it),
            (DbConnection::Postgres(it), Locked::These) => {
                rows.filter(these).select(Self::as_select()).for_no_key_update().load(it)
            }
            (DbConnection::Postgres(it), Locked::AndAdministrators) => {
                rows.filter(these.or(active_admin)).select(Self::as_select()).for_no_key_update().load(it)
            }
        }?;
        Ok(locked.into_iter().map(|user| (user.id, user)).collect())
    }

    pub(super) fn update_profile(
        connection: &mut DbConnection,
        id: i64,
        before: &Profile,
        new: &Profile,
        now: Timestamp,
    ) -> QueryResult<()> {
        let values = (
            (new.firstname != before.firstname).then(|| users::firstname.eq(&new.firstname)),
            (new.lastname != before.lastname).then(|| users::lastname.eq(&new.lastname)),
            (new.mail != before.mail).then(|| users::mail.eq(&new.mail)),
            users::updated_on.eq(now),
        );
        diesel::update(users::table.find(id)).set(values).execute(connection).map(|_| ())
    }

    /// Stores a new password, which the person then need not change.
    ///
    /// # Errors
    /// Those of the query.
    pub fn set_password(connection: &mut DbConnection, id: i64, hash: &str, now: Timestamp) -> QueryResult<()> {
        let values = (
            users::password_hash.eq(hash),
            users::must_change_password.eq(false),
            users::passwd_changed_on.eq(now),
            users::updated_on.eq(now),
        );
        diesel::update(users::table.find(id)).set(values).execute(connection).map(|_| ())
    }

    /// Stores another hash of the same password, if `old` is still the one that is stored.
    ///
    /// # Errors
    /// Those of the query.
    pub fn replace_hash(connection: &mut DbConnection, id: i64, old: &str, new: &str) -> QueryResult<()> {
        let row = users::table.find(id).filter(users::password_hash.eq(old));
        diesel::update(row).set(users::password_hash.eq(new)).execute(connection).map(|_| ())
    }

    /// Lets a password alone do, where a second factor was asked for.
    ///
    /// # Errors
    /// Those of the query.
    pub fn clear_second_factor(connection: &mut DbConnection, id: i64, now: Timestamp) -> QueryResult<()> {
        let values = (users::twofa_scheme.eq(None::<String>), users::updated_on.eq(now));
        diesel::update(users::table.find(id)).set(values).execute(connection).map(|_| ())
    }

    /// Makes them choose a new password before anything else, at the next sign-in.
    ///
    /// # Errors
    /// Those of the query.
    pub fn require_new_password(connection: &mut DbConnection, id: i64) -> QueryResult<()> {
        let row = users::table.find(id);
        diesel::update(row).set(users::must_change_password.eq(true)).execute(connection).map(|_| ())
    }

    /// Lets them in, or shuts them out.
    ///
    /// # Errors
    /// Those of the query.
    pub fn set_status(connection: &mut DbConnection, id: i64, to: UserStatus, now: Timestamp) -> QueryResult<()> {
        let values = (users::status.eq(to), users::updated_on.eq(now));
        diesel::update(users::table.find(id)).set(values).execute(connection).map(|_| ())
    }

    /// Moves the last sign-in forward; never back.
    ///
    /// # Errors
    /// Those of the query.
    pub fn record_login(connection: &mut DbConnection, id: i64, at: Timestamp) -> QueryResult<()> {
        let earlier = users::last_login_on.is_null().or(users::last_login_on.lt(at));
        let row = users::table.find(id).filter(earlier);
        diesel::update(row).set(users::last_login_on.eq(at)).execute(connection).map(|_| ())
    }
}

impl NewUser {
    /// Every rule that they would break.
    pub fn errors(&self) -> Vec<FieldError<UserField>> {
        let mut errors = login_errors(&self.login);
        errors.extend(self.profile.errors());
        errors
    }

    /// Makes the person. The row is read back by its login, as both databases can.
    ///
    /// # Errors
    /// Those of the query; a login or mail that another has is a unique violation.
    pub fn insert(&self, connection: &mut DbConnection, now: Timestamp) -> QueryResult<User> {
        let values = (
            users::login.eq(&self.login),
            users::firstname.eq(&self.profile.firstname),
            users::lastname.eq(&self.profile.lastname),
            users::mail.eq(&self.profile.mail),
            users::password_hash.eq(&self.password_hash),
            users::admin.eq(self.admin),
            users::created_on.eq(now),
            users::updated_on.eq(now),
            users::passwd_changed_on.eq(self.password_hash.as_ref().map(|_| now)),
        );
        diesel::insert_into(users::table).values(values).execute(connection)?;
        users::table.filter(users::login.eq(&self.login)).select(User::as_select()).first(connection)
    }
}
