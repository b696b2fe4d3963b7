//! Forward authentication, `/auth/…`: reverse proxies ask whether a request to a service may go on. Their settings are
//! in `docs/forward-auth.md`.

pub mod cookies;
mod host;
pub mod question;

use std::num::NonZeroU32;

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue, USER_AGENT};
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError, web};

use self::cookies::cookies_of_others;
use self::host::normal_host;
use self::question::{OriginalPath, Question, Unreadable};
use crate::app::App;
use crate::auth::credentials::{Credentials, text_of};
use crate::auth::rates::{Limited, Rate};
use crate::callers::api_user::{key_actions, method_of};
use crate::callers::refusals::{basic_challenge_saying, refused_bearer, refused_scope};
use crate::callers::verify::{TokenRefusal, verify_token};
use crate::http::asks::{Argument, Asks};
use crate::http::error::{AppError, RateLimited};
use crate::http::problem;
use crate::metrics::Outcome;
use crate::models::keys::scope::{Access, ServiceScope};
use crate::models::keys::token::{Token, TokenAction};
use crate::models::people::user::User;
use crate::models::services::service::{Permission, Service, ServiceLookup, Visitor};
use crate::recorder::service_uses::ServiceCall;
use crate::secret::Secret;

/// A trusted reverse proxy that asks, not one that passes on a visitor of Latchkey's own pages.
pub struct TrustedProxy;

impl TrustedProxy {
    fn that_asks(app: &App, request: &HttpRequest) -> Result<Self, AppError> {
        if !app.addresses.is_from_trusted_proxy(request) {
            return Err(AppError::Forbidden("Only proxies that LATCHKEY_TRUSTED_PROXIES names are answered here."));
        }
        if is_visitor(app, request) {
            return Err(AppError::Forbidden(
                "A proxy asks here with the host of a service. This request came by Latchkey's own, as visitors do.",
            ));
        }
        Ok(Self)
    }
}

/// Whether a proxy passed the request on because it came to the host of `LATCHKEY_URL`. Questions are about other hosts.
fn is_visitor(app: &App, request: &HttpRequest) -> bool {
    let ours = app.config.url.as_ref().and_then(|url| normal_host(url.authority()));
    let asked = request.headers().get(HOST).and_then(text_of).and_then(normal_host);
    ours.is_some() && asked == ours
}

impl FromRequest for TrustedProxy {
    type Error = AppError;
    type Future = std::future::Ready<Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(App::of(request).and_then(|app| Self::that_asks(&app, request)))
    }
}

impl Argument for TrustedProxy {
    const ASKS: Asks = Asks::TrustedProxy;
}

/// `/auth/nginx`, with `X-Original-URI`, `X-Original-Method` and `Host`. nginx understands only 401 and 403, so every
/// other refusal is a 403 with its real status and reason in headers.
///
/// # Errors
/// Returns an error if the refusal cannot be serialized.
pub async fn nginx(app: web::Data<App>, request: HttpRequest, _: TrustedProxy) -> Result<HttpResponse, AppError> {
    match answer(&app, &request, Question::of_nginx(&request)).await {
        Ok(response) => Ok(response),
        Err(error) => for_nginx(&error),
    }
}

/// `/auth/forwarded`, with `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri`, as Caddy and Traefik send them. Traefik
/// cannot remove one cookie out of several, so it also sends the cookies, and the response returns those that are not
/// ours.
///
/// # Errors
/// Returns every refusal.
pub async fn forwarded(app: web::Data<App>, request: HttpRequest, _: TrustedProxy) -> Result<HttpResponse, AppError> {
    let mut response = answer(&app, &request, Question::of_forwarded(&request)).await?;
    if let Some(cookies) = cookies_of_others(request.headers()) {
        response.headers_mut().insert(COOKIE, cookies);
    }
    Ok(response)
}

