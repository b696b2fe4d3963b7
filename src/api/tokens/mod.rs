//! `/my/tokens`: the caller's own keys, in JSON only. A key can never create or change a key that may do more, or
//! expires later, than itself.

pub mod filter;
pub mod request;
pub mod suspensions;

use std::collections::BTreeMap;

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use serde::Serialize;
use utoipa::openapi::{RefOr, Response};
use utoipa::{IntoResponses, ToSchema};

use self::filter::Filter;
use self::request::{KeyChangesRequest, KeyRequest, RotationRequest};
use super::described::{AsProblems, NotLetIn, NotTaken, SwitchUser};
use super::idempotency::{IdempotencyKey, REPLAYED, once_only};
use super::json::{Body, respond};
use crate::app::App;
use crate::callers::api_user::{ApiUser, CurrentKey, TokensRead, TokensWrite};
use crate::callers::mandate::Mandate;
use crate::callers::service_account::{AboutServiceAccount, path_about};
use crate::clock::iso8601;
use crate::documents::key::{KeyDocument, LastUsedBy};
use crate::documents::service_usage::ServiceUsageDocument;
use crate::http::address::id_of;
use crate::http::error::AppError;
use crate::models::ids::{KeyId, UserId};
use crate::models::keys::idempotency::Issued;
use crate::models::keys::key::Key;
use crate::models::keys::key_request::KeyPolicy;
use crate::models::keys::token::Token;
use crate::models::people::user::User;
use crate::models::tx::Tx;

/// Keys, and where in the whole list they stand.
#[derive(Serialize, ToSchema)]
#[schema(as = Keys)]
struct KeyList {
    tokens: Vec<KeyDocument>,
    total_count: usize,
    offset: u32,
    limit: u32,
}

/// A key that asks about itself.
#[derive(Serialize, ToSchema)]
#[schema(as = CurrentKey)]
struct CurrentDocument {
    #[serde(flatten)]
    key: KeyDocument,
    /// Which secret of it was presented.
    presented: LastUsedBy,
    /// From then on this secret is refused; null: it is not.
    #[schema(format = DateTime, required)]
    works_until: Option<String>,
}

type Refused = AsProblems<NotLetIn>;

/// The responses when a key that asks about itself is refused.
struct RefusedItself;

impl IntoResponses for RefusedItself {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = Refused::responses();
        // This endpoint ignores X-Redmine-Switch-User.
        responses.remove("412");
        responses
    }
}

/// `GET /my/tokens.json`: `action`, `unused_since`, `expires_before`, `offset`, `limit`.
///
/// # Errors
/// A parameter that cannot be read; those of the database.
#[utoipa::path(
    get,
    path = "/my/tokens.json",
    operation_id = "listKeys",
    summary = "List your keys, oldest first",
    params(SwitchUser, Filter),
    responses(
        (status = 200, description = "One page of the list", body = KeyList),
        (status = 400, description = "A parameter is invalid or unknown."),
        Refused,
    ),
)]
pub async fn list(
    app: web::Data<App>,
    request: HttpRequest,
    me: ApiUser<TokensRead>,
) -> Result<HttpResponse, AppError> {
    let filter = Filter::read(request.query_string())?;
    let (user_id, actions) = (me.user.id, filter.actions().to_vec());
    let keys = app.database.read(move |connection| Key::of_user(connection, user_id, &actions)).await?;
    let last_use = |key: &Key| key.last_use(|secret| app.recorder.last_use.of(secret));
    let wanted: Vec<_> = keys.iter().filter(|key| filter.accepts(key, last_use(key))).collect();
    let total_count = wanted.len();
    let tokens = filter.page(wanted).map(|key| document(&app, key, &me.user)).collect();
    let list = KeyList { tokens, total_count, offset: filter.offset, limit: filter.limit };
    respond(HttpResponse::Ok(), &list)
}

