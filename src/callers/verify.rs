//! Verification of tokens and passwords: one function for each, whoever asks.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::{HttpMessage, HttpRequest};

use super::remembered_browser;
use crate::app::App;
use crate::auth::credentials::Password;
use crate::auth::known_addresses::KNOWN_FOR;
use crate::auth::passwords::{Accepted, PasswordRefusal};
use crate::auth::rates::Rate;
use crate::auth::throttle::Origin;
use crate::db::DbError;
use crate::http::error::AppError;
use crate::models::address_networks::narrowest;
use crate::models::client::{Caller, Client};
use crate::models::event::{Event, EventAction, RefusedKey};
use crate::models::keys::refused_use::RefusedClient;
use crate::models::keys::token::{Claim, Presented, Token, TokenAction};
use crate::models::people::user::User;
use crate::secret::Secret;

/// The authenticated caller of a request, for the access log, the events and the response headers.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// The id of the person.
    pub user_id: i64,
    /// The credential that they presented.
    pub credential: Credential,
    /// The login of the administrator who acts as this person.
    pub administrator: Option<String>,
    /// What is left of the credential's rate limit on the API; `None`: it has none here.
    pub rate: Option<Rate>,
}

impl Authenticated {
    fn new(user_id: i64, credential: Credential) -> Self {
        Self { user_id, credential, administrator: None, rate: None }
    }
}

/// The person who is signed in, left in the request's extensions for the frame of the page.
pub struct SignedInAs {
    /// The login.
    pub login: String,
    /// Whether the person is an administrator.
    pub admin: bool,
}

/// The client that sent `request`, with the key or session it used, as events record them.
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

/// The credential with which a caller proved who they are.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A login and password.
    Password,
    /// A key, or a session.
    Token(Arc<Token>),
}

impl Credential {
    /// The token; `None` if the credential is a password.
    pub fn token(&self) -> Option<&Token> {
        match self {
            Self::Password => None,
            Self::Token(token) => Some(token),
        }
    }

    /// The name of the credential as people recognise it, to be used within a sentence.
    pub fn title(&self) -> String {
        match self {
            Self::Password => "password".to_owned(),
            Self::Token(token) if token.action.is_key() => format!("{} ····{}", token.title(), token.hint),
            Self::Token(token) if matches!(token.action, TokenAction::Recovery | TokenAction::NewAddress) => {
                "link in a mail".to_owned()
            }
            Self::Token(_) => "session".to_owned(),
        }
    }
}

/// Why a secret was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRefusal {
    /// It is no token, or of a kind that is not accepted here, or not from the address of the client, or its owner is
    /// locked. The response does not say which.
    Unknown,
    /// It was a valid key, but has expired or was replaced. Only somebody who has the right secret is told so.
    Over,
    /// It is a key that is suspended. Only somebody who has the right secret is told so.
    Suspended,
}

/// What stands for the name of a service where a key is presented to Latchkey itself.
const LATCHKEY_ITSELF: &str = "";

/// What was found for a secret, before anything of it is recorded.
pub struct Found {
    /// The token and its owner, or why the secret is refused.
    pub verified: Result<(Arc<Token>, Box<User>), TokenRefusal>,
    /// The key whose secret is right, and that is refused all the same.
    refused: Option<Arc<Token>>,
}

impl Found {
    /// No token.
    pub fn nothing() -> Self {
        Self { verified: Err(TokenRefusal::Unknown), refused: None }
    }
}

/// Finds the token of `secret` and its owner. The token must be valid and of one of the kinds `actions`, and `accepts`
/// must return true for it. Records the use.
///
/// # Errors
/// Returns an error if a query fails.
pub async fn verify_token(
    app: &App,
    request: &HttpRequest,
    actions: &'static [TokenAction],
    secret: &Secret,
    accepts: impl FnOnce(&Token) -> bool,
) -> Result<Result<(Arc<Token>, Box<User>), TokenRefusal>, AppError> {
    let caller = app.addresses.caller(request);
    let found = find_token(app, actions, (secret, caller.address), accepts).await?;
    record_found(app, request, (caller, LATCHKEY_ITSELF), &found).await;
    Ok(found.verified)
}

/// The part of [`verify_token`] that decides about a secret that a client at `address` presents, and records nothing.
///
/// # Errors
/// Returns an error if a query fails.
pub async fn find_token(
    app: &App,
    actions: &'static [TokenAction],
    (secret, address): (&Secret, IpAddr),
    accepts: impl FnOnce(&Token) -> bool,
) -> Result<Found, AppError> {
    if secret.is_mistyped() {
        return Ok(Found::nothing());
    }
    let claim = Claim { digest: secret.digest(), actions, now: app.clock.now(), address };
    Ok(match app.tokens.look_up(claim).await? {
        Some(Presented::Valid(token, user)) if accepts(&token) => Found { verified: Ok((token, user)), refused: None },
        Some(Presented::Over(token)) if token.action.is_key() => {
            Found { verified: Err(TokenRefusal::Over), refused: Some(token) }
        }
        Some(Presented::Suspended(token)) if token.action.is_key() => {
            Found { verified: Err(TokenRefusal::Suspended), refused: Some(token) }
        }
        // Only its owner learns that the secret is right.
        Some(Presented::Elsewhere(token)) if token.action.is_key() => {
            Found { verified: Err(TokenRefusal::Unknown), refused: Some(token) }
        }
        _ => Found::nothing(),
    })
}

