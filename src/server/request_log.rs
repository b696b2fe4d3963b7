//! One line a request in the log, and one more for why it failed if that was not the client's doing. What stands in
//! addresses, headers and bodies may be secret: none of it is logged.

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest};

use crate::app::App;
use crate::callers::verify::Authenticated;
use crate::http::error::Cause;
use crate::http::request_id::RequestId;
use crate::logging::REQUESTS;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Writes the line when the answer is ready.
///
/// # Errors
/// Those of what it wraps.
pub async fn log(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let started = Instant::now();
    let id = RequestId::next();
    request.extensions_mut().insert(id);
    let mut response = next.call(request).await?;
    if let Ok(value) = HeaderValue::try_from(id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let request = response.request();
    let extensions = request.extensions();
    let who = extensions.get::<Authenticated>();
    let app = App::of(request)?;
    let route = route_of(request);
    let duration = started.elapsed();
    tracing::info!(
        target: REQUESTS,
        request_id = %id,
        method = known_method(request.method().as_str()),
        route,
        status = response.status().as_u16(),
        duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
        user_id = who.map(|who| who.user_id),
        token_id = who.and_then(|who| who.credential.token()).map(|token| token.id),
        address = %app.addresses.of(request),
        "request"
    );
    app.metrics.count_request(route, response.status().as_u16(), duration);
    drop(extensions);
    Ok(response)
}

/// Writes why an answer is an error 500, or a 503 of the database, if it is, at once: with the request, and the id that
/// the client was given for it.
pub(super) fn log_cause(response: &ServiceResponse<BoxBody>) {
    let of_response = response.response().extensions();
    let Some(cause) = of_response.get::<Cause>() else { return };
    let request = response.request();
    let extensions = request.extensions();
    let who = extensions.get::<Authenticated>();
    // The same for both levels, each of which is a place of its own to the log.
    macro_rules! log {
        ($level:ident, $cause:expr, $backtrace:expr, $message:literal) => {
            tracing::$level!(
                request_id = extensions.get::<RequestId>().map(tracing::field::display),
                method = known_method(request.method().as_str()),
                route = route_of(request),
                status = response.status().as_u16(),
                user_id = who.map(|who| who.user_id),
                token_id = who.and_then(|who| who.credential.token()).map(|token| token.id),
                cause = %$cause,
                backtrace = $backtrace,
                $message
            )
        };
    }
    match cause {
        Cause::Mistake(cause) => log!(error, cause, None::<&str>, "internal error"),
        Cause::Panic(panic) => log!(error, panic, panic.backtrace(), "internal error"),
        Cause::Database(cause) => log!(warn, cause, None::<&str>, "the database"),
    }
}

/// The pattern of the route, never the path.
fn route_of(request: &HttpRequest) -> String {
    request.match_pattern().unwrap_or_else(|| "-".to_owned())
}

/// A method is text of the client's choice, too.
fn known_method(method: &str) -> &str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
    if KNOWN.contains(&method) { method } else { "other" }
}
