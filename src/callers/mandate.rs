//! The only way for a handler to write to the database. A request is authenticated when it arrives, but it may write
//! much later: after a slow body, a password hash or somebody else's lock. By then its key may be revoked, its session
//! over, its owner locked or no longer an administrator. This race is known as TOCTOU (time of check to time of use),
//! so the mandate checks again in the transaction that writes.
//!
//! This is a long file because the fields are private: only this module can make a mandate or check it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use actix_web::{HttpMessage, HttpRequest, web};
use diesel::result::Error as QueryError;

use super::refusals::{change_password_first, refused_credentials, refused_scope, sign_in_first};
use super::session_limits::{asks_again, is_current};
use super::verify::{Authenticated, Credential, SignedInAs, TokenRefusal, client_of};
use crate::app::App;
use crate::clock::Timestamp;
use crate::db::{DbConnection, DbError, WriteError};
use crate::http::error::{AppError, FOR_ADMINISTRATORS, FOR_FULL_ACCESS};
use crate::models::audit::Doer;
use crate::models::keys::authority::Authority;
use crate::models::keys::few_keys::FewKeys;
use crate::models::keys::key::{Key, KeyRefusal};
use crate::models::keys::scope::{KeyScopes, Scope, Scopes};
use crate::models::keys::token::{Token, TokenAction};
use crate::models::people::service_account;
use crate::models::people::user::{Locked, User};
use crate::models::services::scopes_of_keys;
use crate::models::tx::{Author, Tx};

/// The message for programs that use Basic authentication while the person must choose a new password.
pub(super) const CHANGE_PASSWORD_FIRST: &str = "You must change the password first: sign in with a browser.";

/// The authority to write: in whose name a request acts, and by which credential it was let in. Every extractor that
/// authenticates somebody carries one, and [`Mandate::write`] is the only way to write in their name.
#[derive(Clone)]
pub struct Mandate {
    app: web::Data<App>,
    request: HttpRequest,
    grant: Grant,
}

/// What the caller has proved, and what the handler requires.
#[derive(Clone)]
pub(super) struct Grant {
    /// The id of the person who was let in.
    caller: i64,
    /// The credential that let them in.
    credential: Credential,
    /// The stored hash of the password that was given with this request; `None` if none was given.
    password: Option<GivenPassword>,
    /// The id of the person that an administrator acts as.
    acting_as: Option<i64>,
    /// The id of the service account whose keys the request is about, and that the person owns.
    service_account: Option<i64>,
    asked: Required,
}

/// The stored hash that the given password matched.
#[derive(Clone, PartialEq, Eq)]
struct GivenPassword(Option<String>);

/// What a handler requires of its caller.
#[derive(Clone, Copy, Default)]
struct Required {
    /// The key must have this scope.
    scope: Option<Scope>,
    /// The person must not have to change their password first.
    chosen_password: bool,
    /// The person must be an administrator.
    administrator: bool,
    /// A session may write although the password was given in it long ago.
    no_recent_password: bool,
}

/// The current rows that a grant is checked against. A row that the grant needs and that is `None` was deleted.
struct Rows<'a> {
    /// The person who was let in.
    caller: Option<&'a User>,
    /// The key or session that let them in.
    token: Option<&'a Token>,
    /// The person they act as.
    other: Option<&'a User>,
    /// The service account whose keys it is about, if the person whom the request is for owns it.
    service_account: Option<&'a User>,
}

/// Why a grant is not valid, or not valid any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lapse {
    /// The person, key, session or password is unknown, locked or no longer valid, or the key may not be used from here.
    Unknown,
    /// The key has expired, or its secret was replaced.
    Over,
    /// The key is suspended.
    Suspended,
    /// The person must choose a new password first.
    PasswordToChange,
    /// The password must be given again.
    PasswordNeeded,
    /// The key does not have this scope.
    MissingScope(Scope),
    /// The person to act as does not exist or may not sign in.
    NobodyToActAs,
    /// The person is not an administrator.
    NoAdministrator,
    /// The person to act as may do more than the key.
    FullAccessNeeded,
    /// The person does not own the service account, or it is locked.
    NotTheOwner,
}

