//! *Change password*: ends every other session and continues this one with a new token.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::form::{Field, error_summary};
use super::shell::{Flash, Shell, page, see_other_with};
use crate::app::App;
use crate::auth::credentials::Password;
use crate::auth::passwords::PasswordRefusal;
use crate::auth::passwords::new_password::{NewPassword, Owner};
use crate::callers::posted_form::Posted;
use crate::callers::session_user::{self, SignedIn};
use crate::callers::verify::verify_password;
use crate::db::DbError;
use crate::http::error::AppError;
use crate::models::event::{EventAction, NewEvent};
use crate::models::keys::token::{Token, TokenAction};
use crate::models::people::user::{User, UserField};
use crate::models::rules::FieldError;

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage {
    shell: Shell,
    must_change: bool,
    current: Field,
    new: Field,
    confirmation: Field,
}

impl PasswordPage {
    fn error_summary(&self) -> Vec<(&'static str, String)> {
        let fields = [
            ("password", &self.current),
            ("new_password", &self.new),
            ("new_password_confirmation", &self.confirmation),
        ];
        error_summary(&fields)
    }
}

/// The fields of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct PasswordForm {
    password: String,
    new_password: String,
    new_password_confirmation: String,
}

/// `GET /my/password`
///
/// # Errors
/// Returns an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SignedIn,
) -> Result<HttpResponse, AppError> {
    answer(StatusCode::OK, Shell::of(&app, &request, &session)?, &me.user, &[])
}

/// `POST /my/password`
///
/// # Errors
/// Returns 429 after too many wrong passwords, 503 if the hashing queue is full, or an error if a query fails.
pub async fn change(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    Posted { who: me, form }: Posted<SignedIn, PasswordForm>,
) -> Result<HttpResponse, AppError> {
    let (current, new) = (Password::new(form.password), Password::new(form.new_password));
    let owner = Owner { login: &me.user.login, profile: &me.user.profile() };
    let is_same = new == current;
    let new = NewPassword::confirmed(new, &form.new_password_confirmation, owner);
    let mut errors = new.as_ref().err().cloned().unwrap_or_default();
    if is_same {
        errors.push(FieldError::new(UserField::Password, "must be different from the current one"));
    }
    let mut mandate = me.mandate;
    if errors.is_empty() {
        match verify_password(&app, &request, &me.user.login, &current).await? {
            Ok(user) => mandate = mandate.with_password_of(&user),
            Err(PasswordRefusal::Wrong) => errors.push(FieldError::new(UserField::CurrentPassword, "is wrong")),
            Err(refusal) => return Err(refusal.into()),
        }
    }
    let new = match new {
        Ok(new) if errors.is_empty() => new,
        _ => {
            let shell = Shell::of(&app, &request, &session)?;
            return answer(StatusCode::UNPROCESSABLE_ENTITY, shell, &me.user, &errors);
        }
    };
    let hash = app.passwords.hash(&new).await?;
    let user_id = me.user.id;
    let issued = mandate.write(move |tx| {
        User::set_password(tx.connection, user_id, &hash, tx.now)?;
        Token::end_sessions(tx.connection, user_id)?;
        NewEvent::of_person(user_id, EventAction::PasswordChanged).record(tx)?;
        Ok::<_, DbError>(Token::issue(tx.connection, user_id, TokenAction::Session, tx.now)?)
    });
    let (_, secret) = issued.await??;
    session_user::start(&app, &session, user_id, &secret)?;
    Ok(see_other_with(&app, "/my/account", Flash::PasswordChanged))
}

fn answer(
    status: StatusCode,
    shell: Shell,
    user: &User,
    errors: &[FieldError<UserField>],
) -> Result<HttpResponse, AppError> {
    let page_shown = PasswordPage {
        shell,
        must_change: user.must_change_password,
        current: Field::password(UserField::CurrentPassword, errors),
        new: Field::password(UserField::Password, errors),
        confirmation: Field::password(UserField::PasswordConfirmation, errors),
    };
    page(status, &page_shown)
}
