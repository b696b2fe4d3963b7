//! The audit log as a file, for programs and for the page.

use actix_web::{HttpRequest, HttpResponse, web};

use super::audit::AuditDocument;
use super::export::ExportFormat;
use crate::app::App;
use crate::http::error::AppError;
use crate::http::streamed::{self, Batch};
use crate::models::audit_search::{AuditPlace, AuditSearch};
use crate::models::cursor::Place;

/// Entries that are read at a time: some hundred kilobytes.
const BATCH: usize = 1000;

/// Answers with every entry that `search` finds, latest first.
///
/// # Errors
/// Returns an error if the first query fails.
pub async fn respond(
    app: &web::Data<App>,
    request: &HttpRequest,
    search: AuditSearch,
    format: ExportFormat,
) -> Result<HttpResponse, AppError> {
    let (head, app) = (format.file("audit", app.clock.now().date()), app.clone());
    let read = move |from: Option<Place>| {
        let (app, search) = (app.clone(), search.clone());
        async move {
            let place = from.map_or(AuditPlace::Latest, AuditPlace::OlderThan);
            let read = app.database.read(move |connection| {
                let page = search.page(connection, place, BATCH)?;
                let rows: Vec<AuditDocument> = page.entries.into_iter().map(AuditDocument::from).collect();
                let part = format.part(from.is_none(), &rows);
                Ok(part.map(|bytes| Batch { bytes, next: page.older }))
            });
            read.await?.map_err(AppError::internal)
        }
    };
    streamed::respond(request, head, read).await
}
