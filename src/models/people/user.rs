//! People: their rows, and the rules for their logins, names and mail addresses.
//!
//! It is a long file because the row, its rules and its queries stand together.

use std::collections::{BTreeMap, BTreeSet};

use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::clock::Timestamp;
use crate::db::schema::users;
use crate::db::{DbConnection, DbError, Stored, lower, write_error};
use crate::models::rules::{FieldError, Labelled, messages, name_errors, presence_and_length};
use crate::models::text_enum::{stored_as_text, text_enum};

text_enum! {
    /// The status of an account.
    #[derive(AsExpression, FromSqlRow, Clone, Copy, Debug, PartialEq, Eq)]
    #[diesel(sql_type = Text)]
    pub enum UserStatus {
        /// The person can sign in, and their keys work.
        Active = "active",
        /// The account has not been activated yet.
        Registered = "registered",
        /// The person cannot sign in, and their keys do not work.
        Locked = "locked",
    }
}

impl UserStatus {
    /// The number that Redmine's API uses: 1, 2 or 3.
    pub fn number(self) -> i64 {
        match self {
            Self::Active => 1,
            Self::Registered => 2,
            Self::Locked => 3,
        }
    }

    /// The status with this number in Redmine's API.
    pub fn numbered(number: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.number().to_string() == number)
    }
}

// A status that only a newer release knows must not let anybody in.
stored_as_text!(UserStatus, otherwise Locked);

text_enum! {
    /// Whom an account is for.
    #[derive(AsExpression, FromSqlRow, Clone, Copy, Debug, PartialEq, Eq)]
    #[diesel(sql_type = Text)]
    pub enum AccountKind {
        /// A person.
        Person = "person",
        /// A program: nobody signs in, and the people who own the account look after its keys.
        Service = "service",
    }
}

// A kind that only a newer release knows must not sign in.
stored_as_text!(AccountKind, otherwise Service);

/// Which people's rows are locked together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locked {
    /// Only the people who were asked for.
    These,
    /// These people, and all active administrators.
    AndAdministrators,
}

/// A row of `users`.
#[derive(Queryable, Selectable, Clone)]
#[diesel(table_name = users)]
pub struct User {
    /// The id. It is never used again, unless an import brings somebody who has had it in Redmine.
    pub id: i64,
    /// The login, which is unique regardless of case.
    pub login: String,
    /// The first name: 1 to 30 characters.
    pub firstname: String,
    /// The last name: 1 to 255 characters.
    pub lastname: String,
    /// The mail address, which is unique regardless of case.
    pub mail: String,
    /// The Argon2id hash as a PHC string, which has the salt in it; `None`: the person cannot sign in by password.
    pub password_hash: Option<String>,
    /// Whether the person is an administrator.
    pub admin: bool,
    /// The status of the account.
    pub status: UserStatus,
    /// Whether the person must choose a new password first.
    pub must_change_password: bool,
    /// The kind of second factor, if one is required. A password alone is then not accepted.
    pub twofa_scheme: Option<String>,
    /// The language, as an IETF language tag.
    pub language: String,
    /// When the account was created.
    #[diesel(deserialize_as = Stored<Timestamp>)]
    pub created_on: Timestamp,
    /// When the account was last changed.
    #[diesel(deserialize_as = Stored<Timestamp>)]
    pub updated_on: Timestamp,
    /// The last sign-in in a browser, or by HTTP Basic with the password (to the minute).
    #[diesel(deserialize_as = Stored<Option<Timestamp>>)]
    pub last_login_on: Option<Timestamp>,
    /// When the password was last set.
    #[diesel(deserialize_as = Stored<Option<Timestamp>>)]
    pub passwd_changed_on: Option<Timestamp>,
    /// Whom the account is for.
    pub kind: AccountKind,
}

/// A person to be stored.
#[derive(Clone)]
pub struct NewUser {
    /// The login.
    pub login: String,
    /// The names and the mail address.
    pub profile: Profile,
    /// The Argon2id hash as a PHC string.
    pub password_hash: Option<String>,
    /// Whether the person is an administrator.
    pub admin: bool,
    /// Whom the account is for.
    pub kind: AccountKind,
}

