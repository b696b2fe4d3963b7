//! *Forgotten your password?*: the page that asks for a link by mail, and the page that the link leads to.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::form::{Field, error_summary};
use super::shell::{Flash, Shell, page, see_other_with};
use crate::app::App;
use crate::auth::credentials::Password;
use crate::auth::passwords::new_password::{NewPassword, Owner};
use crate::callers::mail_link::ByLink;
use crate::callers::posted_form::Posted;
use crate::callers::recovery::{self, Asked};
use crate::callers::session_user::MaybeSignedIn;
use crate::db::DbError;
use crate::http::error::AppError;
use crate::models::event::{EventAction, NewEvent};
use crate::models::keys::token::Token;
use crate::models::mails::link::MailLink;
use crate::models::people::user::{User, UserField};
use crate::models::rules::FieldError;
use crate::pages::mail::{over_page, take_token};

#[derive(Template)]
#[template(path = "lost_password/ask.html")]
struct AskPage {
    shell: Shell,
    asked: Field,
}

impl AskPage {
    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[("login", &self.asked)])
    }
}

#[derive(Template)]
#[template(path = "lost_password/choose.html")]
struct ChoosePage {
    shell: Shell,
    login: String,
    new: Field,
    confirmation: Field,
}

impl ChoosePage {
    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[("new_password", &self.new), ("new_password_confirmation", &self.confirmation)])
    }
}

/// The only field of the form that asks for a link.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct AskForm {
    login: String,
}

/// The fields of the form that chooses a password.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ChooseForm {
    new_password: String,
    new_password_confirmation: String,
}

/// `GET /lost-password`
///
/// # Errors
/// Returns 404 if no mail is sent.
pub async fn ask(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    MaybeSignedIn(_): MaybeSignedIn,
) -> Result<HttpResponse, AppError> {
    recovery::is_offered(&app)?;
    let shell = Shell::of(&app, &request, &session)?.saying(&request, &[Flash::LinkAsked]);
    page(StatusCode::OK, &AskPage { shell, asked: Field::default() })
}

/// `POST /lost-password`: the same answer whoever is asked for.
///
/// # Errors
/// Returns 404 if no mail is sent, 429 after too many requests from one address, or an error if a query fails.
pub async fn send(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    Posted { who: MaybeSignedIn(_), form }: Posted<MaybeSignedIn, AskForm>,
) -> Result<HttpResponse, AppError> {
    recovery::is_offered(&app)?;
    match recovery::ask(&app, &request, &form.login).await? {
        Asked::Taken => Ok(see_other_with(&app, "/lost-password", Flash::LinkAsked)),
        Asked::Unreadable(problem) => {
            let shell = Shell::of(&app, &request, &session)?;
            let asked = Field { value: form.login, errors: vec![problem.to_owned()] };
            page(StatusCode::UNPROCESSABLE_ENTITY, &AskPage { shell, asked })
        }
    }
}

/// `GET /lost-password/choose`, to which the link of the mail leads.
///
/// # Errors
/// Returns an error if a query fails.
pub async fn choose(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    MaybeSignedIn(_): MaybeSignedIn,
) -> Result<HttpResponse, AppError> {
    if let Some(moved) = take_token(MailLink::Password, &app, &request, &session)? {
        return Ok(moved);
    }
    match MailLink::Password.followed(&app, &request, &session).await? {
        Some(ByLink { user, .. }) => answer(StatusCode::OK, Shell::of(&app, &request, &session)?, &user, &[]),
        None => over(&app, &request, &session),
    }
}

/// `POST /lost-password/choose`: sets the password, ends all sessions, and uses the link up.
///
/// # Errors
/// Returns 503 if the hashing queue is full, or an error if a query fails.
pub async fn change(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    Posted { who: MaybeSignedIn(_), form }: Posted<MaybeSignedIn, ChooseForm>,
) -> Result<HttpResponse, AppError> {
    let found = MailLink::Password.followed(&app, &request, &session).await?;
    let Some(ByLink { user, token, mandate }) = found else { return over(&app, &request, &session) };
    let owner = Owner { login: &user.login, profile: &user.profile() };
    let new = Password::new(form.new_password);
    let new = match NewPassword::confirmed(new, &form.new_password_confirmation, owner) {
        Ok(new) => new,
        Err(errors) => {
            let shell = Shell::of(&app, &request, &session)?;
            return answer(StatusCode::UNPROCESSABLE_ENTITY, shell, &user, &errors);
        }
    };
    let hash = app.passwords.hash(&new).await?;
    let (user_id, token_id) = (user.id, token.id);
    let changed = mandate.write(move |tx| {
        // The mandate holds the row until the end of the transaction, so that two requests cannot both use it up.
        Token::delete(tx.connection, token_id)?;
        User::set_password(tx.connection, user_id, &hash, tx.now)?;
        Token::end_sessions(tx.connection, user_id)?;
        Ok::<_, DbError>(NewEvent::of_person(user_id, EventAction::PasswordChanged).record(tx)?)
    });
    match changed.await {
        Ok(done) => done?,
        Err(AppError::Unauthorized { .. }) => return over(&app, &request, &session),
        Err(error) => return Err(error),
    }
    MailLink::Password.forget(&session);
    Ok(see_other_with(&app, "/login", Flash::PasswordChosen))
}

fn over(app: &App, request: &HttpRequest, session: &Session) -> Result<HttpResponse, AppError> {
    over_page(Shell::of(app, request, session)?, "/lost-password", "Ask for another link")
}

fn answer(
    status: StatusCode,
    shell: Shell,
    user: &User,
    errors: &[FieldError<UserField>],
) -> Result<HttpResponse, AppError> {
    let shown = ChoosePage {
        shell,
        login: user.login.clone(),
        new: Field::password(UserField::Password, errors),
        confirmation: Field::password(UserField::PasswordConfirmation, errors),
    };
    page(status, &shown)
}