/// Why a transaction was rolled back.
enum Denied<E> {
    Lapsed(Lapse),
    Refused(E),
    Database(DbError),
}

impl Grant {
    /// The grant of `caller`, who was let in with `credential`. It has no further requirements yet.
    pub fn new(caller: &User, credential: Credential) -> Self {
        let password = match credential {
            Credential::Password => Some(GivenPassword(caller.password_hash.clone())),
            Credential::Token(_) => None,
        };
        Self {
            caller: caller.id,
            credential,
            password,
            acting_as: None,
            service_account: None,
            asked: Required::default(),
        }
    }

    /// Also requires that the person does not have to change their password first.
    pub fn with_chosen_password(mut self) -> Self {
        self.asked.chosen_password = true;
        self
    }

    /// Also requires `scope` of a key.
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.asked.scope = Some(scope);
        self
    }

    /// The key or session; `None` if the credential is a password.
    pub fn token(&self) -> Option<&Token> {
        self.credential.token()
    }

    /// Checks whether this grant is valid at `now` for a client at the address `from`, and returns the account whom the
    /// request is for. This is the only function that decides it, both when a request arrives and when it writes.
    fn check<'a>(
        &self,
        app: &App,
        rows: &Rows<'a>,
        now: Timestamp,
        from: impl FnOnce() -> IpAddr,
    ) -> Result<&'a User, Lapse> {
        let caller = rows.caller.filter(|caller| caller.is_active()).ok_or(Lapse::Unknown)?;
        if caller.is_service_account() && !self.token().is_some_and(|token| token.action.is_key()) {
            return Err(Lapse::Unknown);
        }
        if let Some(GivenPassword(hash)) = &self.password
            && (caller.password_hash != *hash || caller.twofa_scheme.is_some())
        {
            return Err(Lapse::Unknown);
        }
        let (scopes, has_full_access) = match self.credential {
            Credential::Password => (Scopes::ALL, true),
            Credential::Token(_) => {
                let token = rows.token.filter(|token| token.user_id == caller.id).ok_or(Lapse::Unknown)?;
                check_token(app, token, now, from)?;
                (token.scopes(), token.action.has_full_access() && token.networks.is_none())
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
        if user.id != caller.id && user.admin && !has_full_access {
            return Err(Lapse::FullAccessNeeded);
        }
        if self.asked.administrator && !user.admin {
            return Err(Lapse::NoAdministrator);
        }
        match self.service_account {
            None => Ok(user),
            Some(_) => rows.service_account.filter(|account| account.is_active()).ok_or(Lapse::NotTheOwner),
        }
    }

    /// Whether this grant may only read, because its session needs the password again before it writes.
    fn lacks_password(&self, token: Option<&Token>, now: Timestamp) -> bool {
        let session = token.filter(|token| token.action == TokenAction::Session);
        let asks = !self.asked.no_recent_password && self.password.is_none();
        asks && session.is_some_and(|session| asks_again(session, now))
    }

    /// The limits on keys that this caller may create: a key may not do more, live longer, or be used from elsewhere, than
    /// the key that creates it.
    fn authority(&self, connection: &mut DbConnection, token: Option<&Token>) -> Result<Authority, QueryError> {
        let Some(token) = token.filter(|token| token.action.is_key()) else { return Ok(Authority::OWNER) };
        let Some(key) = Key::find(connection, token.user_id, token.key())? else { return Ok(Authority::NOTHING) };
        let of_scopes = match key.action.has_full_access() {
            true => Authority::OWNER,
            false => Authority::of_scopes(key.scopes),
        };
        Ok(Authority { expires_on: key.expires_on, networks: token.networks.clone(), ..of_scopes })
    }

    /// [`Grant::authority`] over the keys that the request is about. An owner of a service account gets no key that may do
    /// more than they may themselves.
    fn authority_over_keys(
        &self,
        connection: &mut DbConnection,
        token: Option<&Token>,
        caller: Option<&User>,
    ) -> Result<Authority, QueryError> {
        let authority = self.authority(connection, token)?;
        Ok(match self.most_scopes(connection, caller)? {
            None => authority,
            Some(most) => authority.over_service_account(&most),
        })
    }

    /// The most scopes that `caller` can give to the keys that the request is about; `None`: all that their holder can. An
    /// owner of a service account gives its keys no more than they may do themselves.
    fn most_scopes(
        &self,
        connection: &mut DbConnection,
        caller: Option<&User>,
    ) -> Result<Option<KeyScopes>, QueryError> {
        match caller.filter(|caller| self.service_account.is_some() && !caller.admin) {
            None => Ok(None),
            Some(owner) => scopes_of_keys::most_of(connection, owner).map(Some),
        }
    }
}

