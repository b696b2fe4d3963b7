//! The rows that an import reads and writes, many at a time, and the record of what was imported before.
//!
//! It is a long file because every query of an import stands here, each of them short.

use std::collections::HashMap;

use diesel::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;
use crate::db::schema::{group_members, imported_group_members, imported_tokens, imported_users, tokens, users};
use crate::db::{DbConnection, lower};
use crate::models::keys::token::{Token, TokenAction};
use crate::models::people::user::UserStatus;

/// A row of `imported_users`.
#[derive(Queryable, Selectable, Insertable, Clone)]
#[diesel(table_name = imported_users)]
pub struct ImportedUser {
    /// The person's id in the source.
    pub source_id: i64,
    /// The person's id here. The person may have been deleted since.
    pub user_id: i64,
    /// The imported values; see [`FieldDigests`].
    pub digests: Vec<u8>,
    /// When the person was first imported.
    pub imported_on: Timestamp,
}

/// A row of `imported_tokens`.
#[derive(Queryable, Selectable, Insertable, Clone)]
#[diesel(table_name = imported_tokens)]
pub struct ImportedToken {
    /// The SHA-256 digest of the secret.
    pub digest: Vec<u8>,
    /// The id of the owner in the source.
    pub source_user_id: i64,
    /// The id of the token here. It may have been revoked since.
    pub token_id: i64,
    /// The kind of token.
    pub action: TokenAction,
}

/// A row of `users`, with every field that can be imported.
#[derive(Queryable, Selectable, Insertable, AsChangeset, Clone, PartialEq, Eq)]
#[diesel(table_name = users, treat_none_as_null = true)]
#[allow(missing_docs, reason = "as in User")]
pub struct UserRow {
    pub id: i64,
    pub login: String,
    pub firstname: String,
    pub lastname: String,
    pub mail: String,
    pub password_hash: Option<String>,
    pub admin: bool,
    pub status: UserStatus,
    pub must_change_password: bool,
    pub twofa_scheme: Option<String>,
    pub language: String,
    pub time_zone: String,
    pub created_on: Timestamp,
    pub updated_on: Timestamp,
    pub last_login_on: Option<Timestamp>,
    pub passwd_changed_on: Option<Timestamp>,
}

/// A row of `tokens` that is imported.
#[derive(Insertable, Clone)]
#[diesel(table_name = tokens)]
#[allow(missing_docs, reason = "as in Token")]
pub struct TokenRow {
    pub id: i64,
    pub user_id: i64,
    pub action: TokenAction,
    pub digest: Vec<u8>,
    pub hint: String,
    pub created_on: Timestamp,
    pub updated_on: Option<Timestamp>,
    pub recorded_since: Option<Timestamp>,
}

/// A row of `group_members`.
#[derive(Insertable, Clone)]
#[diesel(table_name = group_members)]
#[allow(missing_docs, reason = "as in the table")]
pub struct MemberRow {
    pub group_id: i64,
    pub user_id: i64,
}

/// A row of `imported_group_members`: a member of a group, by their ids in the source.
#[derive(Insertable, Clone)]
#[diesel(table_name = imported_group_members)]
#[allow(missing_docs, reason = "as in the table")]
pub struct ImportedMember {
    pub source_group_id: i64,
    pub source_user_id: i64,
}

/// A field of a person, for which it is decided separately whether it was changed here, in the source, or in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum MovedField {
    /// `login`
    Login,
    /// `firstname`
    Firstname,
    /// `lastname`
    Lastname,
    /// `mail`
    Mail,
    /// `admin`
    Admin,
    /// `status`
    Status,
    /// `language`
    Language,
    /// `twofa_scheme`
    SecondFactor,
    /// `created_on`
    CreatedOn,
    /// The password here: when it was set, and whether it must be changed. The hash is not part of it.
    PasswordHere,
    /// The password in the source: a version that is not derived from the hash.
    PasswordThere,
    /// Whatever identifies the person in the source, and never changes there.
    Identity,
    /// `time_zone`
    TimeZone,
}

impl MovedField {
    /// The fields that are copied as they are.
    pub const PLAIN: [Self; 10] = [
        Self::Login,
        Self::Firstname,
        Self::Lastname,
        Self::Mail,
        Self::Admin,
        Self::Status,
        Self::Language,
        Self::SecondFactor,
        Self::CreatedOn,
        Self::TimeZone,
    ];

