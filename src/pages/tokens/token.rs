//! `/my/tokens/ID`: one access token, and the use of its secrets.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::form::Offered;
use super::shown::{Rotation, ShownToken};
use super::token;
use crate::app::App;
use crate::callers::session_user::SessionUser;
use crate::http::error::AppError;
use crate::models::keys::scope_group::{ScopeGroup, capitalized};
use crate::pages::ending::EndingKey;
use crate::pages::moment::Due;
use crate::pages::service_uses::KeyUses;
use crate::pages::shell::{Flash, Shell, page};
use crate::pages::suspension::shown::Refusals;

/// The results of an action that this page can announce.
const NOTICES: [Flash; 4] = [Flash::TokenChanged, Flash::KeySuspended, Flash::KeyResumed, Flash::KeyLimited];

#[derive(Template)]
#[template(path = "tokens/token.html")]
struct TokenPage {
    shell: Shell,
    token: ShownToken,
    /// The scopes, in groups.
    scopes: Vec<ScopeGroup>,
    /// The exact time at which it expires; empty if it does not.
    expiration: String,
    rotation: Option<Rotation>,
    uses: KeyUses,
    /// Who was refused while the token was suspended.
    refusals: Refusals,
    /// When it will be suspended because nobody uses it.
    ending: Option<EndingKey>,
    /// How long it is kept once it has expired; `None`: for ever.
    kept: Option<String>,
}

/// `GET /my/tokens/ID`
///
/// # Errors
/// Returns 404 if the person has no such token, or an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SessionUser,
) -> Result<HttpResponse, AppError> {
    let key = token(&app, &request, me.user.id).await?;
    let (now, token) = (app.clock.now(), ShownToken::new(&app, &key));
    let removed_on = app.config.expired_retention.limit().and_then(|kept| now.checked_add_signed(kept));
    let expiration = key.expires_on.map(|expires_on| capitalized(&Due::new(expires_on, now).exact));
    let shown = TokenPage {
        shell: Shell::of(&app, &request, &session)?.saying(&request, &NOTICES),
        scopes: ScopeGroup::of(&key.scopes, &Offered::to(&app, &me.user, &me.mandate).await?.titles),
        expiration: expiration.unwrap_or_default(),
        rotation: Rotation::of(&app, &key),
        ending: EndingKey::of(&app, &key).await?,
        refusals: Refusals::of(&app, key.id, key.suspension(now).as_ref()).await?,
        uses: KeyUses::of(&app, key.id, token.works, token.last_used.clone()).await?,
        kept: removed_on.map(|removed_on| Due::new(removed_on, now).ahead),
        token,
    };
    page(StatusCode::OK, &shown)
}