/// What people can change about themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The first name.
    pub firstname: String,
    /// The last name.
    pub lastname: String,
    /// The mail address.
    pub mail: String,
}

/// The fields of a person that are validated, in the order in which errors are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UserField {
    /// `login`
    Login,
    /// `firstname`
    Firstname,
    /// `lastname`
    Lastname,
    /// `mail`
    Mail,
    /// The current password.
    CurrentPassword,
    /// The new password.
    Password,
    /// The new password, repeated.
    PasswordConfirmation,
    /// `status`
    Status,
    /// The name of a service account.
    AccountName,
    /// The people who own a service account.
    Owners,
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
            Self::AccountName => "Name",
            Self::Owners => "Owners",
        }
    }
}

/// The problem of a login or mail address that somebody else has.
pub(super) const TAKEN: &str = "has already been taken";

/// Why a person could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The person breaks rules.
    #[error("{}", messages(.0).join("; "))]
    Invalid(Vec<FieldError<UserField>>),
    /// The database failed.
    #[error(transparent)]
    Database(DbError),
}

write_error!(SaveError);

impl From<DbError> for SaveError {
    /// The unique indexes decide about uniqueness: a check beforehand misses a concurrent insert (TOCTOU).
    fn from(error: DbError) -> Self {
        use diesel::result::{DatabaseErrorKind::UniqueViolation, Error::DatabaseError};
        let query = if let DbError::Query(query) = &error { Some(&**query) } else { None };
        let taken = match query {
            Some(DatabaseError(UniqueViolation, information)) => {
                let named =
                    |index| information.constraint_name() == Some(index) || information.message().contains(index);
                let fields = [("users_login_unique", UserField::Login), ("users_mail_unique", UserField::Mail)];
                fields.into_iter().find(|(index, _)| named(index)).map(|(_, field)| field)
            }
            _ => None,
        };
        match taken {
            Some(field) => Self::Invalid(vec![FieldError::new(field, TAKEN)]),
            None => Self::Database(error),
        }
    }
}

impl Profile {
    /// The most characters of a first name.
    pub const LONGEST_FIRSTNAME: usize = 30;
    /// The most characters of a last name.
    pub const LONGEST_LASTNAME: usize = 255;

    /// The same profile without whitespace around its parts, and the mail address as [`normalized_mail`] writes it.
    pub fn normalized(self) -> Self {
        let trim = |text: String| text.trim().to_owned();
        Self { firstname: trim(self.firstname), lastname: trim(self.lastname), mail: normalized_mail(&self.mail) }
    }

    /// Every rule that the profile breaks by itself, in the order of the form.
    fn errors(&self) -> Vec<FieldError<UserField>> {
        let mut errors = name_errors(UserField::Firstname, &self.firstname, Self::LONGEST_FIRSTNAME);
        errors.extend(name_errors(UserField::Lastname, &self.lastname, Self::LONGEST_LASTNAME));
        errors.extend(mail_errors(&self.mail));
        errors
    }
}

/// A mail address as it is stored: without whitespace around it, and with an internationalized domain in ASCII
/// (Punycode), as mail servers write it. Text that is no such address stays as it is.
pub fn normalized_mail(mail: &str) -> String {
    let mail = mail.trim();
    let international = mail.rsplit_once('@').filter(|(_, domain)| !domain.is_ascii());
    let ascii = international.and_then(|(local, domain)| Some((local, idna::domain_to_ascii(domain).ok()?)));
    ascii.map_or_else(|| mail.to_owned(), |(local, domain)| format!("{local}@{domain}"))
}

/// Every rule of logins that `login` breaks: 1 to 60 characters of `[A-Za-z0-9_@.-]`.
pub fn login_errors(login: &str) -> Vec<FieldError<UserField>> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_@.-".contains(c);
    let mut errors = presence_and_length(UserField::Login, login, 60);
    if !login.chars().all(allowed) {
        errors.push(FieldError::new(UserField::Login, "can only have letters, digits and _ @ . -"));
    }
    errors
}

