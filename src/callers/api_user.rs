//! Who calls the API, as clients of Redmine's know it (`docs/api.md`). The session cookie is never looked at.

use std::marker::PhantomData;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::future::LocalBoxFuture;

use super::verify::{Authenticated, Credential, TokenRefusal, client_of, verify_password, verify_token};
use crate::app::App;
use crate::auth::credentials::{Credentials, Password, SWITCH_USER_HEADER, key_parameter, text_of};
use crate::auth::passwords::PasswordRefusal;
use crate::http::asks::{Argument, Asks};
use crate::http::error::{AppError, FOR_ADMINISTRATORS};
use crate::metrics::{Method, Outcome};
use crate::models::event::{EventAction, KeyRefusal};
use crate::models::keys::scope::Scope;
use crate::models::keys::token::{Token, TokenAction};
use crate::models::people::user::User;
use crate::secret::Secret;

const API: &[TokenAction] = &[TokenAction::Api, TokenAction::Access];
const ACCESS: &[TokenAction] = &[TokenAction::Access];
const FEEDS: &[TokenAction] = &[TokenAction::Feeds];

/// A scope as a type, so that a handler's signature says which one it asks for.
pub trait AskedScope: 'static {
    /// The same as a value.
    const SCOPE: Scope;
}

macro_rules! asked_scopes {
    ($($name:ident),*) => { $(
        #[doc = concat!("Asks for [`Scope::", stringify!($name), "`].")]
        pub enum $name {}
        impl AskedScope for $name {
            const SCOPE: Scope = Scope::$name;
        }
    )* };
}
asked_scopes!(AccountRead, AccountWrite, TokensRead, TokensWrite, UsersRead, UsersWrite, ServicesRead, ServicesWrite);

/// A person who calls the API, authenticated with something that has the scope `S`, and allowed to go on.
pub struct ApiUser<S> {
    /// Whom the request is for: with Switch-User, the other one.
    pub user: User,
    /// With what they were authenticated; with Switch-User, the administrator.
    pub credential: Credential,
    /// The administrator who acts as `user`.
    pub administrator: Option<User>,
    scope: PhantomData<S>,
}

/// An administrator who calls the API, authenticated with something that has the scope `S`.
pub struct AdminUser<S> {
    /// Whom the request is for: with Switch-User, the other one, who must be an administrator too.
    pub user: User,
    scope: PhantomData<S>,
}

/// A key that calls the API about itself: any may, whatever its scopes. Whom an administrator acts as changes nothing
/// about which key that is.
pub struct CurrentKey {
    /// Whose key it is.
    pub owner: User,
    /// The secret of it that was presented.
    pub token: Token,
}

/// A person whose feed reader asks.
pub struct FeedUser {
    /// Whose feed.
    pub user: User,
}

impl<S: AskedScope> FromRequest for ApiUser<S> {
    type Error = AppError;
    type Future = LocalBoxFuture<'static, Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let (user, credential, administrator) = authorize(&request, S::SCOPE).await?;
            Ok(Self { user, credential, administrator, scope: PhantomData })
        })
    }
}

impl<S: AskedScope> Argument for ApiUser<S> {
    const ASKS: Asks = Asks::Scope(S::SCOPE);
}

impl<S: AskedScope> FromRequest for AdminUser<S> {
    type Error = AppError;
    type Future = LocalBoxFuture<'static, Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = ApiUser::<S>::from_request(request, payload);
        Box::pin(async move { caller.await?.administrator() })
    }
}

impl<S: AskedScope> Argument for AdminUser<S> {
    const ASKS: Asks = Asks::Scope(S::SCOPE);
}

impl<S> ApiUser<S> {
    /// The same as an administrator.
    ///
    /// # Errors
    /// 403 if they are none.
    pub fn administrator(self) -> Result<AdminUser<S>, AppError> {
        match self.user {
            user if user.admin => Ok(AdminUser { user, scope: PhantomData }),
            _ => Err(AppError::Forbidden(FOR_ADMINISTRATORS)),
        }
    }

