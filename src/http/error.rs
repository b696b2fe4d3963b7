//! Everything that can go wrong with a request, as one type: a short text for whoever asked, the cause for the log.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};

use crate::auth::passwords::PasswordRefusal;
use crate::auth::rates::Exceeded;
use crate::auth::throttle::RetryAfter;
use crate::clock::whole_seconds;
use crate::db::DbError;
use crate::models::groups::administration::GroupRefusal;
use crate::models::keys::idempotency::OnceRefusal;
use crate::models::keys::key::KeyRefusal;
use crate::models::people::refusal::PersonRefusal;
use crate::models::people::user::{SaveError, UserStatus};
use crate::models::rules::messages;
use crate::models::services::administration::ServiceRefusal;
use crate::panics::Panic;

/// What everybody else is told where administrators look after people.
pub const FOR_ADMINISTRATORS: &str = "This is for administrators only.";

/// What a key with scopes or networks is told where it could make more of itself than these allow.
pub const FOR_FULL_ACCESS: &str = "An access token, or a key with allowed networks, cannot set passwords, act as an \
                                   administrator, or add, change, lock or delete one. Use an API access key without \
                                   such a limit, or your login and password.";

/// What a person has to do before their request counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// To sign in.
    SignIn,
    /// To choose a new password.
    ChangePassword,
}

/// Why a request is not answered as it was meant.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// 302: something else comes first.
    #[error("something else comes first")]
    Redirect {
        /// What comes first.
        first: First,
        /// Where to, with the way back.
        location: String,
    },
    /// 400
    #[error("{0}")]
    BadRequest(String),
    /// 401
    #[error("{message}")]
    Unauthorized {
        /// The `WWW-Authenticate` header; `None` where it would make browsers ask for a password.
        challenge: Option<String>,
        /// What to do.
        message: &'static str,
    },
    /// 403
    #[error("{0}")]
    Forbidden(&'static str),
    /// 403: the key may not do this
    #[error("This key does not have the scope {0}, which this request needs.")]
    InsufficientScope(String),
    /// 404
    #[error("This address does not exist.")]
    NotFound,
    /// 405
    #[error("This address does not support this method.")]
    MethodNotAllowed,
    /// 410
    #[error("{0}.")]
    Gone(String),
    /// 412
    #[error("{0}")]
    PreconditionFailed(&'static str),
    /// 413
    #[error("The request is too large.")]
    TooLarge,
    /// 414
    #[error("The address of this request is too long. Send less at once.")]
    AddressTooLong,
    /// 415
    #[error("{0}")]
    UnsupportedMediaType(&'static str),
    /// 422
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
    /// 429
    #[error("Too many wrong passwords. Try again in {}.", minutes(*.0))]
    TooManyAttempts(Duration),
    /// 429: of those that anybody may send
    #[error("Too many requests from this address. Try again in {}.", minutes(*.0))]
    TooManyRequests(Duration),
    /// 429: from one credential to a service, or to Latchkey's own API
    #[error("{} Try again in {}.", .to.text(), seconds(.exceeded.wait))]
    RateExceeded {
        /// What the requests were sent to.
        to: RateLimited,
        /// How many there may be, and when there may be another.
        exceeded: Exceeded,
    },
    /// 503: hashing threads
    #[error("Too many people are signing in at the moment. Try again in a few seconds.")]
    Busy(Duration),
    /// 503: it took too long
    #[error("This took too long. Try again in a few seconds.")]
    TimedOut,
    /// 503 or 500
    #[error("{}", database_text(.0))]
    Database(#[from] DbError),
    /// 500
    #[error("Something went wrong here. It has been logged.")]
    Internal(String),
    /// 500
    #[error("Something went wrong here. It has been logged.")]
    Panicked(Panic),
}

/// What limits the requests of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateLimited {
    /// Latchkey's own API.
    Api,
    /// The service of this name.
    Service(String),
}

impl RateLimited {
    /// The name of the policy in the `RateLimit` headers.
    pub fn policy(&self) -> &str {
        match self {
            Self::Api => "latchkey",
            Self::Service(name) => name,
        }
    }

    fn text(&self) -> &'static str {
        match self {
            Self::Api => "This key or password has reached its limit of requests per minute.",
            Self::Service(_) => "This key has reached its limit of requests per minute for this service.",
        }
    }
}

/// Rounded up: coming back when it says must be late enough.
fn minutes(wait: Duration) -> String {
    match wait.as_secs().div_ceil(60) {
        0 | 1 => "1 minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}

fn seconds(wait: Duration) -> String {
    match whole_seconds(wait) {
        0 | 1 => "1 second".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}

fn database_text(error: &DbError) -> &'static str {
    match error {
        DbError::Unavailable(_) => "The database is not available at the moment. Try again in a few seconds.",
        DbError::Busy(_) => "The database is busy at the moment. Try again in a few seconds.",
        DbError::ReadOnly(_) | DbError::Full(_) => {
            "The database is read-only or full at the moment, so nothing was saved."
        }
        DbError::Query(_) => "Something went wrong here. It has been logged.",
    }
}

impl AppError {
    /// A mistake of ours; `cause` is for the log.
    pub fn internal(cause: impl ToString) -> Self {
        Self::Internal(cause.to_string())
    }

    /// What whoever asked is told: one sentence, or one a broken rule.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Self::Invalid(messages) => messages.clone(),
            other => vec![other.to_string()],
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyAttempts(wait) | Self::TooManyRequests(wait) | Self::Busy(wait) => Some(*wait),
            Self::RateExceeded { exceeded, .. } => Some(exceeded.wait),
            Self::Database(DbError::Query(_)) => None,
            Self::Database(_) | Self::TimedOut => Some(Duration::from_secs(5)),
            _ => None,
        }
    }

    /// What the log has to say about it; `None`: it is the client's to look after.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Internal(cause) => Some(Cause::Mistake(cause.clone())),
            Self::Panicked(panic) => Some(Cause::Panic(panic.clone())),
            Self::Database(error @ DbError::Query(_)) => Some(Cause::Mistake(error.to_string())),
            Self::Database(error) => Some(Cause::Database(error.to_string())),
            _ => None,
        }
    }
}

