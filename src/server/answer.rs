//! What surrounds the handler of every route: a limit of time, and errors in the client's own format.

use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};

use super::request_log;
use crate::app::App;
use crate::callers::session_user::signed_in;
use crate::callers::verify::{Authenticated, SignedInAs};
use crate::clock::iso8601;
use crate::http::error::{AppError, RateLimited};
use crate::http::format::Format;
use crate::http::problem;
use crate::models::keys::token::Token;
use crate::pages::error_page;
use crate::panics::catch_async;

/// When the key that was used expires, or the secret of it that was.
const TOKEN_EXPIRES: HeaderName = HeaderName::from_static("x-latchkey-token-expires");
/// How long a request may take, its body included.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// How a resource tells what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorFormat {
    /// As Redmine's API does it where the path ends in a format, and as a page elsewhere.
    AsThePathSays,
    /// As problem documents.
    Problems,
}

/// Ends what takes too long, catches what panics (actix would close the connection without an answer), says until when the
/// key is valid that was used and how many requests it has left, gives errors a body, and logs the causes of those that are
/// not the client's.
pub(super) async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    errors: ErrorFormat,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let original = request.request().clone();
    // A call may panic before it has anything to wait for.
    let called = catch_async(async { next.call(request).await });
    let mut response = match tokio::time::timeout(TIME_LIMIT, called).await {
        Ok(Ok(response)) => response?.map_into_boxed_body(),
        Ok(Err(panic)) => {
            if let Ok(app) = App::of(&original) {
                app.metrics.panics.count_request();
            }
            ServiceResponse::new(original, HttpResponse::from_error(AppError::Panicked(panic)))
        }
        Err(_) => ServiceResponse::new(original, HttpResponse::from_error(AppError::TimedOut)),
    };
    tell_expiry(&mut response);
    tell_rate(&mut response);
    if is_bare_error(&response) {
        response = with_text(response, errors).await;
    }
    request_log::log_cause(&response);
    Ok(response)
}

/// Gives an error its body.
async fn with_text(response: ServiceResponse<BoxBody>, errors: ErrorFormat) -> ServiceResponse<BoxBody> {
    let (request, response) = response.into_parts();
    if response.status().is_client_error() {
        know_who_is_signed_in(&request).await;
    }
    let response = with_body(&request, response, errors);
    ServiceResponse::new(request, response)
}

/// Says when the key that was used expires, if it does.
fn tell_expiry(response: &mut ServiceResponse<BoxBody>) {
    let expires_on = match response.request().extensions().get::<Authenticated>() {
        Some(Authenticated { credential, .. }) => credential.token().and_then(Token::ends_on),
        None => None,
    };
    if let Some(value) = expires_on.and_then(|expires_on| HeaderValue::try_from(iso8601(expires_on)).ok()) {
        response.headers_mut().insert(TOKEN_EXPIRES, value);
    }
}

/// Says how many requests the credential has left, if they are limited.
fn tell_rate(response: &mut ServiceResponse<BoxBody>) {
    let rate = response.request().extensions().get::<Authenticated>().and_then(|known| known.rate);
    for (name, value) in rate.iter().flat_map(|rate| rate.headers(RateLimited::Api.policy())) {
        response.headers_mut().insert(name, value);
    }
}

/// Asks who is signed in if nobody has, so that the frame of the error page can say so: a form that is refused, or an
/// address where nothing is, is answered before. Where there is no session, this asks nothing.
async fn know_who_is_signed_in(request: &HttpRequest) {
    let known = request.extensions().contains::<SignedInAs>();
    if let (false, Ok(app)) = (known, App::of(request)) {
        // Whatever goes wrong here, the error that there is already is the one to show.
        let _ = signed_in(&app, request).await;
    }
}

/// Whether nobody has written yet what is wrong.
fn is_bare_error(response: &ServiceResponse) -> bool {
    let failed = response.status().is_client_error() || response.status().is_server_error();
    let empty = matches!(response.response().body().size(), BodySize::None | BodySize::Sized(0));
    failed && (empty || response.response().error().is_some())
}

fn with_body(request: &HttpRequest, mut response: HttpResponse, errors: ErrorFormat) -> HttpResponse {
    let status = response.status();
    let texts = match response.error().and_then(|error| error.as_error::<AppError>()) {
        Some(error) => error.texts(),
        None => vec![text_of(status)],
    };
    let path = request.path();
    let (content_type, body) = match Format::of_path(path) {
        _ if errors == ErrorFormat::Problems => (problem::CONTENT_TYPE, problem::document(status, &texts)),
        Some(format) => (format.content_type(), format.errors(&texts)),
        None if path.trim_end_matches('/').ends_with(".atom") => ("text/plain; charset=utf-8", Ok(texts.join("\n"))),
        None => ("text/html; charset=utf-8", error_page::render(request, status, texts.join(" "))),
    };
    let body = body.unwrap_or_else(|error| {
        tracing::error!(%error, "an error could not be shown");
        texts.join("\n")
    });
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.set_body(BoxBody::new(body))
}

/// Of the errors that actix makes itself.
fn text_of(status: StatusCode) -> String {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => AppError::TooLarge.to_string(),
        StatusCode::NOT_FOUND => AppError::NotFound.to_string(),
        StatusCode::METHOD_NOT_ALLOWED => AppError::MethodNotAllowed.to_string(),
        _ => "The request could not be read.".to_owned(),
    }
}
