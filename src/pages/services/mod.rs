//! *Services*, for administrators: what stands behind a reverse proxy that asks whether a key is good for it, and whom
//! it admits.

pub mod add;
pub mod list;
pub mod proxies;
pub mod proxy;
pub mod remove;
pub mod service;
pub mod settings;
pub mod trial;
pub mod trial_form;

use actix_web::HttpRequest;

use crate::app::App;
use crate::http::address::id_of;
use crate::http::error::AppError;
use crate::models::services::overview::{Dependents, ServiceOverview};
use crate::models::services::service::Service;

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