fn check_token(app: &App, token: &Token, now: Timestamp, from: impl FnOnce() -> IpAddr) -> Result<(), Lapse> {
    let is_session = token.action == TokenAction::Session;
    // Most tokens are not limited, so that the address need not be looked for.
    if token.networks.is_some() && !token.may_be_used_from(from()) {
        return Err(Lapse::Unknown);
    }
    if token.is_over(now) {
        return Err(Lapse::Over);
    }
    if token.is_suspended(now) {
        return Err(Lapse::Suspended);
    }
    if is_session && !is_current(app, token, now) {
        return Err(Lapse::Unknown);
    }
    Ok(())
}

impl Mandate {
    /// The mandate of a request that has just been authenticated, if `grant` is valid. The rows of `caller` and of the
    /// token in `grant` were just read.
    ///
    /// # Errors
    /// Returns the refusal to send to the client.
    pub(super) fn of(
        app: &web::Data<App>,
        request: &HttpRequest,
        caller: &User,
        grant: Grant,
    ) -> Result<Self, AppError> {
        Self { app: app.clone(), request: request.clone(), grant }.checked(caller, None)
    }

    /// The mandate of `user`, whose password was sent with the sign-in form and is right.
    pub fn of_password(app: &web::Data<App>, request: &HttpRequest, user: &User) -> Self {
        let grant = Grant::new(user, Credential::Password);
        Self { app: app.clone(), request: request.clone(), grant }
    }

    /// Acts as `other`, if the caller may: an administrator with the scope for it.
    ///
    /// # Errors
    /// Returns the same errors as [`Mandate::of`].
    pub(super) fn acting_as(mut self, caller: &User, other: Option<&User>) -> Result<Self, AppError> {
        // If there is no such person, use an id that nobody has, so that the check fails.
        self.grant.acting_as = Some(other.map_or(0, |other| other.id));
        self.checked(caller, other)
    }

    /// Is about the keys of `account`, if `caller` owns it. `None`: they do not, or are gone themselves.
    ///
    /// # Errors
    /// Returns 404 if they do not own it, or it is locked, and the same errors as [`Mandate::of`].
    pub(super) fn about_keys_of(mut self, caller: Option<&User>, account: Option<&User>) -> Result<Self, AppError> {
        // If there is no such account, use an id that nobody has, so that the check fails.
        self.grant.service_account = Some(account.map_or(0, |account| account.id));
        let rows = Rows { caller, token: self.grant.token(), other: None, service_account: account };
        match self.check_now(&rows) {
            Ok(_) => Ok(self),
            Err(lapse) => Err(self.told(lapse)),
        }
    }

