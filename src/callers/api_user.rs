//! Extractors that authenticate callers of the API, with the credentials that clients of Redmine send (`docs/api.md`).
//! The session cookie is never read here.

use std::marker::PhantomData;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::future::LocalBoxFuture;

use super::mandate::{CHANGE_PASSWORD_FIRST, Grant, Mandate};
use super::refusals::{basic_challenge, refused_bearer, refused_key};
use super::service_account::holder_of_keys;
use super::verify::{Authenticated, Credential, TokenRefusal, verify_password, verify_token};
use crate::app::App;
use crate::auth::credentials::{Credentials, Password, SWITCH_USER_HEADER, key_parameter, text_of};
use crate::auth::passwords::PasswordRefusal;
use crate::auth::rates::Limited;
use crate::http::asks::{Argument, Asks};
use crate::http::error::{AppError, RateLimited};
use crate::metrics::{AuthMethod, Outcome};
use crate::models::keys::scope::Scope;
use crate::models::keys::token::{Token, TokenAction};
use crate::models::people::user::User;
use crate::secret::Secret;

const API: &[TokenAction] = &[TokenAction::Api, TokenAction::Access];
const ACCESS: &[TokenAction] = &[TokenAction::Access];
const FEEDS: &[TokenAction] = &[TokenAction::Feeds];

/// A scope as a type, so that a handler's signature says which scope it requires.
pub trait AskedScope: 'static {
    /// The scope as a value.
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
asked_scopes!(
    AccountRead,
    AccountWrite,
    TokensRead,
    TokensWrite,
    UsersRead,
    UsersWrite,
    ServicesRead,
    ServicesWrite,
    KeysRead,
    KeysWrite,
    AuditRead
);

/// A caller of the API whose credentials grant the scope `S`.
pub struct ApiUser<S> {
    /// The person whom the request is for: with X-Redmine-Switch-User, the one that it names. Or the service account of
    /// theirs that the address is about.
    pub user: Box<User>,
    /// The authority to write in their name.
    pub mandate: Mandate,
    scope: PhantomData<S>,
}

/// An administrator who calls the API with credentials that grant the scope `S`.
pub struct AdminUser<S> {
    /// The person whom the request is for: with X-Redmine-Switch-User, the one that it names, who must be an
    /// administrator too.
    pub user: Box<User>,
    /// The authority to write in their name.
    pub mandate: Mandate,
    scope: PhantomData<S>,
}

/// A key that calls the API about itself. Any key may, whatever its scopes. X-Redmine-Switch-User is ignored: it does
/// not change which key was used.
pub struct CurrentKey {
    /// The owner of the key.
    pub owner: Box<User>,
    /// The secret of the key that was presented.
    pub token: Token,
    /// The authority to write in the owner's name.
    pub mandate: Mandate,
}

/// A person whose feed reader asks, authenticated by the Atom access key in the parameter `key`.
pub struct FeedUser {
    /// The owner of the feed.
    pub user: Box<User>,
    /// The Atom access key that was presented.
    pub key: Secret,
}

impl<S: AskedScope> FromRequest for ApiUser<S> {
    type Error = AppError;
    type Future = LocalBoxFuture<'static, Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let (user, mandate) = authorize(&request, S::SCOPE).await?;
            let (user, mandate) = holder_of_keys(&*App::of(&request)?, &request, user, mandate).await?;
            Ok(Self { user, mandate, scope: PhantomData })
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
    /// Converts the caller to an administrator.
    ///
    /// # Errors
    /// Returns 403 if they are not an administrator.
    pub fn administrator(self) -> Result<AdminUser<S>, AppError> {
        let mandate = self.mandate.of_administrator(&self.user)?;
        Ok(AdminUser { user: self.user, mandate, scope: PhantomData })
    }

    /// Returns the caller unchanged if nobody acts as somebody else.
    ///
    /// # Errors
    /// Returns 403 if X-Redmine-Switch-User is in use.
    pub fn in_person(self) -> Result<Self, AppError> {
        match self.mandate.is_acting() {
            true => Err(AppError::Forbidden("You cannot create, change or rotate keys with X-Redmine-Switch-User.")),
            false => Ok(self),
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
            let (owner, grant) = authenticate(&app, &request).await?;
            let Some(token) = grant.token().cloned() else {
                let about_a_key = "This address is about the key that you use: send a key instead of a password.";
                return Err(AppError::Forbidden(about_a_key));
            };
            let mandate = Mandate::of(&app, &request, &owner, grant)?;
            Ok(Self { owner, token, mandate })
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
            let found = found.and_then(|found| found.map_err(|_| refused_key()));
            app.metrics.count_authentication(AuthMethod::Feed, Outcome::of(&found));
            let (token, user) = found?;
            within_rate(&app, &request, Limited::Key(token.key()))?;
            Ok(Self { user, key })
        })
    }
}

impl Argument for FeedUser {
    const ASKS: Asks = Asks::FeedsKey;
}

