//! The one way to verify a token, and the one to verify a password, whoever asks.

use actix_web::{HttpMessage, HttpRequest};

use super::credentials::Password;
use super::passwords::{Accepted, PasswordRefusal};
use super::secret::Secret;
use crate::app::App;
use crate::error::AppError;
use crate::models::token::{Token, TokenAction};
use crate::models::user::User;

/// Who a request turned out to be from, for the access log.
#[derive(Clone, Copy, Debug)]
pub struct Authenticated {
    /// The person.
    pub user_id: i64,
    /// By which token; `None`: by password.
    pub token_id: Option<i64>,
}

/// The token that `secret` is, and its owner, if it is of one of `actions`, valid, and `accepts` has nothing against
/// it; its use is recorded. `None` says nothing about why.
///
/// # Errors
/// Those of the database.
pub async fn verify_token(
    app: &App,
    request: &HttpRequest,
    actions: &'static [TokenAction],
    secret: &Secret,
    accepts: impl FnOnce(&Token) -> bool,
) -> Result<Option<(Token, User)>, AppError> {
    if secret.is_mistyped() {
        return Ok(None);
    }
    let (digest, now) = (secret.digest(), app.clock.now());
    let found = app.database.lookup(move |connection| Token::find_active(connection, actions, &digest, now)).await?;
    let Some((token, user)) = found.filter(|(token, _)| accepts(token)) else { return Ok(None) };
    app.recorder.last_use.touch(&token, || app.addresses.client(request)).await;
    request.extensions_mut().insert(Authenticated { user_id: user.id, token_id: Some(token.id) });
    Ok(Some((token, user)))
}

/// The active person whose login and password these are. A refusal is told in their activity.
///
/// # Errors
/// [`PasswordRefusal`] inside, those of the database outside.
pub async fn verify_password(
    app: &App,
    request: &HttpRequest,
    login: &str,
    password: &Password,
) -> Result<Result<User, PasswordRefusal>, AppError> {
    let wanted = login.to_owned();
    let user = app.database.lookup(move |connection| User::find_by_login(connection, &wanted)).await?;
    let address = app.addresses.of(request);
    let verified = app.passwords.verify(user.as_ref(), login, password, address).await;
    Ok(match (verified, user) {
        (Ok(_), Some(user)) if user.twofa_scheme.is_some() => Err(PasswordRefusal::SecondFactor),
        (Ok(Accepted { replacement }), Some(user)) => {
            let user = match replacement {
                Some(hash) => with_hash(app, user, password, hash).await,
                None => user,
            };
            request.extensions_mut().insert(Authenticated { user_id: user.id, token_id: None });
            Ok(user)
        }
        (Ok(_), None) => Err(PasswordRefusal::Wrong),
        (Err(refusal), user) => {
            if let (PasswordRefusal::Wrong, Some(user)) = (&refusal, user) {
                app.recorder.sign_ins.refused(user.id, app.addresses.client(request), app.clock.now());
            }
            Err(refusal)
        }
    })
}

/// `user` with `hash`, that of their `password`, in place of the one that was moved in. That it cannot be stored just
/// now keeps nobody out: there will be another sign-in.
async fn with_hash(app: &App, mut user: User, password: &Password, hash: String) -> User {
    let Some(old) = user.password_hash.replace(hash.clone()) else { return user };
    let id = user.id;
    let replaced = app.database.write(move |connection| User::replace_hash(connection, id, &old, &hash));
    if let Err(error) = replaced.await {
        tracing::warn!(user_id = id, %error, "the hash that was moved in could not be replaced");
    }
    app.passwords.remember(&user, password);
    user
}
