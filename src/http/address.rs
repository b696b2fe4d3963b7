//! What an address names.

use actix_web::HttpRequest;

use super::error::AppError;

/// The id that the address names.
///
/// # Errors
/// 404 where it is none that anything can have.
pub fn id_of(request: &HttpRequest) -> Result<i64, AppError> {
    request.match_info().get("id").and_then(|id| id.parse().ok()).ok_or(AppError::NotFound)
}
