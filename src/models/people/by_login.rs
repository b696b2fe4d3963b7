//! People by their logins, several at once.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::user::{User, login_errors};
use crate::db::schema::users;
use crate::db::{DbConnection, lower};

/// The ids and logins of those who have one of `logins`, in any case. Nobody of them can be deleted before the transaction
/// ends, so that another row can refer to them; the locks are taken in the order of ids, as otherwise two transactions could
/// deadlock. What cannot be a login is nobody's.
///
/// # Errors
/// Returns an error if the query fails.
pub fn hold(connection: &mut DbConnection, logins: &[&str]) -> QueryResult<Vec<(i64, String)>> {
    let possible = logins.iter().map(|login| login.trim()).filter(|login| login_errors(login).is_empty());
    let folded: Vec<String> = possible.map(str::to_ascii_lowercase).collect();
    if folded.is_empty() {
        return Ok(Vec::new());
    }
    let named =
        users::table.filter(lower(users::login).eq_any(folded)).order(users::id).select((users::id, users::login));
    match connection {
        DbConnection::Sqlite(it) => named.load(it),
        DbConnection::Postgres(it) => named.for_key_share().load(it),
    }
}

/// The people with these ids, by login.
///
/// # Errors
/// Returns an error if the query fails.
pub fn of_ids(connection: &mut DbConnection, ids: Vec<i64>) -> QueryResult<Vec<User>> {
    users::table.filter(users::id.eq_any(ids)).order(lower(users::login)).select(User::as_select()).load(connection)
}

/// Those of `logins` that none of these people has, in any case.
pub fn unknown<'l>(logins: &[&'l str], people: &[(i64, String)]) -> Vec<&'l str> {
    let known: BTreeSet<String> = people.iter().map(|(_, login)| login.to_ascii_lowercase()).collect();
    logins.iter().copied().filter(|login| !known.contains(&login.trim().to_ascii_lowercase())).collect()
}

/// That nobody has these logins, as a sentence without a full stop; `None`: there are none.
pub fn nobody(logins: &[&str]) -> Option<String> {
    match logins {
        [] => None,
        [only] => Some(format!("No account has the login {only}")),
        several => Some(format!("No account has one of the logins {}", several.join(", "))),
    }
}
