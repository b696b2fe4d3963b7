//! `/admin/keys`: everybody's keys, for administrators.

pub mod query;
pub mod request;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use self::query::{Filter, Page, refused};
use self::request::{FewKeysRequest, FewLimitedRequest, FewSuspendedRequest};
use super::described::{AsProblems, NotLetIn, NotTaken, SwitchUser};
use super::json::{Body, respond};
use crate::app::App;
use crate::callers::api_user::{AdminUser, KeysRead, KeysWrite};
use crate::documents::export::ExportFormat;
use crate::documents::key_export;
use crate::documents::listed_key::ListedKeyDocument;
use crate::http::error::AppError;
use crate::models::keys::few_keys::{FewKeys, Outcome};
use crate::models::keys::key::{Key, KeyRefusal};
use crate::models::keys::key_request::KeyPolicy;
use crate::models::keys::list::{KeyList, KeyPage};
use crate::models::tx::Tx;

/// A page of everybody's keys.
#[derive(Serialize, ToSchema)]
#[schema(as = EverybodysKeys)]
struct KeyPageDocument {
    keys: Vec<ListedKeyDocument>,
    /// Where the next page begins: its `cursor`. Null: this is the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// What became of the keys that were to be revoked.
#[derive(Serialize, ToSchema)]
#[schema(as = Revoked)]
struct RevokedDocument {
    /// The ids of the keys that were revoked.
    revoked: Vec<i64>,
    /// The ids of those that were gone already.
    gone: Vec<i64>,
}

/// What became of the keys that were to be suspended.
#[derive(Serialize, ToSchema)]
#[schema(as = Suspended)]
struct SuspendedDocument {
    /// The ids of the keys that were suspended.
    suspended: Vec<i64>,
    /// The ids of those that stay as they are: they have expired, or are suspended for longer.
    unchanged: Vec<i64>,
    /// The ids of those that are gone.
    gone: Vec<i64>,
}

/// What became of the keys that were to be switched on again.
#[derive(Serialize, ToSchema)]
#[schema(as = Resumed)]
struct ResumedDocument {
    /// The ids of the keys that were switched on.
    resumed: Vec<i64>,
    /// The ids of those that stay as they are: they have expired, or are not suspended.
    unchanged: Vec<i64>,
    /// The ids of those that are gone.
    gone: Vec<i64>,
}

/// What became of the keys that were to be limited to networks.
#[derive(Serialize, ToSchema)]
#[schema(as = Limited)]
struct LimitedDocument {
    /// The ids of the keys that were limited, or whose limit was lifted.
    limited: Vec<i64>,
    /// The ids of those that stay as they are: they have expired, or were limited so already.
    unchanged: Vec<i64>,
    /// The ids of those that are gone.
    gone: Vec<i64>,
}

type Refused = AsProblems<NotLetIn>;

/// `GET /admin/keys.json`
///
/// # Errors
/// A query that cannot be understood; those of the database.
#[utoipa::path(
    get,
    path = "/admin/keys.json",
    operation_id = "listEverybodysKeys",
    summary = "List everybody's keys, a page at a time (administrators only)",
    params(SwitchUser, Page),
    responses(
        (status = 200, description = "One page of the list", body = KeyPageDocument),
        (status = 422, description = "A parameter is invalid or unknown, or contradicts another."),
        Refused,
    ),
)]
pub async fn list(app: web::Data<App>, request: HttpRequest, _: AdminUser<KeysRead>) -> Result<HttpResponse, AppError> {
    let (query, now, this) = (Page::read(request.query_string())?, app.clock.now(), app.clone());
    let asked = query.clone();
    let found = app.database.read(move |connection| KeyPage::of(connection, &asked, &this.recorder, now)).await?;
    let page = found.map_err(refused)?;
    let keys = page.keys.iter().map(|listed| ListedKeyDocument::new(listed, &app.recorder, now)).collect();
    let next_cursor = page.next.map(|place| query.cursor(place));
    respond(HttpResponse::Ok(), &KeyPageDocument { keys, next_cursor })
}