    /// Checks the grant for the request as it arrives.
    fn check_now<'a>(&self, rows: &Rows<'a>) -> Result<&'a User, Lapse> {
        self.grant.check(&self.app, rows, self.app.clock.now(), || self.app.addresses.of(&self.request))
    }

    /// Returns this mandate if its grant is valid for the rows that were read when the request arrived.
    fn checked(self, caller: &User, other: Option<&User>) -> Result<Self, AppError> {
        let rows = Rows { caller: Some(caller), token: self.grant.token(), other, service_account: None };
        if let Err(lapse) = self.check_now(&rows) {
            return Err(self.told(lapse));
        }
        Ok(self)
    }

    /// Also requires that `user`, whom the request is for, is an administrator.
    ///
    /// # Errors
    /// Returns 403 if they are not.
    pub(super) fn of_administrator(mut self, user: &User) -> Result<Self, AppError> {
        self.grant.asked.administrator = true;
        if user.admin { Ok(self) } else { Err(AppError::Forbidden(FOR_ADMINISTRATORS)) }
    }

    /// Lets a session write although the password was given in it long ago, because what is written gives nobody any
    /// power. Without this, every write in a session asks for a recent password.
    pub(super) fn of_harmless_step(mut self) -> Self {
        self.grant.asked.no_recent_password = true;
        self
    }

    /// Records that `user` has given their password with this request.
    pub(crate) fn with_password_of(mut self, user: &User) -> Self {
        self.grant.password = Some(GivenPassword(user.password_hash.clone()));
        self
    }

    /// The id of the person who was let in.
    pub(super) fn caller(&self) -> i64 {
        self.grant.caller
    }

    /// The most scopes that the caller can give to the keys that the request is about; `None`: all that their holder can.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub async fn most_scopes(&self) -> Result<Option<KeyScopes>, DbError> {
        // Of their own keys nothing need be asked.
        if self.grant.service_account.is_none() {
            return Ok(None);
        }
        let grant = self.grant.clone();
        let most = self.app.database.lookup(move |connection| {
            let caller = User::find(connection, grant.caller)?;
            grant.most_scopes(connection, caller.as_ref())
        });
        most.await
    }

    /// The credential that let the caller in.
    pub fn credential(&self) -> &Credential {
        &self.grant.credential
    }

    /// Whether an administrator acts as somebody else (impersonation).
    pub fn is_acting(&self) -> bool {
        self.grant.acting_as.is_some()
    }

    /// Runs `work` in one transaction, in the name of the person whom the request is for. Before that, it locks the
    /// rows of whoever was let in and repeats every check that let them in. If `work` refuses, the transaction is
    /// rolled back. In a session the password must have been given recently, with this request, or not be asked for.
    ///
    /// # Errors
    /// Outside, returns what a request that arrives now would be told, or the database error. Inside, returns the
    /// refusal of `work`.
    pub async fn write<T, E>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, AppError>
    where
        T: Send + 'static,
        E: WriteError + Send + 'static,
    {
        self.write_locking(&BTreeSet::new(), Locked::These, work).await
    }

    /// Like [`Mandate::write`], for what an administrator does about a person. It also locks the rows of that person
    /// and of all active administrators, always in the order of their ids, which prevents a deadlock.
    ///
    /// # Errors
    /// Returns the same errors as [`Mandate::write`].
    pub async fn write_about<T, E>(
        &self,
        person: i64,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, AppError>
    where
        T: Send + 'static,
        E: WriteError + Send + 'static,
    {
        self.write_locking(&[person].into(), Locked::AndAdministrators, work).await
    }

    /// Like [`Mandate::write`], for what an administrator does about keys of several people. It also locks the rows of their
    /// owners, together with those of the caller in the order of their ids, which prevents a deadlock.
    ///
    /// # Errors
    /// Returns the same errors as [`Mandate::write`].
    pub async fn write_about_keys<T: Send + 'static>(
        &self,
        keys: FewKeys,
        work: impl FnOnce(&FewKeys, &mut Tx<'_>) -> Result<T, KeyRefusal> + Send + 'static,
    ) -> Result<Result<T, KeyRefusal>, AppError> {
        let these = keys.clone();
        let owners = self.app.database.read(move |connection| these.owners(connection)).await?;
        self.write_locking(&owners, Locked::These, move |tx| work(&keys, tx)).await
    }

    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    async fn write_locking<T, E>(
        &self,
        people: &BTreeSet<i64>,
        whom: Locked,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, AppError>
    where
        T: Send + 'static,
        E: WriteError + Send + 'static,
    {
        let (app, grant, client) = (self.app.clone(), self.grant.clone(), client_of(&self.app, &self.request));
        let (mut ids, from) = (people.clone(), self.app.addresses.of(&self.request));
        ids.extend([grant.caller].into_iter().chain(grant.acting_as).chain(grant.service_account));
        let written = self.app.database.write(move |connection| {
            let locked = User::lock_rows(connection, &ids, whom)?;
            let token = match grant.token() {
                Some(token) => Token::hold(connection, token.id)?,
                None => None,
            };
            let row = |id: &i64| locked.get(id);
            let other = grant.acting_as.as_ref().and_then(row);
            let service_account = match grant.service_account {
                Some(id) => service_account::find_owned(connection, id, grant.caller)?,
                None => None,
            };
            let service_account = service_account.as_ref();
            let rows = Rows { caller: row(&grant.caller), token: token.as_ref(), other, service_account };
            // Read the clock only now: the credential may have expired while the transaction waited for the locks.
            let now = app.clock.now();
            let user = grant.check(&app, &rows, now, || from).map_err(Denied::Lapsed)?;
            if grant.lacks_password(rows.token, now) {
                return Err(Denied::Lapsed(Lapse::PasswordNeeded));
            }
            // Whoever owns a service account does what they do about its keys as themselves.
            let author = if grant.service_account.is_some() { rows.caller.unwrap_or(user) } else { user };
            let id = author.id;
            let login = match client.administrator() {
                Some(administrator) => format!("{administrator} as {}", author.login),
                None => author.login.clone(),
            };
            let mut doer = Doer::person(grant.caller, rows.caller.map_or(&login, |caller| &caller.login));
            doer.acting_as = grant.acting_as.map(|id| (id, user.login.clone()));
            let authority = grant.authority_over_keys(connection, token.as_ref(), rows.caller)?;
            let author = Author { id, login, doer, authority };
            work(&mut Tx::of_author(connection, now, client, author)).map_err(Denied::Refused)
        });
        match written.await {
            Ok(done) => Ok(Ok(done)),
            Err(Denied::Lapsed(lapse)) => Err(self.told(lapse)),
            Err(Denied::Database(error)) => Err(error.into()),
            Err(Denied::Refused(refusal)) => match refusal.into_database_error() {
                Ok(error) => Err(error.into()),
                Err(refusal) => Ok(Err(refusal)),
            },
        }
    }

    /// The response to a request whose grant is not valid, the same whether it has just arrived or was about to write.
    fn told(&self, lapse: Lapse) -> AppError {
        let (app, request) = (&self.app, &self.request);
        // Forget who was signed in: the response must not show it, and an error page looks it up again.
        request.extensions_mut().remove::<SignedInAs>();
        if matches!(lapse, Lapse::Unknown | Lapse::Over | Lapse::Suspended) {
            request.extensions_mut().remove::<Authenticated>();
        }
        let is_session = self.credential().token().is_some_and(|token| token.action == TokenAction::Session);
        match (lapse, self.credential()) {
            (Lapse::Unknown | Lapse::Over, _) if is_session => sign_in_first(app, request),
            (Lapse::Unknown, _) => refused_credentials(app, request, TokenRefusal::Unknown),
            (Lapse::Over, _) => refused_credentials(app, request, TokenRefusal::Over),
            (Lapse::Suspended, _) => refused_credentials(app, request, TokenRefusal::Suspended),
            (Lapse::PasswordToChange, _) if is_session => change_password_first(app, request),
            (Lapse::PasswordToChange, _) => AppError::Forbidden(CHANGE_PASSWORD_FIRST),
            (Lapse::PasswordNeeded, _) => {
                AppError::Forbidden("Enter your password again: reload the page and send the form from there.")
            }
            (Lapse::MissingScope(scope), Credential::Token(token)) => {
                refused_scope(app, request, token, scope.to_string())
            }
            (Lapse::MissingScope(scope), Credential::Password) => AppError::InsufficientScope(scope.to_string()),
            (Lapse::NobodyToActAs, _) => {
                AppError::PreconditionFailed("X-Redmine-Switch-User does not name an active account.")
            }
            (Lapse::NoAdministrator, _) => AppError::Forbidden(FOR_ADMINISTRATORS),
            (Lapse::FullAccessNeeded, _) => AppError::Forbidden(FOR_FULL_ACCESS),
            (Lapse::NotTheOwner, _) => AppError::NotFound,
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