    /// The same, if it is the person themself and nobody who acts as them.
    ///
    /// # Errors
    /// 403 with Switch-User.
    pub fn in_person(self) -> Result<Self, AppError> {
        match self.administrator {
            Some(_) => Err(AppError::Forbidden("No key is made, changed or rotated with X-Redmine-Switch-User.")),
            None => Ok(self),
        }
    }
}

impl FromRequest for CurrentKey {
    type Error = AppError;
    type Future = LocalBoxFuture<'static, Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let app = App::of(&request)?;
            match authenticate(&app, &request).await? {
                (owner, Credential::Token(token)) => Ok(Self { owner, token }),
                (_, Credential::Password) => {
                    Err(AppError::Forbidden("This is about the key that is used: use one instead of the password."))
                }
            }
        })
    }
}

impl Argument for CurrentKey {
    const ASKS: Asks = Asks::AnyKey;
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
            let found = found.and_then(|found| found.map(|(_, user)| Self { user }).map_err(|_| refused_key()));
            app.metrics.count_authentication(Method::Feed, Outcome::of(&found));
            found
        })
    }
}

impl Argument for FeedUser {
    const ASKS: Asks = Asks::FeedsKey;
}

/// Whom `request` is for, by what, and which administrator acts as them, if whoever calls has the scope `asked`.
async fn authorize(request: &HttpRequest, asked: Scope) -> Result<(User, Credential, Option<User>), AppError> {
    let app = App::of(request)?;
    let (caller, credential) = authenticate(&app, request).await?;
    require(&app, request, &credential, asked)?;
    let Some(login) = wished_user(request, &caller) else { return Ok((caller, credential, None)) };
    require(&app, request, &credential, Scope::UsersWrite)?;
    if let Some(authenticated) = request.extensions_mut().get_mut::<Authenticated>() {
        authenticated.administrator = Some(caller.login.clone());
    }
    Ok((switched(&app, login).await?, credential, Some(caller)))
}

/// Who calls, and by what.
async fn authenticate(app: &App, request: &HttpRequest) -> Result<(User, Credential), AppError> {
    let credentials = Credentials::of_api_request(request.query_string(), request.headers());
    let method = method_of(&credentials);
    let caller = caller(app, request, credentials).await;
    if let Some(method) = method {
        app.metrics.count_authentication(method, Outcome::of(&caller));
    }
    caller
}

/// Refuses what may not be done with this credential, and tells its owner's activity.
fn require(app: &App, request: &HttpRequest, credential: &Credential, scope: Scope) -> Result<(), AppError> {
    match (credential.scopes().grants(scope), credential) {
        (true, _) => Ok(()),
        (false, Credential::Token(token)) => Err(refused_scope(app, request, token, scope.to_string())),
        (false, Credential::Password) => Err(AppError::InsufficientScope(scope.to_string())),
    }
}

/// That `token` has not the scope `missing`, which is told in its owner's activity.
pub fn refused_scope(app: &App, request: &HttpRequest, token: &Token, missing: String) -> AppError {
    let (action, client, at) = (EventAction::ScopeRefused, client_of(app, request), app.clock.now());
    let refusal = KeyRefusal { token: token.clone(), action, missing: Some(missing.clone()), client, at };
    app.recorder.sign_ins.key_refused(refusal);
    AppError::InsufficientScope(missing)
}

/// What is counted as an attempt; nothing presented is none.
pub fn method_of(credentials: &Credentials) -> Option<Method> {
    match credentials {
        Credentials::Absent => None,
        Credentials::Key(_) | Credentials::UnreadableKey => Some(Method::Key),
        Credentials::Bearer(_) => Some(Method::Bearer),
        Credentials::Basic { .. } | Credentials::UnreadableAuthorization => Some(Method::Basic),
    }
}

/// Whose credentials these are.
async fn caller(app: &App, request: &HttpRequest, credentials: Credentials) -> Result<(User, Credential), AppError> {
    match credentials {
        Credentials::Key(secret) => by_key(app, request, &secret).await?.map_err(|_| refused_key()),
        Credentials::Bearer(secret) => by_key(app, request, &secret).await?.map_err(refused_bearer),
        Credentials::Basic { username, password } => by_basic(app, request, &username, &password).await,
        Credentials::UnreadableKey => Err(refused_key()),
        Credentials::Absent | Credentials::UnreadableAuthorization => Err(basic_challenge(app)),
    }
}

