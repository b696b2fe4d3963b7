//! The one way to verify a token, and the one to verify a password, whoever asks.

use actix_web::{HttpMessage, HttpRequest};

use crate::app::App;
use crate::auth::credentials::Password;
use crate::auth::passwords::{Accepted, PasswordRefusal};
use crate::db::DbError;
use crate::http::error::AppError;
use crate::models::client::Client;
use crate::models::event::{EventAction, RefusedKey};
use crate::models::keys::token::{Claim, Presented, Token, TokenAction};
use crate::models::people::user::User;
use crate::secret::Secret;

/// Who a request turned out to be from, for the access log, the events and the answer's headers.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// The person.
    pub user_id: i64,
    /// By what.
    pub credential: Credential,
    /// The login of the administrator who acts as somebody else.
    pub administrator: Option<String>,
}

/// Who is signed in, left in the request for the frame of the page.
pub struct SignedInAs {
    /// As whom.
    pub login: String,
    /// Whether they look after the others.
    pub admin: bool,
}

/// The client that sends `request`, and by which key or session, as events tell them.
pub fn client_of(app: &App, request: &HttpRequest) -> Client {
    let client = app.addresses.stranger(request);
    match request.extensions().get::<Authenticated>() {
        Some(Authenticated { credential, administrator: Some(login), .. }) => {
            client.with_credential(credential.title()).acting_for(login)
        }
        Some(Authenticated { credential, .. }) => client.with_credential(credential.title()),
        None => client,
    }
}

/// What somebody has proved with who they are.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Login and password.
    Password,
    /// A key, or a session.
    Token(Token),
}

impl Credential {
    /// The token, if it is one.
    pub fn token(&self) -> Option<&Token> {
        match self {
            Self::Password => None,
            Self::Token(token) => Some(token),
        }
    }

    /// What people call it, to recognise it by, as it stands in a sentence.
    pub fn title(&self) -> String {
        match self {
            Self::Password => "password".to_owned(),
            Self::Token(token) if token.action.is_key() => format!("{} ····{}", token.title(), token.hint),
            Self::Token(_) => "session".to_owned(),
        }
    }
}

/// Why a secret lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRefusal {
    /// It is none, or is not for this, or its owner is locked: nothing is said about which.
    Unknown,
    /// It was a key once. Only who has the right secret is told.
    Over,
}

/// The token that `secret` is, and its owner, if it is of one of `actions`, valid, and `accepts` has nothing against
/// it; its use is recorded.
///
/// # Errors
/// Those of the database.
pub async fn verify_token(
    app: &App,
    request: &HttpRequest,
    actions: &'static [TokenAction],
    secret: &Secret,
    accepts: impl FnOnce(&Token) -> bool,
) -> Result<Result<(Token, User), TokenRefusal>, AppError> {
    if secret.is_mistyped() {
        return Ok(Err(TokenRefusal::Unknown));
    }
    let now = app.clock.now();
    let (token, user) = match app.tokens.look_up(Claim { digest: secret.digest(), actions, now }).await? {
        Some(Presented::Valid(token, user)) if accepts(&token) => (token, user),
        Some(Presented::Over(token)) if token.action.is_key() => {
            let (action, client) = (EventAction::ExpiredKeyRefused, client_of(app, request));
            app.recorder.sign_ins.key_refused(RefusedKey { token, action, missing: None, client, at: now });
            return Ok(Err(TokenRefusal::Over));
        }
        _ => return Ok(Err(TokenRefusal::Unknown)),
    };
    app.recorder.last_use.touch(&token, || client_of(app, request)).await;
    let credential = Credential::Token(token.clone());
    request.extensions_mut().insert(Authenticated { user_id: user.id, credential, administrator: None });
    Ok(Ok((token, user)))
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
            let mut extensions = request.extensions_mut();
            // Who is signed in, and only gives the password once more, does it by their session.
            if extensions.get::<Authenticated>().is_none_or(|known| known.user_id != user.id) {
                let credential = Credential::Password;
                extensions.insert(Authenticated { user_id: user.id, credential, administrator: None });
            }
            Ok(user)
        }
        (Ok(_), None) => Err(PasswordRefusal::Wrong),
        (Err(refusal), user) => {
            if let (PasswordRefusal::Wrong, Some(user)) = (&refusal, user) {
                app.recorder.sign_ins.refused(user.id, client_of(app, request), app.clock.now());
            }
            Err(refusal)
        }
    })
}

/// `user` with `hash`, that of their `password`, in place of the one that was moved in. That it cannot be stored just
/// now keeps nobody out: there will be another sign-in.
#[expect(clippy::disallowed_methods, reason = "this is nobody's wish, and asks itself whether the hash is still there")]
async fn with_hash(app: &App, mut user: User, password: &Password, hash: String) -> User {
    let (id, Some(old), new) = (user.id, user.password_hash.clone(), hash.clone()) else { return user };
    let replaced =
        app.database.write(move |connection| User::replace_hash(connection, id, &old, &new).map_err(DbError::from));
    match replaced.await {
        Ok(()) => user.password_hash = Some(hash),
        Err(error) => tracing::warn!(user_id = id, %error, "the hash that was moved in could not be replaced"),
    }
    app.passwords.remember(&user, password);
    user
}
