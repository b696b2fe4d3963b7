//! Forward authentication, `/auth/…`: reverse proxies ask whether a request to a service may go on. Their settings are
//! in `docs/forward-auth.md`.

pub mod cookies;
pub mod decision;
mod host;
pub mod question;

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue};
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError, web};

use self::cookies::cookies_of_others;
use self::decision::{Admitted, Decision, PresentedKey, Refusal};
use self::host::normal_host;
use self::question::{Question, Unreadable};
use crate::app::App;
use crate::auth::credentials::text_of;
use crate::auth::rates::Rates;
use crate::callers::refusals::record_refused_scope;
use crate::callers::verify::record_found;
use crate::http::asks::{Argument, Asks};
use crate::http::error::AppError;
use crate::http::problem;
use crate::metrics::Outcome;
use crate::models::client::Caller;
use crate::recorder::service_uses::ServiceCall;

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
    let ours = own_host(app);
    let asked = request.headers().get(HOST).and_then(text_of).and_then(normal_host);
    ours.is_some() && asked == ours
}

/// The host of `LATCHKEY_URL`, by which no question comes; `None`: it is not set.
pub fn own_host(app: &App) -> Option<String> {
    app.config.url.as_ref().and_then(|url| normal_host(url.authority()))
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

/// Answers what is decided about the question, and records what has happened.
async fn answer(
    app: &App,
    request: &HttpRequest,
    question: Result<Question, Unreadable>,
) -> Result<HttpResponse, AppError> {
    let caller = app.addresses.caller(request);
    let decision = Decision::about(app, question?, caller.address, Rates::take).await;
    record(app, request, caller, &decision).await;
    response(app, decision.outcome)
}

/// Records the use of the key, or its refusal, and the use of the service.
async fn record(app: &App, request: &HttpRequest, caller: Caller<'_>, Decision { key, service, outcome }: &Decision) {
    let Some(PresentedKey { method, found, .. }) = key else { return };
    let name = service.as_ref().map(|service| service.name.as_str()).unwrap_or_default();
    record_found(app, request, (caller, name), found).await;
    let token = found.verified.as_ref().ok().map(|(token, _)| token);
    if let Some(method) = method {
        app.metrics.count_authentication(*method, Outcome::of_found(&Ok(token)));
    }
    match (token, service, outcome) {
        (Some(token), _, Err(Refusal::Scope(missing))) => {
            record_refused_scope(app, request, token, missing.to_string());
        }
        (Some(token), Some(service), Ok(_)) => app.recorder.service_uses.count(&ServiceCall {
            key_id: token.key(),
            service_id: service.id,
            address: caller.address,
            agent: caller.agent,
            at: app.clock.now(),
        }),
        _ => {}
    }
}

/// The answer to a question of which this is the outcome.
///
/// # Errors
/// Returns every refusal.
pub fn response(app: &App, outcome: Result<Admitted, Refusal>) -> Result<HttpResponse, AppError> {
    outcome.map(Admitted::response).map_err(|refusal| refusal.told(app))
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
