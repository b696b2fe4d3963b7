//! The password again: steps that give away more than a page asks for it if it was given too long ago, so that a
//! browser that somebody left open is not enough to make a key.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use chrono::TimeDelta;
use diesel::QueryResult;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use super::posted_form::{Fields, Posted, read_form};
use super::session_user::SessionUser;
use super::verify::verify_password;
use crate::app::App;
use crate::auth::credentials::Password;
use crate::auth::passwords::PasswordRefusal;
use crate::db::DbConnection;
use crate::http::asks::{Argument, Asks};
use crate::http::error::{AppError, SECOND_FACTOR};
use crate::models::keys::token::Token;
use crate::models::people::user::User;

/// How long a password that was given does.
const GIVEN_WITHIN: TimeDelta = TimeDelta::minutes(15);

/// The form of a step that asks for the password again. The handler of such a step takes this in place of
/// [`Posted`], and comes by [`Sensitive::confirm`] to what it writes with.
pub struct Sensitive<Form> {
    /// Who sent it.
    pub me: SessionUser,
    /// Its fields, but for the password.
    pub form: Form,
    password: Password,
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

/// A step that may be taken.
pub struct Confirmed {
    user: User,
    session: Token,
    given: Given,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Given {
    /// Not long ago.
    Before,
    /// With this form.
    Now,
}

/// Whether a step in this session asks for the password again.
pub fn asks_again(app: &App, session: &Token) -> bool {
    // Either way: a clock that was set back must not make it last longer.
    (app.clock.now() - session.password_given_on()).abs() > GIVEN_WITHIN
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
            let Posted { who: me, form: mut fields } = posted.await?;
            let password = fields.iter().position(|(name, _)| name == "password").map(|at| fields.swap_remove(at).1);
            Ok(Self { me, form: read_form(fields)?, password: Password::new(password.unwrap_or_default()) })
        })
    }
}

impl<Form> Argument for Sensitive<Form> {
    const ASKS: Asks = Asks::Session;
}

impl<Form> Sensitive<Form> {
    /// Asks for the password, if it was given too long ago.
    ///
    /// # Errors
    /// [`Unconfirmed`] inside, for the form to be shown again; outside those of the database, too many wrong passwords,
    /// and too many that wait to be hashed.
    pub async fn confirm(&self, app: &App, request: &HttpRequest) -> Result<Result<Confirmed, Unconfirmed>, AppError> {
        let (user, session) = (self.me.user.clone(), self.me.token.clone());
        if !asks_again(app, &session) {
            return Ok(Ok(Confirmed { user, session, given: Given::Before }));
        }
        if self.password.expose().is_empty() {
            return Ok(Err(Unconfirmed::Missing));
        }
        match verify_password(app, request, &user.login, &self.password).await? {
            Ok(user) => Ok(Ok(Confirmed { user, session, given: Given::Now })),
            Err(PasswordRefusal::Wrong) => Ok(Err(Unconfirmed::Wrong)),
            Err(PasswordRefusal::SecondFactor) => Ok(Err(Unconfirmed::SecondFactor)),
            Err(refusal) => Err(refusal.into()),
        }
    }
}

impl Confirmed {
    /// Does `work` in a transaction, in which it is also noted that the password was given; that stays noted if `work`
    /// refuses, so that nobody types it twice for one step.
    ///
    /// # Errors
    /// Those of the database; to the sign-in if the session has ended, or the password is another by now.
    pub async fn write<T: Send + 'static>(
        self,
        app: &App,
        work: impl FnOnce(&mut DbConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, AppError> {
        let (now, Self { user, session, given }) = (app.clock.now(), self);
        let written = app.database.write(move |connection| {
            if given == Given::Now {
                let goes_on = user.is_still_let_in(connection)? && Token::confirm(connection, session.id, now)?;
                if !goes_on {
                    return Ok(None);
                }
            }
            work(connection).map(Some)
        });
        written.await?.ok_or_else(|| AppError::Redirect { location: app.url.path("/login") })
    }
}