/// Every rule of mail addresses that `mail` breaks.
pub fn mail_errors(mail: &str) -> Vec<FieldError<UserField>> {
    let errors = presence_and_length(UserField::Mail, mail, 254);
    if !errors.is_empty() {
        return errors;
    }
    // Only ASCII is accepted: for other characters, the databases do not agree on what is equal regardless of case.
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
    /// The person with this login, in any case. The database is not asked for a text that cannot be a login.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn find_by_login(connection: &mut DbConnection, login: &str) -> QueryResult<Option<Self>> {
        if !login_errors(login).is_empty() {
            return Ok(None);
        }
        let same_login = lower(users::login).eq(login.to_ascii_lowercase());
        users::table.filter(same_login).select(Self::as_select()).first(connection).optional()
    }

    /// The person with this mail address, in any case.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn find_by_mail(connection: &mut DbConnection, mail: &str) -> QueryResult<Option<Self>> {
        let mail = normalized_mail(mail);
        if !mail_errors(&mail).is_empty() {
            return Ok(None);
        }
        let same_mail = lower(users::mail).eq(mail.to_ascii_lowercase());
        users::table.filter(same_mail).select(Self::as_select()).first(connection).optional()
    }

    /// The person with this id.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn find(connection: &mut DbConnection, id: i64) -> QueryResult<Option<Self>> {
        users::table.find(id).select(Self::as_select()).first(connection).optional()
    }

    /// The names and the mail address.
    pub fn profile(&self) -> Profile {
        let Self { firstname, lastname, mail, .. } = self.clone();
        Profile { firstname, lastname, mail }
    }

    /// Whether the account is a service account.
    pub fn is_service_account(&self) -> bool {
        self.kind == AccountKind::Service
    }

    /// Whether the account is active.
    pub fn is_active(&self) -> bool {
        self.status == UserStatus::Active
    }

    /// Locks the person's row. A transaction about one person starts with this, so that decisions about the person are
    /// made one at a time. SQLite needs no lock, as it has one writer. On PostgreSQL other rows can still refer to the
    /// row meanwhile (`FOR NO KEY UPDATE`): the recorder's events do, and would deadlock with a stronger lock.
    ///
    /// # Errors
    /// Returns an error if the query fails, and `NotFound` if the person is gone.
    pub fn lock_row(connection: &mut DbConnection, id: i64) -> QueryResult<Self> {
        let row = users::table.find(id);
        match connection {
            DbConnection::Sqlite(sqlite) => row.select(Self::as_select()).first(sqlite),
            DbConnection::Postgres(postgres) => row.select(Self::as_select()).for_no_key_update().first(postgres),
        }
    }

    /// Locks the rows of these people and, if asked to, of all active administrators. The rows are locked in the order
    /// of their ids, so that two transactions cannot deadlock. Returns the people who exist, by id, as they are now.
    /// SQLite needs no lock, as it has one writer.
    ///
    /// # Errors
    /// Returns an error if the query fails.
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

    /// Stores a new password. The person then no longer has to change it.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn set_password(connection: &mut DbConnection, id: i64, hash: &str, now: Timestamp) -> QueryResult<()> {
        let values = (
            users::password_hash.eq(hash),
            users::must_change_password.eq(false),
            users::passwd_changed_on.eq(now),
            users::updated_on.eq(now),
        );
        diesel::update(users::table.find(id)).set(values).execute(connection).map(|_| ())
    }

    /// Stores another hash of the same password, if the current hash is still `old` (an optimistic lock).
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn replace_hash(connection: &mut DbConnection, id: i64, old: &str, new: &str) -> QueryResult<()> {
        let row = users::table.find(id).filter(users::password_hash.eq(old));
        diesel::update(row).set(users::password_hash.eq(new)).execute(connection).map(|_| ())
    }

    /// Removes the second factor, so that a password alone is enough.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn clear_second_factor(connection: &mut DbConnection, id: i64, now: Timestamp) -> QueryResult<()> {
        let values = (users::twofa_scheme.eq(None::<String>), users::updated_on.eq(now));
        diesel::update(users::table.find(id)).set(values).execute(connection).map(|_| ())
    }

    /// Makes the person choose a new password at the next sign-in.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn require_new_password(connection: &mut DbConnection, id: i64) -> QueryResult<()> {
        let row = users::table.find(id);
        diesel::update(row).set(users::must_change_password.eq(true)).execute(connection).map(|_| ())
    }

    /// Sets the status of the account.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn set_status(connection: &mut DbConnection, id: i64, to: UserStatus, now: Timestamp) -> QueryResult<()> {
        let values = (users::status.eq(to), users::updated_on.eq(now));
        diesel::update(users::table.find(id)).set(values).execute(connection).map(|_| ())
    }

    /// Records a sign-in. The last sign-in never moves backwards.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn record_login(connection: &mut DbConnection, id: i64, at: Timestamp) -> QueryResult<()> {
        let earlier = users::last_login_on.is_null().or(users::last_login_on.lt(at));
        let row = users::table.find(id).filter(earlier);
        diesel::update(row).set(users::last_login_on.eq(at)).execute(connection).map(|_| ())
    }
}

