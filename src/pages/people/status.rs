//! `/admin/users/ID/lock` and `/unlock`: each asks first, and says what stops working, or works again.

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
    /// What becomes of where they are signed in.
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
    /// "Unlock", or "Activate" somebody who was never let in.
    verb: &'static str,
}

/// `GET /admin/users/ID/lock`
///
/// # Errors
/// One's own account; 403 for others; nobody has this id; those of the database.
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
        0 => "They are signed in nowhere.".to_owned(),
        1 => "The one session they have ends.".to_owned(),
        several => format!("The {several} sessions they have end."),
    };
    let (shell, name) = (Shell::of(&app, &request, &session)?, full_name(&user));
    let (keys, tokens) = working(held);
    page(StatusCode::OK, &LockPage { shell, path: path_of(user.id), name, keys, tokens, sessions })
}

/// `POST /admin/users/ID/lock`
///
/// # Errors
/// One's own account; 403 for others; nobody has this id; those of the database.
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
/// 403 for others; nobody has this id; those of the database.
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
/// 403 for others; nobody has this id; those of the database.
pub async fn unlock(
    app: web::Data<App>,
    request: HttpRequest,
    Posted { who: me, form: NoFields {} }: Posted<AdminSession, NoFields>,
) -> Result<HttpResponse, AppError> {
    let user = person(&app, &request).await?;
    let active = PersonChanges { status: Some(UserStatus::Active), ..PersonChanges::default() };
    change(&app, &me, user.id, active, Flash::PersonUnlocked).await
}

/// What there is of all that programs can use while its owner is active.
fn working(held: Holdings) -> (Vec<KeyPanel>, Vec<ShownToken>) {
    let keys = held.keys.into_iter().filter(|panel| panel.key.is_some() && panel.is_on);
    (keys.collect(), held.tokens.into_iter().filter(|token| !token.is_expired()).collect())
}
