//! People who are deleted while a request of theirs is under way.

use actix_web::{HttpMessage, HttpRequest};

use super::verify::{Authenticated, Credential};
use super::{api_user, session_user};
use crate::app::App;
use crate::http::error::AppError;
use crate::models::keys::token::TokenAction;
use crate::models::people::user::User;

/// What whoever sent `request` is told if they, or whom they act as, have been deleted since they were let in: what
/// they would have been told had they come a moment later. `None`: everybody is still there.
///
/// # Errors
/// Those of the database.
pub async fn refusal_of_deleted(app: &App, request: &HttpRequest) -> Result<Option<AppError>, AppError> {
    let known = request.extensions().get::<Authenticated>().cloned();
    let Some(Authenticated { user_id, credential, administrator }) = known else { return Ok(None) };
    let caller = app.database.lookup(move |connection| User::find(connection, user_id)).await?;
    match (caller, credential) {
        (None, Credential::Token(token)) if token.action == TokenAction::Session => {
            Ok(Some(session_user::sign_in_first(app, request)))
        }
        (None, _) => Ok(Some(api_user::refused(app, request))),
        (Some(caller), _) if administrator.is_some() => Ok(api_user::acting_as(app, request, &caller).await.err()),
        (Some(_), _) => Ok(None),
    }
}
