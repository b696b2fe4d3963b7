//! `/admin/audit`: what happened to anybody's keys and account, and to services, for administrators, in JSON and as
//! files.

mod request;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use self::request::{AuditFilter, AuditRequest};
use super::described::{AsProblems, NotLetIn, SwitchUser};
use super::json::respond;
use crate::app::App;
use crate::callers::api_user::{AdminUser, AuditRead};
use crate::documents::audit::AuditDocument;
use crate::documents::audit_export;
use crate::documents::export::ExportFormat;
use crate::http::error::AppError;

/// A page of the audit log.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntries)]
struct AuditList {
    /// The entries that were found, latest first.
    entries: Vec<AuditDocument>,
    /// The `cursor` of the next page, which has older entries; null: there are none.
    #[schema(required)]
    next_cursor: Option<String>,
}

type Refused = AsProblems<NotLetIn>;

/// `GET /admin/audit.json`
///
/// # Errors
/// Parameters that cannot be understood; those of the database.
#[utoipa::path(
    get,
    path = "/admin/audit.json",
    operation_id = "listAuditEntries",
    summary = "List what happened to anybody's keys and account, and to services, latest first (administrators only)",
    params(AuditRequest, SwitchUser),
    responses(
        (status = 200, description = "A page of entries", body = AuditList),
        (status = 422, description = "A parameter cannot be understood."),
        Refused,
    ),
)]
pub async fn list(
    app: web::Data<App>,
    request: HttpRequest,
    _: AdminUser<AuditRead>,
) -> Result<HttpResponse, AppError> {
    let AuditRequest { search, place, limit } = AuditRequest::read(request.query_string())?;
    let list = search.list();
    let page = app.database.read(move |connection| search.page(connection, place, limit)).await?;
    let next_cursor = page.older.map(|older| older.cursor(&list));
    let entries = page.entries.into_iter().map(AuditDocument::from).collect();
    respond(HttpResponse::Ok(), &AuditList { entries, next_cursor })
}

/// `GET /admin/audit.csv`
///
/// # Errors
/// Parameters that cannot be understood; those of the database.
#[utoipa::path(
    get,
    path = "/admin/audit.csv",
    operation_id = "exportAuditEntriesAsCsv",
    summary = "Export everything that the filter finds, latest first (administrators only)",
    params(AuditFilter, SwitchUser),
    responses(
        (status = 200, description = "A line for each entry", body = String, content_type = "text/csv"),
        (status = 422, description = "A parameter cannot be understood."),
        Refused,
    ),
)]
pub async fn csv(app: web::Data<App>, request: HttpRequest, _: AdminUser<AuditRead>) -> Result<HttpResponse, AppError> {
    let AuditFilter(search) = AuditFilter::read(request.query_string())?;
    audit_export::respond(&app, &request, search, ExportFormat::Csv).await
}

/// `GET /admin/audit.ndjson`
///
/// # Errors
/// Parameters that cannot be understood; those of the database.
#[utoipa::path(
    get,
    path = "/admin/audit.ndjson",
    operation_id = "exportAuditEntriesAsNdjson",
    summary = "Export everything that the filter finds, a JSON document a line, latest first (administrators only)",
    params(AuditFilter, SwitchUser),
    responses(
        (status = 200, description = "A document for each entry", body = String, content_type = "application/x-ndjson"),
        (status = 422, description = "A parameter cannot be understood."),
        Refused,
    ),
)]
pub async fn ndjson(
    app: web::Data<App>,
    request: HttpRequest,
    _: AdminUser<AuditRead>,
) -> Result<HttpResponse, AppError> {
    let AuditFilter(search) = AuditFilter::read(request.query_string())?;
    audit_export::respond(&app, &request, search, ExportFormat::Ndjson).await
}
