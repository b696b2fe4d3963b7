//! `GET /metrics`, on an address of its own, in Prometheus' text format or as OpenMetrics.

use std::fmt;
use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::http::header::{Accept, CONTENT_TYPE, Header, Quality, VARY};
use actix_web::{HttpRequest, HttpResponse, HttpServer, web};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, prometheus_text, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::key_figures::KeyFigures;
use super::process_figures::ProcessFigures;
use crate::app::App;

/// What is read at the moment it is asked for.
struct Gauges(web::Data<App>);

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauges")
    }
}

impl Collector for Gauges {
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

fn registry(app: web::Data<App>) -> Registry {
    let metrics = &app.metrics;
    let mut all = Registry::default();
    all.register_collector(Box::new(ProcessFigures));
    let registry = all.sub_registry_with_prefix("latchkey");
    let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "Which Latchkey this is", build);
    let durations = metrics.durations.0.clone();
    let help = "Time to answer, by the pattern of the route and the class of the status";
    registry.register_with_unit("request_duration", help, Unit::Seconds, durations);
    registry.register("requests", "Answers, by the pattern of the route and the status", metrics.requests.clone());
    registry.register("authentications", "By method and outcome", metrics.authentications.clone());
    let duration = metrics.flushes.duration.clone();
    registry.register_with_unit("flush_duration", "Time to write a batch of last uses", Unit::Seconds, duration);
    registry.register("flush_failures", "Attempts to write last uses that failed", metrics.flushes.failures.clone());
    registry.register("panics", "Panics that were caught, by the threads that went on", metrics.panics.counters());
    let help = "Suspended keys that somebody has tried since they were suspended, counted about once a minute";
    registry.register("suspended_keys_tried", help, metrics.suspended_keys_tried.clone());
    registry.register("mails", "Mails by kind, and by what became of them", metrics.mails.outcomes.clone());
    let help = "Mails that wait in the outbox, of all processes";
    registry.register("mails_waiting", help, metrics.mails.waiting.clone());
    let (help, oldest) = ("How long the oldest of them has waited", metrics.mails.oldest_seconds.clone());
    registry.register_with_unit("mails_oldest_waiting", help, Unit::Seconds, oldest);
    registry.register_collector(Box::new(KeyFigures(app.clone())));
    registry.register_collector(Box::new(Gauges(app)));
    all
}

/// Answers `GET /metrics` on `listener`, and nothing else.
///
/// # Errors
/// If the operating system gives no thread.
pub fn serve(app: web::Data<App>, listener: TcpListener) -> std::io::Result<Server> {
    let registry = web::Data::new(registry(app.clone()));
    let server = HttpServer::new(move || {
        actix_web::App::new().app_data(registry.clone()).route("/metrics", web::get().to(show))
    });
    Ok(server.workers(1).disable_signals().listen(listener)?.run())
}

/// The formats in which Prometheus reads metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exposition {
    /// Prometheus' own text format, version 0.0.4, which everything that reads metrics understands.
    Text,
    OpenMetrics,
}

const OPEN_METRICS: &str = "application/openmetrics-text";

impl Exposition {
    /// The one that the client likes best; the text format if it names neither.
    fn for_client(request: &HttpRequest) -> Self {
        let accept = Accept::parse(request).map(|accept| accept.0).unwrap_or_default();
        let accept = Accept(accept.into_iter().filter(|item| item.quality > Quality::ZERO).collect());
        let known = accept.ranked().into_iter().find_map(|wanted| {
            let is_version = |version: &str| wanted.get_param("version").is_none_or(|given| given == version);
            match wanted.essence_str() {
                OPEN_METRICS if is_version("1.0.0") => Some(Self::OpenMetrics),
                "text/plain" if is_version("0.0.4") => Some(Self::Text),
                "*/*" | "text/*" => Some(Self::Text),
                _ => None,
            }
        });
        known.unwrap_or(Self::Text)
    }

    fn content_type(self) -> String {
        match self {
            Self::Text => prometheus_text::CONTENT_TYPE.to_owned(),
            Self::OpenMetrics => format!("{OPEN_METRICS}; version=1.0.0; charset=utf-8"),
        }
    }

    fn write(self, registry: &Registry) -> Result<String, fmt::Error> {
        let mut text = String::new();
        match self {
            Self::Text => prometheus_text::encode(&mut text, registry)?,
            Self::OpenMetrics => text::encode(&mut text, registry)?,
        }
        Ok(text)
    }
}

async fn show(request: HttpRequest, registry: web::Data<Registry>) -> HttpResponse {
    let exposition = Exposition::for_client(&request);
    match exposition.write(&registry) {
        Ok(text) => {
            let content_type = (CONTENT_TYPE, exposition.content_type());
            HttpResponse::Ok().insert_header(content_type).insert_header((VARY, "Accept")).body(text)
        }
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}
