//! Who and what was moved in from elsewhere, and the rows that are written for it, many at a time.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;
use crate::db::schema::{imported_tokens, imported_users, tokens, users};
use crate::db::{DbConnection, lower};
use crate::models::keys::token::{Token, TokenAction};
use crate::models::people::user::{User, UserStatus};

/// A row of `imported_users`.
#[derive(Queryable, Selectable, Insertable, Clone)]
#[diesel(table_name = imported_users)]
pub struct ImportedUser {
    /// Their id in the system they came from.
    pub source_id: i64,
    /// Their id here; they may have been deleted since.
    pub user_id: i64,
    /// See [`FieldDigests`].
    pub digests: Vec<u8>,
    /// When they were first moved in.
    pub imported_on: Timestamp,
}

/// A row of `imported_tokens`.
#[derive(Queryable, Selectable, Insertable, Clone)]
#[diesel(table_name = imported_tokens)]
pub struct ImportedToken {
    /// SHA-256 of the secret.
    pub digest: Vec<u8>,
    /// The id of its owner in the system it came from.
    pub source_user_id: i64,
    /// Its id here; it may have been revoked since.
    pub token_id: i64,
    /// Its kind.
    pub action: TokenAction,
}

/// A row of `users`, with everything that can be moved in.
#[derive(Insertable, AsChangeset, Clone, PartialEq, Eq)]
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
    pub created_on: Timestamp,
    pub updated_on: Timestamp,
    pub last_login_on: Option<Timestamp>,
    pub passwd_changed_on: Option<Timestamp>,
}

impl From<User> for UserRow {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            login: user.login,
            firstname: user.firstname,
            lastname: user.lastname,
            mail: user.mail,
            password_hash: user.password_hash,
            admin: user.admin,
            status: user.status,
            must_change_password: user.must_change_password,
            twofa_scheme: user.twofa_scheme,
            language: user.language,
            created_on: user.created_on,
            updated_on: user.updated_on,
            last_login_on: user.last_login_on,
            passwd_changed_on: user.passwd_changed_on,
        }
    }
}

/// A row of `tokens` that is moved in.
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

/// A part of a person that is told apart when it is asked who changed it.
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
    /// The password here: when it was set, and whether it must be changed. Never the password itself.
    PasswordHere,
    /// The password in the source: a version that is no hash of it.
    PasswordThere,
    /// What the source never changes.
    Identity,
}

impl MovedField {
    /// Those that stand in a row as they are.
    pub const PLAIN: [Self; 9] = [
        Self::Login,
        Self::Firstname,
        Self::Lastname,
        Self::Mail,
        Self::Admin,
        Self::Status,
        Self::Language,
        Self::SecondFactor,
        Self::CreatedOn,
    ];

    /// What people call it.
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
        }
    }

    /// What stands in `row`, to be compared.
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
            Self::PasswordHere => format!("{:?} {}", row.passwd_changed_on, row.must_change_password),
            Self::PasswordThere | Self::Identity => String::new(),
        }
    }

    /// Puts what stands in `from` into `to`.
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
            Self::PasswordHere => {
                to.password_hash.clone_from(&from.password_hash);
                to.passwd_changed_on = from.passwd_changed_on;
                to.must_change_password = from.must_change_password;
            }
            Self::PasswordThere | Self::Identity => {}
        }
    }
}

/// A digest of each field as it was moved in: 8 bytes each, in the order of [`MovedField`]. They tell what has changed
/// since, and keep nothing that could be read after a person is gone.
#[derive(Clone, PartialEq, Eq)]
pub struct FieldDigests(Vec<u8>);

impl FieldDigests {
    const LENGTH: usize = 8;
    const FIELDS: usize = 12;

    /// Those that are stored.
    pub fn stored(mut bytes: Vec<u8>) -> Self {
        bytes.resize(Self::LENGTH * Self::FIELDS, 0);
        Self(bytes)
    }

