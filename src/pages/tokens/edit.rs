//! `/my/tokens/ID/edit`: the form that changes an access token.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::form::{Offered, TokenFields, TokenForm, with_unclear};
use super::shown::ShownToken;
use super::{path_of, token};
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::SessionUser;
use crate::http::error::AppError;
use crate::models::ids::{KeyId, UserId};
use crate::models::keys::key::{Key, KeyRefusal};
use crate::models::keys::key_request::{KeyField, KeyPolicy};
use crate::models::rules::FieldError;
use crate::pages::form::PasswordAgain;
use crate::pages::shell::{Flash, Shell, page, see_other_about, see_other_about_with};

#[derive(Template)]
#[template(path = "tokens/edit.html")]
struct EditPage {
    shell: Shell,
    token: ShownToken,
    fields: TokenFields,
    password: PasswordAgain,
}

impl EditPage {
    fn new(
        (app, request): (&App, &HttpRequest),
        (shell, offered, key): (Shell, &Offered, &Key),
        (form, password): (TokenForm, PasswordAgain),
        errors: &[FieldError<KeyField>],
    ) -> Self {
        let fields = TokenFields::new((app, request), offered, form, Some(key), errors);
        Self { shell, token: ShownToken::new(app, key), fields, password }
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        self.password.error_summary_after(&self.fields.error_summary())
    }
}

/// `GET /my/tokens/ID/edit`
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
    if key.is_expired(app.clock.now()) {
        return Ok(see_other_about(&app, &request, &path_of(key.id)));
    }
    let (shell, offered) = (Shell::of(&app, &request, &session)?, Offered::to(&app, &me.user, &me.mandate).await?);
    let untouched = (TokenForm::of(&key), PasswordAgain::of(&app, &me.token));
    page(StatusCode::OK, &EditPage::new((&app, &request), (shell, &offered, &key), untouched, &[]))
}

/// `POST /my/tokens/ID/edit`: changes the name, note, scopes, expiry and networks.
///
/// # Errors
/// Returns 404 if the person has no such token, 422 if it has expired, 429 after too many wrong passwords, 503 if the
/// hashing queue is full, or an error if a query fails.
pub async fn change(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<SessionUser, TokenForm>,
) -> Result<HttpResponse, AppError> {
    let key = token(&app, &request, sensitive.user.id).await?;
    let (changes, unclear) = sensitive.form.changes(app.clock.now())?;
    let confirmed = sensitive.confirm(&app, &request).await?;
    let offered = Offered::to(&app, &sensitive.user, &sensitive.without_power()).await?;
    let Sensitive { user, form, .. } = sensitive;
    let shell = Shell::of(&app, &request, &session)?;
    let again = |password, errors: &[FieldError<KeyField>]| {
        EditPage::new((&app, &request), (shell, &offered, &key), (form, password), errors)
    };
    let mandate = match confirmed {
        Ok(mandate) => mandate,
        Err(why) => return page(StatusCode::UNPROCESSABLE_ENTITY, &again(PasswordAgain::refused(why), &[])),
    };
    let (ids, policy) = ((UserId(user.id), KeyId(key.id)), KeyPolicy::of(&app.config));
    let shown = match mandate.write(move |tx| Key::change(tx, ids, &changes, &policy)).await? {
        Ok(key) => return Ok(see_other_about_with(&app, &request, &path_of(key.id), Flash::TokenChanged)),
        Err(KeyRefusal::Invalid(errors)) => again(PasswordAgain::default(), &with_unclear(errors, unclear)),
        Err(KeyRefusal::ShutsOut(address)) => {
            let shown = again(PasswordAgain::default(), &[]);
            EditPage { fields: shown.fields.asking(address), ..shown }
        }
        Err(refusal) => return Err(refusal.into()),
    };
    page(StatusCode::UNPROCESSABLE_ENTITY, &shown)
}
