//! The stylesheet, the script and the icon, which are embedded in the binary.

use std::sync::LazyLock;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, EntityTag};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::http::entity_tag;
use crate::http::error::AppError;

const FILES: [(&str, &str, &[u8]); 3] = [
    ("latchkey.css", "text/css; charset=utf-8", include_bytes!("../../static/latchkey.css")),
    ("latchkey.js", "text/javascript; charset=utf-8", include_bytes!("../../static/latchkey.js")),
    ("icon.svg", "image/svg+xml", include_bytes!("../../static/icon.svg")),
];

/// The tags of the files, in the same order. The files are a part of the program, so one look at them is enough.
static TAGS: LazyLock<[EntityTag; FILES.len()]> = LazyLock::new(|| FILES.map(|(_, _, body)| entity_tag::of(body)));

/// `GET /static/{name}`. Browsers cache the file, but revalidate it by its ETag, so that an upgrade takes effect at
/// once.
///
/// # Errors
/// Returns 404 if there is no such file.
pub async fn show(request: HttpRequest, name: web::Path<String>) -> Result<HttpResponse, AppError> {
    let found = FILES.iter().zip(TAGS.iter()).find(|((known, _, _), _)| *known == name.as_str());
    let ((_, content_type, body), tag) = found.ok_or(AppError::NotFound)?;
    let known = entity_tag::is_known(&request, tag);
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((CACHE_CONTROL, "no-cache")).insert_header((ETAG, tag.to_string()));
    if known {
        return Ok(response.finish());
    }
    Ok(response.insert_header((CONTENT_TYPE, *content_type)).body(*body))
}
