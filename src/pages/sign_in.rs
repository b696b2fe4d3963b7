//! Signing in and signing out.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::http::header::REFERER;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::only_https::CameBy;
use super::shell::{Flash, Shell, page, see_other, see_other_with};
use super::way_back::way_back;
use crate::app::App;
use crate::auth::credentials::{Password, parameter};
use crate::auth::passwords::PasswordRefusal;
use crate::callers::draft::{self, Waiting};
use crate::callers::mandate::Mandate;
use crate::callers::posted_form::{NoFields, Posted};
use crate::callers::remembered_browser;
use crate::callers::session_user::{self, MaybeSignedIn, SignedIn};
use crate::callers::verify::verify_password;
use crate::db::DbError;
use crate::http::error::{AppError, SECOND_FACTOR, not_active};
use crate::metrics::{AuthMethod, Outcome};
use crate::models::event::{EventAction, NewEvent};
use crate::models::keys::token::{Token, TokenAction};
use crate::models::people::user::User;

const WRONG: &str = "The login or password is wrong.";

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    shell: Shell,
    username: String,
    back_url: String,
    /// That the session has ended, and what became of what was typed; empty if nobody was signed in.
    ended: &'static str,
    error: Option<&'static str>,
    /// The address of this page by https, if the browser keeps no session at the one that it was opened by.
    only_at: Option<String>,
}

#[derive(Template)]
#[template(path = "sign_out.html")]
struct SignOutPage {
    shell: Shell,
    login: String,
}

/// The parameter by which the address of this page says that the password was right, which only who is not signed in
/// all the same ever sees.
const PASSWORD_WAS_RIGHT: &str = "password_was_right";

/// What the sign-in page says to somebody whose session has ended.
fn ended(app: &App, session: &Session) -> &'static str {
    match draft::waiting(app, session) {
        Some(Waiting::Kept) => "Your session has ended. Sign in again to get back what you typed.",
        Some(Waiting::TooLong) => {
            "Your session has ended. What you typed is too long to be kept. Sign in and type it again."
        }
        None if session_user::names_a_session(session) => "Your session has ended. Sign in again.",
        None => "",
    }
}

/// The fields of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct SignInForm {
    username: String,
    password: String,
    back_url: String,
}

/// `GET /login`. Somebody who is signed in already goes on to where they wanted to, or back to the page that they came
/// from.
///
/// # Errors
/// Returns an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    MaybeSignedIn(me): MaybeSignedIn,
) -> Result<HttpResponse, AppError> {
    let back_url = parameter(request.query_string(), "back_url").unwrap_or_default();
    if me.is_some() {
        let referrer = request.headers().get(REFERER).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let back = [back_url.as_str(), referrer].into_iter().find_map(|it| way_back(&app, &request, it));
        return Ok(see_other(&back.unwrap_or_else(|| home(&app))));
    }
    let shell = Shell::of(&app, &request, &session)?
        .saying(&request, &[Flash::SignedOut, Flash::PasswordChosen, Flash::AddressConfirmed]);
    let is_not_kept = app.url.is_https() && parameter(request.query_string(), PASSWORD_WAS_RIGHT).is_some();
    let cannot_work = is_not_kept || CameBy::of(&app, &request) == CameBy::Http;
    let only_at = cannot_work.then(|| app.url.join("/login"));
    let ended = ended(&app, &session);
    page(StatusCode::OK, &SignInPage { shell, username: String::new(), back_url, ended, error: None, only_at })
}