/// `POST /my/tokens.json`
///
/// # Errors
/// Broken rules; a body that cannot be read; with Switch-User; those of the database.
#[utoipa::path(
    post,
    path = "/my/tokens.json",
    operation_id = "createKey",
    summary = "Create an access token. It cannot do more, or expire later, than the key you use",
    params(IdempotencyKey, SwitchUser),
    request_body(content = KeyRequest),
    responses(
        (status = 201, description = "The key with its secret, which is only shown here", body = KeyDocument,
            headers(
                ("Location" = String, description = "The address of the key"),
                ("Idempotency-Replayed" = String, description = "`true` if an earlier request created it; the secret is then left out"),
            ),
            links(
                ("show" = (operation_id = "showKey", parameters(("id" = "$response.body#/id")))),
                ("services" = (operation_id = "listServicesOfKey", parameters(("id" = "$response.body#/id")))),
                ("update" = (operation_id = "updateKey", parameters(("id" = "$response.body#/id")))),
                ("rotate" = (operation_id = "rotateKey", parameters(("id" = "$response.body#/id")))),
                ("revoke" = (operation_id = "revokeKey", parameters(("id" = "$response.body#/id")))),
            )),
        (status = 410, description = "An earlier request created the key, and it has been revoked since."),
        (status = 415, description = "The body is not JSON."),
        Refused,
        NotTaken,
    ),
)]
pub async fn create(
    app: web::Data<App>,
    request: HttpRequest,
    me: ApiUser<TokensWrite>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let me = me.in_person()?;
    let body = Body::read(&request, payload).await?;
    let once = once_only(&request, me.user.id, me.mandate.credential(), body.bytes())?;
    let new = KeyRequest::read(body.members()?)?;
    let (user_id, policy) = (me.user.id, KeyPolicy::of(&app.config));
    let make = move |tx: &mut Tx<'_>| Key::make(tx, user_id, &new, &policy);
    let issued = me.mandate.write(move |tx| Issued::once(tx, once, make)).await??;
    let mut response = HttpResponse::Created();
    let path = format!("/my/tokens/{}.json", issued.key().id);
    response.insert_header((LOCATION, app.url.join(&path_about(AboutServiceAccount::of(&request).as_ref(), &path))));
    respond_issued(response, &app, &issued, &me.user)
}

/// `GET /my/tokens/ID.json`
///
/// # Errors
/// None of theirs has this id; those of the database.
#[utoipa::path(
    get,
    path = "/my/tokens/{id}.json",
    operation_id = "showKey",
    summary = "Get one of your keys",
    params(("id" = i64, Path, minimum = 1), SwitchUser),
    responses(
        (status = 200, description = "The key", body = KeyDocument),
        (status = 404, description = "You have no key with this id."),
        Refused,
    ),
)]
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    me: ApiUser<TokensRead>,
) -> Result<HttpResponse, AppError> {
    let key = find(&app, me.user.id, id_of(&request)?).await?;
    respond(HttpResponse::Ok(), &document(&app, &key, &me.user))
}

/// `PATCH /my/tokens/ID.json`: what is not named stays as it is.
///
/// # Errors
/// Broken rules; none of theirs has this id; a body that cannot be read; with Switch-User; those of the database.
#[utoipa::path(
    patch,
    path = "/my/tokens/{id}.json",
    operation_id = "updateKey",
    summary = "Change the given fields of an access token, or the networks of a key of any kind",
    description = "An access token cannot change one that can do more, in more places or for longer, than itself.",
    params(("id" = i64, Path, minimum = 1), SwitchUser),
    request_body(content = KeyChangesRequest),
    responses(
        (status = 200, description = "The key as it is now", body = KeyDocument),
        (status = 404, description = "You have no key with this id."),
        (status = 415, description = "The body is not JSON."),
        Refused,
        NotTaken,
    ),
)]
pub async fn update(
    app: web::Data<App>,
    request: HttpRequest,
    me: ApiUser<TokensWrite>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let me = me.in_person()?;
    let changes = KeyChangesRequest::read(Body::read(&request, payload).await?.members()?)?;
    let (whose, policy) = ((UserId(me.user.id), KeyId(id_of(&request)?)), KeyPolicy::of(&app.config));
    let key = me.mandate.write(move |tx| Key::change(tx, whose, &changes, &policy)).await??;
    respond(HttpResponse::Ok(), &document(&app, &key, &me.user))
}

/// `DELETE /my/tokens/ID.json`: a key of any kind.
///
/// # Errors
/// None of theirs has this id; those of the database.
#[utoipa::path(
    delete,
    path = "/my/tokens/{id}.json",
    operation_id = "revokeKey",
    summary = "Revoke one of your keys with all its secrets",
    description = "An access token cannot revoke a key that can do more than itself. An Atom access key counts as one without scopes.",
    params(("id" = i64, Path, minimum = 1), SwitchUser),
    responses(
        (status = 204, description = "The key was revoked."),
        (status = 404, description = "You have no key with this id."),
        Refused,
    ),
)]
pub async fn revoke(request: HttpRequest, me: ApiUser<TokensWrite>) -> Result<HttpResponse, AppError> {
    end(&me.mandate, (UserId(me.user.id), KeyId(id_of(&request)?))).await
}