/// `/auth/envoy`, followed by the path and query of the request, with its own method and host: Envoy's `ext_authz`.
///
/// # Errors
/// Returns every refusal.
pub async fn envoy(app: web::Data<App>, request: HttpRequest, _: TrustedProxy) -> Result<HttpResponse, AppError> {
    let question = Question::of_envoy(&request, &app.url.path("/auth/envoy"));
    answer(&app, &request, question).await
}

/// A caller who may go on. Every field is empty for an anonymous one.
#[derive(Default)]
struct Admitted {
    login: String,
    user_id: String,
    token_id: String,
    scopes: String,
    rate: Vec<(HeaderName, HeaderValue)>,
}

/// Answers that the request may go on. Every identity header is always set, even if empty, so that the service cannot
/// be given one that the client forged.
async fn answer(
    app: &App,
    request: &HttpRequest,
    question: Result<Question, Unreadable>,
) -> Result<HttpResponse, AppError> {
    let admitted = admit(app, request, question?).await?;
    let mut response = HttpResponse::Ok();
    let identity = [
        ("X-Latchkey-User", admitted.login),
        ("X-Latchkey-User-Id", admitted.user_id),
        ("X-Latchkey-Token-Id", admitted.token_id),
        ("X-Latchkey-Scopes", admitted.scopes),
    ];
    for header in identity {
        response.insert_header(header);
    }
    for header in admitted.rate {
        response.insert_header(header);
    }
    Ok(response.finish())
}