/// Why an answer is an error that no client can help. It goes with the answer, as an extension, to where that is known
/// together with its request, and is logged there; the answer itself says nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A mistake of ours.
    Mistake(String),
    /// One that made a handler panic.
    Panic(Panic),
    /// The database cannot do it at the moment.
    Database(String),
}

impl ResponseError for AppError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Redirect { .. } => StatusCode::FOUND,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized { .. } => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) | Self::InsufficientScope(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Gone(_) => StatusCode::GONE,
            Self::PreconditionFailed(_) => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::AddressTooLong => StatusCode::URI_TOO_LONG,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyAttempts(_) | Self::TooManyRequests(_) | Self::RateExceeded { .. } => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Database(DbError::Query(_)) | Self::Internal(_) | Self::Panicked(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Busy(_) | Self::TimedOut | Self::Database(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if let Some(cause) = self.cause() {
            response.extensions_mut().insert(cause);
        }
        match self {
            Self::Redirect { location, .. } => {
                response.insert_header((LOCATION, location.as_str()));
            }
            Self::Unauthorized { challenge: Some(challenge), .. } => {
                response.insert_header((WWW_AUTHENTICATE, challenge.as_str()));
            }
            // RFC 6750, section 3.1.
            Self::InsufficientScope(scope) => {
                let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
                response.insert_header((WWW_AUTHENTICATE, challenge));
            }
            Self::RateExceeded { to, exceeded } => {
                exceeded.rate.headers(to.policy()).for_each(|header| {
                    response.insert_header(header);
                });
            }
            _ => {}
        }
        if let Some(wait) = self.retry_after() {
            response.insert_header((RETRY_AFTER, whole_seconds(wait).max(1)));
        }
        response.finish()
    }
}

/// What is said to somebody whose password is right, and not enough.
pub const SECOND_FACTOR: &str = "This account needs a second factor, which Latchkey does not support. Its keys still \
                                 work. To sign in, ask an administrator.";

/// What is said to somebody whose password is right, and whose account has this status.
pub fn not_active(status: UserStatus) -> &'static str {
    match status {
        UserStatus::Registered => "This account has not been activated yet. Ask an administrator to activate it.",
        UserStatus::Locked | UserStatus::Active => "This account is locked. Ask an administrator to unlock it.",
    }
}

impl From<RetryAfter> for AppError {
    fn from(RetryAfter(wait): RetryAfter) -> Self {
        Self::TooManyRequests(wait)
    }
}

