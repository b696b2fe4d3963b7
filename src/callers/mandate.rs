//! The one door for writes. What let a request in was judged when it arrived; by the time that it writes, which may be
//! after a slow body, a hash or somebody else's lock, its key may be revoked, its session over, its owner locked or an
//! administrator no more. (The trap is known as TOCTOU: time of check to time of use.)

use std::collections::BTreeSet;

use actix_web::{HttpMessage, HttpRequest, web};
use diesel::result::Error as QueryError;

use super::refusals::{refused_credentials, refused_scope, sign_in_first};
use super::session_limits::{asks_again, is_current};
use super::verify::{Authenticated, Credential, SignedInAs, TokenRefusal, client_of};
use crate::app::App;
use crate::clock::Timestamp;
use crate::db::{DbConnection, DbError, WriteError, savepoint};
use crate::http::error::{AppError, FOR_ADMINISTRATORS};
use crate::models::keys::authority::Authority;
use crate::models::keys::key::Key;
use crate::models::keys::scope::{Scope, Scopes};
use crate::models::keys::token::{Token, TokenAction};
use crate::models::people::user::{Locked, User};
use crate::models::tx::{Author, Tx};

/// What programs are told that come by Basic while another password has to be chosen.
pub(super) const CHANGE_PASSWORD_FIRST: &str = "The password must be changed first, by signing in with a browser.";

/// In whose name a request acts, and by what it was let in. Every extractor that lets somebody in carries one, and
/// nothing is written in anybody's name but through [`Mandate::write`].
#[derive(Clone)]
pub struct Mandate {
    app: web::Data<App>,
    request: HttpRequest,
    grant: Grant,
}

/// What was proved, and what was asked for.
#[derive(Clone)]
pub(super) struct Grant {
    /// Who was let in.
    caller: i64,
    /// By what.
    credential: Credential,
    /// The stored hash of the password that was given with this request.
    password: Option<GivenPassword>,
    /// Whom an administrator acts as.
    acting_as: Option<i64>,
    asked: Required,
}

/// The stored hash that a password was right for.
#[derive(Clone, PartialEq, Eq)]
struct GivenPassword(Option<String>);

/// What a handler asks of whoever calls.
#[derive(Clone, Copy, Default)]
struct Required {
    /// The scope that the key has to have.
    scope: Option<Scope>,
    /// That the password need not be changed first.
    chosen_password: bool,
    /// That the password was given not long ago.
    recent_password: bool,
    /// To be an administrator.
    administrator: bool,
}

/// The rows that a grant is held against, as they are at that moment. What is missing is gone.
pub(super) struct Rows<'a> {
    /// Who was let in.
    pub caller: Option<&'a User>,
    /// The key or session that let them in.
    pub token: Option<&'a Token>,
    /// Whom they act as.
    pub other: Option<&'a User>,
}

/// Why a grant does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lapse {
    /// The person, key, session or password is not let in (any more).
    Unknown,
    /// The key has expired, or its secret was replaced.
    Over,
    /// Another password has to be chosen first.
    PasswordToChange,
    /// The password has to be given again.
    PasswordNeeded,
    /// The key has not this scope.
    MissingScope(Scope),
    /// Nobody who may sign in is whom they wish to act as.
    NobodyToActAs,
    /// They are no administrator.
    NoAdministrator,
}

/// Why a transaction was rolled back.
enum Denied<E> {
    Lapsed(Lapse),
    Refused(E),
    Database(DbError),
}

impl Grant {
    /// What `caller` was let in with, of whom nothing else is asked yet.
    pub fn new(caller: &User, credential: Credential) -> Self {
        let password = match credential {
            Credential::Password => Some(GivenPassword(caller.password_hash.clone())),
            Credential::Token(_) => None,
        };
        Self { caller: caller.id, credential, password, acting_as: None, asked: Required::default() }
    }

    /// The same, where another password must have been chosen before anything else, if one has to be.
    pub fn with_chosen_password(mut self) -> Self {
        self.asked.chosen_password = true;
        self
    }

