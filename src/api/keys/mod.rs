//! `/admin/keys`: everybody's keys, for administrators.

pub mod query;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use self::query::{Filter, Page, refused};
use super::described::{AsProblems, NotLetIn, NotTaken, SwitchUser};
use super::json::{Body, Members, respond};
use crate::app::App;
use crate::callers::api_user::{AdminUser, KeysRead, KeysWrite};
use crate::documents::export::ExportFormat;
use crate::documents::key_export;
use crate::documents::listed_key::ListedKeyDocument;
use crate::http::error::AppError;
use crate::models::keys::key::KeyRefusal;
use crate::models::keys::list::{KeyList, KeyPage};
use crate::models::keys::revocation::{FewKeys, MOST_AT_ONCE};

/// A page of everybody's keys.
#[derive(Serialize, ToSchema)]
#[schema(as = EverybodysKeys)]
struct KeyPageDocument {
    keys: Vec<ListedKeyDocument>,
    /// Where the next page begins: its `cursor`. Null: this is the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// The ids of the keys that are to be revoked.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described: the members are read one by one")]
pub struct RevocationRequest {
    #[schema(max_items = 500)]
    ids: Vec<i64>,
}

/// What became of the keys that were to be revoked.
#[derive(Serialize, ToSchema)]
#[schema(as = Revocation)]
struct RevocationDocument {
    /// The ids of the keys that were revoked.
    revoked: Vec<i64>,
    /// The ids of those that were gone already.
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
    request_body(content = RevocationRequest),
    responses(
        (status = 200, description = "What became of the keys", body = RevocationDocument),
        (status = 415, description = "The body is not JSON."),
        Refused,
        NotTaken,
    ),
)]
pub async fn revoke(
    app: web::Data<App>,
    request: HttpRequest,
    me: AdminUser<KeysWrite>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let keys = few_keys(Body::read(&request, payload).await?.members()?)?;
    let these = keys.clone();
    let owners = app.database.read(move |connection| these.owners(connection)).await?;
    let revoked = match me.mandate.write_about_keys_of(&owners, move |tx| keys.revoke(tx)).await? {
        Err(KeyRefusal::Beyond) => return Err(AppError::Forbidden(BEYOND)),
        revoked => revoked?,
    };
    let document = RevocationDocument { revoked: revoked.keys.iter().map(|key| key.id).collect(), gone: revoked.gone };
    respond(HttpResponse::Ok(), &document)
}

const BEYOND: &str = "One of these keys can do more than the key you use, so none of them was revoked.";

/// Reads the ids of a request.
fn few_keys(mut members: Members) -> Result<FewKeys, AppError> {
    let wrong = || format!("must be an array of at most {MOST_AT_ONCE} ids");
    let keys = members.take("ids", "ids", |value: Value| {
        let ids = value.as_array().ok_or_else(wrong)?;
        let ids: Option<Vec<i64>> = ids.iter().map(Value::as_i64).collect();
        FewKeys::of(ids.ok_or_else(wrong)?).map_err(|too_many| format!("has too many keys: {too_many}"))
    });
    members.finish()?;
    keys.ok_or_else(|| AppError::Invalid(vec![format!("ids {}", wrong())]))
}