/// `GET /admin/keys.csv`
///
/// # Errors
/// A query that cannot be understood; those of the database.
#[utoipa::path(
    get,
    path = "/admin/keys.csv",
    operation_id = "exportEverybodysKeysAsCsv",
    summary = "Get everybody's keys as CSV (administrators only)",
    params(SwitchUser, Filter),
    responses(
        (status = 200, description = "A line for each key, below a heading", body = String, content_type = "text/csv"),
        (status = 422, description = "A parameter is invalid or unknown, or contradicts another."),
        Refused,
    ),
)]
pub async fn csv(app: web::Data<App>, request: HttpRequest, _: AdminUser<KeysRead>) -> Result<HttpResponse, AppError> {
    export(&app, &request, ExportFormat::Csv).await
}

/// `GET /admin/keys.ndjson`
///
/// # Errors
/// A query that cannot be understood; those of the database.
#[utoipa::path(
    get,
    path = "/admin/keys.ndjson",
    operation_id = "exportEverybodysKeysAsNdjson",
    summary = "Get everybody's keys as NDJSON: a document on each line (administrators only)",
    params(SwitchUser, Filter),
    responses(
        (status = 200, description = "A document on each line, as in the list", body = String, content_type = "application/x-ndjson"),
        (status = 422, description = "A parameter is invalid or unknown, or contradicts another."),
        Refused,
    ),
)]
pub async fn ndjson(
    app: web::Data<App>,
    request: HttpRequest,
    _: AdminUser<KeysRead>,
) -> Result<HttpResponse, AppError> {
    export(&app, &request, ExportFormat::Ndjson).await
}

async fn export(app: &web::Data<App>, request: &HttpRequest, format: ExportFormat) -> Result<HttpResponse, AppError> {
    let query = Filter::read(request.query_string())?;
    let list = app.database.read(move |connection| KeyList::of(connection, &query)).await?.map_err(refused)?;
    key_export::respond(app, request, list, format).await
}

/// `POST /admin/keys/revoke.json`: all of them or, if one is refused, none.
///
/// # Errors
/// A body that cannot be read, or that names too many keys; one of them may do more than the key that is used; those of the
/// database.
#[utoipa::path(
    post,
    path = "/admin/keys/revoke.json",
    operation_id = "revokeEverybodysKeys",
    summary = "Revoke keys of anybody, at most 500 at once (administrators only)",
    description = "It can be repeated: keys that are gone already are told, and are no error. An access token cannot revoke \
                   a key that can do more than itself; then none of the keys is revoked.",
    params(SwitchUser),
    request_body(content = FewKeysRequest),
    responses(
        (status = 200, description = "What became of the keys", body = RevokedDocument),
        (status = 415, description = "The body is not JSON."),
        Refused,
        NotTaken,
    ),
)]
pub async fn revoke(
    request: HttpRequest,
    me: AdminUser<KeysWrite>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let keys = FewKeysRequest::read(Body::read(&request, payload).await?.members()?)?;
    let beyond = "One of these keys can do more than the key you use, so none of them was revoked.";
    let outcome = change(&me, keys, beyond, |keys, tx| keys.revoke(tx)).await?;
    respond(HttpResponse::Ok(), &RevokedDocument { revoked: ids(&outcome.done), gone: outcome.gone })
}

/// `POST /admin/keys/suspend.json`: all of them or, if one is refused, none.
///
/// # Errors
/// A body that cannot be read, or that names too many keys; one of them may do more than the key that is used; those of the
/// database.
#[utoipa::path(
    post,
    path = "/admin/keys/suspend.json",
    operation_id = "suspendEverybodysKeys",
    summary = "Suspend keys of anybody, at most 500 at once (administrators only)",
    description = "It can be repeated: keys that have expired, or are suspended for longer, stay as they are, and are no \
                   error. An access token cannot suspend a key that can do more than itself; then none of the keys is \
                   suspended.",
    params(SwitchUser),
    request_body(content = FewSuspendedRequest),
    responses(
        (status = 200, description = "What became of the keys", body = SuspendedDocument),
        (status = 415, description = "The body is not JSON."),
        Refused,
        NotTaken,
    ),
)]
pub async fn suspend(
    request: HttpRequest,
    me: AdminUser<KeysWrite>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let (keys, new) = FewSuspendedRequest::read(Body::read(&request, payload).await?.members()?)?;
    let beyond = "One of these keys can do more than the key you use, so none of them was suspended.";
    let outcome = change(&me, keys, beyond, move |keys, tx| keys.suspend(tx, new)).await?;
    let document =
        SuspendedDocument { suspended: ids(&outcome.done), unchanged: ids(&outcome.unchanged), gone: outcome.gone };
    respond(HttpResponse::Ok(), &document)
}