/// `POST /login`
///
/// # Errors
/// Returns 429 after too many wrong passwords, 503 if the hashing queue is full, or an error if a query fails.
pub async fn sign_in(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    Posted { who: MaybeSignedIn(before), form }: Posted<MaybeSignedIn, SignInForm>,
) -> Result<HttpResponse, AppError> {
    let came_by = CameBy::of(&app, &request);
    if came_by == CameBy::Http {
        let shell = Shell::of(&app, &request, &session)?;
        let only_at = Some(app.url.join("/login"));
        let again = SignInPage {
            shell,
            username: form.username,
            back_url: form.back_url,
            ended: ended(&app, &session),
            error: None,
            only_at,
        };
        return page(StatusCode::UNPROCESSABLE_ENTITY, &again);
    }
    let password = Password::new(form.password);
    let verified = verify_password(&app, &request, form.username.trim(), &password).await?;
    app.metrics.count_authentication(AuthMethod::SignIn, Outcome::of_password(&verified));
    let refused = match verified {
        Ok(user) => {
            if start_session(&app, &request, &session, user, before).await? {
                return Ok(see_other(&after_sign_in(&app, &request, came_by, &form.back_url)));
            }
            WRONG
        }
        Err(PasswordRefusal::Wrong) => WRONG,
        Err(PasswordRefusal::SecondFactor) => SECOND_FACTOR,
        Err(PasswordRefusal::NotActive(status)) => not_active(status),
        Err(refusal) => return Err(refusal.into()),
    };
    let shell = Shell::of(&app, &request, &session)?;
    let again = SignInPage {
        shell,
        username: form.username,
        back_url: form.back_url,
        ended: ended(&app, &session),
        error: Some(refused),
        only_at: None,
    };
    page(StatusCode::UNPROCESSABLE_ENTITY, &again)
}

/// Starts a new session in place of the one that this browser may have had. Returns `false` if the password was changed
/// or the person locked in the meantime.
async fn start_session(
    app: &web::Data<App>,
    request: &HttpRequest,
    session: &Session,
    user: User,
    before: Option<SignedIn>,
) -> Result<bool, AppError> {
    let before = before.map(|before| before.token.id);
    let user_id = user.id;
    let mandate = Mandate::of_password(app, request, &user);
    let issued = mandate.write(move |tx| {
        if let Some(before) = before {
            Token::delete(tx.connection, before)?;
        }
        NewEvent::of_person(user_id, EventAction::SignedIn).record(tx)?;
        User::record_login(tx.connection, user_id, tx.now)?;
        Ok::<_, DbError>(Token::issue(tx.connection, user_id, TokenAction::Session, tx.now)?)
    });
    let (_, secret) = match issued.await {
        Ok(issued) => issued?,
        Err(AppError::Unauthorized { .. }) => return Ok(false),
        Err(error) => return Err(error),
    };
    session_user::start(app, session, user_id, &secret)?;
    remembered_browser::remember(request, user_id, app.clock.now());
    Ok(true)
}

/// Where people go who came from no page in particular.
fn home(app: &App) -> String {
    app.url.path("/my/account")
}

/// `GET /logout`: only a form signs out, so here is one.
///
/// # Errors
/// Returns an error if a query fails.
pub async fn ask_sign_out(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    MaybeSignedIn(me): MaybeSignedIn,
) -> Result<HttpResponse, AppError> {
    let Some(me) = me else { return Ok(see_other(&app.url.path("/login"))) };
    let shell = Shell::of(&app, &request, &session)?;
    page(StatusCode::OK, &SignOutPage { shell, login: me.user.login })
}

/// `POST /logout`: ends this session and no other.
///
/// # Errors
/// Returns an error if a query fails.
pub async fn sign_out(
    app: web::Data<App>,
    session: Session,
    Posted { who: MaybeSignedIn(me), form: NoFields {} }: Posted<MaybeSignedIn, NoFields>,
) -> Result<HttpResponse, AppError> {
    if let Some(me) = me {
        let id = me.token.id;
        me.mandate.write(move |tx| Ok::<_, DbError>(Token::delete(tx.connection, id)?)).await??;
    }
    session.purge();
    Ok(see_other_with(&app, "/login", Flash::SignedOut))
}

/// Where somebody goes who has just signed in. Where it is not sure that the browser keeps the session, that is this page
/// again: it goes on if there is a session, and says so if there is none.
fn after_sign_in(app: &App, request: &HttpRequest, came_by: CameBy, back_url: &str) -> String {
    let to = way_back(app, request, back_url).unwrap_or_else(|| home(app));
    match came_by {
        CameBy::Https => to,
        CameBy::Http | CameBy::Unsaid => {
            let mut query = form_urlencoded::Serializer::new(String::new());
            let query = query.append_pair(PASSWORD_WAS_RIGHT, "1").append_pair("back_url", &to).finish();
            app.url.path(&format!("/login?{query}"))
        }
    }
}
