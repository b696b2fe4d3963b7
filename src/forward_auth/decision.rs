//! What a question comes to: whether the request may go on, with which key, to which service, and why not. To decide
//! records and counts nothing, so that an administrator who tries a key is told by the same function what a proxy would
//! be told.

use std::net::IpAddr;
use std::num::NonZeroU32;

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue};

use super::question::{OriginalPath, Question, Unreadable};
use crate::app::App;
use crate::auth::credentials::Credentials;
use crate::auth::rates::{Exceeded, Limited, Rate, Rates};
use crate::callers::api_user::{key_actions, method_of};
use crate::callers::refusals::{basic_challenge_saying, refused_bearer};
use crate::callers::verify::{Found, TokenRefusal, find_token};
use crate::http::error::{AppError, RateLimited};
use crate::metrics::AuthMethod;
use crate::models::keys::scope::{Access, ServiceScope};
use crate::models::keys::token::{Token, TokenAction};
use crate::models::people::user::User;
use crate::models::services::service::{Permission, Service, ServiceLookup, Visitor};
use crate::secret::Secret;

/// What a question comes to, and what was found out on the way.
pub struct Decision {
    /// The key that the request presents; `None`: it presents none.
    pub key: Option<PresentedKey>,
    /// The service to which the request leads; `None`: to none, or it was refused before that was asked.
    pub service: Option<Service>,
    /// Whether the request may go on.
    pub outcome: Result<Admitted, Refusal>,
}

/// A key as a request presents it.
pub struct PresentedKey {
    /// How the metrics count it.
    pub method: Option<AuthMethod>,
    /// The token and its owner, or why it was refused.
    pub found: Found,
    by_basic: bool,
}

/// A caller who may go on. Every field is empty for an anonymous one.
#[derive(Default)]
pub struct Admitted {
    login: String,
    user_id: String,
    token_id: String,
    scopes: String,
    rate: Vec<(HeaderName, HeaderValue)>,
}

/// Why a request may not go on.
pub enum Refusal {
    /// It has no key, and the service lets nobody do this without one.
    NoKey,
    /// Its key is not valid. Basic credentials are asked for again, in case that they are those of something else.
    Key {
        /// Why.
        refusal: TokenRefusal,
        /// Whether it came as the user name of Basic.
        by_basic: bool,
    },
    /// Servers may read the request in different ways.
    Unreadable(Unreadable),
    /// No service is at this address.
    NoService,
    /// The key is an API access key, and the service takes access tokens only.
    NoApiAccessKeys,
    /// The key lacks this scope.
    Scope(ServiceScope),
    /// The service does not admit the owner of the key to this.
    NotAdmitted(Access),
    /// The key has sent too many requests to the service, whose name this is.
    TooMany(String, Exceeded),
    /// It cannot be decided at the moment.
    Undecided(AppError),
}

/// How a request is held against a rate limit: [`Rates::take`], or [`Rates::foresee`] if it is only tried.
pub type Against = fn(&Rates, Limited, NonZeroU32) -> Result<Rate, Exceeded>;

impl Decision {
    /// Decides about `question`, which is about a request of a client at `address`.
    pub async fn about(app: &App, question: Question, address: IpAddr, against: Against) -> Self {
        let mut decision = Self { key: None, service: None, outcome: Err(Refusal::NoKey) };
        decision.outcome = decision.decide(app, question, address, against).await;
        decision
    }

    async fn decide(
        &mut self,
        app: &App,
        question: Question,
        address: IpAddr,
        against: Against,
    ) -> Result<Admitted, Refusal> {
        let Question { host, method, path, key_parameter, credentials } = question;
        let credentials = match key_parameter {
            Ok(None) => credentials,
            // Only the service says whether a key in the query counts.
            key if find(app, &host, &path, None).await?.0.settings.key_parameter => {
                key?.map_or(credentials, Credentials::Key)
            }
            _ => credentials,
        };
        let caller = match credentials {
            Credentials::Absent => None,
            Credentials::UnreadableAuthorization => return Err(Refusal::NoKey),
            credentials => {
                let key = self.key.insert(look_up(app, credentials, address).await?);
                if key.is_suspended() {
                    // Its owner wants to hear where it is missed. Whatever comes of this, the key is refused.
                    self.service = find(app, &host, &path, None).await.ok().map(|(service, _)| service);
                }
                Some(key.caller()?)
            }
        };
        let visitor = caller.map(|(token, user)| Visitor {
            user_id: user.id,
            key_id: (token.action != TokenAction::Api).then(|| token.key()),
        });
        let (service, permission) = find(app, &host, &path, visitor).await?;
        let service = &*self.service.insert(service);
        let asked = service.access_of(&method);
        let Some((token, user)) = caller else {
            let may_go_on = service.settings.anonymous_reads && asked == Access::Read;
            return if may_go_on { Ok(Admitted::default()) } else { Err(Refusal::NoKey) };
        };
        let scopes = authorize((service, permission), asked, token)?;
        let rate = rate(app, service, token, against)?;
        Ok(Admitted {
            login: user.login.clone(),
            user_id: user.id.to_string(),
            token_id: token.key().to_string(),
            scopes,
            rate: rate.map(|rate| rate.headers(&service.name).collect()).unwrap_or_default(),
        })
    }
}

impl PresentedKey {
    fn is_suspended(&self) -> bool {
        matches!(self.found.verified, Err(TokenRefusal::Suspended))
    }

