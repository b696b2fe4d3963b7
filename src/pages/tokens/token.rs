//! `/my/tokens/ID`: one access token, the use of its secrets, and the form that changes it.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::form::{Offered, TokenFields, TokenForm, in_place_of_expiry};
use super::shown::{Rotation, ShownToken};
use super::{path_of, token};
use crate::app::App;
use crate::callers::posted_form::Posted;
use crate::callers::session_user::SessionUser;
use crate::http::error::AppError;
use crate::models::ids::{KeyId, UserId};
use crate::models::keys::key::{Key, KeyRefusal};
use crate::models::keys::key_request::{KeyField, KeyPolicy};
use crate::models::rules::FieldError;
use crate::pages::service_uses::ShownUsage;
use crate::pages::shell::{Flash, Shell, page, see_other_with};

#[derive(Template)]
#[template(path = "tokens/token.html")]
struct TokenPage {
    shell: Shell,
    token: ShownToken,
    rotation: Option<Rotation>,
    uses: Vec<ShownUsage>,
    fields: TokenFields,
}

impl TokenPage {
    async fn of(
        app: &App,
        shell: Shell,
        offered: Offered,
        key: &Key,
        form: TokenForm,
        errors: &[FieldError<KeyField>],
    ) -> Result<Self, AppError> {
        Ok(Self {
            shell,
            token: ShownToken::new(app, key),
            rotation: Rotation::of(app, key),
            uses: ShownUsage::of_key(app, key.id).await?,
            fields: TokenFields::new(app, offered, form, Some(key), errors),
        })
    }
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
    let shell = Shell::of(&app, &request, &session)?.saying(&request, &[Flash::TokenChanged]);
    let offered = Offered::to(&app, &me.user).await?;
    page(StatusCode::OK, &TokenPage::of(&app, shell, offered, &key, TokenForm::of(&key), &[]).await?)
}

/// `POST /my/tokens/ID`: changes the name, note, scopes and expiry.
///
/// # Errors
/// Returns 404 if the person has no such token, 422 if it has expired, or an error if a query fails.
pub async fn change(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    Posted { who: me, form }: Posted<SessionUser, TokenForm>,
) -> Result<HttpResponse, AppError> {
    let key = token(&app, &request, me.user.id).await?;
    let (ids, policy, now) = ((UserId(me.user.id), KeyId(key.id)), KeyPolicy::of(&app.config), app.clock.now());
    let (changes, unclear) = form.changes(now)?;
    match me.mandate.write(move |tx| Key::change(tx, ids, &changes, &policy)).await? {
        Ok(key) => Ok(see_other_with(&app, &path_of(key.id), Flash::TokenChanged)),
        Err(KeyRefusal::Invalid(errors)) => {
            let (shell, errors) = (Shell::of(&app, &request, &session)?, in_place_of_expiry(errors, unclear));
            let offered = Offered::to(&app, &me.user).await?;
            let again = TokenPage::of(&app, shell, offered, &key, form, &errors).await?;
            page(StatusCode::UNPROCESSABLE_ENTITY, &again)
        }
        Err(refusal) => Err(refusal.into()),
    }
}
