//! Reports of leaked secrets: the key is revoked and its owner is told.

use actix_web::HttpRequest;

use crate::app::App;
use crate::clock::Timestamp;
use crate::db::{DbConnection, DbError};
use crate::http::error::AppError;
use crate::models::client::Client;
use crate::models::keys::key::Key;
use crate::models::keys::token::Token;
use crate::models::tx::Tx;
use crate::secret::Secret;

/// The maximum length of a reported secret, in characters. No key is as long.
const LONGEST: usize = 1000;

/// Revokes the key that `text` is a secret of, whether or not it still works, and notifies its owner. Surrounding
/// whitespace is ignored. The result is the same whether or not there is such a key, so whoever reports it learns
/// neither that nor whose key it is.
///
/// # Errors
/// Returns 422 if `text` is empty or longer than a secret can be, or an error if a query fails.
pub async fn report(app: &App, request: &HttpRequest, text: &str) -> Result<(), AppError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(AppError::Invalid(vec!["Secret cannot be blank".into()]));
    }
    if text.chars().count() > LONGEST {
        return Err(AppError::Invalid(vec![format!("Secret is too long (maximum is {LONGEST} characters)")]));
    }
    let digest = Secret::presented(text).digest();
    let Some(leaked) = app.database.lookup(move |connection| Token::find_key(connection, &digest)).await? else {
        return Ok(());
    };
    // Record an anonymous client: the owner need not know the name of somebody who is signed in while reporting.
    let (token_id, user_id, client, now) =
        (leaked.id, leaked.user_id, app.addresses.stranger(request), app.clock.now());
    if revoke(app, leaked, client, now).await? {
        tracing::warn!(token_id, user_id, "a key was reported as leaked, and has been revoked");
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "whoever knows the secret may end the key, whoever they are")]
async fn revoke(app: &App, leaked: Token, client: Client, now: Timestamp) -> Result<bool, DbError> {
    let revoke = move |connection: &mut DbConnection| {
        Ok(Key::revoke_leaked(&mut Tx::of_anybody(connection, now, client), &leaked)?)
    };
    app.database.write(revoke).await
}
