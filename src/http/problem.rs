//! Errors as problem documents (RFC 9457).

use actix_web::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::AppError;

/// The media type of a problem document.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// What is wrong.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Problem<'a> {
    /// `about:blank`: nothing more than the status says (section 4.2.1).
    #[serde(rename = "type")]
    kind: &'static str,
    /// What the status is called.
    title: &'static str,
    /// The status.
    status: u16,
    /// What to do.
    detail: String,
    /// Of 422: each broken rule.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    #[schema(value_type = Vec<String>, required = false)]
    errors: &'a [String],
}

/// The problem document for `status`. `texts` is one sentence, or a message for each broken rule.
///
/// # Errors
/// Returns an error if the document cannot be serialized.
pub fn document(status: StatusCode, texts: &[String]) -> Result<String, AppError> {
    let title = status.canonical_reason().unwrap_or("Error");
    let errors = if status == StatusCode::UNPROCESSABLE_ENTITY { texts } else { &[] };
    let problem = Problem { kind: "about:blank", title, status: status.as_u16(), detail: texts.join("; "), errors };
    serde_json::to_string(&problem).map_err(AppError::internal)
}