    /// Those of a row that was moved in.
    pub fn of(row: &UserRow, password_there: &str, identity: &str) -> Self {
        let mut digests = Self::stored(Vec::new());
        for field in MovedField::PLAIN.into_iter().chain([MovedField::PasswordHere]) {
            digests.set(field, &field.of(row));
        }
        digests.set(MovedField::PasswordThere, password_there);
        digests.set(MovedField::Identity, identity);
        digests
    }

    /// Whether `value` is what was moved in.
    pub fn is(&self, field: MovedField, value: &str) -> bool {
        self.0[Self::range(field)] == Self::digest(field, value)
    }

    /// From now on `value` is what was moved in.
    pub fn set(&mut self, field: MovedField, value: &str) {
        self.0[Self::range(field)].copy_from_slice(&Self::digest(field, value));
    }

    /// As stored.
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

/// Inserts rows: one statement on PostgreSQL; on SQLite, where that costs no round trip, one each.
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
                // A statement has room for 65535 values.
                for rows in rows.chunks(2000) {
                    diesel::insert_into($table).values(rows).execute(postgres)?;
                }
            }
        }
        Ok(())
    }};
}

/// Waits for another import on this database, and keeps the next one waiting.
///
/// # Errors
/// Those of the statement, after five seconds too.
pub fn lock_out_others(connection: &mut DbConnection) -> QueryResult<()> {
    // SQLite has one writer anyway.
    if let DbConnection::Postgres(postgres) = connection {
        diesel::sql_query("LOCK TABLE imported_users IN SHARE ROW EXCLUSIVE MODE").execute(postgres)?;
    }
    Ok(())
}

/// Who was moved in and had an id from `first` to `last` there.
///
/// # Errors
/// Those of the query.
pub fn imported_users(connection: &mut DbConnection, first: i64, last: i64) -> QueryResult<HashMap<i64, ImportedUser>> {
    let rows: Vec<ImportedUser> = imported_users::table
        .filter(imported_users::source_id.ge(first))
        .filter(imported_users::source_id.le(last))
        .select(ImportedUser::as_select())
        .load(connection)?;
    Ok(rows.into_iter().map(|row| (row.source_id, row)).collect())
}

/// Stores who was moved in, in place of what was stored about them.
///
/// # Errors
/// Those of the queries.
pub fn store_imported_users(connection: &mut DbConnection, rows: &[ImportedUser], known: &[i64]) -> QueryResult<()> {
    if !known.is_empty() {
        diesel::delete(imported_users::table.filter(imported_users::source_id.eq_any(known))).execute(connection)?;
    }
    insert_all!(connection, imported_users::table, rows)
}

/// Forgets that somebody who had an id before was moved in with keys: it is somebody else's by now.
///
/// # Errors
/// Those of the queries.
pub fn forget(connection: &mut DbConnection, source_ids: &[i64]) -> QueryResult<()> {
    let users = imported_users::table.filter(imported_users::source_id.eq_any(source_ids));
    diesel::delete(users).execute(connection)?;
    let tokens = imported_tokens::table.filter(imported_tokens::source_user_id.eq_any(source_ids));
    diesel::delete(tokens).execute(connection).map(|_| ())
}

/// The keys that were moved in and are one of `digests`, or of one whose id was from `first` to `last` there.
///
/// # Errors
/// Those of the queries.
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

/// Stores which keys were moved in.
///
/// # Errors
/// Those of the query.
pub fn store_imported_tokens(connection: &mut DbConnection, rows: &[ImportedToken]) -> QueryResult<()> {
    insert_all!(connection, imported_tokens::table, rows)
}

/// Stores new people.
///
/// # Errors
/// Those of the query.
pub fn insert_users(connection: &mut DbConnection, rows: &[UserRow]) -> QueryResult<()> {
    insert_all!(connection, users::table, rows)
}

/// Stores new keys.
///
/// # Errors
/// Those of the query.
pub fn insert_tokens(connection: &mut DbConnection, rows: &[TokenRow]) -> QueryResult<()> {
    insert_all!(connection, tokens::table, rows)
}

