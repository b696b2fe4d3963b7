//! `/my/account`: the caller's own account.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::described::{InUser, NotLetIn, NotTaken, SwitchUser};
use super::parameters::table::Operation;
use super::parameters::{Document, Parameters};
use crate::app::App;
use crate::callers::api_user::{AccountRead, AccountWrite, ApiUser};
use crate::clock::iso8601;
use crate::http::error::AppError;
use crate::http::format::Format;
use crate::models::people::new_address::NewAddress;
use crate::models::people::user::{Profile, User};

/// One's own account.
#[derive(Serialize, ToSchema)]
#[schema(xml(name = "user"))]
struct Account {
    id: i64,
    login: String,
    admin: bool,
    firstname: String,
    lastname: String,
    mail: String,
    /// The mail address that you have asked for: it counts once you have opened the link that was sent there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    new_mail: Option<String>,
    #[schema(format = DateTime)]
    created_on: String,
    #[schema(format = DateTime, required)]
    last_login_on: Option<String>,
}

type JsonAccount = InUser<Account>;

impl Account {
    fn new(user: User, new_address: Option<NewAddress>) -> Self {
        Self {
            id: user.id,
            login: user.login,
            admin: user.admin,
            firstname: user.firstname,
            lastname: user.lastname,
            mail: user.mail,
            new_mail: new_address.map(|new| new.address),
            created_on: iso8601(user.created_on),
            last_login_on: user.last_login_on.map(iso8601),
        }
    }
}

/// What people may change about themselves.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = AccountChanges, xml(name = "user"))]
struct AccountChanges {
    #[schema(nullable = false, min_length = 1, max_length = 30)]
    firstname: Option<String>,
    #[schema(nullable = false, min_length = 1, max_length = 255)]
    lastname: Option<String>,
    #[schema(nullable = false, format = "email", max_length = 254)]
    mail: Option<String>,
}

type JsonAccountChanges = InUser<AccountChanges>;

impl Document for AccountChanges {
    const FIELDS: &'static [&'static str] = &["firstname", "lastname", "mail"];
}

/// `GET /my/account.{json,xml}`
///
/// # Errors
/// If it cannot be written in this format; those of the database.
#[utoipa::path(
    get,
    path = "/my/account.{format}",
    operation_id = "showAccount",
    summary = "Get your account",
    params(SwitchUser),
    responses(
        (status = 200, description = "The account", content(
            (inline(JsonAccount) = "application/json"),
            (Account = "application/xml"),
        )),
        NotLetIn,
        NotTaken,
    ),
)]
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    format: Format,
    me: ApiUser<AccountRead>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    Parameters::read(&request, format, payload, Operation::ShowAccount).await?;
    let id = me.user.id;
    let new_address = app.database.lookup(move |connection| NewAddress::of(connection, id)).await?;
    format.respond("user", &Account::new(*me.user, new_address))
}

/// `PUT /my/account.{json,xml}`
///
/// # Errors
/// Broken rules; a body that cannot be read; those of the database.
#[utoipa::path(
    put,
    path = "/my/account.{format}",
    operation_id = "updateAccount",
    summary = "Change your name and email",
    params(SwitchUser),
    request_body(content((inline(JsonAccountChanges) = "application/json"), (AccountChanges = "application/xml"))),
    responses((status = 204, description = "The account was changed."), NotLetIn, NotTaken),
)]
pub async fn update(
    request: HttpRequest,
    format: Format,
    me: ApiUser<AccountWrite>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let changes: AccountChanges =
        Parameters::read(&request, format, payload, Operation::UpdateAccount).await?.user()?;
    let before = me.user.profile();
    let profile = Profile {
        firstname: changes.firstname.unwrap_or_else(|| before.firstname.clone()),
        lastname: changes.lastname.unwrap_or_else(|| before.lastname.clone()),
        mail: changes.mail.unwrap_or_else(|| before.mail.clone()),
    };
    let (id, profile) = (me.user.id, profile.normalized());
    me.mandate.write(move |tx| profile.save(tx, id, &before)).await??;
    Ok(HttpResponse::NoContent().finish())
}
