//! The parts of an address.

use actix_web::HttpRequest;

use super::error::AppError;

/// The id in the path of the request.
///
/// # Errors
/// Returns 404 if it is not a valid id.
pub fn id_of(request: &HttpRequest) -> Result<i64, AppError> {
    request.match_info().get("id").and_then(|id| id.parse().ok()).ok_or(AppError::NotFound)
}