impl Profile {
    /// Every rule that the profile breaks as that of the person with this id and this login, those about other people
    /// included. `None`: it is that of somebody new. Only the unique indexes are sure that nobody else has a login or
    /// mail address; this tells both at once, and beside all else that is wrong.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn errors_of(
        &self,
        connection: &mut DbConnection,
        id: Option<i64>,
        login: &str,
    ) -> QueryResult<Vec<FieldError<UserField>>> {
        let others = || users::table.filter(users::id.ne(id.unwrap_or_default())).count();
        let mut errors = login_errors(login);
        errors.extend(self.errors());
        let is_valid = |field| errors.iter().all(|error| error.field != field);
        let (login_is_valid, mail_is_valid) = (is_valid(UserField::Login), is_valid(UserField::Mail));
        let mut take = |field, others: i64| {
            errors.extend((others > 0).then(|| FieldError::new(field, TAKEN)));
        };
        if login_is_valid {
            let same = lower(users::login).eq(login.to_ascii_lowercase());
            take(UserField::Login, others().filter(same).get_result(connection)?);
        }
        if mail_is_valid {
            // The index leaves out service accounts, which have no mail address.
            let same = lower(users::mail).eq(self.mail.to_ascii_lowercase()).and(users::mail.ne(""));
            take(UserField::Mail, others().filter(same).get_result(connection)?);
        }
        errors.sort_by_key(|error| error.field);
        Ok(errors)
    }
}

impl NewUser {
    /// Every rule that the new person breaks, those about other people included.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn errors(&self, connection: &mut DbConnection) -> QueryResult<Vec<FieldError<UserField>>> {
        self.profile.errors_of(connection, None, &self.login)
    }

    /// Stores the person. The row is read back by its login, which works on both databases.
    ///
    /// # Errors
    /// Returns an error if the query fails. A login or mail address that is taken is a unique violation.
    pub fn insert(&self, connection: &mut DbConnection, now: Timestamp) -> QueryResult<User> {
        let values = (
            users::login.eq(&self.login),
            users::firstname.eq(&self.profile.firstname),
            users::lastname.eq(&self.profile.lastname),
            users::mail.eq(&self.profile.mail),
            users::password_hash.eq(&self.password_hash),
            users::admin.eq(self.admin),
            users::kind.eq(self.kind),
            users::created_on.eq(now),
            users::updated_on.eq(now),
            users::passwd_changed_on.eq(self.password_hash.as_ref().map(|_| now)),
        );
        diesel::insert_into(users::table).values(values).execute(connection)?;
        users::table.filter(users::login.eq(&self.login)).select(User::as_select()).first(connection)
    }
}