impl From<PasswordRefusal> for AppError {
    fn from(refusal: PasswordRefusal) -> Self {
        match refusal {
            PasswordRefusal::Wrong => Self::Forbidden("The password is wrong."),
            PasswordRefusal::SecondFactor => Self::Forbidden(SECOND_FACTOR),
            PasswordRefusal::NotActive(status) => Self::Forbidden(not_active(status)),
            PasswordRefusal::TooMany(RetryAfter(wait)) => Self::TooManyAttempts(wait),
            PasswordRefusal::Busy(wait) => Self::Busy(wait),
        }
    }
}

impl From<PersonRefusal> for AppError {
    fn from(refusal: PersonRefusal) -> Self {
        match refusal {
            PersonRefusal::Gone => Self::NotFound,
            PersonRefusal::FullAccessNeeded => Self::Forbidden(FOR_FULL_ACCESS),
            PersonRefusal::OwnAccount
            | PersonRefusal::LastAdministrator
            | PersonRefusal::NoPassword
            | PersonRefusal::NoServiceAccount
            | PersonRefusal::InFile(_)
            | PersonRefusal::LeftFile(_)
            | PersonRefusal::ChangedMeanwhile
            | PersonRefusal::OtherLogin => Self::Invalid(vec![refusal.to_string()]),
            PersonRefusal::Invalid(errors) => Self::Invalid(messages(&errors)),
            PersonRefusal::Database(error) => error.into(),
        }
    }
}

impl From<KeyRefusal> for AppError {
    fn from(refusal: KeyRefusal) -> Self {
        match refusal {
            KeyRefusal::Gone => Self::NotFound,
            KeyRefusal::Beyond => Self::Forbidden(
                "This key can do more, in more places or for longer, than the key you use, which cannot create, change or revoke it.",
            ),
            KeyRefusal::BeyondOwner => Self::Forbidden(
                "This access token can do more than you may do yourself. Ask an administrator to do this.",
            ),
            KeyRefusal::Invalid(errors) => Self::Invalid(messages(&errors)),
            KeyRefusal::TooMany(_)
            | KeyRefusal::ShutsOut(_)
            | KeyRefusal::Expired
            | KeyRefusal::SuspendedForLonger
            | KeyRefusal::NotAnAccessToken
            | KeyRefusal::TooManySecrets
            | KeyRefusal::RotatedTooOften => Self::Invalid(vec![refusal.to_string()]),
            KeyRefusal::Database(error) => error.into(),
        }
    }
}

impl From<ServiceRefusal> for AppError {
    fn from(refusal: ServiceRefusal) -> Self {
        match refusal {
            ServiceRefusal::Gone => Self::NotFound,
            ServiceRefusal::Invalid(errors) => Self::Invalid(messages(&errors)),
            ServiceRefusal::InFile(_) | ServiceRefusal::LeftFile(_) | ServiceRefusal::ChangedMeanwhile => {
                Self::Invalid(vec![refusal.to_string()])
            }
            ServiceRefusal::Database(error) => error.into(),
        }
    }
}

impl From<GroupRefusal> for AppError {
    fn from(refusal: GroupRefusal) -> Self {
        match refusal {
            GroupRefusal::Gone => Self::NotFound,
            GroupRefusal::Invalid(errors) => Self::Invalid(messages(&errors)),
            GroupRefusal::InFile(_)
            | GroupRefusal::LeftFile(_)
            | GroupRefusal::OtherName
            | GroupRefusal::Admitted(..) => Self::Invalid(vec![refusal.to_string()]),
            GroupRefusal::Database(error) => error.into(),
        }
    }
}

impl From<OnceRefusal> for AppError {
    fn from(refusal: OnceRefusal) -> Self {
        match refusal {
            OnceRefusal::Key(refusal) => refusal.into(),
            OnceRefusal::AnotherRequest => Self::Invalid(vec![refusal.to_string()]),
            OnceRefusal::RevokedSince => Self::Gone(refusal.to_string()),
            OnceRefusal::Database(error) => error.into(),
        }
    }
}

impl From<SaveError> for AppError {
    fn from(error: SaveError) -> Self {
        match error {
            SaveError::Invalid(errors) => Self::Invalid(messages(&errors)),
            SaveError::Database(error) => error.into(),
        }
    }
}
