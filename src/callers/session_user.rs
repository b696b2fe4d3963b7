//! Extractors that authenticate people in a browser. The cookie names a session token, whose row each request verifies.

use std::sync::Arc;

use actix_session::{Session, SessionExt};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use futures_util::future::LocalBoxFuture;

use super::draft;
use super::mandate::{Grant, Mandate};
use super::refusals::sign_in_first;
use super::service_account::holder_of_keys;
use super::session_limits::is_current;
use super::verify::{Credential, SignedInAs, verify_token};
use crate::app::App;
use crate::http::asks::{Argument, Asks};
use crate::http::error::AppError;
use crate::metrics::{self, Outcome};
use crate::models::keys::token::{Token, TokenAction};
use crate::models::people::user::User;
use crate::secret::{Secret, random_base62};

const SESSION: &[TokenAction] = &[TokenAction::Session];

// The entries of the session cookie.
const USER_ID: &str = "user";
const SECRET: &str = "secret";
const FORM_TOKEN: &str = "form";

/// A person who is signed in, even if they must choose a new password first. For the page where they do so, and for
/// signing out.
pub struct SignedIn {
    /// The person.
    pub user: Box<User>,
    /// The token of the session.
    pub token: Arc<Token>,
    /// The authority to write in their name.
    pub mandate: Mandate,
}

/// A person who is signed in, or nobody. Not an `Option`, whose extractor would turn a database error into nobody. What
/// such a person writes gives nobody any power: they could do the same without being signed in.
pub struct MaybeSignedIn(pub Option<SignedIn>);

/// A person who is signed in and does not have to choose a new password first.
pub struct SessionUser {
    /// The person, or the service account of theirs that the address is about.
    pub user: Box<User>,
    /// The token of the session.
    pub token: Arc<Token>,
    /// The authority to write in their name.
    pub mandate: Mandate,
}

/// An administrator who is signed in.
pub struct AdminSession {
    /// The administrator.
    pub user: Box<User>,
    /// The token of the session.
    pub token: Arc<Token>,
    /// The authority to write in their name.
    pub mandate: Mandate,
}

impl FromRequest for SignedIn {
    type Error = AppError;
    type Future = LocalBoxFuture<'static, Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let app = App::of(&request)?;
            let found = signed_in(&app, &request).await?;
            found.ok_or_else(|| sign_in_first(&app, &request))
        })
    }
}

impl FromRequest for MaybeSignedIn {
    type Error = AppError;
    type Future = LocalBoxFuture<'static, Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let app = App::of(&request)?;
            let found = signed_in(&app, &request).await?;
            Ok(Self(found.map(|me| SignedIn { mandate: me.mandate.of_harmless_step(), ..me })))
        })
    }
}

impl FromRequest for SessionUser {
    type Error = AppError;
    type Future = LocalBoxFuture<'static, Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let app = App::of(&request)?;
            let found = session(&app, &request).await?;
            let (user, token) = found.ok_or_else(|| sign_in_first(&app, &request))?;
            let grant = Grant::new(&user, Credential::Token(token.clone())).with_chosen_password();
            let mandate = Mandate::of(&app, &request, &user, grant)?;
            let (user, mandate) = holder_of_keys(&app, &request, user, mandate).await?;
            Ok(Self { user, token, mandate })
        })
    }
}

impl FromRequest for AdminSession {
    type Error = AppError;
    type Future = LocalBoxFuture<'static, Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let session = SessionUser::from_request(request, payload);
        Box::pin(async move {
            let SessionUser { user, token, mandate } = session.await?;
            let mandate = mandate.of_administrator(&user)?;
            Ok(Self { user, token, mandate })
        })
    }
}

impl Argument for SignedIn {
    const ASKS: Asks = Asks::Session;
}

impl Argument for MaybeSignedIn {}

impl Argument for SessionUser {
    const ASKS: Asks = Asks::Session;
}

impl Argument for AdminSession {
    const ASKS: Asks = Asks::Session;
}

/// Returns the person who is signed in, if anybody is.
///
/// # Errors
/// Returns an error if a query fails.
pub async fn signed_in(app: &web::Data<App>, request: &HttpRequest) -> Result<Option<SignedIn>, AppError> {
    let Some((user, token)) = session(app, request).await? else { return Ok(None) };
    let grant = Grant::new(&user, Credential::Token(token.clone()));
    let mandate = Mandate::of(app, request, &user, grant)?;
    Ok(Some(SignedIn { user, token, mandate }))
}

/// Returns the session that the cookie names, and its owner, if the session is valid.
async fn session(app: &App, request: &HttpRequest) -> Result<Option<(Box<User>, Arc<Token>)>, AppError> {
    let cookie = request.get_session();
    // A cookie without a readable session counts as none: another release wrote it, or nobody has signed in.
    let (Ok(Some(user_id)), Ok(Some(secret))) = (cookie.get::<i64>(USER_ID), cookie.get::<String>(SECRET)) else {
        return Ok(None);
    };
    let goes_on = |token: &Token| token.user_id == user_id && is_current(app, token, app.clock.now());
    let found = verify_token(app, request, SESSION, &Secret::presented(secret), goes_on).await;
    let found = found.map(Result::ok);
    app.metrics.count_authentication(metrics::AuthMethod::Session, Outcome::of_found(&found));
    Ok(found?.map(|(token, user)| {
        request.extensions_mut().insert(SignedInAs { login: user.login.clone(), admin: user.admin });
        (user, token)
    }))
}

/// Puts a new session into the cookie, in place of everything it held but the person's own draft. This prevents session
/// fixation.
///
/// # Errors
/// Returns an error if the cookie cannot be written.
pub fn start(app: &App, session: &Session, user_id: i64, secret: &Secret) -> Result<(), AppError> {
    draft::carried_over(session, (user_id, app.clock.now()), || {
        session.renew();
        session.clear();
        session.insert(USER_ID, user_id)?;
        session.insert(SECRET, secret.expose())?;
        session.insert(FORM_TOKEN, random_base62(32))
    })
    .map_err(AppError::internal)
}

/// Whether the cookie names a session. Where nobody is signed in, that session has ended.
pub fn names_a_session(session: &Session) -> bool {
    session.entries().contains_key(SECRET)
}

/// The CSRF token that the forms in this browser carry. It is created for the first form.
///
/// # Errors
/// Returns an error if the cookie cannot be written.
pub fn form_token(session: &Session) -> Result<String, AppError> {
    if let Some(token) = known_form_token(session) {
        return Ok(token);
    }
    let token = random_base62(32);
    session.insert(FORM_TOKEN, &token).map_err(AppError::internal)?;
    Ok(token)
}

/// The CSRF token of this browser, if a form has been shown before.
pub fn known_form_token(session: &Session) -> Option<String> {
    session.get(FORM_TOKEN).ok().flatten()
}
