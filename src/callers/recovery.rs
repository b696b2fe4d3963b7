//! Whoever has forgotten their password asks for a link by mail.

use actix_web::HttpRequest;

use crate::app::App;
use crate::db::DbError;
use crate::http::error::AppError;
use crate::models::mails::facts::Facts;
use crate::models::mails::kind::MailKind;
use crate::models::mails::outbox::{NewMail, Outbox};

/// The most characters of a login or mail address.
const LONGEST: usize = 254;

/// What became of a request for a link.
pub enum Asked {
    /// It is looked into. Nobody learns whether there is such an account.
    Taken,
    /// What was typed can be no login or mail address, in a sentence.
    Unreadable(&'static str),
}

/// Whether links are sent at all.
///
/// # Errors
/// Returns 404 if no mail server is set.
pub fn is_offered(app: &App) -> Result<(), AppError> {
    if app.config.sends_mail() { Ok(()) } else { Err(AppError::NotFound) }
}

/// Takes the request for a link of whoever types `login_or_mail`. All that depends on whether there is such an account
/// happens later, when the mail is sent: the answer and the time that it takes are the same.
///
/// # Errors
/// Returns 429 after too many requests from one address, or an error if a query fails.
#[expect(clippy::disallowed_methods, reason = "nobody has to be known to ask for a link")]
pub async fn ask(app: &App, request: &HttpRequest, login_or_mail: &str) -> Result<Asked, AppError> {
    let asked = login_or_mail.trim().to_owned();
    if asked.is_empty() {
        return Ok(Asked::Unreadable("Enter your login or email address"));
    }
    if asked.chars().count() > LONGEST {
        return Ok(Asked::Unreadable("This is no login or email address: it is too long"));
    }
    if asked.chars().any(char::is_control) {
        return Ok(Asked::Unreadable("This is no login or email address"));
    }
    app.recovery_requests.pass(app.addresses.of(request))?;
    let now = app.clock.now();
    let put = app.database.write(move |connection| {
        let facts = Facts::default();
        let mail = NewMail::to_whoever_has(&asked, MailKind::Recovery, &facts);
        let outbox = Outbox::open(connection)?;
        outbox.map_or(Ok(()), |outbox| outbox.put(connection, &mail, now)).map_err(DbError::from)
    });
    put.await?;
    Ok(Asked::Taken)
}