    /// The same, where a key must have `scope`.
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.asked.scope = Some(scope);
        self
    }

    /// The key or session, if it is one.
    pub fn token(&self) -> Option<&Token> {
        self.credential.token()
    }

    /// Whether this lets in by now, and as whom: the one place that decides it, when a request arrives and when it
    /// writes.
    fn check<'a>(&self, app: &App, rows: &Rows<'a>, now: Timestamp) -> Result<&'a User, Lapse> {
        let caller = rows.caller.filter(|caller| caller.is_active()).ok_or(Lapse::Unknown)?;
        if let Some(GivenPassword(hash)) = &self.password
            && (caller.password_hash != *hash || caller.twofa_scheme.is_some())
        {
            return Err(Lapse::Unknown);
        }
        let scopes = match self.credential {
            Credential::Password => Scopes::ALL,
            Credential::Token(_) => {
                let token = rows.token.filter(|token| token.user_id == caller.id).ok_or(Lapse::Unknown)?;
                self.check_token(app, token, now)?;
                token.scopes()
            }
        };
        if self.asked.chosen_password && caller.must_change_password {
            return Err(Lapse::PasswordToChange);
        }
        let missing = self.asked.scope.into_iter().chain(self.acting_as.map(|_| Scope::UsersWrite));
        if let Some(scope) = missing.into_iter().find(|scope| !scopes.grants(*scope)) {
            return Err(Lapse::MissingScope(scope));
        }
        let user = match self.acting_as {
            None => caller,
            Some(_) if !caller.admin => return Err(Lapse::NoAdministrator),
            Some(_) => rows.other.filter(|other| other.is_active()).ok_or(Lapse::NobodyToActAs)?,
        };
        match self.asked.administrator && !user.admin {
            true => Err(Lapse::NoAdministrator),
            false => Ok(user),
        }
    }

    fn check_token(&self, app: &App, token: &Token, now: Timestamp) -> Result<(), Lapse> {
        let is_session = token.action == TokenAction::Session;
        if token.is_over(now) {
            return Err(Lapse::Over);
        }
        if is_session && !is_current(app, token, now) {
            return Err(Lapse::Unknown);
        }
        if self.asked.recent_password && self.password.is_none() && asks_again(token, now) {
            return Err(Lapse::PasswordNeeded);
        }
        Ok(())
    }

    /// What may be done with this, and so given to keys.
    fn authority(&self, connection: &mut DbConnection, token: Option<&Token>) -> Result<Authority, QueryError> {
        let Some(token) = token.filter(|token| token.action.is_key()) else { return Ok(Authority::OWNER) };
        Ok(match Key::find(connection, token.user_id, token.key())? {
            Some(key) if key.action == TokenAction::Access => {
                Authority { scopes: Some(key.scopes), expires_on: key.expires_on }
            }
            Some(key) => Authority { scopes: None, expires_on: key.expires_on },
            None => Authority::NOTHING,
        })
    }

    /// The session in which the password was given with this request.
    fn confirmed_session(&self) -> Option<i64> {
        let session = self.credential.token().filter(|token| token.action == TokenAction::Session)?;
        self.password.as_ref().map(|_| session.id)
    }
}

impl Mandate {
    /// The mandate of a request that has just been let in, if `grant` holds for `rows`, which were just read.
    ///
    /// # Errors
    /// What whoever sends the request is told.
    pub(super) fn of(
        app: &web::Data<App>,
        request: &HttpRequest,
        grant: Grant,
        rows: &Rows<'_>,
    ) -> Result<Self, AppError> {
        let mandate = Self { app: app.clone(), request: request.clone(), grant };
        match mandate.grant.check(app, rows, app.clock.now()) {
            Ok(_) => Ok(mandate),
            Err(lapse) => Err(mandate.told(lapse)),
        }
    }

    /// The mandate of `user`, whose password came with the sign-in form and was right.
    pub fn of_password(app: &web::Data<App>, request: &HttpRequest, user: &User) -> Self {
        let grant = Grant::new(user, Credential::Password);
        Self { app: app.clone(), request: request.clone(), grant }
    }

    /// The same, acting as `other`, if an administrator may.
    ///
    /// # Errors
    /// As [`Mandate::of`].
    pub(super) fn acting_as(mut self, caller: &User, other: Option<&User>) -> Result<Self, AppError> {
        // An id that nobody has, where nobody was found.
        self.grant.acting_as = Some(other.map_or(0, |other| other.id));
        let Self { app, request, grant } = self;
        let token = grant.credential.token().cloned();
        Self::of(&app, &request, grant, &Rows { caller: Some(caller), token: token.as_ref(), other })
    }

    /// The same, where `user`, whom it is for, must be an administrator.
    ///
    /// # Errors
    /// 403 if they are none.
    pub(super) fn of_administrator(mut self, user: &User) -> Result<Self, AppError> {
        self.grant.asked.administrator = true;
        if user.admin { Ok(self) } else { Err(AppError::Forbidden(FOR_ADMINISTRATORS)) }
    }

    /// The same, for a step that asks for the password again if it was given too long ago.
    pub(super) fn of_sensitive_step(mut self) -> Self {
        self.grant.asked.recent_password = true;
        self
    }

    /// The same, after `user` has given their password with this request.
    pub(crate) fn with_password_of(mut self, user: &User) -> Self {
        self.grant.password = Some(GivenPassword(user.password_hash.clone()));
        self
    }

    /// By what the caller was let in.
    pub fn credential(&self) -> &Credential {
        &self.grant.credential
    }

    /// Whether an administrator acts as somebody else.
    pub fn is_acting(&self) -> bool {
        self.grant.acting_as.is_some()
    }

    /// Does `work` in a transaction of the person whom the request is for. The rows of whoever was let in are locked
    /// first, and everything is asked again that let them in. Where `work` refuses, nothing is changed, but for that
    /// the password was given, if it was: nobody types it twice for one step.
    ///
    /// # Errors
    /// Outside, what a request is told that arrives now, and those of the database; inside, the refusals of `work`.
    pub async fn write<T, E>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, AppError>
    where
        T: Send + 'static,
        E: WriteError + Send + 'static,
    {
        self.write_locking(None, Locked::These, work).await
    }

