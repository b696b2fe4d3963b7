//! `/my/tokens/ID/suspend`, `resume` and `refused`: suspending one of the caller's keys, switching it on again, and who
//! was refused meanwhile.

use actix_web::{HttpRequest, HttpResponse, web};

use super::request::SuspensionRequest;
use super::{Refused, document, find};
use crate::api::described::{NotTaken, SwitchUser};
use crate::api::json::{Body, respond};
use crate::app::App;
use crate::callers::api_user::{ApiUser, TokensRead, TokensWrite};
use crate::documents::key::KeyDocument;
use crate::documents::refused_use::RefusedUseDocument;
use crate::http::address::id_of;
use crate::http::error::AppError;
use crate::models::ids::{KeyId, UserId};
use crate::models::keys::key::Key;
use crate::models::keys::refused_use::RefusedUse;

/// `POST /my/tokens/ID/suspend.json`: a key of any kind.
///
/// # Errors
/// None of theirs has this id; a body that cannot be read; the key has expired, or is suspended for longer; those of the
/// database.
#[utoipa::path(
    post,
    path = "/my/tokens/{id}/suspend.json",
    operation_id = "suspendKey",
    summary = "Suspend one of your keys with all its secrets, to hear who misses it",
    description = "An access token cannot suspend a key that can do more than itself. A key that is suspended already gets another end, but none that is earlier.",
    params(("id" = i64, Path, minimum = 1), SwitchUser),
    request_body(content((ref("#/components/schemas/Suspension") = "application/json"))),
    responses(
        (status = 200, description = "The key as it is now", body = KeyDocument),
        (status = 404, description = "You have no key with this id."),
        (status = 415, description = "The body is not JSON."),
        Refused,
        NotTaken,
    ),
)]
pub async fn suspend(
    app: web::Data<App>,
    request: HttpRequest,
    me: ApiUser<TokensWrite>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let new = SuspensionRequest::read(Body::read(&request, payload).await?.members_if_any()?)?;
    let whose = (UserId(me.user.id), KeyId(id_of(&request)?));
    let key = me.mandate.write(move |tx| Key::suspend(tx, whose, new)).await??;
    respond(HttpResponse::Ok(), &document(&app, &key, &me.user))
}

/// `POST /my/tokens/ID/resume.json`: a key of any kind.
///
/// # Errors
/// None of theirs has this id; the key has expired; with Switch-User; those of the database.
#[utoipa::path(
    post,
    path = "/my/tokens/{id}/resume.json",
    operation_id = "resumeKey",
    summary = "Switch a suspended key on again",
    description = "An access token cannot switch on one that can do more, in more places or for longer, than itself. Nothing happens to a key that is not suspended.",
    params(("id" = i64, Path, minimum = 1), SwitchUser),
    responses(
        (status = 200, description = "The key as it is now", body = KeyDocument),
        (status = 404, description = "You have no key with this id."),
        (status = 422, description = "The key has expired."),
        Refused,
    ),
)]
pub async fn resume(
    app: web::Data<App>,
    request: HttpRequest,
    me: ApiUser<TokensWrite>,
) -> Result<HttpResponse, AppError> {
    let me = me.in_person()?;
    let whose = (UserId(me.user.id), KeyId(id_of(&request)?));
    let key = me.mandate.write(move |tx| Key::resume(tx, whose)).await??;
    respond(HttpResponse::Ok(), &document(&app, &key, &me.user))
}

/// `GET /my/tokens/ID/refused.json`: who was refused while the key was suspended, or is.
///
/// # Errors
/// None of theirs has this id; those of the database.
#[utoipa::path(
    get,
    path = "/my/tokens/{id}/refused.json",
    operation_id = "listRefusedUsesOfKey",
    summary = "List who was refused while the key was suspended, latest first",
    params(("id" = i64, Path, minimum = 1), SwitchUser),
    responses(
        (status = 200, description = "The clients that were refused during the suspension, or the last one", body = Vec<RefusedUseDocument>),
        (status = 404, description = "You have no key with this id."),
        Refused,
    ),
)]
pub async fn refused(
    app: web::Data<App>,
    request: HttpRequest,
    me: ApiUser<TokensRead>,
) -> Result<HttpResponse, AppError> {
    let id = find(&app, me.user.id, id_of(&request)?).await?.id;
    let all = app.database.lookup(move |connection| RefusedUse::of_key(connection, id)).await?;
    respond(HttpResponse::Ok(), &RefusedUseDocument::of(all))
}