    /// The name of the field, as people read it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Firstname => "first name",
            Self::Lastname => "last name",
            Self::Mail => "mail",
            Self::Admin => "administrator",
            Self::Status => "status",
            Self::Language => "language",
            Self::SecondFactor => "second factor",
            Self::CreatedOn => "creation",
            Self::PasswordHere | Self::PasswordThere => "password",
            Self::Identity => "identity",
            Self::TimeZone => "time zone",
        }
    }

    /// The value of the field in `row`, for comparison.
    pub fn of(self, row: &UserRow) -> String {
        match self {
            Self::Login => row.login.clone(),
            Self::Firstname => row.firstname.clone(),
            Self::Lastname => row.lastname.clone(),
            Self::Mail => row.mail.clone(),
            Self::Admin => row.admin.to_string(),
            Self::Status => row.status.as_str().to_owned(),
            Self::Language => row.language.clone(),
            Self::SecondFactor => row.twofa_scheme.clone().unwrap_or_default(),
            Self::CreatedOn => row.created_on.to_string(),
            Self::TimeZone => row.time_zone.clone(),
            Self::PasswordHere => format!("{:?} {}", row.passwd_changed_on, row.must_change_password),
            Self::PasswordThere | Self::Identity => String::new(),
        }
    }

    /// Copies the field from one row to the other.
    pub fn copy(self, from: &UserRow, to: &mut UserRow) {
        match self {
            Self::Login => to.login.clone_from(&from.login),
            Self::Firstname => to.firstname.clone_from(&from.firstname),
            Self::Lastname => to.lastname.clone_from(&from.lastname),
            Self::Mail => to.mail.clone_from(&from.mail),
            Self::Admin => to.admin = from.admin,
            Self::Status => to.status = from.status,
            Self::Language => to.language.clone_from(&from.language),
            Self::SecondFactor => to.twofa_scheme.clone_from(&from.twofa_scheme),
            Self::CreatedOn => to.created_on = from.created_on,
            Self::TimeZone => to.time_zone.clone_from(&from.time_zone),
            Self::PasswordHere => {
                to.password_hash.clone_from(&from.password_hash);
                to.passwd_changed_on = from.passwd_changed_on;
                to.must_change_password = from.must_change_password;
            }
            Self::PasswordThere | Self::Identity => {}
        }
    }
}

/// Digests of all fields as they were imported: 8 bytes each, in the order of [`MovedField`]. They show what has
/// changed since, and hold nothing that could be read after a person is deleted.
#[derive(Clone, PartialEq, Eq)]
pub struct FieldDigests(Vec<u8>);

impl FieldDigests {
    const LENGTH: usize = 8;
    const FIELDS: usize = 13;

    /// The digests of a stored row. An import by a release without time zones left everybody's empty.
    pub fn stored(mut bytes: Vec<u8>) -> Self {
        let knows_zones = bytes.len() >= Self::LENGTH * Self::FIELDS;
        bytes.resize(Self::LENGTH * Self::FIELDS, 0);
        let mut digests = Self(bytes);
        if !knows_zones {
            digests.set(MovedField::TimeZone, "");
        }
        digests
    }

    /// The digests of a row that is imported.
    pub fn of(row: &UserRow, password_there: &str, identity: &str) -> Self {
        let mut digests = Self::stored(Vec::new());
        for field in MovedField::PLAIN.into_iter().chain([MovedField::PasswordHere]) {
            digests.set(field, &field.of(row));
        }
        digests.set(MovedField::PasswordThere, password_there);
        digests.set(MovedField::Identity, identity);
        digests
    }

    /// Whether `value` is the value that was imported.
    pub fn is(&self, field: MovedField, value: &str) -> bool {
        self.0[Self::range(field)] == Self::digest(field, value)
    }

    /// Records `value` as the one that was imported.
    pub fn set(&mut self, field: MovedField, value: &str) {
        self.0[Self::range(field)].copy_from_slice(&Self::digest(field, value));
    }

