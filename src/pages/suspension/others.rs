//! `/admin/users/ID/keys/ID/suspend` and `/admin/users/ID/keys/ID/resume`: other people's keys. Both ask for the
//! administrator's password again, as revoking does: a browser that was left open must not stop other people's programs.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::{AskedKey, ResumePage, SuspendForm, SuspendPage};
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::posted_form::NoFields;
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::models::ids::{KeyId, UserId};
use crate::models::keys::key::{Key, KeyRefusal};
use crate::models::people::user::User;
use crate::pages::form::PasswordAgain;
use crate::pages::people::key::{key_of, shown_to_administrators};
use crate::pages::shell::{Flash, Shell, see_other, see_other_with};

/// `GET /admin/users/ID/keys/ID/suspend`
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
    let asked = asked(&app, &key, &owner).await?;
    if key.is_expired(app.clock.now()) {
        return Ok(see_other(&app.url.path(&asked.back)));
    }
    let (shell, again) = (Shell::of(&app, &request, &session)?, PasswordAgain::of(&app, &me.token));
    let untouched = SuspendForm::untouched(&asked);
    SuspendPage::new(&app, shell, asked, &untouched, again).shown(StatusCode::OK)
}

/// `POST /admin/users/ID/keys/ID/suspend`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if the person has no such key, 422 if it has expired, 429
/// after too many wrong passwords, 503 if the hashing queue is full, or an error if a query fails.
pub async fn suspend(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, SuspendForm>,
) -> Result<HttpResponse, AppError> {
    let (key, owner) = key_of(&app, &request).await?;
    let new = sensitive.form.read()?;
    let confirmed = sensitive.confirm(&app, &request).await?;
    let asked = asked(&app, &key, &owner).await?;
    let (ids, user_id) = ((UserId(owner.id), KeyId(key.id)), owner.id);
    let (problem, again) = match (confirmed, new) {
        (Err(why), _) => (None, PasswordAgain::refused(why)),
        (Ok(_), Err(problem)) => (Some(problem.to_owned()), PasswordAgain::default()),
        (Ok(mandate), Ok(new)) => match mandate.write_about(user_id, move |tx| Key::suspend(tx, ids, new)).await? {
            Ok(_) => return Ok(see_other_with(&app, &asked.back, Flash::KeySuspended)),
            Err(refusal @ KeyRefusal::SuspendedForLonger) => (Some(refusal.to_string()), PasswordAgain::default()),
            Err(refusal) => return Err(refusal.into()),
        },
    };
    let shell = Shell::of(&app, &request, &session)?;
    let page = SuspendPage::new(&app, shell, asked, &sensitive.form, again);
    match problem {
        Some(problem) => page.refused(&problem),
        None => page,
    }
    .shown(StatusCode::UNPROCESSABLE_ENTITY)
}

/// `GET /admin/users/ID/keys/ID/resume`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if the person has no such key, or an error if a query fails.
pub async fn ask_resume(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let (key, owner) = key_of(&app, &request).await?;
    let (key_page, now) = (asked(&app, &key, &owner).await?, app.clock.now());
    if key.works(now) || key.is_expired(now) {
        return Ok(see_other(&app.url.path(&key_page.back)));
    }
    let (shell, again) = (Shell::of(&app, &request, &session)?, PasswordAgain::of(&app, &me.token));
    ResumePage { shell, key: key_page, again }.shown(StatusCode::OK)
}

/// `POST /admin/users/ID/keys/ID/resume`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if the person has no such key, 422 if it has expired, 429
/// after too many wrong passwords, 503 if the hashing queue is full, or an error if a query fails.
pub async fn resume(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, NoFields>,
) -> Result<HttpResponse, AppError> {
    let (key, owner) = key_of(&app, &request).await?;
    let confirmed = sensitive.confirm(&app, &request).await?;
    let asked = asked(&app, &key, &owner).await?;
    let mandate = match confirmed {
        Ok(mandate) => mandate,
        Err(why) => {
            let (shell, again) = (Shell::of(&app, &request, &session)?, PasswordAgain::refused(why));
            return ResumePage { shell, key: asked, again }.shown(StatusCode::UNPROCESSABLE_ENTITY);
        }
    };
    let ids = (UserId(owner.id), KeyId(key.id));
    mandate.write_about(owner.id, move |tx| Key::resume(tx, ids)).await??;
    Ok(see_other_with(&app, &asked.back, Flash::KeyResumed))
}

async fn asked(app: &App, key: &Key, owner: &User) -> Result<AskedKey, AppError> {
    let (shown, owner) = shown_to_administrators(app, key, owner);
    let back = (shown.path.clone(), shown.name.clone());
    AskedKey::new(app, key, shown, (back, Some(owner))).await
}
