//! Password confirmation, which GitHub calls sudo mode: a form that gives somebody power asks for the password again if
//! it was given too long ago, so that a browser left open is not enough. The extractor of a form decides: [`Sensitive`]
//! asks, and [`Harmless`] says that the form gives nobody any power. No handler can read a form in a session otherwise,
//! and the mandate of a session refuses to write without a recent password.

use std::marker::PhantomData;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use super::mandate::Mandate;
use super::posted_form::{Fields, NeedsNoPassword, Posted, read_form};
use super::session_limits;
use super::session_user::{AdminSession, MaybeSignedIn, SessionUser, SignedIn};
use super::verify::verify_password;
use crate::app::App;
use crate::auth::credentials::Password;
use crate::auth::passwords::PasswordRefusal;
use crate::db::DbError;
use crate::http::asks::{Argument, Asks};
use crate::http::error::{AppError, SECOND_FACTOR};
use crate::models::keys::token::Token;
use crate::models::people::user::User;

/// A form that gives somebody power, and so asks for the password again. The handler takes this in place of [`Posted`],
/// and can write only with the mandate that [`Sensitive::confirm`] returns. `Who` is the extractor of the sender.
pub struct Sensitive<Who, Form> {
    /// The person who sent the form, or the service account of theirs that it is about.
    pub user: Box<User>,
    /// The session in which it was sent.
    pub session: Arc<Token>,
    /// The fields of the form, without the password.
    pub form: Form,
    password: Password,
    mandate: Mandate,
    who: PhantomData<Who>,
}

/// A person who is signed in and sends a form that gives nobody any power: it ends a key of theirs, hides a notice, or
/// asks something. `Who` is the extractor of the sender.
pub struct Harmless<Who = SessionUser> {
    /// The person.
    pub user: Box<User>,
    /// The authority to write in their name.
    pub mandate: Mandate,
    who: PhantomData<Who>,
}

/// An extractor of somebody who is signed in, whose forms can ask for the password again.
pub trait InSession: FromRequest<Error = AppError> + 'static {
    /// The person, the session and the authority to write in their name.
    fn into_parts(self) -> (Box<User>, Arc<Token>, Mandate);
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

impl InSession for SessionUser {
    fn into_parts(self) -> (Box<User>, Arc<Token>, Mandate) {
        (self.user, self.token, self.mandate)
    }
}

impl InSession for AdminSession {
    fn into_parts(self) -> (Box<User>, Arc<Token>, Mandate) {
        (self.user, self.token, self.mandate)
    }
}

impl<Who, Form> FromRequest for Sensitive<Who, Form>
where
    Who: InSession,
    Form: DeserializeOwned + 'static,
{
    type Error = AppError;
    type Future = LocalBoxFuture<'static, Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let posted = Posted::<Who, Fields>::from_request(request, payload);
        Box::pin(async move {
            let Posted { who, form: mut fields } = posted.await?;
            let password = fields.iter().position(|(name, _)| name == "password").map(|at| fields.swap_remove(at).1);
            let (form, password) = (read_form(fields)?, Password::new(password.unwrap_or_default()));
            let (user, session, mandate) = who.into_parts();
            Ok(Self { user, session, form, password, mandate, who: PhantomData })
        })
    }
}

impl<Who, Form> Argument for Sensitive<Who, Form> {
    const ASKS: Asks = Asks::RecentPassword;
}

impl<Who: InSession> FromRequest for Harmless<Who> {
    type Error = AppError;
    type Future = LocalBoxFuture<'static, Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let session = Who::from_request(request, payload);
        Box::pin(async move {
            let (user, _, mandate) = session.await?.into_parts();
            Ok(Self { user, mandate: mandate.of_harmless_step(), who: PhantomData })
        })
    }
}

impl<Who> Argument for Harmless<Who> {
    const ASKS: Asks = Asks::Session;
}

impl<Who> NeedsNoPassword for Harmless<Who> {}

impl NeedsNoPassword for MaybeSignedIn {}

/// The page that changes the password asks for the current one, however recently that was given.
impl NeedsNoPassword for SignedIn {}

impl<Who, Form> Sensitive<Who, Form> {
    /// Checks the password if it was given too long ago. Returns the mandate that the step may write with. A right
    /// password counts from then on in this session, even if the rest of the form is refused: nobody has to type it
    /// twice for one step.
    ///
    /// # Errors
    /// Returns [`Unconfirmed`] inside, so that the form can be shown again. Outside, returns 429 after too many wrong
    /// passwords, 503 if the hashing queue is full, or an error if a query fails.
    pub async fn confirm(&self, app: &App, request: &HttpRequest) -> Result<Result<Mandate, Unconfirmed>, AppError> {
        if !asks_again(app, &self.session) {
            return Ok(Ok(self.mandate.clone()));
        }
        if self.password.expose().is_empty() {
            return Ok(Err(Unconfirmed::Missing));
        }
        let login = self.login_of_sender(app).await?;
        let user = match verify_password(app, request, &login, &self.password).await? {
            Ok(user) => user,
            Err(PasswordRefusal::Wrong) => return Ok(Err(Unconfirmed::Wrong)),
            Err(PasswordRefusal::SecondFactor) => return Ok(Err(Unconfirmed::SecondFactor)),
            Err(refusal) => return Err(refusal.into()),
        };
        let (mandate, session) = (self.mandate.clone().with_password_of(&user), self.session.id);
        let noted = mandate.write(move |tx| Ok::<_, DbError>(Token::confirm(tx.connection, session, tx.now)?));
        noted.await??;
        Ok(Ok(mandate))
    }

    /// Whose password it is: an owner looks after the keys of a service account by their own.
    async fn login_of_sender(&self, app: &App) -> Result<String, AppError> {
        let sender = self.mandate.caller();
        if sender == self.user.id {
            return Ok(self.user.login.clone());
        }
        let found = app.database.lookup(move |connection| User::find(connection, sender)).await?;
        found.map(|sender| sender.login).ok_or(AppError::NotFound)
    }

    /// The mandate for a form that turns out to give nobody any power, such as one that changes a name but no mail
    /// address.
    pub fn without_power(&self) -> Mandate {
        self.mandate.clone().of_harmless_step()
    }
}
