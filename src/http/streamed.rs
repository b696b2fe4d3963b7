//! Answers that are longer than memory: they are read and sent a batch at a time. The next batch is read only when the
//! client has taken the one before, so a slow client holds a place in the list, and no connection to the database.

use std::future::Future;
use std::rc::Rc;

use actix_web::http::Method;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;

use super::error::AppError;
use crate::panics::catch_async;

/// A part of an answer.
pub struct Batch<Place> {
    /// What is sent.
    pub bytes: Vec<u8>,
    /// Where the next batch begins; `None`: this one is the last.
    pub next: Option<Place>,
}

/// What is said of a file before it comes.
pub struct FileHead {
    /// The media type.
    pub content_type: &'static str,
    /// The name under which a browser saves it. It has no characters that would need an escape.
    pub name: String,
}

/// Answers `request` with a file, which `read` gives batch by batch: from the beginning for `None`, otherwise from a place
/// that it has named.
///
/// # Errors
/// Those of the first batch, which is read before the answer begins. An error in a later batch breaks the answer off, so
/// that the client knows that the file is not complete, and is logged.
pub async fn respond<Place, Read, Reading>(
    request: &HttpRequest,
    head: FileHead,
    read: Read,
) -> Result<HttpResponse, AppError>
where
    Place: 'static,
    Read: Fn(Option<Place>) -> Reading + 'static,
    Reading: Future<Output = Result<Batch<Place>, AppError>> + 'static,
{
    let first = read(None).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, head.content_type));
    response.insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", head.name)));
    // The body of an answer to HEAD would be read to its end, and sent to nobody.
    if request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    let read = Rc::new(read);
    let parts = stream::unfold(Some(Step::Send(first)), move |step| {
        let read = read.clone();
        async move {
            let batch = match step? {
                Step::Send(batch) => Ok(batch),
                Step::Read(place) => settled(async { read(Some(place)).await }).await,
            };
            match batch {
                Ok(Batch { bytes, next }) => Some((Ok(Bytes::from(bytes)), next.map(Step::Read))),
                Err(error) => {
                    tracing::warn!(cause = ?error.cause(), "an export broke off");
                    Some((Err(error), None))
                }
            }
        }
    });
    Ok(response.streaming(parts))
}

/// What comes next in an answer.
enum Step<Place> {
    /// This batch is sent.
    Send(Batch<Place>),
    /// The batch that begins there is read, and sent.
    Read(Place),
}

/// What a batch comes to. A panic is an error of it: where the body of an answer is sent, nobody else catches one.
async fn settled<Place>(
    reading: impl Future<Output = Result<Batch<Place>, AppError>>,
) -> Result<Batch<Place>, AppError> {
    catch_async(reading).await.unwrap_or_else(|panic| Err(AppError::Panicked(panic)))
}