/// `POST /admin/keys/resume.json`: all of them or, if one is refused, none.
///
/// # Errors
/// A body that cannot be read, or that names too many keys; one of them may do more, in more places or for longer, than the key that is
/// used; those of the database.
#[utoipa::path(
    post,
    path = "/admin/keys/resume.json",
    operation_id = "resumeEverybodysKeys",
    summary = "Switch suspended keys of anybody on again, at most 500 at once (administrators only)",
    description = "It can be repeated: keys that have expired, or are not suspended, stay as they are, and are no error. An \
                   access token cannot switch on a key that can do more, in more places or for longer, than itself; then none of the \
                   keys is switched on.",
    params(SwitchUser),
    request_body(content = FewKeysRequest),
    responses(
        (status = 200, description = "What became of the keys", body = ResumedDocument),
        (status = 415, description = "The body is not JSON."),
        Refused,
        NotTaken,
    ),
)]
pub async fn resume(
    request: HttpRequest,
    me: AdminUser<KeysWrite>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let keys = FewKeysRequest::read(Body::read(&request, payload).await?.members()?)?;
    let beyond = "One of these keys can do more, in more places or for longer, than the key you use, so none of them was switched on.";
    let outcome = change(&me, keys, beyond, |keys, tx| keys.resume(tx)).await?;
    let document =
        ResumedDocument { resumed: ids(&outcome.done), unchanged: ids(&outcome.unchanged), gone: outcome.gone };
    respond(HttpResponse::Ok(), &document)
}

/// `POST /admin/keys/limit.json`: all of them or, if one is refused, none.
///
/// # Errors
/// A body that cannot be read, or that names too many keys; networks that are none, or that shut out whoever asks; one of
/// the keys may do more, in more places or for longer, than the key that is used; those of the database.
#[utoipa::path(
    post,
    path = "/admin/keys/limit.json",
    operation_id = "limitEverybodysKeys",
    summary = "Limit keys of anybody to addresses and networks, or lift the limit, at most 500 at once (administrators only)",
    description = "It can be repeated: keys that have expired, or are limited so already, stay as they are, and are no error. \
                   An access token cannot change a key that can do more, in more places or for longer, than itself; then none \
                   of the keys is changed.",
    params(SwitchUser),
    request_body(content = FewLimitedRequest),
    responses(
        (status = 200, description = "What became of the keys", body = LimitedDocument),
        (status = 415, description = "The body is not JSON."),
        Refused,
        NotTaken,
    ),
)]
pub async fn limit(
    app: web::Data<App>,
    request: HttpRequest,
    me: AdminUser<KeysWrite>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let (keys, limit) = FewLimitedRequest::read(Body::read(&request, payload).await?.members()?)?;
    let beyond = "One of these keys can do more, in more places or for longer, than the key you use, so none of them was \
                  changed.";
    let policy = KeyPolicy::of(&app.config);
    let outcome = change(&me, keys, beyond, move |keys, tx| keys.limit(tx, &limit, &policy)).await?;
    let document =
        LimitedDocument { limited: ids(&outcome.done), unchanged: ids(&outcome.unchanged), gone: outcome.gone };
    respond(HttpResponse::Ok(), &document)
}

/// Changes keys of several people. `beyond` is the answer if one of them may do more than the key that is used.
async fn change<F>(
    me: &AdminUser<KeysWrite>,
    keys: FewKeys,
    beyond: &'static str,
    change: F,
) -> Result<Outcome, AppError>
where
    F: FnOnce(&FewKeys, &mut Tx<'_>) -> Result<Outcome, KeyRefusal> + Send + 'static,
{
    match me.mandate.write_about_keys(keys, change).await? {
        Err(KeyRefusal::Beyond) => Err(AppError::Forbidden(beyond)),
        outcome => Ok(outcome?),
    }
}

fn ids(keys: &[Key]) -> Vec<i64> {
    keys.iter().map(|key| key.id).collect()
}
