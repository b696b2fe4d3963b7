//! What can be watched, in Prometheus' text format, on an address of its own.

use std::fmt::{self, Write as _};
use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, HttpServer, web};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder,
};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::app::App;
use crate::auth::passwords::PasswordRefusal;
use crate::error::AppError;

/// Counters that the parts of a process share.
#[derive(Clone, Default)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    authentications: Family<AuthenticationLabels, Counter>,
    /// How writing behind goes.
    pub flushes: Flushes,
}

/// How writing behind goes.
#[derive(Clone)]
pub struct Flushes {
    /// The time that a batch of uses took to write, in seconds.
    pub duration: Histogram,
    /// Attempts that failed; what they should have written waits.
    pub failures: Counter,
}

impl Default for Flushes {
    fn default() -> Self {
        // From a millisecond to about half a minute.
        Self { duration: Histogram::new(exponential_buckets(0.001, 2.0, 16)), failures: Counter::default() }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AuthenticationLabels {
    method: Method,
    outcome: Outcome,
}

/// How somebody said who they are.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum Method {
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

impl EncodeLabelValue for Method {
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
            Err(PasswordRefusal::Wrong | PasswordRefusal::SecondFactor) => Self::Refused,
            Err(PasswordRefusal::TooMany(_) | PasswordRefusal::Busy(_)) => Self::Undecided,
        }
    }
}

impl Metrics {
    /// Counts an answer; `route` is the pattern, never the path.
    pub fn count_request(&self, route: String, status: u16) {
        self.requests.get_or_create(&RequestLabels { route, status }).inc();
    }

    /// Counts an authentication.
    pub fn count_authentication(&self, method: Method, outcome: Outcome) {
        self.authentications.get_or_create(&AuthenticationLabels { method, outcome }).inc();
    }

    fn registry(&self, app: web::Data<App>) -> Registry {
        let mut registry = Registry::with_prefix("latchkey");
        registry.register("requests", "Answers, by the pattern of the route and the status", self.requests.clone());
        registry.register("authentications", "By method and outcome", self.authentications.clone());
        let seconds = prometheus_client::registry::Unit::Seconds;
        let duration = self.flushes.duration.clone();
        registry.register_with_unit("flush_duration", "Time to write a batch of last uses", seconds, duration);
        registry.register("flush_failures", "Attempts to write last uses that failed", self.flushes.failures.clone());
        registry.register_collector(Box::new(State(app)));
        registry
    }
}

/// What is read at the moment it is asked for.
struct State(web::Data<App>);

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

impl Collector for State {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let last_use = &self.0.recorder.last_use;
        let pool = self.0.database.pool_state();
        let answered = ConstCounter::new(last_use.answered_unwritten());
        let help = "First uses whose request was answered before they were written";
        answered.encode(encoder.encode_descriptor(
            "first_uses_answered_unwritten",
            help,
            None,
            answered.metric_type(),
        )?)?;
        let dropped = ConstCounter::new(self.0.recorder.service_uses.dropped());
        let help = "Uses of keys on services that were not counted, because too many waited to be written";
        dropped.encode(encoder.encode_descriptor("service_uses_dropped", help, None, dropped.metric_type())?)?;
        let number = |number| i64::try_from(number).unwrap_or(i64::MAX);
        let (pending, hashing) = (number(last_use.pending_uses()), number(self.0.passwords.threads().waiting()));
        let on_services = number(self.0.recorder.service_uses.pending());
        for (name, help, value) in [
            ("pending_uses", "Tokens with a last use that is not written yet", pending),
            ("pending_service_uses", "Keys on services with a use that is not written yet", on_services),
            ("hashing_queue", "Passwords that wait to be hashed", hashing),
            ("pool_connections", "Connections to the database in the pool", i64::from(pool.connections)),
            ("pool_idle_connections", "Of those, the ones that no request holds", i64::from(pool.idle_connections)),
        ] {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

/// Answers `GET /metrics` on `listener`, and nothing else.
///
/// # Errors
/// If the operating system gives no thread.
pub fn serve(app: web::Data<App>, listener: TcpListener) -> std::io::Result<Server> {
    let registry = web::Data::new(app.metrics.registry(app.clone()));
    let server = HttpServer::new(move || {
        actix_web::App::new().app_data(registry.clone()).route("/metrics", web::get().to(show))
    });
    Ok(server.workers(1).disable_signals().listen(listener)?.run())
}

async fn show(registry: web::Data<Registry>) -> HttpResponse {
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            HttpResponse::Ok().insert_header((CONTENT_TYPE, content_type)).body(text)
        }
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}
