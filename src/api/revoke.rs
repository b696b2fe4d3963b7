//! `/revoke.json`: revokes a key whose secret has leaked. Anybody may report one.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::callers::leak;
use crate::http::error::AppError;
use crate::http::problem::Problem;

/// The largest body that is read: a secret with some JSON around it.
const LARGEST_BODY: usize = 8 * 1024;

/// What is reported.
#[derive(Deserialize, ToSchema)]
#[schema(as = LeakReport)]
struct Report {
    /// The whole secret; blanks around it are ignored.
    #[schema(min_length = 1, max_length = 1000)]
    secret: String,
}

/// `POST /revoke.json`
///
/// # Errors
/// A body that cannot be read; too many from one address; those of the database.
#[utoipa::path(
    post,
    path = "/revoke.json",
    operation_id = "reportLeak",
    summary = "Report a leaked secret: revoke its key and tell the owner",
    security(()),
    request_body = Report,
    responses(
        (status = 204, description = "If it was the secret of a key, the key is revoked. The answer is the same if it was not."),
        (status = 400, description = "The body cannot be read.", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "This cannot be a secret.", body = Problem, content_type = "application/problem+json"),
        (
            status = 429,
            description = "Too many reports came from this address.",
            body = Problem,
            content_type = "application/problem+json",
            headers(("Retry-After" = i64, description = "Seconds to wait.")),
        ),
        (
            status = 503,
            description = "The server is busy or the database is not available.",
            body = Problem,
            content_type = "application/problem+json",
            headers(("Retry-After" = i64, description = "Seconds to wait.")),
        ),
    ),
)]
pub async fn revoke(
    app: web::Data<App>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    app.leak_reports.pass(app.addresses.of(&request))?;
    let body = payload.to_bytes_limited(LARGEST_BODY).await.map_err(|_| AppError::TooLarge)?;
    let unreadable = || AppError::BadRequest("The body could not be read: send {\"secret\": \"…\"}.".into());
    let body = body.map_err(|_| unreadable())?;
    // Do not pass on what serde says: its messages can quote the body, and so the secret.
    let report: Report = serde_json::from_slice(&body).map_err(|_| unreadable())?;
    leak::report(&app, &request, &report.secret).await?;
    Ok(HttpResponse::NoContent().finish())
}
