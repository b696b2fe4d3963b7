//! Secrets that somebody has found where they should not be.

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

/// The most characters of a secret: more than any key has, and than a header can carry.
const LONGEST: usize = 1000;

/// Ends the key that `text` is a secret of, blanks around it left out, whichever state it is in, and tells its owner.
/// Whoever reports it learns nothing: not whether there was one, nor whose. What is asked of the database is the same.
///
/// # Errors
/// Nothing in `text`, or more than a secret can be; those of the database.
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
    // Of whoever is signed in while they report it, the owner need not know.
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
