//! `/admin/users/ID/keys/ID/exempt`: an administrator has a key kept although nobody uses it, with a reason, or has it end
//! as any other.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::key::{key_of, shown_to_administrators};
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::models::ids::{KeyId, UserId};
use crate::models::keys::ending::Ending;
use crate::models::keys::key::{Key, KeyRefusal};
use crate::models::keys::key_request::KeyField;
use crate::models::keys::unused;
use crate::models::people::user::User;
use crate::models::rules::FieldError;
use crate::pages::form::{Field, PasswordAgain};
use crate::pages::shell::{Flash, Shell, page, see_other_with};
use crate::pages::tokens::shown::ShownToken;

#[derive(Template)]
#[template(path = "people/exempt_key.html")]
struct ExemptPage {
    shell: Shell,
    key: ShownToken,
    owner: String,
    /// How long a key may go unused, in words; `None`: keys do not end for that.
    after: Option<String>,
    because: Field,
    again: PasswordAgain,
}

/// The field of the form.
#[derive(Clone, Deserialize)]
pub struct ExemptForm {
    because: String,
}

impl ExemptPage {
    fn new(
        app: &App,
        shell: Shell,
        (key, owner): (&Key, &User),
        (because, again): (&str, PasswordAgain),
        errors: &[FieldError<KeyField>],
    ) -> Self {
        let (key, owner) = shown_to_administrators(app, key, owner);
        let after = app.config.unused_keys.limit().map(|after| format!("{} days", after.num_days()));
        Self { shell, key, owner, after, because: Field::new(because, KeyField::Reason, errors), again }
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        let of_reason = self.because.errors.iter().map(|error| ("because", error.clone()));
        self.again.error_summary_after(&of_reason.collect::<Vec<_>>())
    }
}

/// `GET /admin/users/ID/keys/ID/exempt`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if the person has no such key, or an error if a query fails.
pub async fn ask(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let (key, owner) = key_of(&app, &request).await?;
    let id = key.id;
    let ending = app.database.lookup(move |connection| Ending::of_key(connection, id)).await?;
    let (because, again) = (ending.exempt_because.unwrap_or_default(), PasswordAgain::of(&app, &me.token));
    let shell = Shell::of(&app, &request, &session)?;
    page(StatusCode::OK, &ExemptPage::new(&app, shell, (&key, &owner), (&because, again), &[]))
}

/// `POST /admin/users/ID/keys/ID/exempt`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if the person has no such key, 429 after too many wrong
/// passwords, 503 if the hashing queue is full, or an error if a query fails.
pub async fn exempt(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, ExemptForm>,
) -> Result<HttpResponse, AppError> {
    let (key, owner) = key_of(&app, &request).await?;
    let confirmed = sensitive.confirm(&app, &request).await?;
    let because = sensitive.form.because.trim().to_owned();
    let shell = Shell::of(&app, &request, &session)?;
    let again = |password, errors: &[FieldError<KeyField>]| {
        let shown = ExemptPage::new(&app, shell, (&key, &owner), (&because, password), errors);
        page(StatusCode::UNPROCESSABLE_ENTITY, &shown)
    };
    let mandate = match confirmed {
        Ok(mandate) => mandate,
        Err(why) => return again(PasswordAgain::refused(why), &[]),
    };
    let (ids, reason) = ((UserId(owner.id), KeyId(key.id)), Some(because.clone()).filter(|it| !it.is_empty()));
    let notice = if reason.is_some() { Flash::KeyExempted } else { Flash::KeyNotExempted };
    match mandate.write_about(owner.id, move |tx| unused::exempt(tx, ids, reason.as_deref())).await? {
        Ok(_) => Ok(see_other_with(&app, &shown_to_administrators(&app, &key, &owner).0.path, notice)),
        Err(KeyRefusal::Invalid(errors)) => again(PasswordAgain::default(), &errors),
        Err(refusal) => Err(refusal.into()),
    }
}
