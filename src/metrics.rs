//! What is counted while the process runs.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use crate::auth::passwords::PasswordRefusal;
use crate::clock::Timestamp;
use crate::http::error::AppError;
use crate::models::keys::census::Census;
use crate::models::mails::kind::MailKind;
use crate::models::mails::outbox::Queue;
use crate::panics::Panics;

/// Counters that the parts of a process share.
#[derive(Clone, Default)]
pub struct Metrics {
    /// Answers, by route and status.
    pub(crate) requests: Family<RequestLabels, Counter>,
    /// The time from a request's headers to its answer, by route and class of status.
    pub(crate) durations: RequestDurations,
    /// Authentications, by method and outcome.
    pub(crate) authentications: Family<AuthenticationLabels, Counter>,
    /// How writing behind goes.
    pub flushes: Flushes,
    /// How sending mail goes.
    pub mails: Mails,
    /// Panics that were caught, by thread.
    pub panics: Panics,
    /// Keys that are suspended, and that somebody has tried since. The recorder counts them about once a minute.
    pub suspended_keys_tried: Gauge,
    /// How many keys there were when they were last counted; `None`: they were not counted yet.
    pub(crate) keys: Arc<Mutex<Option<KeysCounted>>>,
}

/// How many keys there were at a time.
pub(crate) struct KeysCounted {
    pub on: Timestamp,
    /// `None`: the database could not count them.
    pub census: Option<Census>,
}

/// How writing behind goes.
#[derive(Clone)]
pub struct Flushes {
    /// The time that a batch of uses took to write, in seconds.
    pub duration: Histogram,
    /// Attempts that failed; what they should have written waits.
    pub failures: Counter,
}

/// How sending mail goes. Shared by its clones.
#[derive(Clone, Default)]
pub struct Mails {
    /// Mails by kind, and by what became of them.
    pub(crate) outcomes: Family<MailLabels, Counter>,
    /// How many wait in the outbox of the database.
    pub(crate) waiting: Gauge,
    /// How long the oldest of them waits, in seconds.
    pub(crate) oldest_seconds: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct MailLabels {
    kind: &'static str,
    outcome: &'static str,
}

impl Mails {
    /// Counts what became of a mail.
    pub fn count(&self, kind: MailKind, outcome: &'static str) {
        self.outcomes.get_or_create(&MailLabels { kind: kind.as_str(), outcome }).inc();
    }

    /// Says what waits at `now`.
    pub fn set_queue(&self, queue: Queue, now: Timestamp) {
        self.waiting.set(queue.length);
        self.oldest_seconds.set(queue.oldest.map_or(0, |oldest| (now - oldest).num_seconds().max(0)));
    }
}

impl Default for Flushes {
    fn default() -> Self {
        // From a millisecond to about half a minute.
        Self { duration: Histogram::new(exponential_buckets(0.001, 2.0, 16)), failures: Counter::default() }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    route: String,
    status: u16,
}

/// The time that requests take.
#[derive(Clone)]
pub(crate) struct RequestDurations(pub Family<DurationLabels, Histogram>);

impl Default for RequestDurations {
    fn default() -> Self {
        Self(Family::new_with_constructor(|| Histogram::new(DURATIONS)))
    }
}

/// The buckets of durations, in seconds, from a lookup in memory to the longest that a request may take.
const DURATIONS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct DurationLabels {
    route: String,
    status_class: &'static str,
}

/// The class of a status (RFC 9110, section 15).
fn class_of(status: u16) -> &'static str {
    match status {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct AuthenticationLabels {
    method: AuthMethod,
    outcome: Outcome,
}

/// How somebody said who they are.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum AuthMethod {
    /// A key in the query or in its own header.
    Key,
    /// A key as Bearer token.
    Bearer,
    /// HTTP Basic, with a key or with login and password.
    Basic,
    /// A feeds key.
    Feed,
    /// The cookie.
    Session,
    /// The form.
    SignIn,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum Outcome {
    /// Let in.
    Accepted,
    /// Wrong, or not allowed.
    Refused,
    /// Not decided: too many attempts, or the database or the hashing threads were not there for it.
    Undecided,
}

impl EncodeLabelValue for AuthMethod {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(match self {
            Self::Key => "key",
            Self::Bearer => "bearer",
            Self::Basic => "basic",
            Self::Feed => "feed",
            Self::Session => "session",
            Self::SignIn => "sign_in",
        })
    }
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Undecided => "undecided",
        })
    }
}

impl Outcome {
    /// Of an extractor's attempt.
    pub fn of<T>(attempt: &Result<T, AppError>) -> Self {
        match attempt {
            Ok(_) => Self::Accepted,
            Err(AppError::Unauthorized { .. } | AppError::Forbidden(_) | AppError::InsufficientScope(_)) => {
                Self::Refused
            }
            Err(_) => Self::Undecided,
        }
    }

    /// Of a lookup, which finds nothing where it refuses.
    pub fn of_found<T>(found: &Result<Option<T>, AppError>) -> Self {
        match found {
            Ok(Some(_)) => Self::Accepted,
            Ok(None) => Self::Refused,
            Err(_) => Self::Undecided,
        }
    }

    /// Of a login and password.
    pub fn of_password<T>(verified: &Result<T, PasswordRefusal>) -> Self {
        match verified {
            Ok(_) => Self::Accepted,
            Err(PasswordRefusal::Wrong | PasswordRefusal::SecondFactor | PasswordRefusal::NotActive(_)) => {
                Self::Refused
            }
            Err(PasswordRefusal::TooMany(_) | PasswordRefusal::Busy(_)) => Self::Undecided,
        }
    }
}

impl Metrics {
    /// Counts an answer and the time that it took; `route` is the pattern, never the path.
    pub fn count_request(&self, route: String, status: u16, duration: Duration) {
        let labels = DurationLabels { route: route.clone(), status_class: class_of(status) };
        self.durations.0.get_or_create(&labels).observe(duration.as_secs_f64());
        self.requests.get_or_create(&RequestLabels { route, status }).inc();
    }

    /// Counts an authentication.
    pub fn count_authentication(&self, method: AuthMethod, outcome: Outcome) {
        self.authentications.get_or_create(&AuthenticationLabels { method, outcome }).inc();
    }
}