    /// The same for what an administrator does about a person: their row is locked, too, and those of all
    /// administrators, all in the order of their ids.
    ///
    /// # Errors
    /// As [`Mandate::write`].
    pub async fn write_about<T, E>(
        &self,
        person: i64,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, AppError>
    where
        T: Send + 'static,
        E: WriteError + Send + 'static,
    {
        self.write_locking(Some(person), Locked::AndAdministrators, work).await
    }

    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    async fn write_locking<T, E>(
        &self,
        person: Option<i64>,
        whom: Locked,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, AppError>
    where
        T: Send + 'static,
        E: WriteError + Send + 'static,
    {
        let (app, grant, client) = (self.app.clone(), self.grant.clone(), client_of(&self.app, &self.request));
        let written = self.app.database.write(move |connection| {
            let ids: BTreeSet<i64> = [grant.caller].into_iter().chain(grant.acting_as).chain(person).collect();
            let locked = User::lock_rows(connection, &ids, whom)?;
            let token = match grant.credential.token() {
                Some(token) => Token::hold(connection, token.id)?,
                None => None,
            };
            let row = |id: &i64| locked.get(id);
            let other = grant.acting_as.as_ref().and_then(row);
            let rows = Rows { caller: row(&grant.caller), token: token.as_ref(), other };
            // Not before: it may have expired while the locks were waited for.
            let now = app.clock.now();
            let user = grant.check(&app, &rows, now).map_err(Denied::Lapsed)?;
            let login = match client.administrator() {
                Some(administrator) => format!("{administrator} as {}", user.login),
                None => user.login.clone(),
            };
            let author = Author { id: user.id, login, authority: grant.authority(connection, token.as_ref())? };
            let work = move |connection: &mut DbConnection| {
                work(&mut Tx::of_author(connection, now, client, author)).map_err(Denied::Refused)
            };
            let Some(session) = grant.confirmed_session() else { return work(connection).map(Ok) };
            Token::confirm(connection, session, now)?;
            match savepoint(connection, work) {
                Err(Denied::Refused(refusal)) if refusal.database_error().is_none() => Ok(Err(refusal)),
                done => done.map(Ok),
            }
        });
        match written.await {
            Ok(done) => Ok(done),
            Err(Denied::Lapsed(lapse)) => Err(self.told(lapse)),
            Err(Denied::Database(error)) => Err(error.into()),
            Err(Denied::Refused(refusal)) => match refusal.into_database_error() {
                Ok(error) => Err(error.into()),
                Err(refusal) => Ok(Err(refusal)),
            },
        }
    }

    /// What a request is told that arrives when the mandate has lapsed.
    fn told(&self, lapse: Lapse) -> AppError {
        let (app, request) = (&self.app, &self.request);
        // The answer says nothing more about who it was, and an error page asks again who is signed in.
        request.extensions_mut().remove::<SignedInAs>();
        if matches!(lapse, Lapse::Unknown | Lapse::Over) {
            request.extensions_mut().remove::<Authenticated>();
        }
        let is_session = self.credential().token().is_some_and(|token| token.action == TokenAction::Session);
        match (lapse, self.credential()) {
            (Lapse::Unknown | Lapse::Over, _) if is_session => sign_in_first(app, request),
            (Lapse::Unknown, _) => refused_credentials(app, request, TokenRefusal::Unknown),
            (Lapse::Over, _) => refused_credentials(app, request, TokenRefusal::Over),
            (Lapse::PasswordToChange, _) if is_session => AppError::Redirect { location: app.url.path("/my/password") },
            (Lapse::PasswordToChange, _) => AppError::Forbidden(CHANGE_PASSWORD_FIRST),
            (Lapse::PasswordNeeded, _) => {
                AppError::Forbidden("Your password is needed again: open the page again and send the form from there.")
            }
            (Lapse::MissingScope(scope), Credential::Token(token)) => {
                refused_scope(app, request, token, scope.to_string())
            }
            (Lapse::MissingScope(scope), Credential::Password) => AppError::InsufficientScope(scope.to_string()),
            (Lapse::NobodyToActAs, _) => {
                AppError::PreconditionFailed("X-Redmine-Switch-User names nobody who may sign in.")
            }
            (Lapse::NoAdministrator, _) => AppError::Forbidden(FOR_ADMINISTRATORS),
        }
    }
}

impl<E> From<QueryError> for Denied<E> {
    fn from(error: QueryError) -> Self {
        Self::Database(error.into())
    }
}

impl<E> From<DbError> for Denied<E> {
    fn from(error: DbError) -> Self {
        Self::Database(error)
    }
}

impl<E: WriteError> WriteError for Denied<E> {
    fn database_error(&self) -> Option<&DbError> {
        match self {
            Self::Lapsed(_) => None,
            Self::Refused(refusal) => refusal.database_error(),
            Self::Database(error) => Some(error),
        }
    }

    fn into_database_error(self) -> Result<DbError, Self> {
        match self {
            Self::Database(error) => Ok(error),
            other => Err(other),
        }
    }
}