/// Stores a person as `row` says.
///
/// # Errors
/// Those of the query.
pub fn update_user(connection: &mut DbConnection, row: &UserRow) -> QueryResult<()> {
    diesel::update(users::table.find(row.id)).set(row).execute(connection).map(|_| ())
}

/// People by their ids; their rows stay as they are until the transaction ends.
///
/// # Errors
/// Those of the query.
pub fn users_to_change(connection: &mut DbConnection, ids: &[i64]) -> QueryResult<HashMap<i64, User>> {
    let of_them = users::table.filter(users::id.eq_any(ids)).order(users::id);
    let rows: Vec<User> = match connection {
        DbConnection::Sqlite(sqlite) => of_them.select(User::as_select()).load(sqlite)?,
        DbConnection::Postgres(postgres) => of_them.select(User::as_select()).for_update().load(postgres)?,
    };
    Ok(rows.into_iter().map(|user| (user.id, user)).collect())
}

/// The keys of people.
///
/// # Errors
/// Those of the query.
pub fn keys_of(connection: &mut DbConnection, user_ids: &[i64]) -> QueryResult<Vec<Token>> {
    tokens::table
        .filter(tokens::user_id.eq_any(user_ids))
        .filter(tokens::action.eq_any([TokenAction::Api, TokenAction::Feeds]))
        .order(tokens::id)
        .select(Token::as_select())
        .load(connection)
}

/// Which of `digests` there is a token of.
///
/// # Errors
/// Those of the query.
pub fn digests_held(connection: &mut DbConnection, digests: &[&[u8]]) -> QueryResult<Vec<Vec<u8>>> {
    tokens::table.filter(tokens::digest.eq_any(digests.to_vec())).select(tokens::digest).load(connection)
}

/// Who has one of `logins`, which are in lower case.
///
/// # Errors
/// Those of the query.
pub fn logins_held(connection: &mut DbConnection, logins: &[String]) -> QueryResult<Vec<(String, i64)>> {
    let held = users::table.filter(lower(users::login).eq_any(logins.to_vec()));
    held.select((lower(users::login), users::id)).load(connection)
}

/// Who has one of `mails`, which are in lower case.
///
/// # Errors
/// Those of the query.
pub fn mails_held(connection: &mut DbConnection, mails: &[String]) -> QueryResult<Vec<(String, i64)>> {
    let held = users::table.filter(lower(users::mail).eq_any(mails.to_vec()));
    held.select((lower(users::mail), users::id)).load(connection)
}

/// A table whose ids are given before its rows are written, so that many can be written at once.
#[derive(Clone, Copy)]
pub enum Numbered {
    /// `users`
    Users,
    /// `tokens`
    Tokens,
}

/// `count` ids that no row has had or will have.
///
/// # Errors
/// Those of the query.
pub fn reserve_ids(connection: &mut DbConnection, table: Numbered, count: usize) -> QueryResult<Vec<i64>> {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = BigInt)]
        id: i64,
    }
    let table = match table {
        Numbered::Users => "users",
        Numbered::Tokens => "tokens",
    };
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    match connection {
        // Nobody else writes meanwhile, and the rows themselves move it on.
        DbConnection::Sqlite(sqlite) => {
            let query = "SELECT coalesce(max(seq), 0) AS id FROM sqlite_sequence WHERE name = ?";
            let last: Id = diesel::sql_query(query).bind::<Text, _>(table).get_result(sqlite)?;
            Ok((last.id + 1..=last.id + count).collect())
        }
        DbConnection::Postgres(postgres) => {
            let query = "SELECT nextval(pg_get_serial_sequence($1, 'id')) AS id FROM generate_series(1, $2)";
            let ids: Vec<Id> =
                diesel::sql_query(query).bind::<Text, _>(table).bind::<BigInt, _>(count).load(postgres)?;
            Ok(ids.into_iter().map(|it| it.id).collect())
        }
    }
}