    /// The key and its owner.
    fn caller(&self) -> Result<(&Token, &User), Refusal> {
        match &self.found.verified {
            Ok((token, user)) => Ok((token, user)),
            Err(refusal) => Err(Refusal::Key { refusal: *refusal, by_basic: self.by_basic }),
        }
    }
}

impl Admitted {
    /// The answer. The headers of the identity are always there, even if empty, so that the service cannot be given one
    /// that the client forged.
    pub(super) fn response(self) -> HttpResponse {
        let identity = [
            ("X-Latchkey-User", self.login),
            ("X-Latchkey-User-Id", self.user_id),
            ("X-Latchkey-Token-Id", self.token_id),
            ("X-Latchkey-Scopes", self.scopes),
        ];
        let mut response = HttpResponse::Ok();
        for header in identity {
            response.insert_header(header);
        }
        for header in self.rate {
            response.insert_header(header);
        }
        response.finish()
    }
}

impl Refusal {
    /// What the client is told.
    pub fn told(self, app: &App) -> AppError {
        match self {
            Self::NoKey | Self::Key { by_basic: true, .. } => challenge(app),
            Self::Key { refusal, by_basic: false } => refused_bearer(refusal),
            Self::Unreadable(unreadable) => unreadable.into(),
            Self::NoService => AppError::Forbidden("There is no service at this address."),
            Self::NoApiAccessKeys => AppError::Forbidden("This service takes access tokens only, no API access keys."),
            Self::Scope(missing) => AppError::InsufficientScope(missing.to_string()),
            Self::NotAdmitted(Access::Read) => {
                AppError::Forbidden("This service does not admit the owner of this key.")
            }
            Self::NotAdmitted(Access::Write) => {
                AppError::Forbidden("This service does not admit the owner of this key to write.")
            }
            Self::TooMany(service, exceeded) => AppError::RateExceeded { to: RateLimited::Service(service), exceeded },
            Self::Undecided(error) => error,
        }
    }
}

impl From<Unreadable> for Refusal {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unreadable(unreadable)
    }
}

impl From<AppError> for Refusal {
    fn from(error: AppError) -> Self {
        Self::Undecided(error)
    }
}

/// A 401 with a Basic challenge, for programs that send a key only after they are asked for it.
fn challenge(app: &App) -> AppError {
    basic_challenge_saying(app, "A key is needed: an access token, as Bearer or as the user name.")
}

/// Finds the service on `host` to which `path` leads in every reading of it, and what `visitor` may do there.
async fn find(
    app: &App,
    host: &str,
    path: &OriginalPath,
    visitor: Option<Visitor>,
) -> Result<(Service, Permission), Refusal> {
    let looked_up = app.services.look_up(ServiceLookup { host: host.to_owned(), visitor }).await;
    let mut open = looked_up.map_err(AppError::from)?;
    let place = path.place(|path| {
        let place = open.iter().position(|(service, _)| service.has_path(path));
        let in_any_case = open.iter().position(|(service, _)| service.has_path_in_any_case(path));
        if place == in_any_case { Ok(place) } else { Err(Unreadable::AMBIGUOUS) }
    })??;
    place.map(|at| open.swap_remove(at)).ok_or(Refusal::NoService)
}

/// Looks the key up. A login and password is refused without hashing the password.
async fn look_up(app: &App, credentials: Credentials, address: IpAddr) -> Result<PresentedKey, AppError> {
    let method = method_of(&credentials);
    let by_basic = matches!(credentials, Credentials::Basic { .. });
    let secret = match credentials {
        Credentials::Key(secret) | Credentials::Bearer(secret) => Some(secret),
        Credentials::Basic { username, .. } => Some(Secret::presented(username)),
        Credentials::Absent | Credentials::UnreadableKey | Credentials::UnreadableAuthorization => None,
    };
    let found = match secret {
        Some(secret) => find_token(app, key_actions(app), (&secret, address), |_| true).await?,
        None => Found::nothing(),
    };
    Ok(PresentedKey { method, found, by_basic })
}

/// Returns the service's scopes that the key has and its owner is admitted to, if they are enough for the request.
fn authorize((service, permission): (&Service, Permission), asked: Access, token: &Token) -> Result<String, Refusal> {
    if token.action == TokenAction::Api && !service.settings.classic_keys {
        return Err(Refusal::NoApiAccessKeys);
    }
    let is_enough = |access: Option<Access>| access.is_some_and(|access| access.includes(asked));
    let scope = |access| ServiceScope { service: service.name.clone(), access };
    if !is_enough(permission.scope) {
        return Err(Refusal::Scope(scope(asked)));
    }
    if !is_enough(permission.admission) {
        return Err(Refusal::NotAdmitted(asked));
    }
    let granted = Access::ALL.into_iter().filter(|access| permission.access().is_some_and(|it| it.includes(*access)));
    Ok(granted.map(|access| scope(access).to_string()).collect::<Vec<_>>().join(" "))
}

/// Holds the request against the key's rate limit on this service, if there is one, and returns what is left.
fn rate(app: &App, service: &Service, token: &Token, against: Against) -> Result<Option<Rate>, Refusal> {
    let most = service.settings.requests_per_minute.and_then(|most| u32::try_from(most).ok()).and_then(NonZeroU32::new);
    let of = Limited::OnService { key_id: token.key(), service_id: service.id };
    let left = most.map(|most| against(&app.rates, of, most)).transpose();
    left.map_err(|exceeded| Refusal::TooMany(service.name.clone(), exceeded))
}
