//! The page that a browser gets instead of the requested one when something is wrong.

use actix_session::SessionExt;
use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest};
use askama::Template;

use super::shell::Shell;
use crate::app::App;
use crate::http::error::AppError;
use crate::http::request_id::RequestId;

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    shell: Shell,
    status: u16,
    title: &'static str,
    message: String,
    request_id: String,
}

/// The HTML of the error page for `status`.
///
/// # Errors
/// Returns an error if this page cannot be rendered either.
pub fn render(request: &HttpRequest, status: StatusCode, message: String) -> Result<String, AppError> {
    let app = App::of(request)?;
    let shell = Shell::of_error(&app, request, &request.get_session())?;
    let request_id = request.extensions().get::<RequestId>().map(ToString::to_string).unwrap_or_default();
    let error_page = ErrorPage { shell, status: status.as_u16(), title: title(status), message, request_id };
    error_page.render().map_err(AppError::internal)
}

fn title(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "Bad request",
        403 => "This is not allowed",
        404 => "Page not found",
        405 => "This method is not supported",
        413 => "Request too large",
        414 => "Address too long",
        422 => "This could not be saved",
        429 => "Too many requests",
        503 => "Not available at the moment",
        500.. => "Something went wrong",
        _ => "This did not work",
    }
}
