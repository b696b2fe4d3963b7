//! The ending that programs forget: `/users/7` is a page, `/users/7.json` the API.

use std::sync::OnceLock;

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ResourceDef, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, ContentType, HeaderMap};
use actix_web::middleware::Next;

use super::routes::api;

/// Answers a program that wants JSON or XML of a page with 406 if the API has that address with an ending: otherwise it
/// would follow a redirect to the page for signing in, and read that.
pub(super) async fn ask_for_ending(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let wants_data =
        accepts_only_data(request.headers()) || (*request.method() != Method::GET && sends_data(request.headers()));
    if wants_data && has_ending(request.match_info().unprocessed()) {
        let told = HttpResponse::NotAcceptable()
            .content_type(ContentType::plaintext())
            .body("This is the address of a page. For the API, add .json or .xml to it.\n");
        return Ok(request.into_response(told));
    }
    next.call(request).await.map(ServiceResponse::map_into_boxed_body)
}

/// Whether a response in JSON or XML is accepted, but no page.
fn accepts_only_data(headers: &HeaderMap) -> bool {
    let accepted: Vec<_> = headers.get_all(ACCEPT).filter_map(|value| value.to_str().ok()).collect();
    let accepted = accepted.join(",").to_ascii_lowercase();
    let names = |parts: &[&str]| parts.iter().any(|part| accepted.contains(part));
    names(&["json", "xml"]) && !names(&["html", "*/*", "text/*"])
}

/// Whether the body is JSON or XML, which no form is.
fn sends_data(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.to_ascii_lowercase();
    media_type.contains("json") || media_type.contains("xml")
}

/// Whether the API has `path` with the ending that is missing.
fn has_ending(path: &str) -> bool {
    if path.ends_with(".json") || path.ends_with(".xml") {
        return false;
    }
    static ADDRESSES: OnceLock<Vec<ResourceDef>> = OnceLock::new();
    let addresses = ADDRESSES.get_or_init(|| api().iter().map(|at| ResourceDef::new(at.path())).collect());
    let with_ending = format!("{}.json", path.trim_end_matches('/'));
    addresses.iter().any(|address| address.is_match(&with_ending))
}