/// `POST /my/tokens/ID/rotate.json`
///
/// # Errors
/// As [`update`].
#[utoipa::path(
    post,
    path = "/my/tokens/{id}/rotate.json",
    operation_id = "rotateKey",
    summary = "Rotate an access token: it gets a new secret, and the old one works for a grace period",
    description = "An access token cannot rotate one that can do more, in more places or for longer, than itself.",
    params(("id" = i64, Path, minimum = 1), IdempotencyKey, SwitchUser),
    request_body(content((ref("#/components/schemas/Rotation") = "application/json"))),
    responses(
        (status = 200, description = "The key with its new secret, which is only shown here", body = KeyDocument,
            headers(
                ("Idempotency-Replayed" = String, description = "`true` if an earlier request rotated it; the secret is then left out"),
            )),
        (status = 404, description = "You have no key with this id."),
        (status = 410, description = "An earlier request rotated the key, and it has been revoked since."),
        (status = 415, description = "The body is not JSON."),
        Refused,
        NotTaken,
    ),
)]
pub async fn rotate(
    app: web::Data<App>,
    request: HttpRequest,
    me: ApiUser<TokensWrite>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let me = me.in_person()?;
    let body = Body::read(&request, payload).await?;
    let once = once_only(&request, me.user.id, me.mandate.credential(), body.bytes())?;
    let grace = RotationRequest::read(body.members_if_any()?)?;
    let whose = (UserId(me.user.id), KeyId(id_of(&request)?));
    let rotate = move |tx: &mut Tx<'_>| Key::rotate(tx, whose, grace);
    let issued = me.mandate.write(move |tx| Issued::once(tx, once, rotate)).await??;
    respond_issued(HttpResponse::Ok(), &app, &issued, &me.user)
}

/// `GET /my/tokens/ID/services.json`: where a key of any kind is used.
///
/// # Errors
/// None of theirs has this id; those of the database.
#[utoipa::path(
    get,
    path = "/my/tokens/{id}/services.json",
    operation_id = "listServicesOfKey",
    summary = "List the services that a key is used on, latest first, with the number of requests per day",
    params(("id" = i64, Path, minimum = 1), SwitchUser),
    responses(
        (status = 200, description = "The services that the key was used on", body = Vec<ServiceUsageDocument>),
        (status = 404, description = "You have no key with this id."),
        Refused,
    ),
)]
pub async fn services(
    app: web::Data<App>,
    request: HttpRequest,
    me: ApiUser<TokensRead>,
) -> Result<HttpResponse, AppError> {
    let key = find(&app, me.user.id, id_of(&request)?).await?;
    let all = app.recorder.service_uses.of(&app.database, key.id, app.clock.now().date()).await?;
    respond(HttpResponse::Ok(), &ServiceUsageDocument::of(&all))
}

/// `GET /my/tokens/current.json`: what the key that is used is.
///
/// # Errors
/// It was revoked just now; those of the database.
#[utoipa::path(
    get,
    path = "/my/tokens/current.json",
    operation_id = "showCurrentKey",
    summary = "Get the key that you use. It needs no scope",
    responses(
        (status = 200, description = "The key, and whether this is its current secret", body = CurrentDocument),
        (status = 404, description = "The key has just been revoked."),
        RefusedItself,
    ),
)]
pub async fn current(app: web::Data<App>, me: CurrentKey) -> Result<HttpResponse, AppError> {
    let key = find(&app, me.owner.id, me.token.key()).await?;
    let presented = if key.current.id == me.token.id { LastUsedBy::Current } else { LastUsedBy::Earlier };
    let works_until = me.token.ends_on().map(iso8601);
    respond(HttpResponse::Ok(), &CurrentDocument { key: document(&app, &key, &me.owner), presented, works_until })
}

/// `DELETE /my/tokens/current.json`: a key ends itself.
///
/// # Errors
/// It was revoked just now; those of the database.
#[utoipa::path(
    delete,
    path = "/my/tokens/current.json",
    operation_id = "revokeCurrentKey",
    summary = "Revoke the key that you use. It needs no scope",
    responses(
        (status = 204, description = "The key was revoked with all its secrets."),
        (status = 404, description = "The key has just been revoked."),
        RefusedItself,
    ),
)]
pub async fn revoke_current(me: CurrentKey) -> Result<HttpResponse, AppError> {
    end(&me.mandate, (UserId(me.owner.id), KeyId(me.token.key()))).await
}

async fn find(app: &App, user_id: i64, id: i64) -> Result<Key, AppError> {
    app.database.lookup(move |connection| Key::find(connection, user_id, id)).await?.ok_or(AppError::NotFound)
}

async fn end(mandate: &Mandate, whose: (UserId, KeyId)) -> Result<HttpResponse, AppError> {
    mandate.write(move |tx| Key::revoke(tx, whose)).await??;
    Ok(HttpResponse::NoContent().finish())
}

fn document(app: &App, key: &Key, owner: &User) -> KeyDocument {
    let uses = &app.recorder.last_use;
    let used_by = key.last_use(|secret| uses.of(secret)).and_then(|last_use| uses.used_by(key, last_use));
    KeyDocument::new(key, &owner.login, |secret: &Token| uses.of(secret), app.clock.now()).used_by(used_by.as_ref())
}

/// Responds with the key. A new secret is only shown in this response, not in a repeated one.
fn respond_issued(
    mut response: HttpResponseBuilder,
    app: &App,
    issued: &Issued,
    owner: &User,
) -> Result<HttpResponse, AppError> {
    let document = document(app, issued.key(), owner);
    let document = match issued {
        Issued::Now(_, secret) => document.with_secret(secret),
        Issued::Before(_) => {
            response.insert_header((REPLAYED, "true"));
            document
        }
    };
    respond(response, &document)
}
