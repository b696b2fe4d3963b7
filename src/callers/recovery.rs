//! Whoever has forgotten their password: they ask for a link by mail, and act by it.

use std::sync::Arc;

use actix_session::Session;
use actix_web::{HttpRequest, web};

use super::mandate::{Grant, Mandate};
use super::verify::{Credential, verify_token};
use crate::app::App;
use crate::db::DbError;
use crate::http::error::AppError;
use crate::models::keys::token::{Token, TokenAction};
use crate::models::mails::facts::Facts;
use crate::models::mails::kind::MailKind;
use crate::models::mails::outbox::{NewMail, Outbox};
use crate::models::people::user::User;
use crate::secret::Secret;

/// The entry of the session cookie that has the token of the link.
const ENTRY: &str = "recovery";
const RECOVERY: &[TokenAction] = &[TokenAction::Recovery];
/// The most characters of a login or mail address.
const LONGEST: usize = 254;

/// What became of a request for a link.
pub enum Asked {
    /// It is looked into. Nobody learns whether there is such an account.
    Taken,
    /// What was typed can be no login or mail address, in a sentence.
    Unreadable(&'static str),
}

/// Somebody who has followed the link of a mail.
pub struct ByLink {
    /// The person whom the mail was for.
    pub user: Box<User>,
    /// The token of the link.
    pub token: Arc<Token>,
    /// The authority to write in their name.
    pub mandate: Mandate,
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

/// Keeps the token of a link in the cookie.
///
/// # Errors
/// Returns an error if the cookie cannot be written.
pub fn keep(session: &Session, token: &str) -> Result<(), AppError> {
    // No token is as long, and a cookie has room for some thousand characters.
    let token: String = token.chars().take(LONGEST).collect();
    session.insert(ENTRY, token).map_err(AppError::internal)
}

/// Forgets the token of a link.
pub fn forget(session: &Session) {
    session.remove(ENTRY);
}

/// The person whose link this browser has followed; `None`: it has followed none, or the link is used up or too old.
///
/// # Errors
/// Returns an error if a query fails.
pub async fn by_link(
    app: &web::Data<App>,
    request: &HttpRequest,
    session: &Session,
) -> Result<Option<ByLink>, AppError> {
    let Ok(Some(token)) = session.get::<String>(ENTRY) else { return Ok(None) };
    let found = verify_token(app, request, RECOVERY, &Secret::presented(token), |_| true).await?;
    let Ok((token, user)) = found else { return Ok(None) };
    let grant = Grant::new(&user, Credential::Token(token.clone()));
    let mandate = Mandate::of(app, request, &user, grant)?;
    Ok(Some(ByLink { user, token, mandate }))
}
