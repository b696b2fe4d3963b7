//! `/.well-known`: what programs look for at the same address on every site (RFC 8615).

use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, web};
use chrono::TimeDelta;

use crate::app::App;
use crate::clock::iso8601;
use crate::http::error::AppError;

/// How long what `security.txt` says can be relied on. RFC 9116 recommends less than a year.
const GOOD_FOR: TimeDelta = TimeDelta::days(180);

/// `GET /.well-known/security.txt`: whom to tell of a weakness (RFC 9116).
///
/// # Errors
/// Returns 404 if no contact is configured.
pub async fn security_txt(app: web::Data<App>) -> Result<HttpResponse, AppError> {
    let contact = app.config.security_contact.as_ref().ok_or(AppError::NotFound)?;
    let expires = iso8601(app.clock.now() + GOOD_FOR);
    let mut text = format!("Contact: {contact}\nExpires: {expires}\nPreferred-Languages: en\n");
    // The address that the file is meant for, which RFC 9116 wants to be one of https.
    if app.url.is_https() {
        text += &format!("Canonical: {}\n", app.url.join("/.well-known/security.txt"));
    }
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(text))
}

/// `GET /.well-known/change-password`: where password managers send people.
pub async fn change_password(app: web::Data<App>) -> HttpResponse {
    HttpResponse::Found().insert_header((LOCATION, app.url.path("/my/password"))).finish()
}
