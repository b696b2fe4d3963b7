//! `/my/tokens/ID`: one access token, the use of its secrets, and the form that changes it.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::form::{Offered, TokenFields, TokenForm, in_place_of_expiry};
use super::shown::{Rotation, ShownToken};
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
use crate::pages::moment::Due;
use crate::pages::service_uses::KeyUses;
use crate::pages::shell::{Flash, Shell, page, see_other_with};

#[derive(Template)]
#[template(path = "tokens/token.html")]
struct TokenPage {
    shell: Shell,
    token: ShownToken,
    rotation: Option<Rotation>,
    uses: KeyUses,
    /// How long it is kept once it has expired; `None`: for ever.
    kept: Option<String>,
    fields: TokenFields,
    password: PasswordAgain,
}

impl TokenPage {
    async fn of(
        app: &App,
        shell: Shell,
        offered: Offered,
        key: &Key,
        (form, password): (TokenForm, PasswordAgain),
        errors: &[FieldError<KeyField>],
    ) -> Result<Self, AppError> {
        let now = app.clock.now();
        let removed_on = app.config.expired_retention.limit().and_then(|kept| now.checked_add_signed(kept));
        let token = ShownToken::new(app, key);
        Ok(Self {
            shell,
            rotation: Rotation::of(app, key),
            uses: KeyUses::of(app, key.id, token.works, token.last_used.clone()).await?,
            kept: removed_on.map(|removed_on| Due::new(removed_on, now).ahead),
            token,
            fields: TokenFields::new(app, offered, form, Some(key), errors),
            password,
        })
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        self.password.error_summary_after(&self.fields.error_summary())
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
    let untouched = (TokenForm::of(&key), PasswordAgain::of(&app, &me.token));
    page(StatusCode::OK, &TokenPage::of(&app, shell, offered, &key, untouched, &[]).await?)
}

/// `POST /my/tokens/ID`: changes the name, note, scopes and expiry.
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
    let Sensitive { user, form, .. } = sensitive;
    let shell = Shell::of(&app, &request, &session)?;
    let mandate = match confirmed {
        Ok(mandate) => mandate,
        Err(why) => {
            let (offered, typed) = (Offered::to(&app, &user).await?, (form, PasswordAgain::refused(why)));
            let again = TokenPage::of(&app, shell, offered, &key, typed, &[]).await?;
            return page(StatusCode::UNPROCESSABLE_ENTITY, &again);
        }
    };
    let (ids, policy) = ((UserId(user.id), KeyId(key.id)), KeyPolicy::of(&app.config));
    match mandate.write(move |tx| Key::change(tx, ids, &changes, &policy)).await? {
        Ok(key) => Ok(see_other_with(&app, &path_of(key.id), Flash::TokenChanged)),
        Err(KeyRefusal::Invalid(errors)) => {
            let errors = in_place_of_expiry(errors, unclear);
            let (offered, typed) = (Offered::to(&app, &user).await?, (form, PasswordAgain::default()));
            let again = TokenPage::of(&app, shell, offered, &key, typed, &errors).await?;
            page(StatusCode::UNPROCESSABLE_ENTITY, &again)
        }
        Err(refusal) => Err(refusal.into()),
    }
}
