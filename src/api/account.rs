//! `/my/account`

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::document::{Document, read};
use super::format::Format;
use crate::app::App;
use crate::auth::api_user::{AccountRead, AccountWrite, ApiUser};
use crate::clock::iso8601;
use crate::error::AppError;
use crate::models::user::{Profile, User};

#[derive(Serialize)]
struct Account {
    id: i64,
    login: String,
    admin: bool,
    firstname: String,
    lastname: String,
    mail: String,
    created_on: String,
    last_login_on: Option<String>,
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            login: user.login,
            admin: user.admin,
            firstname: user.firstname,
            lastname: user.lastname,
            mail: user.mail,
            created_on: iso8601(user.created_on),
            last_login_on: user.last_login_on.map(iso8601),
        }
    }
}

/// What people may change about themselves; every other field is ignored.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Changes {
    firstname: Option<String>,
    lastname: Option<String>,
    mail: Option<String>,
}

impl Document for Changes {
    const FIELDS: &'static [&'static str] = &["firstname", "lastname", "mail"];
}

/// `GET /my/account.{json,xml}`
///
/// # Errors
/// If it cannot be written in this format.
pub async fn show(format: Format, me: ApiUser<AccountRead>) -> Result<HttpResponse, AppError> {
    format.respond("user", &Account::from(me.user))
}

/// `PUT /my/account.{json,xml}`
///
/// # Errors
/// Broken rules; a body that cannot be read; those of the database.
pub async fn update(
    app: web::Data<App>,
    request: HttpRequest,
    format: Format,
    me: ApiUser<AccountWrite>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let changes: Changes = read(&request, format, payload).await?;
    let before = me.user.profile();
    let profile = Profile {
        firstname: changes.firstname.unwrap_or(before.firstname),
        lastname: changes.lastname.unwrap_or(before.lastname),
        mail: changes.mail.unwrap_or(before.mail),
    };
    profile.trimmed().save(&app.database, &me.user, app.clock.now()).await?;
    Ok(HttpResponse::NoContent().finish())
}
