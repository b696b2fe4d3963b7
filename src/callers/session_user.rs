//! Who looks at a page: the cookie names a session token, and each request verifies its row.

use actix_session::{Session, SessionExt};
use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::future::LocalBoxFuture;

use super::verify::verify_token;
use crate::app::App;
use crate::auth::credentials::without_key;
use crate::http::asks::{Argument, Asks};
use crate::http::error::{AppError, FOR_ADMINISTRATORS};
use crate::metrics::{self, Outcome};
use crate::models::keys::token::{Token, TokenAction};
use crate::models::people::user::User;
use crate::secret::{Secret, random_base62};

const SESSION: &[TokenAction] = &[TokenAction::Session];

// What the cookie holds.
const USER_ID: &str = "user";
const SECRET: &str = "secret";
const FORM_TOKEN: &str = "form";

/// A person who is signed in, even one who must choose a new password first: for that page, and for signing out.
pub struct SignedIn {
    /// Who.
    pub user: User,
    /// The session's token.
    pub token: Token,
}

/// A person who is signed in, or nobody. Not an `Option`: that would take an error of the database for nobody.
pub struct MaybeSignedIn(pub Option<SignedIn>);

/// Who is signed in, left in the request for the frame of the page.
pub struct SignedInAs {
    /// As whom.
    pub login: String,
    /// Whether they look after the others.
    pub admin: bool,
}

/// A person who is signed in, and may see every page of theirs.
pub struct SessionUser {
    /// Who.
    pub user: User,
    /// The session's token.
    pub token: Token,
}

/// An administrator who is signed in.
pub struct AdminSession {
    /// Who.
    pub user: User,
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
            signed_in(&app, &request).await.map(Self)
        })
    }
}

impl FromRequest for SessionUser {
    type Error = AppError;
    type Future = LocalBoxFuture<'static, Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let signed_in = SignedIn::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let SignedIn { user, token } = signed_in.await?;
            if user.must_change_password {
                return Err(AppError::Redirect { location: App::of(&request)?.url.path("/my/password") });
            }
            Ok(Self { user, token })
        })
    }
}

impl FromRequest for AdminSession {
    type Error = AppError;
    type Future = LocalBoxFuture<'static, Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let session = SessionUser::from_request(request, payload);
        Box::pin(async move {
            match session.await?.user {
                user if user.admin => Ok(Self { user }),
                _ => Err(AppError::Forbidden(FOR_ADMINISTRATORS)),
            }
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

/// Who is signed in, if anybody is.
///
/// # Errors
/// Those of the database.
pub async fn signed_in(app: &App, request: &HttpRequest) -> Result<Option<SignedIn>, AppError> {
    let session = request.get_session();
    // What cannot be read is as good as nothing: cookies of other releases, and of strangers.
    let (Ok(Some(user_id)), Ok(Some(secret))) = (session.get::<i64>(USER_ID), session.get::<String>(SECRET)) else {
        return Ok(None);
    };
    let goes_on = |token: &Token| token.user_id == user_id && is_current(app, token);
    let found = verify_token(app, request, SESSION, &Secret::presented(secret), goes_on).await;
    let found = found.map(Result::ok);
    app.metrics.count_authentication(metrics::Method::Session, Outcome::of_found(&found));
    Ok(found?.map(|(token, user)| {
        request.extensions_mut().insert(SignedInAs { login: user.login.clone(), admin: user.admin });
        SignedIn { user, token }
    }))
}

/// Whether a session has neither outlived its lifetime, since the sign-in, nor its timeout, since its last use.
fn is_current(app: &App, token: &Token) -> bool {
    let now = app.clock.now();
    let last_use = app.recorder.last_use.of(token).unwrap_or(token.created_on);
    let within = |since, limit: Option<chrono::TimeDelta>| limit.is_none_or(|limit| now - since < limit);
    within(token.created_on, app.config.session_lifetime.limit())
        && within(last_use, app.config.session_timeout.limit())
}

/// To the sign-in page, with the way back to what was asked for, if that can be asked for again.
pub(super) fn sign_in_first(app: &App, request: &HttpRequest) -> AppError {
    let query = without_key(request.query_string());
    let separator = if query.is_empty() { "" } else { "?" };
    let asked_for = match *request.method() {
        Method::GET | Method::HEAD => format!("{}{separator}{query}", request.path()),
        _ => app.url.path("/my/account"),
    };
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("back_url", &asked_for).finish();
    AppError::Redirect { location: app.url.path(&format!("/login?{query}")) }
}

/// Puts a new session into the cookie, in place of whatever it held.
///
/// # Errors
/// If the cookie cannot be written.
pub fn start(session: &Session, user_id: i64, secret: &Secret) -> Result<(), AppError> {
    session.renew();
    session.clear();
    session.insert(USER_ID, user_id).map_err(AppError::internal)?;
    session.insert(SECRET, secret.expose()).map_err(AppError::internal)?;
    session.insert(FORM_TOKEN, random_base62(32)).map_err(AppError::internal)
}

/// The token that this browser's forms carry: made with the first form.
///
/// # Errors
/// If the cookie cannot be written.
pub fn form_token(session: &Session) -> Result<String, AppError> {
    if let Some(token) = known_form_token(session) {
        return Ok(token);
    }
    let token = random_base62(32);
    session.insert(FORM_TOKEN, &token).map_err(AppError::internal)?;
    Ok(token)
}

/// The same, if a form has been shown before.
pub fn known_form_token(session: &Session) -> Option<String> {
    session.get(FORM_TOKEN).ok().flatten()
}
