//! A new password: it ends every other session, and this one goes on with a new token.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::form::{Field, error_summary};
use super::shell::{Notice, Shell, page, see_other_with};
use crate::app::App;
use crate::auth::credentials::Password;
use crate::auth::passwords::PasswordRefusal;
use crate::auth::passwords::rules::confirmed_password_errors;
use crate::callers::posted_form::Posted;
use crate::callers::session_user::{self, SignedIn};
use crate::callers::verify::{client_of, verify_password};
use crate::http::error::AppError;
use crate::models::event::{Event, EventAction};
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
/// Those of the database.
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
/// Those of the database; too many wrong passwords.
pub async fn change(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    Posted { who: me, form }: Posted<SignedIn, PasswordForm>,
) -> Result<HttpResponse, AppError> {
    let (current, new) = (Password::new(form.password), Password::new(form.new_password));
    let mut errors = confirmed_password_errors(&new, &form.new_password_confirmation);
    if new == current {
        errors.push(FieldError::new(UserField::Password, "must be different from the current one"));
    }
    if errors.is_empty() {
        match verify_password(&app, &request, &me.user.login, &current).await? {
            Ok(_) => {}
            Err(PasswordRefusal::Wrong) => errors.push(FieldError::new(UserField::CurrentPassword, "is wrong")),
            Err(refusal) => return Err(refusal.into()),
        }
    }
    if !errors.is_empty() {
        let shell = Shell::of(&app, &request, &session)?;
        return answer(StatusCode::UNPROCESSABLE_ENTITY, shell, &me.user, &errors);
    }
    let hash = app.passwords.hash(&new).await?;
    let (user_id, now, client) = (me.user.id, app.clock.now(), client_of(&app, &request));
    let SignedIn { user, token } = me;
    let issued = app.database.write(move |connection| {
        // Somebody may have ended this session, or set another password, while this one was hashed.
        if !user.is_still_let_in(connection)? || Token::find(connection, token.id)?.is_none() {
            return Ok(None);
        }
        User::set_password(connection, user_id, &hash, now)?;
        Token::end_sessions(connection, user_id)?;
        Event::record(connection, user_id, EventAction::PasswordChanged, None, &client, now)?;
        Token::issue(connection, user_id, TokenAction::Session, now).map(Some)
    });
    let Some((_, secret)) = issued.await? else {
        return Err(AppError::Redirect { location: app.url.path("/login") });
    };
    session_user::start(&session, user_id, &secret)?;
    Ok(see_other_with(&app, "/my/account", Notice::PasswordChanged))
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
