//! The parts of an address.

use actix_web::HttpRequest;

use super::error::AppError;

/// The id in the path of the request.
///
/// # Errors
/// Returns 404 if it is not a valid id.
pub fn id_of(request: &HttpRequest) -> Result<i64, AppError> {
    id_named(request, "id")
}

/// The id in the path of the request that the table of routes calls `name`.
///
/// # Errors
/// Returns 404 if it is not a valid id.
pub fn id_named(request: &HttpRequest, name: &str) -> Result<i64, AppError> {
    request.match_info().get(name).and_then(|id| id.parse().ok()).ok_or(AppError::NotFound)
}