async fn admit(app: &App, request: &HttpRequest, question: Question) -> Result<Admitted, AppError> {
    let Question { host, method, path, key_parameter, credentials } = question;
    let credentials = match key_parameter {
        Ok(None) => credentials,
        // Only the service says whether a key in the query counts.
        key if find(app, &host, &path, None).await?.0.settings.key_parameter => {
            key?.map_or(credentials, Credentials::Key)
        }
        _ => credentials,
    };
    let caller = match credentials {
        Credentials::Absent => None,
        credentials => Some(authenticate(app, request, credentials).await?),
    };
    let visitor = caller.as_ref().map(|(token, user)| Visitor {
        user_id: user.id,
        key_id: (token.action != TokenAction::Api).then(|| token.key()),
    });
    let (service, permission) = find(app, &host, &path, visitor).await?;
    let asked = service.access_of(&method);
    let Some((token, user)) = caller else {
        let may_go_on = service.settings.anonymous_reads && asked == Access::Read;
        return if may_go_on { Ok(Admitted::default()) } else { Err(challenge(app)) };
    };
    let scopes = authorize(app, request, (&service, permission), asked, &token)?;
    let rate = rate(app, &service, &token)?;
    app.recorder.service_uses.count(&ServiceCall {
        key_id: token.key(),
        service_id: service.id,
        address: app.addresses.of(request),
        agent: request.headers().get(USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default(),
        at: app.clock.now(),
    });
    Ok(Admitted {
        login: user.login,
        user_id: user.id.to_string(),
        token_id: token.key().to_string(),
        scopes,
        rate: rate.map(|rate| rate.headers(&service.name).collect()).unwrap_or_default(),
    })
}

/// Finds the service on `host` to which `path` leads in every reading of it, and what `visitor` may do there.
async fn find(
    app: &App,
    host: &str,
    path: &OriginalPath,
    visitor: Option<Visitor>,
) -> Result<(Service, Permission), AppError> {
    let mut open = app.services.look_up(ServiceLookup { host: host.to_owned(), visitor }).await?;
    let place = path.place(|path| {
        let place = open.iter().position(|(service, _)| service.has_path(path));
        let in_any_case = open.iter().position(|(service, _)| service.has_path_in_any_case(path));
        if place == in_any_case { Ok(place) } else { Err(Unreadable::AMBIGUOUS) }
    })??;
    place.map(|at| open.swap_remove(at)).ok_or(AppError::Forbidden("There is no service at this address."))
}

/// Finds the token and its owner. A login and password is refused without hashing the password.
async fn authenticate(app: &App, request: &HttpRequest, credentials: Credentials) -> Result<(Token, User), AppError> {
    let method = method_of(&credentials);
    let by_basic = matches!(credentials, Credentials::Basic { .. });
    let secret = match credentials {
        Credentials::Key(secret) | Credentials::Bearer(secret) => Some(secret),
        Credentials::Basic { username, .. } => Some(Secret::presented(username)),
        Credentials::UnreadableKey => None,
        Credentials::Absent | Credentials::UnreadableAuthorization => return Err(challenge(app)),
    };
    let found = match secret {
        Some(secret) => verify_token(app, request, key_actions(app), &secret, |_| true).await?,
        None => Err(TokenRefusal::Unknown),
    };
    let found = found.map_err(|refusal| if by_basic { challenge(app) } else { refused_bearer(refusal) });
    if let Some(method) = method {
        app.metrics.count_authentication(method, Outcome::of(&found));
    }
    found
}

/// A 401 with a Basic challenge, for programs that send a key only after they are asked for it.
fn challenge(app: &App) -> AppError {
    basic_challenge_saying(app, "A key is needed: an access token, as Bearer or as the user name.")
}

/// Returns the service's scopes that the key has and its owner is admitted to, if they are enough for the request.
fn authorize(
    app: &App,
    request: &HttpRequest,
    (service, permission): (&Service, Permission),
    asked: Access,
    token: &Token,
) -> Result<String, AppError> {
    if token.action == TokenAction::Api && !service.settings.classic_keys {
        return Err(AppError::Forbidden("This service takes access tokens only, no API access keys."));
    }
    let is_enough = |access: Option<Access>| access.is_some_and(|access| access.includes(asked));
    let scope = |access| ServiceScope { service: service.name.clone(), access };
    if !is_enough(permission.scope) {
        return Err(refused_scope(app, request, token, scope(asked).to_string()));
    }
    if !is_enough(permission.admission) {
        return Err(AppError::Forbidden(match asked {
            Access::Read => "This service does not admit the owner of this key.",
            Access::Write => "This service does not admit the owner of this key to write.",
        }));
    }
    let granted = Access::ALL.into_iter().filter(|access| permission.access().is_some_and(|it| it.includes(*access)));
    Ok(granted.map(|access| scope(access).to_string()).collect::<Vec<_>>().join(" "))
}

/// Counts the request against the key's rate limit on this service, if there is one, and returns what is left.
fn rate(app: &App, service: &Service, token: &Token) -> Result<Option<Rate>, AppError> {
    let most = service.settings.requests_per_minute.and_then(|most| u32::try_from(most).ok()).and_then(NonZeroU32::new);
    let of = Limited::OnService { key_id: token.key(), service_id: service.id };
    let taken = most.map(|most| app.rates.take(of, most)).transpose();
    taken.map_err(|exceeded| AppError::RateExceeded { to: RateLimited::Service(service.name.clone()), exceeded })
}

/// The response that lets nginx pass a refusal on.
fn for_nginx(error: &AppError) -> Result<HttpResponse, AppError> {
    let mut response = error.error_response();
    let status = match response.status() {
        status if status.is_server_error() => StatusCode::SERVICE_UNAVAILABLE,
        status => status,
    };
    let quotable = |c: &char| (' '..='~').contains(c) && *c != '"' && *c != '\\';
    let reason: String = error.to_string().chars().filter(quotable).collect();
    let told = [("x-latchkey-status", status.as_str()), ("x-latchkey-reason", &reason)];
    for (name, value) in told.into_iter().chain([(CONTENT_TYPE.as_str(), problem::CONTENT_TYPE)]) {
        let header = (HeaderName::try_from(name), HeaderValue::try_from(value));
        if let (Ok(name), Ok(value)) = header {
            response.headers_mut().insert(name, value);
        }
    }
    if status != StatusCode::UNAUTHORIZED {
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
    Ok(response.set_body(BoxBody::new(problem::document(status, &error.texts())?)))
}
