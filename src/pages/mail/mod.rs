//! Mail on pages: what a person wants to be told, where it goes, and, for administrators, what was not delivered.

pub mod new_address;
pub mod undelivered;
pub mod wishes;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use crate::http::error::AppError;
use crate::pages::shell::{Shell, page};

#[derive(Template)]
#[template(path = "mail/over.html")]
struct OverPage {
    shell: Shell,
    path: &'static str,
    words: &'static str,
}

/// The page of a link that is used up or too old. `path` is where one gets another, in `words`.
///
/// # Errors
/// Returns an error if the page cannot be rendered.
pub fn over_page(shell: Shell, path: &'static str, words: &'static str) -> Result<HttpResponse, AppError> {
    page(StatusCode::GONE, &OverPage { shell, path, words })
}