/// Authenticates the caller, checks that their credentials grant `asked`, and follows X-Redmine-Switch-User. Returns
/// the person whom the request is for, and the authority to write in their name.
async fn authorize(request: &HttpRequest, asked: Scope) -> Result<(Box<User>, Mandate), AppError> {
    let app = App::of(request)?;
    let (caller, grant) = authenticate(&app, request).await?;
    let mandate = Mandate::of(&app, request, &caller, grant.with_scope(asked))?;
    let Some(login) = user_to_act_as(request, &caller) else { return Ok((caller, mandate)) };
    let other = app.database.lookup(move |connection| User::find_by_login(connection, &login)).await?;
    let mandate = mandate.acting_as(&caller, other.as_ref())?;
    if let Some(authenticated) = request.extensions_mut().get_mut::<Authenticated>() {
        authenticated.administrator = Some(caller.login.clone());
    }
    Ok((other.map_or(caller, Box::new), mandate))
}

/// Authenticates the caller, counts the attempt in the metrics, and the request against the rate limit of the
/// credential.
async fn authenticate(app: &App, request: &HttpRequest) -> Result<(Box<User>, Grant), AppError> {
    let credentials = Credentials::of_api_request(request.query_string(), request.headers());
    let method = method_of(&credentials);
    let caller = caller(app, request, credentials).await;
    if let Some(method) = method {
        app.metrics.count_authentication(method, Outcome::of(&caller));
    }
    let (user, grant) = caller?;
    within_rate(app, request, grant.token().map_or(Limited::Password(user.id), |token| Limited::Key(token.key())))?;
    Ok((user, grant))
}

/// Counts a request to the API against the rate limit of its credential, and notes what is left for the answer.
fn within_rate(app: &App, request: &HttpRequest, credential: Limited) -> Result<(), AppError> {
    let Some(most) = app.config.api_requests_per_minute.limit() else { return Ok(()) };
    let exceeded = |exceeded| AppError::RateExceeded { to: RateLimited::Api, exceeded };
    let rate = app.rates.take(credential, most).map_err(exceeded)?;
    if let Some(authenticated) = request.extensions_mut().get_mut::<Authenticated>() {
        authenticated.rate = Some(rate);
    }
    Ok(())
}

/// The method under which the metrics count an attempt to authenticate; `None` if no credentials were presented.
pub fn method_of(credentials: &Credentials) -> Option<AuthMethod> {
    match credentials {
        Credentials::Absent => None,
        Credentials::Key(_) | Credentials::UnreadableKey => Some(AuthMethod::Key),
        Credentials::Bearer(_) => Some(AuthMethod::Bearer),
        Credentials::Basic { .. } | Credentials::UnreadableAuthorization => Some(AuthMethod::Basic),
    }
}

/// Finds the person to whom the credentials belong.
async fn caller(app: &App, request: &HttpRequest, credentials: Credentials) -> Result<(Box<User>, Grant), AppError> {
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
) -> Result<Result<(Box<User>, Grant), TokenRefusal>, AppError> {
    let found = verify_token(app, request, key_actions(app), secret, |_| true).await?;
    let granted = |(token, user): (_, Box<User>)| {
        let grant = Grant::new(&user, Credential::Token(token));
        (user, grant)
    };
    Ok(found.map(granted))
}

/// The kinds of key that the API and services accept.
pub fn key_actions(app: &App) -> &'static [TokenAction] {
    if app.config.api_access_keys { API } else { ACCESS }
}

/// Looks the user name up as a key first: a password is hashed only if the user name is not a key and never was one.
async fn by_basic(
    app: &App,
    request: &HttpRequest,
    username: &str,
    password: &Password,
) -> Result<(Box<User>, Grant), AppError> {
    let (user, grant) = match by_key(app, request, &Secret::presented(username)).await? {
        Ok(found) => found,
        Err(TokenRefusal::Unknown) => {
            let user = Box::new(by_login(app, request, username, password).await?);
            let grant = Grant::new(&user, Credential::Password);
            (user, grant)
        }
        Err(TokenRefusal::Over | TokenRefusal::Suspended) => return Err(basic_challenge(app)),
    };
    // Refuse here, so that the metrics count the attempt as refused: the mandate checks this only after it was counted.
    if user.must_change_password {
        return Err(AppError::Forbidden(CHANGE_PASSWORD_FIRST));
    }
    Ok((user, grant.with_chosen_password()))
}

async fn by_login(app: &App, request: &HttpRequest, login: &str, password: &Password) -> Result<User, AppError> {
    match verify_password(app, request, login, password).await? {
        Ok(user) => {
            app.recorder.sign_ins.signed_in(&user, app.clock.now());
            Ok(user)
        }
        Err(PasswordRefusal::Wrong | PasswordRefusal::SecondFactor | PasswordRefusal::NotActive(_)) => {
            Err(basic_challenge(app))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// The login that an administrator's program wants to act as. The header of anybody else is ignored.
fn user_to_act_as(request: &HttpRequest, caller: &User) -> Option<String> {
    let login = request.headers().get(SWITCH_USER_HEADER).filter(|_| caller.admin)?;
    let login = text_of(login).unwrap_or("\u{FFFD}");
    (!login.is_empty()).then(|| login.to_owned())
}