    /// The bytes to store.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn range(field: MovedField) -> std::ops::Range<usize> {
        let start = field as usize * Self::LENGTH;
        start..start + Self::LENGTH
    }

    fn digest(field: MovedField, value: &str) -> [u8; Self::LENGTH] {
        let whole = Sha256::new().chain_update([field as u8]).chain_update(value).finalize();
        std::array::from_fn(|at| whole[at])
    }
}

/// Inserts rows in one statement on PostgreSQL. SQLite has no network round trip to save, so each row is a statement
/// there.
macro_rules! insert_all {
    ($connection:expr, $table:expr, $rows:expr) => {{
        let rows = $rows;
        match $connection {
            DbConnection::Sqlite(sqlite) => {
                for row in rows {
                    diesel::insert_into($table).values(row).execute(sqlite)?;
                }
            }
            DbConnection::Postgres(postgres) => {
                // PostgreSQL accepts at most 65535 parameters in a statement.
                for rows in rows.chunks(2000) {
                    diesel::insert_into($table).values(rows).execute(postgres)?;
                }
            }
        }
        Ok(())
    }};
}

/// Locks out other imports into this database until the transaction ends. If one is running, this waits for it.
///
/// # Errors
/// Returns an error if the statement fails, or has waited for five seconds.
pub fn lock_out_others(connection: &mut DbConnection) -> QueryResult<()> {
    // SQLite needs no lock, as it has one writer.
    if let DbConnection::Postgres(postgres) = connection {
        diesel::sql_query("LOCK TABLE imported_users IN SHARE ROW EXCLUSIVE MODE").execute(postgres)?;
    }
    Ok(())
}

/// The people who were imported before and have an id from `first` to `last` in the source, by that id.
///
/// # Errors
/// Returns an error if the query fails.
pub fn imported_users(connection: &mut DbConnection, first: i64, last: i64) -> QueryResult<HashMap<i64, ImportedUser>> {
    let rows: Vec<ImportedUser> = imported_users::table
        .filter(imported_users::source_id.ge(first))
        .filter(imported_users::source_id.le(last))
        .select(ImportedUser::as_select())
        .load(connection)?;
    Ok(rows.into_iter().map(|row| (row.source_id, row)).collect())
}

/// Records the people who were imported. The rows of `known` ids replace those from an earlier import.
///
/// # Errors
/// Returns an error if a query fails.
pub fn store_imported_users(connection: &mut DbConnection, rows: &[ImportedUser], known: &[i64]) -> QueryResult<()> {
    if !known.is_empty() {
        diesel::delete(imported_users::table.filter(imported_users::source_id.eq_any(known))).execute(connection)?;
    }
    insert_all!(connection, imported_users::table, rows)
}

/// Removes the record of people and their keys, because the source has given their ids to other people.
///
/// # Errors
/// Returns an error if a query fails.
pub fn forget(connection: &mut DbConnection, source_ids: &[i64]) -> QueryResult<()> {
    let users = imported_users::table.filter(imported_users::source_id.eq_any(source_ids));
    diesel::delete(users).execute(connection)?;
    let tokens = imported_tokens::table.filter(imported_tokens::source_user_id.eq_any(source_ids));
    diesel::delete(tokens).execute(connection).map(|_| ())
}

/// Removes the record of keys that have one of these digests.
///
/// # Errors
/// Returns an error if the query fails.
pub fn forget_tokens(connection: &mut DbConnection, digests: &[Vec<u8>]) -> QueryResult<()> {
    if digests.is_empty() {
        return Ok(());
    }
    let tokens = imported_tokens::table.filter(imported_tokens::digest.eq_any(digests));
    diesel::delete(tokens).execute(connection).map(|_| ())
}

/// The imported keys that have one of these digests, or an owner with an id from `first` to `last` in the source.
///
/// # Errors
/// Returns an error if a query fails.
pub fn imported_tokens(
    connection: &mut DbConnection,
    digests: &[&[u8]],
    first: i64,
    last: i64,
) -> QueryResult<Vec<ImportedToken>> {
    let of_them = imported_tokens::table
        .filter(imported_tokens::source_user_id.ge(first))
        .filter(imported_tokens::source_user_id.le(last));
    let mut rows: Vec<ImportedToken> = of_them.select(ImportedToken::as_select()).load(connection)?;
    let others = imported_tokens::table.filter(imported_tokens::digest.eq_any(digests.to_vec()));
    let others: Vec<ImportedToken> = others.select(ImportedToken::as_select()).load(connection)?;
    rows.extend(others.into_iter().filter(|row| !(first..=last).contains(&row.source_user_id)));
    Ok(rows)
}

