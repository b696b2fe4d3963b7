//! One line a request in the log. What stands in addresses, headers and bodies may be secret: none of it does.

use std::time::Instant;

use actix_web::HttpMessage;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;

use crate::app::App;
use crate::callers::verify::Authenticated;
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
    let route = request.match_pattern().unwrap_or_else(|| "-".to_owned());
    let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::info!(
        target: REQUESTS,
        request_id = %id,
        method = known_method(request.method().as_str()),
        route,
        status = response.status().as_u16(),
        duration_us,
        user_id = who.map(|who| who.user_id),
        token_id = who.and_then(|who| who.credential.token()).map(|token| token.id),
        address = %app.addresses.of(request),
        "request"
    );
    app.metrics.count_request(route, response.status().as_u16());
    drop(extensions);
    Ok(response)
}

/// A method is text of the client's choice, too.
fn known_method(method: &str) -> &str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
    if KNOWN.contains(&method) { method } else { "other" }
}
