//! `/my/tokens/ID/revoke`: asks for confirmation first, and says whether and where anything still uses the token.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::shown::{Rotation, ShownToken};
use super::token;
use crate::app::App;
use crate::callers::confirmation::Harmless;
use crate::callers::posted_form::{NoFields, Posted};
use crate::callers::session_user::SessionUser;
use crate::http::address::id_of;
use crate::http::error::AppError;
use crate::models::ids::{KeyId, UserId};
use crate::models::keys::key::{Key, KeyRefusal};
use crate::models::keys::token::TokenAction;
use crate::models::tx::Tx;
use crate::pages::service_uses::KeyUses;
use crate::pages::shell::{Flash, Shell, page, see_other_about_with};

#[derive(Template)]
#[template(path = "tokens/revoke.html")]
struct RevokePage {
    shell: Shell,
    token: ShownToken,
    rotation: Option<Rotation>,
    uses: KeyUses,
}

/// `GET /my/tokens/ID/revoke`
///
/// # Errors
/// Returns 404 if the person has no such token, or an error if a query fails.
pub async fn ask(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SessionUser,
) -> Result<HttpResponse, AppError> {
    let key = token(&app, &request, me.user.id).await?;
    let (shell, token) = (Shell::of(&app, &request, &session)?, ShownToken::new(&app, &key));
    let uses = KeyUses::of(&app, key.id, token.works, token.last_used.clone()).await?;
    page(StatusCode::OK, &RevokePage { shell, token, rotation: Rotation::of(&app, &key), uses })
}

/// `POST /my/tokens/ID/revoke`
///
/// # Errors
/// Returns an error if a query fails.
pub async fn revoke(
    app: web::Data<App>,
    request: HttpRequest,
    Posted { who: me, form: NoFields {} }: Posted<Harmless, NoFields>,
) -> Result<HttpResponse, AppError> {
    let (user_id, id) = (me.user.id, id_of(&request)?);
    // The API and Atom access keys have pages of their own.
    let revoke = move |tx: &mut Tx<'_>| Key::revoke_of_kind(tx, TokenAction::Access, (UserId(user_id), KeyId(id)));
    match me.mandate.write(revoke).await? {
        Ok(_) => Ok(see_other_about_with(&app, &request, "/my/tokens", Flash::TokenRevoked)),
        Err(KeyRefusal::Gone) => Ok(see_other_about_with(&app, &request, "/my/tokens", Flash::TokenGone)),
        Err(refusal) => Err(refusal.into()),
    }
}
