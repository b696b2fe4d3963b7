//! `/users`

use actix_web::HttpResponse;
use serde::Serialize;

use super::format::Format;
use crate::auth::api_user::ApiUser;
use crate::clock::iso8601;
use crate::error::AppError;
use crate::models::user::User;

/// A person as `/users/current` shows them. The field `api_key` is left out: no secret is stored that could stand in it.
#[derive(Serialize)]
struct CurrentUser {
    id: i64,
    login: String,
    admin: bool,
    firstname: String,
    lastname: String,
    mail: String,
    created_on: String,
    updated_on: String,
    last_login_on: Option<String>,
    passwd_changed_on: Option<String>,
    twofa_scheme: Option<String>,
}

impl From<User> for CurrentUser {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            login: user.login,
            admin: user.admin,
            firstname: user.firstname,
            lastname: user.lastname,
            mail: user.mail,
            created_on: iso8601(user.created_on),
            updated_on: iso8601(user.updated_on),
            last_login_on: user.last_login_on.map(iso8601),
            passwd_changed_on: user.passwd_changed_on.map(iso8601),
            twofa_scheme: user.twofa_scheme,
        }
    }
}

/// `GET /users/current.{json,xml}`
///
/// # Errors
/// If it cannot be written in this format.
pub async fn current(format: Format, me: ApiUser) -> Result<HttpResponse, AppError> {
    format.respond("user", &CurrentUser::from(me.user))
}
