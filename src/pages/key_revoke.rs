//! `/my/api_key/revoke` and `/my/atom_key/revoke`: each asks for confirmation first, and says whether and where anything
//! still uses the key. An API access key can also be revoked where they are switched off.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::keys::{KeyPanel, ShownKey, panel_of};
use super::service_uses::KeyUses;
use super::shell::{Flash, Shell, page, see_other, see_other_with};
use crate::app::App;
use crate::callers::confirmation::Harmless;
use crate::callers::posted_form::Posted;
use crate::callers::session_user::SessionUser;
use crate::http::error::AppError;
use crate::models::ids::{KeyId, UserId};
use crate::models::keys::key::{Key, KeyRefusal};
use crate::models::keys::token::TokenAction;
use crate::models::tx::Tx;

#[derive(Template)]
#[template(path = "key_revoke.html")]
struct RevokePage {
    shell: Shell,
    panel: KeyPanel,
    key: ShownKey,
    revokes: String,
    /// Where the key is used; `None` if keys of its kind open no service.
    uses: Option<KeyUses>,
}

/// The id of the key to revoke. Works as an optimistic lock: a form that is sent twice, or after a reset, revokes nothing
/// else.
#[derive(Deserialize)]
pub struct RevokeForm {
    revokes: String,
}

/// `GET /my/api_key/revoke`
///
/// # Errors
/// Returns an error if a query fails.
pub async fn ask_api(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SessionUser,
) -> Result<HttpResponse, AppError> {
    ask(&app, &request, &session, &me, TokenAction::Api).await
}

/// `GET /my/atom_key/revoke`
///
/// # Errors
/// Returns an error if a query fails.
pub async fn ask_atom(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SessionUser,
) -> Result<HttpResponse, AppError> {
    ask(&app, &request, &session, &me, TokenAction::Feeds).await
}

/// `POST /my/api_key/revoke`
///
/// # Errors
/// Returns an error if a query fails.
pub async fn revoke_api(app: web::Data<App>, posted: Posted<Harmless, RevokeForm>) -> Result<HttpResponse, AppError> {
    revoke(&app, &posted, TokenAction::Api, Flash::ApiKeyRevoked).await
}

/// `POST /my/atom_key/revoke`
///
/// # Errors
/// Returns an error if a query fails.
pub async fn revoke_atom(app: web::Data<App>, posted: Posted<Harmless, RevokeForm>) -> Result<HttpResponse, AppError> {
    revoke(&app, &posted, TokenAction::Feeds, Flash::AtomKeyRevoked).await
}

async fn ask(
    app: &App,
    request: &HttpRequest,
    session: &Session,
    me: &SessionUser,
    action: TokenAction,
) -> Result<HttpResponse, AppError> {
    let mut panel = panel_of(app, &me.user, action, &me.token).await?;
    let Some(key) = panel.key.take() else { return Ok(see_other(&app.url.path("/my/account"))) };
    let uses = KeyUses::of_kind(app, (action, key.id), key.works, key.last_used.clone()).await?;
    let (shell, revokes) = (Shell::of(app, request, session)?, key.id.to_string());
    page(StatusCode::OK, &RevokePage { shell, panel, key, revokes, uses })
}

async fn revoke(
    app: &App,
    Posted { who: me, form }: &Posted<Harmless, RevokeForm>,
    action: TokenAction,
    revoked: Flash,
) -> Result<HttpResponse, AppError> {
    let odd = || AppError::BadRequest("The form does not name one of your keys.".into());
    let (user_id, id) = (me.user.id, form.revokes.parse().map_err(|_| odd())?);
    let revoke = move |tx: &mut Tx<'_>| Key::revoke_of_kind(tx, action, (UserId(user_id), KeyId(id)));
    match me.mandate.write(revoke).await? {
        Ok(_) => Ok(see_other_with(app, "/my/account", revoked)),
        Err(KeyRefusal::Gone) => Ok(see_other_with(app, "/my/account", Flash::KeyGone)),
        Err(refusal) => Err(refusal.into()),
    }
}
