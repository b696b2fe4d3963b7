//! The audit log as a file, for programs and for the page.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::app::App;
use crate::documents::audit::AuditDocument;
use crate::documents::export::ExportFormat;
use crate::http::error::AppError;
use crate::http::streamed::{self, Batch, FileHead};
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
    let name = format!("audit-{}.{}", app.clock.now().date(), format.extension());
    let head = FileHead { content_type: format.content_type(), name };
    let app = app.clone();
    let read = move |from: Option<Place>| {
        let (app, search) = (app.clone(), search.clone());
        async move {
            let place = from.map_or(AuditPlace::Latest, AuditPlace::OlderThan);
            let page = app.database.read(move |connection| search.page(connection, place, BATCH)).await?;
            let mut bytes = if from.is_none() { format.head::<AuditDocument>() } else { Vec::new() };
            let rows: Vec<AuditDocument> = page.entries.into_iter().map(AuditDocument::from).collect();
            format.add(&mut bytes, &rows).map_err(AppError::internal)?;
            Ok(Batch { bytes, next: page.older })
        }
    };
    streamed::respond(request, head, read).await
}
