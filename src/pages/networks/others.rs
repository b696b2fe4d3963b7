//! `/admin/users/ID/keys/ID/networks`: where other people's keys may be used from.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::NetworksPage;
use super::field::{NetworksField, NetworksForm};
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::models::ids::{KeyId, UserId};
use crate::models::keys::key::{Key, KeyRefusal};
use crate::models::keys::key_request::{KeyChanges, KeyPolicy};
use crate::models::people::user::User;
use crate::pages::form::PasswordAgain;
use crate::pages::people::key::{key_of, shown_to_administrators};
use crate::pages::shell::{Flash, Shell, see_other, see_other_with};

/// `GET /admin/users/ID/keys/ID/networks`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if the person has no such key, or an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let (key, owner) = key_of(&app, &request).await?;
    let again = PasswordAgain::of(&app, &me.token);
    let shown = networks_page(&app, &request, &session, (&key, &owner, NetworksForm::of(&key)), again)?;
    match key.is_expired(app.clock.now()) {
        true => Ok(see_other(&app.url.path(&shown.key.path))),
        false => shown.shown(StatusCode::OK),
    }
}

/// `POST /admin/users/ID/keys/ID/networks`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if the person has no such key, 422 if it has expired, 429
/// after too many wrong passwords, 503 if the hashing queue is full, or an error if a query fails.
pub async fn save(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, NetworksForm>,
) -> Result<HttpResponse, AppError> {
    let (key, owner) = key_of(&app, &request).await?;
    let confirmed = sensitive.confirm(&app, &request).await?;
    let limit = sensitive.form.limit();
    let again = |again| networks_page(&app, &request, &session, (&key, &owner, sensitive.form.clone()), again);
    let (ids, policy) = ((UserId(owner.id), KeyId(key.id)), KeyPolicy::of(&app.config));
    let refusal = match (confirmed, limit) {
        (Err(why), _) => return again(PasswordAgain::refused(why))?.shown(StatusCode::UNPROCESSABLE_ENTITY),
        (Ok(_), Err(problem)) => KeyRefusal::Invalid(vec![problem]),
        (Ok(mandate), Ok(limit)) => {
            let changes = KeyChanges::of_networks(limit);
            match mandate.write_about(owner.id, move |tx| Key::change(tx, ids, &changes, &policy)).await? {
                Ok(_) => {
                    let (shown, _) = shown_to_administrators(&app, &key, &owner);
                    return Ok(see_other_with(&app, &shown.path, Flash::KeyLimited));
                }
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
    (key, owner, form): (&Key, &User, NetworksForm),
    again: PasswordAgain,
) -> Result<NetworksPage, AppError> {
    let (shown, owner) = shown_to_administrators(app, key, owner);
    Ok(NetworksPage {
        shell: Shell::of(app, request, session)?,
        back: (shown.path.clone(), shown.name.clone()),
        key: shown,
        owner: Some(owner),
        networks: NetworksField::new(app, request, form, &[]),
        again,
    })
}