/// Records the keys that were imported.
///
/// # Errors
/// Returns an error if the query fails.
pub fn store_imported_tokens(connection: &mut DbConnection, rows: &[ImportedToken]) -> QueryResult<()> {
    insert_all!(connection, imported_tokens::table, rows)
}

/// Inserts people.
///
/// # Errors
/// Returns an error if the query fails.
pub fn insert_users(connection: &mut DbConnection, rows: &[UserRow]) -> QueryResult<()> {
    insert_all!(connection, users::table, rows)
}

/// Inserts keys.
///
/// # Errors
/// Returns an error if the query fails.
pub fn insert_tokens(connection: &mut DbConnection, rows: &[TokenRow]) -> QueryResult<()> {
    insert_all!(connection, tokens::table, rows)
}

/// Inserts members of groups.
///
/// # Errors
/// Returns an error if the query fails.
pub fn insert_members(connection: &mut DbConnection, rows: &[MemberRow]) -> QueryResult<()> {
    insert_all!(connection, group_members::table, rows)
}

/// Records the members that groups have in the source.
///
/// # Errors
/// Returns an error if the query fails.
pub fn store_imported_members(connection: &mut DbConnection, rows: &[ImportedMember]) -> QueryResult<()> {
    insert_all!(connection, imported_group_members::table, rows)
}

/// Updates a person.
///
/// # Errors
/// Returns an error if the query fails.
pub fn update_user(connection: &mut DbConnection, row: &UserRow) -> QueryResult<()> {
    diesel::update(users::table.find(row.id)).set(row).execute(connection).map(|_| ())
}

/// The people with these ids. Their rows are locked until the transaction ends.
///
/// # Errors
/// Returns an error if the query fails.
pub fn users_to_change(connection: &mut DbConnection, ids: &[i64]) -> QueryResult<HashMap<i64, UserRow>> {
    let of_them = users::table.filter(users::id.eq_any(ids)).order(users::id);
    let rows: Vec<UserRow> = match connection {
        DbConnection::Sqlite(sqlite) => of_them.select(UserRow::as_select()).load(sqlite)?,
        DbConnection::Postgres(postgres) => of_them.select(UserRow::as_select()).for_update().load(postgres)?,
    };
    Ok(rows.into_iter().map(|user| (user.id, user)).collect())
}

/// The API and Atom access keys of these people.
///
/// # Errors
/// Returns an error if the query fails.
pub fn keys_of(connection: &mut DbConnection, user_ids: &[i64]) -> QueryResult<Vec<Token>> {
    tokens::table
        .filter(tokens::user_id.eq_any(user_ids))
        .filter(tokens::action.eq_any([TokenAction::Api, TokenAction::Feeds]))
        .order(tokens::id)
        .select(Token::as_select())
        .load(connection)
}

/// Those of `digests` that belong to a token.
///
/// # Errors
/// Returns an error if the query fails.
pub fn digests_held(connection: &mut DbConnection, digests: &[&[u8]]) -> QueryResult<Vec<Vec<u8>>> {
    tokens::table.filter(tokens::digest.eq_any(digests.to_vec())).select(tokens::digest).load(connection)
}

/// The people who have one of `logins`, which must be in lower case.
///
/// # Errors
/// Returns an error if the query fails.
pub fn logins_held(connection: &mut DbConnection, logins: &[String]) -> QueryResult<Vec<(String, i64)>> {
    let held = users::table.filter(lower(users::login).eq_any(logins.to_vec()));
    held.select((lower(users::login), users::id)).load(connection)
}

/// The people who have one of `mails`, which must be in lower case.
///
/// # Errors
/// Returns an error if the query fails.
pub fn mails_held(connection: &mut DbConnection, mails: &[String]) -> QueryResult<Vec<(String, i64)>> {
    // The index leaves out service accounts, which have no mail address.
    let held = users::table.filter(lower(users::mail).eq_any(mails.to_vec())).filter(users::mail.ne(""));
    held.select((lower(users::mail), users::id)).load(connection)
}
