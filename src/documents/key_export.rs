//! The list of everybody's keys as a file, for programs and for people.

use actix_web::{HttpRequest, HttpResponse, web};

use super::export::ExportFormat;
use super::listed_key::ListedKeyDocument;
use crate::app::App;
use crate::http::error::AppError;
use crate::http::streamed::{self, Batch};
use crate::models::keys::list::KeyList;

/// Keys that are read at a time. Each batch is a short read, and takes a megabyte or so of memory.
pub const BATCH: usize = 1000;

/// Answers `request` with every key of `list`.
///
/// # Errors
/// Those of the database. After the beginning of the file they break it off.
pub async fn respond(
    app: &web::Data<App>,
    request: &HttpRequest,
    list: KeyList,
    format: ExportFormat,
) -> Result<HttpResponse, AppError> {
    let (head, app) = (format.file("latchkey-keys", app.clock.now().date()), app.clone());
    let read = move |after| {
        let (app, list) = (app.clone(), list.clone());
        async move {
            let database = app.database.clone();
            let read = database.read(move |connection| {
                let now = app.clock.now();
                let page = list.page(connection, (after, BATCH), &app.recorder, now)?;
                let document = |listed| ListedKeyDocument::new(listed, &app.recorder, now);
                let rows: Vec<ListedKeyDocument> = page.keys.iter().map(document).collect();
                let part = format.part(after.is_none(), &rows);
                Ok(part.map(|bytes| Batch { bytes, next: page.next }))
            });
            read.await?.map_err(AppError::internal)
        }
    };
    streamed::respond(request, head, read).await
}
