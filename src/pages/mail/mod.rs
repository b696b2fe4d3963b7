//! Mail on pages: what a person wants to be told, where it goes, and, for administrators, what was not delivered.

pub mod new_address;
pub mod undelivered;
pub mod wishes;

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use crate::app::App;
use crate::auth::credentials::parameter;
use crate::http::error::AppError;
use crate::models::mails::link::MailLink;
use crate::pages::shell::{Shell, page, see_other};

#[derive(Template)]
#[template(path = "mail/over.html")]
struct OverPage {
    shell: Shell,
    path: &'static str,
    words: &'static str,
}

/// Moves the token of a link from the address of the page into the cookie, so that it stands in no address bar, history or
/// `Referer`, and sends the browser on; `None`: the address has no token.
///
/// # Errors
/// Returns an error if the cookie cannot be written.
pub fn take_token(
    link: MailLink,
    app: &App,
    request: &HttpRequest,
    session: &Session,
) -> Result<Option<HttpResponse>, AppError> {
    let Some(token) = parameter(request.query_string(), "token") else { return Ok(None) };
    link.keep(session, &token)?;
    Ok(Some(see_other(&app.url.path(link.path()))))
}

/// The page of a link that is used up or too old. `path` is where one gets another, in `words`.
///
/// # Errors
/// Returns an error if the page cannot be rendered.
pub fn over_page(shell: Shell, path: &'static str, words: &'static str) -> Result<HttpResponse, AppError> {
    page(StatusCode::GONE, &OverPage { shell, path, words })
}
