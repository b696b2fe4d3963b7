//! Who calls the API, as clients of Redmine's know it (`docs/api.md`). The session cookie is never looked at.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;

use super::credentials::key_parameter;
use super::credentials::{Credentials, Password, SWITCH_USER_HEADER, text_of};
use super::passwords::PasswordRefusal;
use super::secret::Secret;
use super::verify::{verify_password, verify_token};
use crate::app::App;
use crate::error::{AppError, FOR_ADMINISTRATORS};
use crate::metrics::{Method, Outcome};
use crate::models::token::{Token, TokenAction};
use crate::models::user::User;

const API: &[TokenAction] = &[TokenAction::Api];
const FEEDS: &[TokenAction] = &[TokenAction::Feeds];

/// A person who calls the API, authenticated, and allowed to go on.
pub struct ApiUser {
    /// Whom the request is for: with Switch-User, the other one.
    pub user: User,
    /// The key that was used; `None`: login and password.
    pub token: Option<Token>,
}

/// An administrator who calls the API.
pub struct AdminUser {
    /// Whom the request is for: with Switch-User, the other one, who must be an administrator too.
    pub user: User,
}

/// A person whose feed reader asks.
pub struct FeedUser {
    /// Whose feed.
    pub user: User,
}

impl FromRequest for ApiUser {
    type Error = AppError;
    type Future = LocalBoxFuture<'static, Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { authenticate(&request).await })
    }
}

impl FromRequest for AdminUser {
    type Error = AppError;
    type Future = LocalBoxFuture<'static, Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = ApiUser::from_request(request, payload);
        Box::pin(async move { caller.await?.administrator() })
    }
}

impl ApiUser {
    /// The same as an administrator.
    ///
    /// # Errors
    /// 403 if they are none.
    pub fn administrator(self) -> Result<AdminUser, AppError> {
        match self.user {
            user if user.admin => Ok(AdminUser { user }),
            _ => Err(AppError::Forbidden(FOR_ADMINISTRATORS)),
        }
    }
}

impl FromRequest for FeedUser {
    type Error = AppError;
    type Future = LocalBoxFuture<'static, Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let app = App::of(&request)?;
            let key = key_parameter(request.query_string()).ok_or_else(refused_key)?;
            let found = verify_token(&app, &request, FEEDS, &key, |_| true).await;
            let found = found.and_then(|found| found.map(|(_, user)| Self { user }).ok_or_else(refused_key));
            app.metrics.count_authentication(Method::Feed, Outcome::of(&found));
            found
        })
    }
}

async fn authenticate(request: &HttpRequest) -> Result<ApiUser, AppError> {
    let app = App::of(request)?;
    let credentials = Credentials::of_api_request(request.query_string(), request.headers());
    let method = method_of(&credentials);
    let caller = caller(&app, request, credentials).await;
    if let Some(method) = method {
        app.metrics.count_authentication(method, Outcome::of(&caller));
    }
    let (caller, token) = caller?;
    let user = switched(&app, request, caller).await?;
    Ok(ApiUser { user, token })
}

/// What is counted as an attempt; nothing presented is none.
fn method_of(credentials: &Credentials) -> Option<Method> {
    match credentials {
        Credentials::Absent => None,
        Credentials::Key(_) | Credentials::UnreadableKey => Some(Method::Key),
        Credentials::Bearer(_) => Some(Method::Bearer),
        Credentials::Basic { .. } | Credentials::UnreadableAuthorization => Some(Method::Basic),
    }
}

/// Whose credentials these are, and by which key.
async fn caller(app: &App, request: &HttpRequest, credentials: Credentials) -> Result<(User, Option<Token>), AppError> {
    match credentials {
        Credentials::Key(secret) => by_key(app, request, &secret).await?.ok_or_else(refused_key),
        Credentials::Bearer(secret) => by_key(app, request, &secret).await?.ok_or_else(refused_bearer),
        Credentials::Basic { username, password } => by_basic(app, request, &username, &password).await,
        Credentials::UnreadableKey => Err(refused_key()),
        Credentials::Absent | Credentials::UnreadableAuthorization => Err(basic_challenge(app)),
    }
}

async fn by_key(app: &App, request: &HttpRequest, secret: &Secret) -> Result<Option<(User, Option<Token>)>, AppError> {
    let found = verify_token(app, request, API, secret, |_| true).await?;
    Ok(found.map(|(token, user)| (user, Some(token))))
}

/// The user name is looked up as a key first: a password is hashed only when it is none.
async fn by_basic(
    app: &App,
    request: &HttpRequest,
    username: &str,
    password: &Password,
) -> Result<(User, Option<Token>), AppError> {
    let (user, token) = match by_key(app, request, &Secret::presented(username)).await? {
        Some(found) => found,
        None => (by_login(app, request, username, password).await?, None),
    };
    if user.must_change_password {
        return Err(AppError::Forbidden("The password must be changed first, by signing in with a browser."));
    }
    Ok((user, token))
}

async fn by_login(app: &App, request: &HttpRequest, login: &str, password: &Password) -> Result<User, AppError> {
    match verify_password(app, request, login, password).await? {
        Ok(user) => {
            app.recorder.sign_ins.signed_in(&user, app.clock.now());
            Ok(user)
        }
        Err(PasswordRefusal::Wrong | PasswordRefusal::SecondFactor) => Err(basic_challenge(app)),
        Err(refusal) => Err(refusal.into()),
    }
}

/// Whom an admin's program acts as; anybody else's wish is ignored. The use stays the admin's.
async fn switched(app: &App, request: &HttpRequest, caller: User) -> Result<User, AppError> {
    let login = request.headers().get(SWITCH_USER_HEADER).map(|value| text_of(value).unwrap_or("\u{FFFD}"));
    match login {
        Some(login) if caller.admin && !login.is_empty() => {
            let login = login.to_owned();
            let found = app.database.lookup(move |connection| User::find_by_login(connection, &login)).await?;
            let unknown = AppError::PreconditionFailed("X-Redmine-Switch-User names nobody who may sign in.");
            found.filter(User::is_active).ok_or(unknown)
        }
        _ => Ok(caller),
    }
}

/// Without a challenge: a browser would ask for a password that helps nobody.
fn refused_key() -> AppError {
    AppError::Unauthorized { challenge: None, message: "The key is missing, wrong or no longer valid." }
}

/// RFC 6750, section 3.
fn refused_bearer() -> AppError {
    let challenge = Some("Bearer error=\"invalid_token\"".to_owned());
    AppError::Unauthorized { challenge, message: "The token is wrong or no longer valid." }
}

fn basic_challenge(app: &App) -> AppError {
    let challenge = Some(format!("Basic realm=\"{}\"", app.config.realm));
    AppError::Unauthorized { challenge, message: "An API access key, or a login and password, is needed." }
}
