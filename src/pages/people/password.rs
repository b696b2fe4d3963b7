//! `/admin/users/ID/password`: sets a new password for somebody else, which ends their sessions.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::{change, full_name, path_of, person};
use crate::app::App;
use crate::auth::credentials::Password;
use crate::auth::passwords::new_password::{NewPassword, Owner};
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::models::people::administration::PersonChanges;
use crate::models::people::user::{User, UserField};
use crate::models::rules::FieldError;
use crate::pages::form::{Checkbox, Field, PasswordAgain, error_summary};
use crate::pages::shell::{Flash, Shell, page, see_other};

#[derive(Template)]
#[template(path = "people/password.html")]
struct PasswordPage {
    shell: Shell,
    path: String,
    name: String,
    login: String,
    new: Field,
    confirmation: Field,
    must_change: bool,
    again: PasswordAgain,
}

impl PasswordPage {
    fn new(
        shell: Shell,
        user: &User,
        must_change: bool,
        again: PasswordAgain,
        errors: &[FieldError<UserField>],
    ) -> Self {
        Self {
            shell,
            path: path_of(user.id),
            name: full_name(user),
            login: user.login.clone(),
            new: Field::password(UserField::Password, errors),
            confirmation: Field::password(UserField::PasswordConfirmation, errors),
            must_change,
            again,
        }
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[
            ("new_password", &self.new),
            ("new_password_confirmation", &self.confirmation),
            ("password", &self.again.field),
        ])
    }
}

/// The fields of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct PasswordForm {
    new_password: String,
    new_password_confirmation: String,
    must_change: Checkbox,
}

/// `GET /admin/users/ID/password`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if nobody has this id, or an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let user = person(&app, &request).await?;
    if user.id == me.user.id {
        return Ok(to_ones_own(&app));
    }
    let (shell, again) = (Shell::of(&app, &request, &session)?, PasswordAgain::of(&app, &me.token));
    page(StatusCode::OK, &PasswordPage::new(shell, &user, true, again, &[]))
}

/// `POST /admin/users/ID/password`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if nobody has this id, 429 after too many wrong passwords,
/// 503 if the hashing queue is full, or an error if a query fails.
pub async fn set(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, PasswordForm>,
) -> Result<HttpResponse, AppError> {
    let user = person(&app, &request).await?;
    if user.id == sensitive.user.id {
        return Ok(to_ones_own(&app));
    }
    let confirmed = sensitive.confirm(&app, &request).await?;
    let form = sensitive.form;
    let must_change = form.must_change.is_ticked();
    let shell = Shell::of(&app, &request, &session)?;
    let mandate = match confirmed {
        Ok(mandate) => mandate,
        Err(why) => {
            let again = PasswordPage::new(shell, &user, must_change, PasswordAgain::refused(why), &[]);
            return page(StatusCode::UNPROCESSABLE_ENTITY, &again);
        }
    };
    let owner = Owner { login: &user.login, profile: &user.profile() };
    let new = match NewPassword::confirmed(Password::new(form.new_password), &form.new_password_confirmation, owner) {
        Ok(new) => new,
        Err(errors) => {
            let again = PasswordPage::new(shell, &user, must_change, PasswordAgain::default(), &errors);
            return page(StatusCode::UNPROCESSABLE_ENTITY, &again);
        }
    };
    let hash = app.passwords.hash(&new).await?;
    let changes = PersonChanges {
        password_hash: Some(hash),
        must_change_password: Some(must_change),
        ..PersonChanges::default()
    };
    change(&app, &mandate, user.id, changes, Flash::PersonPasswordSet).await
}

/// Redirects to the page for one's own password, which asks for the current one and keeps the session.
fn to_ones_own(app: &App) -> HttpResponse {
    see_other(&app.url.path("/my/password"))
}
