//! `/admin/users/ID/lock` and `/unlock`: each asks for confirmation first, and lists what stops or resumes working.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::{Holdings, change, full_name, holdings, path_of, person};
use crate::app::App;
use crate::callers::posted_form::{NoFields, Posted};
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::models::people::administration::{PersonChanges, PersonRefusal};
use crate::models::people::user::UserStatus;
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
    let held = holdings(&app, &user).await?;
    let sessions = match held.sessions {
        0 => "They have no open session.".to_owned(),
        1 => "Their session ends.".to_owned(),
        several => format!("Their {several} sessions end."),
    };
    let (shell, name) = (Shell::of(&app, &request, &session)?, full_name(&user));
    let (keys, tokens) = working(held);
    page(StatusCode::OK, &LockPage { shell, path: path_of(user.id), name, keys, tokens, sessions })
}

/// `POST /admin/users/ID/lock`
///
/// # Errors
/// Returns 422 for one's own account, 403 for anybody who is not an administrator, 404 if nobody has this id, or an
/// error if a query fails.
pub async fn lock(
    app: web::Data<App>,
    request: HttpRequest,
    Posted { who: me, form: NoFields {} }: Posted<AdminSession, NoFields>,
) -> Result<HttpResponse, AppError> {
    let user = person(&app, &request).await?;
    let locked = PersonChanges { status: Some(UserStatus::Locked), ..PersonChanges::default() };
    change(&app, &me, user.id, locked, Flash::PersonLocked).await
}

/// `GET /admin/users/ID/unlock`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if nobody has this id, or an error if a query fails.
pub async fn ask_unlock(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    _: AdminSession,
) -> Result<HttpResponse, AppError> {
    let user = person(&app, &request).await?;
    let verb = match user.status {
        UserStatus::Active => return Ok(see_other(&app.url.path(&path_of(user.id)))),
        UserStatus::Registered => "Activate",
        UserStatus::Locked => "Unlock",
    };
    let held = holdings(&app, &user).await?;
    let (shell, name) = (Shell::of(&app, &request, &session)?, full_name(&user));
    let (keys, tokens) = working(held);
    page(StatusCode::OK, &UnlockPage { shell, path: path_of(user.id), name, keys, tokens, verb })
}

/// `POST /admin/users/ID/unlock`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if nobody has this id, or an error if a query fails.
pub async fn unlock(
    app: web::Data<App>,
    request: HttpRequest,
    Posted { who: me, form: NoFields {} }: Posted<AdminSession, NoFields>,
) -> Result<HttpResponse, AppError> {
    let user = person(&app, &request).await?;
    let active = PersonChanges { status: Some(UserStatus::Active), ..PersonChanges::default() };
    change(&app, &me, user.id, active, Flash::PersonUnlocked).await
}

/// The keys and tokens that work while their owner is active.
fn working(held: Holdings) -> (Vec<KeyPanel>, Vec<ShownToken>) {
    let keys = held.keys.into_iter().filter(|panel| panel.key.is_some() && panel.is_on);
    (keys.collect(), held.tokens.into_iter().filter(|token| !token.is_expired()).collect())
}
