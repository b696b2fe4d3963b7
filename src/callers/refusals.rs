//! The responses to callers who are not let in, or not any more.

use actix_web::HttpRequest;
use actix_web::http::Method;

use super::draft;
use super::verify::{TokenRefusal, client_of};
use crate::app::App;
use crate::auth::credentials::{Credentials, without_key};
use crate::http::error::{AppError, First};
use crate::models::event::{EventAction, RefusedKey};
use crate::models::keys::token::Token;

/// A 401 without a challenge, which would make a browser ask for a password that does not help here.
pub fn refused_key() -> AppError {
    AppError::Unauthorized { challenge: None, message: "The key is missing, wrong or no longer valid." }
}

/// A 401 with a Bearer challenge (RFC 6750, section 3). It says that a key has expired or is suspended only to a client
/// that presented the right secret.
pub fn refused_bearer(refusal: TokenRefusal) -> AppError {
    let (description, message) = match refusal {
        TokenRefusal::Unknown => ("", "The token is wrong or no longer valid."),
        TokenRefusal::Over => (", error_description=\"The token has expired\"", "The token has expired."),
        TokenRefusal::Suspended => (", error_description=\"The token is suspended\"", "The token is suspended."),
    };
    let challenge = Some(format!("Bearer error=\"invalid_token\"{description}"));
    AppError::Unauthorized { challenge, message }
}

/// A 401 with a Basic challenge (RFC 7617): no credentials were presented, or Basic ones were refused.
pub fn basic_challenge(app: &App) -> AppError {
    basic_challenge_saying(app, "Send an API access key, or a login and password.")
}

/// The same with a `message` of its own.
pub fn basic_challenge_saying(app: &App, message: &'static str) -> AppError {
    let challenge = Some(format!("Basic realm=\"{}\", charset=\"UTF-8\"", app.config.realm));
    AppError::Unauthorized { challenge, message }
}

/// The 401 that fits the kind of credentials which the request presents.
pub(super) fn refused_credentials(app: &App, request: &HttpRequest, refusal: TokenRefusal) -> AppError {
    match Credentials::of_api_request(request.query_string(), request.headers()) {
        Credentials::Key(_) | Credentials::UnreadableKey => refused_key(),
        Credentials::Bearer(_) => refused_bearer(refusal),
        Credentials::Basic { .. } | Credentials::Absent | Credentials::UnreadableAuthorization => basic_challenge(app),
    }
}

/// A 403 because `token` does not have the scope `missing`. Its owner's activity shows the refusal.
pub(super) fn refused_scope(app: &App, request: &HttpRequest, token: &Token, missing: String) -> AppError {
    record_refused_scope(app, request, token, missing.clone());
    AppError::InsufficientScope(missing)
}

/// Records in the activity of the owner of `token` that it was refused because it lacks the scope `missing`.
pub fn record_refused_scope(app: &App, request: &HttpRequest, token: &Token, missing: String) {
    let (action, client, at) = (EventAction::ScopeRefused, client_of(app, request), app.clock.now());
    let refused = RefusedKey { token: token.clone(), action, missing: Some(missing), client, at };
    app.recorder.sign_ins.key_refused(refused);
}

/// A redirect to the page where the person must choose a new password. A form that was left with the request is kept as a
/// draft.
pub(super) fn change_password_first(app: &App, request: &HttpRequest) -> AppError {
    draft::keep(app, request);
    AppError::Redirect { first: First::ChangePassword, location: app.url.path("/my/password") }
}

/// A redirect to the sign-in page, with a way back to the requested page if the request can be repeated, or to the page
/// of the form that was left with the request, which is kept as a draft.
pub(super) fn sign_in_first(app: &App, request: &HttpRequest) -> AppError {
    let query = without_key(request.query_string());
    let separator = if query.is_empty() { "" } else { "?" };
    let asked_for = match *request.method() {
        Method::GET | Method::HEAD => format!("{}{separator}{query}", request.path()),
        _ => draft::keep(app, request).unwrap_or_else(|| app.url.path("/my/account")),
    };
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("back_url", &asked_for).finish();
    AppError::Redirect { first: First::SignIn, location: app.url.path(&format!("/login?{query}")) }
}

/// The redirect to what comes `first`, made anew once the form that was sent is left with the request, so that it is
/// kept.
pub(super) fn keeping_the_form(app: &App, request: &HttpRequest, first: First) -> AppError {
    match first {
        First::SignIn => sign_in_first(app, request),
        First::ChangePassword => change_password_first(app, request),
    }
}
