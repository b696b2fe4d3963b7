//! `/my/tokens/ID/suspend` and `/my/tokens/ID/resume`: one's own keys, of every kind.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::{AskedKey, ResumePage, SuspendForm, SuspendPage};
use crate::app::App;
use crate::callers::confirmation::{Harmless, Sensitive};
use crate::callers::posted_form::{NoFields, Posted};
use crate::callers::session_user::SessionUser;
use crate::http::address::id_of;
use crate::http::error::AppError;
use crate::models::ids::{KeyId, UserId};
use crate::models::keys::key::{Key, KeyRefusal};
use crate::models::keys::token::TokenAction;
use crate::pages::form::PasswordAgain;
use crate::pages::shell::{Flash, Shell, see_other_about, see_other_about_with};
use crate::pages::tokens::shown::ShownToken;

/// `GET /my/tokens/ID/suspend`
///
/// # Errors
/// Returns 404 if the person has no such key, or an error if a query fails.
pub async fn ask(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SessionUser,
) -> Result<HttpResponse, AppError> {
    let key = key_of(&app, &request, me.user.id).await?;
    if key.is_expired(app.clock.now()) {
        return Ok(see_other_about(&app, &request, &page_of(&key)));
    }
    suspend_page(&app, &request, &session, &key, None).await?.shown(StatusCode::OK)
}

/// `POST /my/tokens/ID/suspend`. It needs no password, as it only takes something away.
///
/// # Errors
/// Returns 404 if the person has no such key, 422 if it has expired, or an error if a query fails.
pub async fn suspend(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    Posted { who: me, form }: Posted<Harmless, SuspendForm>,
) -> Result<HttpResponse, AppError> {
    let key = key_of(&app, &request, me.user.id).await?;
    let ids = (UserId(me.user.id), KeyId(key.id));
    let problem = match form.read()? {
        Err(problem) => problem.to_owned(),
        Ok(new) => match me.mandate.write(move |tx| Key::suspend(tx, ids, new)).await? {
            Ok(key) => return Ok(see_other_about_with(&app, &request, &page_of(&key), Flash::KeySuspended)),
            Err(refusal @ KeyRefusal::SuspendedForLonger) => refusal.to_string(),
            Err(refusal) => return Err(refusal.into()),
        },
    };
    let again = suspend_page(&app, &request, &session, &key, Some(form)).await?;
    again.refused(&problem).shown(StatusCode::UNPROCESSABLE_ENTITY)
}

/// `GET /my/tokens/ID/resume`
///
/// # Errors
/// Returns 404 if the person has no such key, or an error if a query fails.
pub async fn ask_resume(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SessionUser,
) -> Result<HttpResponse, AppError> {
    let key = key_of(&app, &request, me.user.id).await?;
    if key.works(app.clock.now()) || key.is_expired(app.clock.now()) {
        return Ok(see_other_about(&app, &request, &page_of(&key)));
    }
    let again = PasswordAgain::of(&app, &me.token);
    resume_page(&app, &request, &session, &key, again).await?.shown(StatusCode::OK)
}

/// `POST /my/tokens/ID/resume`
///
/// # Errors
/// Returns 404 if the person has no such key, 422 if it has expired, 429 after too many wrong passwords, 503 if the
/// hashing queue is full, or an error if a query fails.
pub async fn resume(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<SessionUser, NoFields>,
) -> Result<HttpResponse, AppError> {
    let key = key_of(&app, &request, sensitive.user.id).await?;
    let mandate = match sensitive.confirm(&app, &request).await? {
        Ok(mandate) => mandate,
        Err(why) => {
            let again = resume_page(&app, &request, &session, &key, PasswordAgain::refused(why)).await?;
            return again.shown(StatusCode::UNPROCESSABLE_ENTITY);
        }
    };
    let ids = (UserId(sensitive.user.id), KeyId(key.id));
    let key = mandate.write(move |tx| Key::resume(tx, ids)).await??;
    Ok(see_other_about_with(&app, &request, &page_of(&key), Flash::KeyResumed))
}

/// Finds the person's key whose id is in the address, of any kind.
pub(in crate::pages) async fn key_of(app: &App, request: &HttpRequest, user_id: i64) -> Result<Key, AppError> {
    let id = id_of(request)?;
    app.database.lookup(move |connection| Key::find(connection, user_id, id)).await?.ok_or(AppError::NotFound)
}

/// The path of the page that shows a key.
pub(in crate::pages) fn page_of(key: &Key) -> String {
    match key.action {
        TokenAction::Access => format!("/my/tokens/{}", key.id),
        _ => "/my/account".to_owned(),
    }
}

/// A key with what it is called, and what the page is called that shows it.
pub(in crate::pages) fn named(app: &App, key: &Key) -> (ShownToken, String) {
    // Only access tokens have a name.
    let name = key.name.clone().unwrap_or_else(|| key.action.label().to_owned());
    let page = if key.action == TokenAction::Access { name.clone() } else { "My account".to_owned() };
    (ShownToken { name, ..ShownToken::new(app, key) }, page)
}

async fn asked(app: &App, key: &Key) -> Result<AskedKey, AppError> {
    let (shown, back_title) = named(app, key);
    AskedKey::new(app, key, shown, ((page_of(key), back_title), None)).await
}

async fn suspend_page(
    app: &App,
    request: &HttpRequest,
    session: &Session,
    key: &Key,
    form: Option<SuspendForm>,
) -> Result<SuspendPage, AppError> {
    let (shell, asked) = (Shell::of(app, request, session)?, asked(app, key).await?);
    let form = form.unwrap_or_else(|| SuspendForm::untouched(&asked));
    Ok(SuspendPage::new(app, shell, asked, &form, PasswordAgain::default()))
}

async fn resume_page(
    app: &App,
    request: &HttpRequest,
    session: &Session,
    key: &Key,
    again: PasswordAgain,
) -> Result<ResumePage, AppError> {
    Ok(ResumePage { shell: Shell::of(app, request, session)?, key: asked(app, key).await?, again })
}