async fn by_key(
    app: &App,
    request: &HttpRequest,
    secret: &Secret,
) -> Result<Result<(User, Credential), TokenRefusal>, AppError> {
    let found = verify_token(app, request, key_actions(app), secret, |_| true).await?;
    Ok(found.map(|(token, user)| (user, Credential::Token(token))))
}

/// The kinds of key that programs come with.
pub fn key_actions(app: &App) -> &'static [TokenAction] {
    if app.config.api_access_keys { API } else { ACCESS }
}

/// The user name is looked up as a key first: a password is hashed only when it is none, and never was.
async fn by_basic(
    app: &App,
    request: &HttpRequest,
    username: &str,
    password: &Password,
) -> Result<(User, Credential), AppError> {
    let (user, credential) = match by_key(app, request, &Secret::presented(username)).await? {
        Ok(found) => found,
        Err(TokenRefusal::Unknown) => (by_login(app, request, username, password).await?, Credential::Password),
        Err(TokenRefusal::Over) => return Err(basic_challenge(app)),
    };
    if user.must_change_password {
        return Err(AppError::Forbidden("The password must be changed first, by signing in with a browser."));
    }
    Ok((user, credential))
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

/// The login of whom an admin's program wants to act as; anybody else's wish is ignored.
fn wished_user(request: &HttpRequest, caller: &User) -> Option<String> {
    let login = request.headers().get(SWITCH_USER_HEADER).filter(|_| caller.admin)?;
    let login = text_of(login).unwrap_or("\u{FFFD}");
    (!login.is_empty()).then(|| login.to_owned())
}

/// Whom an admin's program acts as. The use stays the admin's.
async fn switched(app: &App, login: String) -> Result<User, AppError> {
    let found = app.database.lookup(move |connection| User::find_by_login(connection, &login)).await?;
    let unknown = AppError::PreconditionFailed("X-Redmine-Switch-User names nobody who may sign in.");
    found.filter(User::is_active).ok_or(unknown)
}

/// Whom `caller` still acts as, if they wish to act as anybody.
pub(super) async fn acting_as(app: &App, request: &HttpRequest, caller: &User) -> Result<Option<User>, AppError> {
    match wished_user(request, caller) {
        Some(login) => switched(app, login).await.map(Some),
        None => Ok(None),
    }
}

/// What `request` is told if its credentials are nobody's.
pub(super) fn refused(app: &App, request: &HttpRequest) -> AppError {
    match Credentials::of_api_request(request.query_string(), request.headers()) {
        Credentials::Key(_) | Credentials::UnreadableKey => refused_key(),
        Credentials::Bearer(_) => refused_bearer(TokenRefusal::Unknown),
        Credentials::Basic { .. } | Credentials::Absent | Credentials::UnreadableAuthorization => basic_challenge(app),
    }
}

/// Without a challenge: a browser would ask for a password that helps nobody.
fn refused_key() -> AppError {
    AppError::Unauthorized { challenge: None, message: "The key is missing, wrong or no longer valid." }
}

/// RFC 6750, section 3. That a key has expired is told to who presented the right secret, and so to nobody else.
pub fn refused_bearer(refusal: TokenRefusal) -> AppError {
    let (description, message) = match refusal {
        TokenRefusal::Unknown => ("", "The token is wrong or no longer valid."),
        TokenRefusal::Over => (", error_description=\"The token has expired\"", "The token has expired."),
    };
    let challenge = Some(format!("Bearer error=\"invalid_token\"{description}"));
    AppError::Unauthorized { challenge, message }
}

fn basic_challenge(app: &App) -> AppError {
    let challenge = Some(format!("Basic realm=\"{}\"", app.config.realm));
    AppError::Unauthorized { challenge, message: "An API access key, or a login and password, is needed." }
}
