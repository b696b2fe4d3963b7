//! Whoever has followed the link of a mail. Only the mailbox has its secret, so that nobody has to sign in to act by it.

use std::slice;
use std::sync::Arc;

use actix_session::Session;
use actix_web::{HttpRequest, web};

use super::mandate::{Grant, Mandate};
use super::verify::{Credential, verify_token};
use crate::app::App;
use crate::http::error::AppError;
use crate::models::keys::token::Token;
use crate::models::mails::link::MailLink;
use crate::models::people::user::User;
use crate::secret::Secret;

/// The most characters of a token that are kept. None is as long, and a cookie has room for some thousand.
const LONGEST: usize = 254;

/// Somebody who has followed such a link.
pub struct ByLink {
    /// The person whom the mail was for.
    pub user: Box<User>,
    /// The token of the link.
    pub token: Arc<Token>,
    /// The authority to write in their name.
    pub mandate: Mandate,
}

impl MailLink {
    /// The entry of the session cookie that has the token.
    fn entry(self) -> &'static str {
        match self {
            Self::Password => "recovery",
            Self::Address => "new_address",
        }
    }

    /// Keeps the token of a link in the cookie.
    ///
    /// # Errors
    /// Returns an error if the cookie cannot be written.
    pub fn keep(self, session: &Session, token: &str) -> Result<(), AppError> {
        let token: String = token.chars().take(LONGEST).collect();
        session.insert(self.entry(), token).map_err(AppError::internal)
    }

    /// Forgets the token of a link.
    pub fn forget(self, session: &Session) {
        session.remove(self.entry());
    }

    /// The person whose link this browser has followed; `None`: it has followed none, or the link is used up or too old.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub async fn followed(
        self,
        app: &web::Data<App>,
        request: &HttpRequest,
        session: &Session,
    ) -> Result<Option<ByLink>, AppError> {
        let Ok(Some(token)) = session.get::<String>(self.entry()) else { return Ok(None) };
        let found =
            verify_token(app, request, slice::from_ref(self.action()), &Secret::presented(token), |_| true).await?;
        let Ok((token, user)) = found else { return Ok(None) };
        let grant = Grant::new(&user, Credential::Token(token.clone()));
        let mandate = Mandate::of(app, request, &user, grant)?;
        Ok(Some(ByLink { user, token, mandate }))
    }
}
