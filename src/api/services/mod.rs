//! `/admin/services`: the services that ask whether keys are good for them, for administrators, in JSON only.

pub mod request;

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use self::request::{ServiceChangesRequest, ServiceRequest};
use super::described::{AsProblems, NotLetIn, NotTaken, SwitchUser};
use super::json::{Body, respond};
use crate::app::App;
use crate::callers::api_user::{AdminUser, ServicesRead, ServicesWrite};
use crate::documents::service::ServiceDocument;
use crate::http::address::id_of;
use crate::http::error::AppError;
use crate::models::services::administration::ServiceRefusal;
use crate::models::services::overview::ServiceOverview;
use crate::models::services::service::Service;

/// Every service.
#[derive(Serialize, ToSchema)]
#[schema(as = Services)]
struct ServiceList {
    services: Vec<ServiceDocument>,
}

type Refused = AsProblems<NotLetIn>;

/// `GET /admin/services.json`
///
/// # Errors
/// Those of the database.
#[utoipa::path(
    get,
    path = "/admin/services.json",
    operation_id = "listServices",
    summary = "List all services by name (administrators only)",
    params(SwitchUser),
    responses((status = 200, description = "All services", body = ServiceList), Refused),
)]
pub async fn list(app: web::Data<App>, _: AdminUser<ServicesRead>) -> Result<HttpResponse, AppError> {
    let pending = app.recorder.service_uses.latest();
    let all = app.database.read(ServiceOverview::of_all).await?;
    let services = all.into_iter().map(|service| service.with_uses(&pending).into()).collect();
    respond(HttpResponse::Ok(), &ServiceList { services })
}

/// `POST /admin/services.json`
///
/// # Errors
/// Broken rules; a body that cannot be read; those of the database.
#[utoipa::path(
    post,
    path = "/admin/services.json",
    operation_id = "createService",
    summary = "Add a service (administrators only)",
    params(SwitchUser),
    request_body(content = ServiceRequest),
    responses(
        (status = 201, description = "The service", body = ServiceDocument,
            headers(("Location" = String, description = "The address of the service")),
            links(
                ("show" = (operation_id = "showService", parameters(("id" = "$response.body#/id")))),
                ("update" = (operation_id = "updateService", parameters(("id" = "$response.body#/id")))),
                ("remove" = (operation_id = "removeService", parameters(("id" = "$response.body#/id")))),
            )),
        (status = 415, description = "The body is not JSON."),
        Refused,
        NotTaken,
    ),
)]
pub async fn create(
    app: web::Data<App>,
    request: HttpRequest,
    me: AdminUser<ServicesWrite>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let (name, settings) = ServiceRequest::read(Body::read(&request, payload).await?.members()?)?;
    let pending = app.recorder.service_uses.latest();
    let added = me.mandate.write(move |tx| {
        let service = Service::add(tx, &name, &settings)?;
        Ok::<_, ServiceRefusal>(ServiceOverview::of(tx.connection, service)?)
    });
    let added = added.await??.with_uses(&pending);
    let mut response = HttpResponse::Created();
    response.insert_header((LOCATION, app.url.join(&format!("/admin/services/{}.json", added.service.id))));
    respond(response, &ServiceDocument::from(added))
}

/// `GET /admin/services/ID.json`
///
/// # Errors
/// There is none with this id; those of the database.
#[utoipa::path(
    get,
    path = "/admin/services/{id}.json",
    operation_id = "showService",
    summary = "Get a service (administrators only)",
    params(("id" = i64, Path, minimum = 1), SwitchUser),
    responses(
        (status = 200, description = "The service", body = ServiceDocument),
        (status = 404, description = "No service has this id."),
        Refused,
    ),
)]
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    _: AdminUser<ServicesRead>,
) -> Result<HttpResponse, AppError> {
    let id = id_of(&request)?;
    let pending = app.recorder.service_uses.latest();
    let found = app.database.read(move |connection| match Service::find(connection, id)? {
        Some(service) => ServiceOverview::of(connection, service).map(Some),
        None => Ok(None),
    });
    let found = found.await?.ok_or(AppError::NotFound)?;
    respond(HttpResponse::Ok(), &ServiceDocument::from(found.with_uses(&pending)))
}

/// `PATCH /admin/services/ID.json`: what is not named stays as it is.
///
/// # Errors
/// Broken rules; there is none with this id; it is kept in a file; a body that cannot be read; those of the database.
#[utoipa::path(
    patch,
    path = "/admin/services/{id}.json",
    operation_id = "updateService",
    summary = "Change the given settings of a service (administrators only)",
    params(("id" = i64, Path, minimum = 1), SwitchUser),
    request_body(content = ServiceChangesRequest),
    responses(
        (status = 200, description = "The service as it is now", body = ServiceDocument),
        (status = 404, description = "No service has this id."),
        (status = 415, description = "The body is not JSON."),
        Refused,
        NotTaken,
    ),
)]
pub async fn update(
    app: web::Data<App>,
    request: HttpRequest,
    me: AdminUser<ServicesWrite>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let changes = ServiceChangesRequest::read(Body::read(&request, payload).await?.members()?)?;
    let id = id_of(&request)?;
    let pending = app.recorder.service_uses.latest();
    let changed = me.mandate.write(move |tx| {
        let service = Service::change(tx, id, &changes)?;
        Ok::<_, ServiceRefusal>(ServiceOverview::of(tx.connection, service)?)
    });
    respond(HttpResponse::Ok(), &ServiceDocument::from(changed.await??.with_uses(&pending)))
}

/// `DELETE /admin/services/ID.json`: with its scopes of all keys, for good.
///
/// # Errors
/// There is none with this id; it is kept in a file; those of the database.
#[utoipa::path(
    delete,
    path = "/admin/services/{id}.json",
    operation_id = "removeService",
    summary = "Remove a service and take its scopes from all keys; this cannot be undone (administrators only)",
    params(("id" = i64, Path, minimum = 1), SwitchUser),
    responses(
        (status = 204, description = "The service was removed."),
        (status = 404, description = "No service has this id."),
        (status = 422, description = "The service is defined in the services file, so nothing was changed."),
        Refused,
    ),
)]
pub async fn remove(request: HttpRequest, me: AdminUser<ServicesWrite>) -> Result<HttpResponse, AppError> {
    let id = id_of(&request)?;
    me.mandate.write(move |tx| Service::remove(tx, id)).await??;
    Ok(HttpResponse::NoContent().finish())
}