/// The part of [`verify_token`] that records the use of a token by `caller`, or the refusal of a key that is over,
/// suspended or not for this address. `service` is the name of the service that the request is for.
pub async fn record_found(
    app: &App,
    request: &HttpRequest,
    (caller, service): (Caller<'_>, &str),
    Found { verified, refused }: &Found,
) {
    match (verified, refused) {
        (Ok((token, user)), _) => {
            app.recorder.last_use.touch(token, caller).await;
            let credential = Credential::Token(token.clone());
            request.extensions_mut().insert(Authenticated::new(user.id, credential));
        }
        (Err(TokenRefusal::Over), Some(token)) => record_refused(app, request, token, EventAction::ExpiredKeyRefused),
        (Err(TokenRefusal::Suspended), Some(token)) => {
            record_refused(app, request, token, EventAction::SuspendedKeyRefused);
            let client = RefusedClient::new(token.key(), service, client_of(app, request));
            app.recorder.sign_ins.suspended_key_refused(client, app.clock.now());
        }
        (Err(TokenRefusal::Unknown), Some(token)) => {
            record_refused(app, request, token, EventAction::ElsewhereKeyRefused);
        }
        (Err(_), None) => {}
    }
}

fn record_refused(app: &App, request: &HttpRequest, token: &Token, action: EventAction) {
    let (client, at) = (client_of(app, request), app.clock.now());
    app.recorder.sign_ins.key_refused(RefusedKey { token: Token::clone(token), action, missing: None, client, at });
}

/// Returns the active person with this login and password. Refusals are recorded in their activity.
///
/// # Errors
/// Returns [`PasswordRefusal`] inside. Outside, returns an error if a query fails.
pub async fn verify_password(
    app: &App,
    request: &HttpRequest,
    login: &str,
    password: &Password,
) -> Result<Result<User, PasswordRefusal>, AppError> {
    let wanted = login.to_owned();
    let user = app.database.lookup(move |connection| User::find_by_login(connection, &wanted)).await?;
    let verified = match app.passwords.is_remembered(user.as_ref(), password) {
        true => Ok(Accepted { replacement: None }),
        false => {
            let origin = origin_of(app, request, user.as_ref()).await?;
            app.passwords.verify(user.as_ref(), login, password, origin).await
        }
    };
    Ok(match (verified, user) {
        (Ok(_), Some(user)) if user.twofa_scheme.is_some() => Err(PasswordRefusal::SecondFactor),
        (Ok(Accepted { replacement }), Some(user)) => {
            app.known_addresses.note(user.id, app.addresses.of(request), app.clock.now());
            let user = match replacement {
                Some(hash) => with_hash(app, user, password, hash).await,
                None => user,
            };
            let mut extensions = request.extensions_mut();
            // Somebody who is signed in and only confirms their password still acts through their session.
            if extensions.get::<Authenticated>().is_none_or(|known| known.user_id != user.id) {
                extensions.insert(Authenticated::new(user.id, Credential::Password));
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

/// Where the password of `user` comes from; for `None`, who is not there, the same is asked.
async fn origin_of(app: &App, request: &HttpRequest, user: Option<&User>) -> Result<Origin, AppError> {
    let (address, now) = (app.addresses.of(request), app.clock.now());
    // Nobody has this id.
    let id = user.map_or(0, |user| user.id);
    if let Some(session) = session_of(request, id) {
        return Ok(Origin::Session(session));
    }
    if let Some(mark) = remembered_browser::mark_of(request, id, now) {
        return Ok(Origin::KnownBrowser(mark));
    }
    if app.known_addresses.has(id, address, now) {
        return Ok(Origin::KnownAddress(address));
    }
    let since = now - KNOWN_FOR;
    let known = app.database.lookup(move |connection| Event::sign_in_addresses(connection, id, since)).await?;
    let is_known = known.iter().filter_map(|known| known.parse().ok()).any(|it| narrowest(it) == narrowest(address));
    Ok(if is_known { Origin::KnownAddress(address) } else { Origin::Stranger(address) })
}

/// The session of this person that the request has shown to be valid.
fn session_of(request: &HttpRequest, user_id: i64) -> Option<i64> {
    let extensions = request.extensions();
    let known = extensions.get::<Authenticated>().filter(|known| known.user_id == user_id)?;
    known.credential.token().filter(|token| token.action == TokenAction::Session).map(|token| token.id)
}

/// Stores `hash`, that of the given `password`, in place of the imported one, and returns `user` with it. If it cannot
/// be stored, the person is let in all the same: the next sign-in tries again.
#[expect(clippy::disallowed_methods, reason = "nobody asked for this, and the statement compares the stored hash")]
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
