//! The password again: steps that give away more than a page asks for it if it was given too long ago, so that a
//! browser that somebody left open is not enough to make a key.

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

/// The form of a step that asks for the password again. The handler of such a step takes this in place of
/// [`Posted`], and comes by [`Sensitive::confirm`] to what it writes with.
pub struct Sensitive<Form> {
    /// Who sent it.
    pub user: User,
    /// Their session.
    pub session: Token,
    /// Its fields, but for the password.
    pub form: Form,
    password: Password,
    mandate: Mandate,
}

/// Why a step is not taken, before anything else is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unconfirmed {
    /// It was not in the form, or nothing was typed.
    #[error("Your password is needed again: you gave it more than 15 minutes ago")]
    Missing,
    /// It is not the right one.
    #[error("Your password is wrong")]
    Wrong,
    /// It is right, but not enough any more.
    #[error("{SECOND_FACTOR}")]
    SecondFactor,
}

/// Whether a step in this session asks for the password again.
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
    /// Asks for the password, if it was given too long ago; gives what the step may be written by.
    ///
    /// # Errors
    /// [`Unconfirmed`] inside, for the form to be shown again; outside those of the database, too many wrong passwords,
    /// and too many that wait to be hashed.
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
