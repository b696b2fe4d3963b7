//! Password confirmation for sensitive steps, which GitHub calls sudo mode: a step that makes a key asks for the
//! password again if it was given too long ago, so that a browser left open is not enough.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use super::mandate::Mandate;
use super::posted_form::{Fields, Posted, read_form};
use super::session_limits;
use super::session_user::SessionUser;
use super::verify::verify_password;
use crate::app::App;
use crate::auth::credentials::Password;
use crate::auth::passwords::PasswordRefusal;
use crate::http::asks::{Argument, Asks};
use crate::http::error::{AppError, SECOND_FACTOR};
use crate::models::keys::token::Token;
use crate::models::people::user::User;

/// The form of a step that asks for the password again. The handler takes this in place of [`Posted`], and can write
/// only with the mandate that [`Sensitive::confirm`] returns.
pub struct Sensitive<Form> {
    /// The person who sent the form.
    pub user: User,
    /// The session in which it was sent.
    pub session: Token,
    /// The fields of the form, without the password.
    pub form: Form,
    password: Password,
    mandate: Mandate,
}

/// Why the password was not confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unconfirmed {
    /// The password was empty or not in the form.
    #[error("Enter your password: you last entered it more than 15 minutes ago")]
    Missing,
    /// The password is wrong.
    #[error("Your password is wrong")]
    Wrong,
    /// The password is right, but the account needs a second factor now.
    #[error("{SECOND_FACTOR}")]
    SecondFactor,
}

/// Whether a sensitive step in this session asks for the password again.
pub fn asks_again(app: &App, session: &Token) -> bool {
    session_limits::asks_again(session, app.clock.now())
}

impl<Form> FromRequest for Sensitive<Form>
where
    Form: DeserializeOwned + 'static,
{
    type Error = AppError;
    type Future = LocalBoxFuture<'static, Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let posted = Posted::<SessionUser, Fields>::from_request(request, payload);
        Box::pin(async move {
            let Posted { who: SessionUser { user, token, mandate }, form: mut fields } = posted.await?;
            let password = fields.iter().position(|(name, _)| name == "password").map(|at| fields.swap_remove(at).1);
            let (form, password) = (read_form(fields)?, Password::new(password.unwrap_or_default()));
            Ok(Self { user, session: token, form, password, mandate: mandate.of_sensitive_step() })
        })
    }
}

impl<Form> Argument for Sensitive<Form> {
    const ASKS: Asks = Asks::Session;
}

impl<Form> Sensitive<Form> {
    /// Checks the password if it was given too long ago. Returns the mandate that the step may write with.
    ///
    /// # Errors
    /// Returns [`Unconfirmed`] inside, so that the form can be shown again. Outside, returns 429 after too many wrong
    /// passwords, 503 if the hashing queue is full, or an error if a query fails.
    pub async fn confirm(&self, app: &App, request: &HttpRequest) -> Result<Result<Mandate, Unconfirmed>, AppError> {
        let mandate = self.mandate.clone();
        if !asks_again(app, &self.session) {
            return Ok(Ok(mandate));
        }
        if self.password.expose().is_empty() {
            return Ok(Err(Unconfirmed::Missing));
        }
        match verify_password(app, request, &self.user.login, &self.password).await? {
            Ok(user) => Ok(Ok(mandate.with_password_of(&user))),
            Err(PasswordRefusal::Wrong) => Ok(Err(Unconfirmed::Wrong)),
            Err(PasswordRefusal::SecondFactor) => Ok(Err(Unconfirmed::SecondFactor)),
            Err(refusal) => Err(refusal.into()),
        }
    }
}
