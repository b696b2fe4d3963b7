//! `/my/tokens/ID/networks`: where one's own keys may be used from, of every kind.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::NetworksPage;
use super::field::{NetworksField, NetworksForm};
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::SessionUser;
use crate::http::error::AppError;
use crate::models::ids::{KeyId, UserId};
use crate::models::keys::key::{Key, KeyRefusal};
use crate::models::keys::key_request::{KeyChanges, KeyPolicy};
use crate::pages::form::PasswordAgain;
use crate::pages::shell::{Flash, Shell, see_other_about, see_other_about_with};
use crate::pages::suspension::own::{key_of, named, page_of};

/// `GET /my/tokens/ID/networks`
///
/// # Errors
/// Returns 404 if the person has no such key, or an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SessionUser,
) -> Result<HttpResponse, AppError> {
    let key = key_of(&app, &request, me.user.id).await?;
    if key.is_expired(app.clock.now()) {
        return Ok(see_other_about(&app, &request, &page_of(&key)));
    }
    let again = PasswordAgain::of(&app, &me.token);
    networks_page(&app, &request, &session, (&key, NetworksForm::of(&key)), again)?.shown(StatusCode::OK)
}

/// `POST /my/tokens/ID/networks`
///
/// # Errors
/// Returns 404 if the person has no such key, 422 if it has expired, 429 after too many wrong passwords, 503 if the
/// hashing queue is full, or an error if a query fails.
pub async fn save(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<SessionUser, NetworksForm>,
) -> Result<HttpResponse, AppError> {
    let key = key_of(&app, &request, sensitive.user.id).await?;
    let confirmed = sensitive.confirm(&app, &request).await?;
    let limit = sensitive.form.limit();
    let again = |again| networks_page(&app, &request, &session, (&key, sensitive.form.clone()), again);
    let (ids, policy) = ((UserId(sensitive.user.id), KeyId(key.id)), KeyPolicy::of(&app.config));
    let refusal = match (confirmed, limit) {
        (Err(why), _) => return again(PasswordAgain::refused(why))?.shown(StatusCode::UNPROCESSABLE_ENTITY),
        (Ok(_), Err(problem)) => KeyRefusal::Invalid(vec![problem]),
        (Ok(mandate), Ok(limit)) => {
            let changes = KeyChanges::of_networks(limit);
            match mandate.write(move |tx| Key::change(tx, ids, &changes, &policy)).await? {
                Ok(key) => return Ok(see_other_about_with(&app, &request, &page_of(&key), Flash::KeyLimited)),
                Err(refusal) => refusal,
            }
        }
    };
    again(PasswordAgain::default())?.refused(refusal)?.shown(StatusCode::UNPROCESSABLE_ENTITY)
}

fn networks_page(
    app: &App,
    request: &HttpRequest,
    session: &Session,
    (key, form): (&Key, NetworksForm),
    again: PasswordAgain,
) -> Result<NetworksPage, AppError> {
    let (shown, back_title) = named(app, key);
    Ok(NetworksPage {
        shell: Shell::of(app, request, session)?,
        key: shown,
        back: (page_of(key), back_title),
        owner: None,
        networks: NetworksField::new(app, request, form, &[]),
        again,
    })
}
