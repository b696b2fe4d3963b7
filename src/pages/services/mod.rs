//! *Services*, for administrators: what stands behind a reverse proxy that asks whether a key is good for it, and whom
//! it admits.

pub mod add;
pub mod form;
pub mod list;
pub mod remove;
pub mod service;

use actix_web::HttpRequest;

use crate::app::App;
use crate::http::address::id_of;
use crate::http::error::AppError;
use crate::models::services::overview::{Dependents, ServiceOverview};
use crate::models::services::service::{KeptIn, Service};
use crate::models::services::settings::{Admitted, ServiceSettings};

/// The service whom the address names.
async fn service(app: &App, request: &HttpRequest) -> Result<ServiceOverview, AppError> {
    let id = id_of(request)?;
    let pending = app.recorder.service_uses.latest();
    let found = app.database.read(move |connection| match Service::find(connection, id)? {
        Some(service) => ServiceOverview::of(connection, service).map(Some),
        None => Ok(None),
    });
    Ok(found.await?.ok_or(AppError::NotFound)?.with_uses(&pending))
}

/// Where the page of a service is.
fn path_of(id: i64) -> String {
    format!("/admin/services/{id}")
}

/// What stands beside the name of a service; `None`: nothing out of the ordinary.
fn state_label(service: &Service) -> Option<&'static str> {
    match service.kept_in {
        KeptIn::Database => None,
        KeptIn::File => Some("In the file"),
        KeptIn::LeftFile => Some("Closed"),
    }
}

/// Who may read, in words; `told` puts the people into them.
fn who_reads(settings: &ServiceSettings, told: impl Fn(&Admitted) -> String) -> String {
    match (&settings.readers, &settings.writers) {
        _ if settings.anonymous_reads => "anybody, even without a key".to_owned(),
        (_, Admitted::Everyone) => Admitted::EVERYONE.to_owned(),
        (Admitted::People(readers), Admitted::People(writers)) if readers.is_empty() && !writers.is_empty() => {
            "whoever may write".to_owned()
        }
        (readers, _) => told(readers),
    }
}

/// How many keys of how many people have its scopes.
fn keys_in_words(dependents: &Dependents) -> String {
    let people = match dependents.people {
        1 => "1 person".to_owned(),
        several => format!("{several} people"),
    };
    match dependents.keys() {
        0 => "No key".to_owned(),
        1 => format!("1 key of {people}"),
        several => format!("{several} keys of {people}"),
    }
}

/// A setting as it reads where it is not to be changed.
struct Fact {
    label: &'static str,
    value: String,
}

/// All the settings of a service.
fn facts(service: &Service, settings: &ServiceSettings) -> Vec<Fact> {
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let methods = settings.reading_methods.join(" ");
    let limit = settings.requests_per_minute.map_or_else(|| "any number".to_owned(), |limit| limit.to_string());
    [
        ("Title", settings.title.clone()),
        ("Lives at", service.place()),
        ("Reading methods", if methods.is_empty() { "none: every method writes".to_owned() } else { methods }),
        ("May read", who_reads(settings, Admitted::in_full)),
        ("May write", settings.writers.in_full()),
        ("API access keys are good for it", yes(settings.classic_keys)),
        ("A key may stand in the address", yes(settings.key_parameter)),
        ("Requests a minute", limit),
    ]
    .into_iter()
    .map(|(label, value)| Fact { label, value })
    .collect()
}
