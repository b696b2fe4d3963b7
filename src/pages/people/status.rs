//! `/admin/users/ID/lock` and `/unlock`: each asks for confirmation first, and lists what stops or resumes working.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::{Holdings, change, full_name, holdings, path_of, person};
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::posted_form::NoFields;
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::models::people::administration::PersonChanges;
use crate::models::people::refusal::PersonRefusal;
use crate::models::people::user::{User, UserStatus};
use crate::pages::form::{PasswordAgain, error_summary};
use crate::pages::keys::KeyPanel;
use crate::pages::shell::{Flash, Shell, page, see_other};
use crate::pages::tokens::shown::ShownToken;

#[derive(Template)]
#[template(path = "people/lock.html")]
struct LockPage {
    shell: Shell,
    path: String,
    name: String,
    keys: Vec<KeyPanel>,
    tokens: Vec<ShownToken>,
    /// What happens to the person's sessions, in words.
    sessions: String,
    again: PasswordAgain,
}

#[derive(Template)]
#[template(path = "people/unlock.html")]
struct UnlockPage {
    shell: Shell,
    path: String,
    name: String,
    keys: Vec<KeyPanel>,
    tokens: Vec<ShownToken>,
    /// "Unlock", or "Activate" for an account that was never active.
    verb: &'static str,
    again: PasswordAgain,
}

impl LockPage {
    async fn of(app: &App, shell: Shell, user: &User, again: PasswordAgain) -> Result<Self, AppError> {
        let held = holdings(app, user).await?;
        let sessions = match held.sessions {
            0 => "They have no open session.".to_owned(),
            1 => "Their session ends.".to_owned(),
            several => format!("Their {several} sessions end."),
        };
        let (keys, tokens) = working(held);
        Ok(Self { shell, path: path_of(user.id), name: full_name(user), keys, tokens, sessions, again })
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[("password", &self.again.field)])
    }
}

impl UnlockPage {
    async fn of(app: &App, shell: Shell, user: &User, again: PasswordAgain) -> Result<Self, AppError> {
        let verb = if user.status == UserStatus::Registered { "Activate" } else { "Unlock" };
        let (keys, tokens) = working(holdings(app, user).await?);
        Ok(Self { shell, path: path_of(user.id), name: full_name(user), keys, tokens, verb, again })
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[("password", &self.again.field)])
    }
}

/// `GET /admin/users/ID/lock`
///
/// # Errors
/// Returns 422 for one's own account, 403 for anybody who is not an administrator, 404 if nobody has this id, or an
/// error if a query fails.
pub async fn ask_lock(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let user = person(&app, &request).await?;
    if user.id == me.user.id {
        return Err(PersonRefusal::OwnAccount.into());
    }
    if user.status == UserStatus::Locked {
        return Ok(see_other(&app.url.path(&path_of(user.id))));
    }
    let (shell, again) = (Shell::of(&app, &request, &session)?, PasswordAgain::of(&app, &me.token));
    page(StatusCode::OK, &LockPage::of(&app, shell, &user, again).await?)
}

/// `POST /admin/users/ID/lock`
///
/// # Errors
/// Returns 422 for one's own account, 403 for anybody who is not an administrator, 404 if nobody has this id, 429 after
/// too many wrong passwords, 503 if the hashing queue is full, or an error if a query fails.
pub async fn lock(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, NoFields>,
) -> Result<HttpResponse, AppError> {
    let user = person(&app, &request).await?;
    let mandate = match sensitive.confirm(&app, &request).await? {
        Ok(mandate) => mandate,
        Err(why) => {
            let shell = Shell::of(&app, &request, &session)?;
            let again = LockPage::of(&app, shell, &user, PasswordAgain::refused(why)).await?;
            return page(StatusCode::UNPROCESSABLE_ENTITY, &again);
        }
    };
    let locked = PersonChanges { status: Some(UserStatus::Locked), ..PersonChanges::default() };
    change(&app, &mandate, user.id, locked, Flash::PersonLocked).await
}

/// `GET /admin/users/ID/unlock`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if nobody has this id, or an error if a query fails.
pub async fn ask_unlock(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let user = person(&app, &request).await?;
    if user.status == UserStatus::Active {
        return Ok(see_other(&app.url.path(&path_of(user.id))));
    }
    let (shell, again) = (Shell::of(&app, &request, &session)?, PasswordAgain::of(&app, &me.token));
    page(StatusCode::OK, &UnlockPage::of(&app, shell, &user, again).await?)
}

/// `POST /admin/users/ID/unlock`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if nobody has this id, 429 after too many wrong passwords,
/// 503 if the hashing queue is full, or an error if a query fails.
pub async fn unlock(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, NoFields>,
) -> Result<HttpResponse, AppError> {
    let user = person(&app, &request).await?;
    let mandate = match sensitive.confirm(&app, &request).await? {
        Ok(mandate) => mandate,
        Err(why) => {
            let shell = Shell::of(&app, &request, &session)?;
            let again = UnlockPage::of(&app, shell, &user, PasswordAgain::refused(why)).await?;
            return page(StatusCode::UNPROCESSABLE_ENTITY, &again);
        }
    };
    let active = PersonChanges { status: Some(UserStatus::Active), ..PersonChanges::default() };
    change(&app, &mandate, user.id, active, Flash::PersonUnlocked).await
}

/// The keys and tokens that work while their owner is active.
fn working(held: Holdings) -> (Vec<KeyPanel>, Vec<ShownToken>) {
    let is_held = |panel: &KeyPanel| panel.key.as_ref().is_some_and(|key| key.suspension.is_none()) && panel.is_on;
    let is_over = |token: &ShownToken| token.is_expired() || token.is_suspended();
    let tokens = held.tokens.into_iter().filter(|token| !is_over(token)).collect();
    (held.keys.into_iter().filter(is_held).collect(), tokens)
}
