//! The order of people in a list, and its SQL, which sorts alike on both databases. The first number in a login
//! and the number at the end of a name are compared as numbers: `user2` comes before `user10`. SQL can do no more with an
//! index; `models/natural.rs`, which sorts what is in memory, compares all of them.

use crate::db::DbConnection;
use crate::models::text_enum::text_enum;

/// The columns of an order, at most, as in Redmine.
const MOST_COLUMNS: usize = 3;
/// The characters of logins that are no digits. The index `users_login_natural` has the same.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz_@.-";
const DIGITS: &str = "0123456789";

/// A column to order people by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The column.
    pub by: OrderBy,
    /// Whether the largest comes first.
    pub is_descending: bool,
}

text_enum! {
    /// The columns to order people by, and the SQL of each.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum OrderBy(as_str, column) {
        /// The id.
        Id = ("id", "users.id"),
        /// The login.
        Login = ("login", "users.login"),
        /// The first name.
        Firstname = ("firstname", "users.firstname"),
        /// The last name.
        Lastname = ("lastname", "users.lastname"),
        /// The mail address.
        Mail = ("mail", "users.mail"),
        /// Whether they are administrators.
        Admin = ("admin", "users.admin"),
        /// The status, by the number that Redmine has for it.
        Status = ("status", "CASE users.status WHEN 'active' THEN 1 WHEN 'registered' THEN 2 ELSE 3 END"),
        /// When the account was created.
        Created = ("created_on", "users.created_on"),
        /// When the account was last changed.
        Updated = ("updated_on", "users.updated_on"),
        /// The last sign-in.
        LastLogin = ("last_login_on", "users.last_login_on"),
        /// When the password was last set.
        PasswordChanged = ("passwd_changed_on", "users.passwd_changed_on"),
        /// The kind of second factor.
        SecondFactor = ("twofa_scheme", "users.twofa_scheme"),
    }
}

/// There is no such column to order people by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sort cannot be by {0}: there are {known}", known = OrderBy::ALL.map(OrderBy::as_str).join(", "))]
pub struct UnknownColumn(String);

impl Order {
    /// Reads up to three columns as Redmine writes them: `login`, or `created_on:desc,login`.
    pub fn of_text(text: &str) -> impl Iterator<Item = Result<Self, UnknownColumn>> {
        text.split(',').filter(|key| !key.trim().is_empty()).take(MOST_COLUMNS).map(Self::of_column)
    }

    fn of_column(key: &str) -> Result<Self, UnknownColumn> {
        let (column, direction) = key.split_once(':').unwrap_or((key, ""));
        let by = OrderBy::of_text(column.trim()).ok_or_else(|| UnknownColumn(column.trim().to_owned()))?;
        Ok(Self { by, is_descending: direction.trim() == "desc" })
    }

    /// What follows `ORDER BY`. What is missing comes last, and what is equal by all of it is ordered by login.
    pub fn sql(all: &[Self], connection: &DbConnection) -> String {
        let login = Self { by: OrderBy::Login, is_descending: false };
        // No two people have one login, so nothing needs to follow it.
        let ends_with_login = all.iter().any(|order| order.by == OrderBy::Login);
        let then = (!ends_with_login).then_some(&login);
        let keys = all.iter().chain(then).flat_map(|order| {
            let direction = if order.is_descending { "DESC" } else { "ASC" };
            let missing = order.by.can_be_missing().then(|| format!("{} IS NULL", order.by.column()));
            let keys = order.by.keys(connection).into_iter().map(move |key| format!("{key} {direction}"));
            missing.into_iter().chain(keys)
        });
        keys.collect::<Vec<_>>().join(", ")
    }
}

impl OrderBy {
    /// What is compared, the first first.
    fn keys(self, connection: &DbConnection) -> Vec<String> {
        // Names have the collation of the database on PostgreSQL; SQLite compares bytes.
        let collation = match connection {
            DbConnection::Sqlite(_) => "",
            DbConnection::Postgres(_) => " COLLATE \"C\"",
        };
        let column = self.column();
        match self {
            Self::Login => by_first_number(&format!("lower({column})")),
            Self::Firstname | Self::Lastname => by_last_number(&format!("lower({column}{collation})")),
            Self::Mail => vec![format!("lower({column})")],
            Self::Id
            | Self::Admin
            | Self::Status
            | Self::Created
            | Self::Updated
            | Self::LastLogin
            | Self::PasswordChanged
            | Self::SecondFactor => vec![column.to_owned()],
        }
    }

    fn can_be_missing(self) -> bool {
        matches!(self, Self::LastLogin | Self::PasswordChanged | Self::SecondFactor)
    }
}

/// Compares a text in lower case of [`LETTERS`] and digits: what stands before its first number, the number, and the
/// rest. The index `users_login_natural` has the same expressions, so that a page of a long list needs no sorting.
fn by_first_number(text: &str) -> Vec<String> {
    let from_number = format!("ltrim({text}, '{LETTERS}')");
    let after_number = format!("ltrim({from_number}, '{DIGITS}')");
    let before = format!("substr({text}, 1, length({text}) - length({from_number}))");
    let number = format!("substr({from_number}, 1, length({from_number}) - length({after_number}))");
    by_number(before, &number, text)
}

/// Compares any text by the number at its end, if there is one.
fn by_last_number(text: &str) -> Vec<String> {
    let before = format!("rtrim({text}, '{DIGITS}')");
    let number = format!("substr({text}, length({before}) + 1)");
    by_number(before, &number, text)
}

fn by_number(before: String, digits: &str, text: &str) -> Vec<String> {
    // Of two numbers without leading zeros, the longer is the larger.
    let number = format!("ltrim({digits}, '0')");
    vec![before, format!("length({number})"), number, text.to_owned()]
}
