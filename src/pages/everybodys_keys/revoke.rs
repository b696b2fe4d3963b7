//! `/admin/keys/revoke`: the keys that were ticked in a list are revoked, after a question that shows which they are.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::chosen::{self, Question};
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::pages::form::PasswordAgain;
use crate::pages::shell::{Shell, page};

/// The form of the question.
#[derive(Deserialize)]
pub struct RevokeForm {
    #[serde(default)]
    chosen: String,
}

/// `GET /admin/keys/revoke`, with a parameter `ids` for each key.
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 422 if there are too many keys, or an error if a query fails.
pub async fn ask(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let (keys, again) = (chosen::asked_for(&request)?, PasswordAgain::of(&app, &me.token));
    page(StatusCode::OK, &Question::about(&app, (&request, &session), &keys, (None, again)).await?)
}

/// `POST /admin/keys/revoke`: all of them at once. Sending the form again changes nothing, and says so.
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 422 if there are too many keys, 429 after too many wrong passwords,
/// 503 if the hashing queue is full, or an error if a query fails.
pub async fn revoke(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, RevokeForm>,
) -> Result<HttpResponse, AppError> {
    let keys = chosen::answered(&sensitive.form.chosen)?;
    let mandate = match sensitive.confirm(&app, &request).await? {
        Ok(mandate) => mandate,
        Err(why) => {
            let again = (None, PasswordAgain::refused(why));
            let question = Question::about(&app, (&request, &session), &keys, again).await?;
            return page(StatusCode::UNPROCESSABLE_ENTITY, &question);
        }
    };
    let outcome = mandate.write_about_keys(keys, |keys, tx| keys.revoke(tx)).await??;
    let done = match outcome.done.len() {
        0 => "No key has been revoked.".to_owned(),
        1 => "1 key has been revoked. No program can use it any more.".to_owned(),
        several => format!("{several} keys have been revoked. No program can use them any more."),
    };
    let shell = Shell::of(&app, &request, &session)?;
    chosen::done(shell, "Keys revoked", &outcome, [done, String::new()])
}
