//! Reads what programs send about a person, in JSON or XML.

use std::fmt::Display;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest, web};
use quick_xml::events::Event;
use quick_xml::reader::Reader;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::http::error::AppError;
use crate::http::format::Format;

/// The fields that are read from a `user`. Each is text and may be missing; all other fields are ignored.
pub trait Document: DeserializeOwned + Default {
    /// The names of the fields that are read.
    const FIELDS: &'static [&'static str];
}

/// Reads the body of `request`. `format` is the one of the path, for a body whose Content-Type names none.
///
/// # Errors
/// Returns an error if the body is too large, is incomplete, or cannot be parsed.
pub async fn read<T: Document>(request: &HttpRequest, format: Format, payload: web::Payload) -> Result<T, AppError> {
    // Read the body in the handler, after authentication. If both were extractors, they would run concurrently: a
    // rejected body would cancel the authentication and lose the recorded use.
    let body =
        web::Bytes::from_request(request, &mut payload.into_inner()).await.map_err(|error| body_error(&error))?;
    match body_format(request).unwrap_or(format) {
        Format::Json => from_json(&body),
        Format::Xml => from_xml(&body),
    }
}

/// The response for a body that could not be received.
pub(super) fn body_error(error: &actix_web::Error) -> AppError {
    match error.as_response_error().status_code() {
        StatusCode::PAYLOAD_TOO_LARGE => AppError::TooLarge,
        _ => AppError::BadRequest("The body could not be read.".into()),
    }
}

/// The format that the Content-Type names; `None` for any other, such as the form that curl claims to send by default.
fn body_format(request: &HttpRequest) -> Option<Format> {
    let media_type = request.headers().get(CONTENT_TYPE)?.to_str().ok()?.split(';').next()?.trim();
    match media_type.to_ascii_lowercase().as_str() {
        "application/json" | "text/json" => Some(Format::Json),
        "application/xml" | "text/xml" => Some(Format::Xml),
        _ => None,
    }
}

fn from_json<T: Document>(body: &[u8]) -> Result<T, AppError> {
    let unreadable = |error| AppError::BadRequest(format!("The JSON is invalid: {error}."));
    let document: Value = serde_json::from_slice(body).map_err(unreadable)?;
    let mut texts = serde_json::Map::new();
    for name in T::FIELDS {
        if let Some(value) = document.get("user").and_then(|user| user.get(*name)) {
            texts.insert((*name).to_owned(), Value::String(json_text(name, value)?));
        }
    }
    T::deserialize(Value::Object(texts)).map_err(unreadable)
}

/// Converts a value to text as Rails does: null is empty; numbers and booleans are written out.
fn json_text(name: &str, value: &Value) -> Result<String, AppError> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Array(_) | Value::Object(_) => Err(AppError::BadRequest(format!("{name} must be text."))),
    }
}

fn from_xml<T: Document>(body: &[u8]) -> Result<T, AppError> {
    #[derive(Deserialize)]
    enum Root<T> {
        #[serde(rename = "user")]
        User(T),
        #[serde(other)]
        Other,
    }
    let unreadable = |error: &dyn Display| AppError::BadRequest(format!("The XML could not be read: {error}."));
    let text = std::str::from_utf8(body).map_err(|error| unreadable(&error))?;
    if !is_one_element(text).map_err(|error| unreadable(&error))? {
        return Err(unreadable(&"it is not one element that ends"));
    }
    match quick_xml::de::from_str(text).map_err(|error| unreadable(&error))? {
        Root::User(fields) => Ok(fields),
        Root::Other => Ok(T::default()),
    }
}

/// Whether the text is one root element with nothing but whitespace around it. The deserializer stops once it has the
/// fields, so it would accept a truncated document.
fn is_one_element(text: &str) -> Result<bool, quick_xml::Error> {
    let mut reader = Reader::from_str(text);
    let (mut depth, mut roots) = (0u32, 0u32);
    loop {
        match reader.read_event()? {
            Event::Start(_) => {
                roots += u32::from(depth == 0);
                depth += 1;
            }
            Event::Empty(_) => roots += u32::from(depth == 0),
            Event::End(_) => depth -= 1,
            Event::Text(text) if depth == 0 && !text.trim_ascii().is_empty() => return Ok(false),
            Event::CData(_) | Event::GeneralRef(_) if depth == 0 => return Ok(false),
            Event::Eof => return Ok(depth == 0 && roots == 1),
            _ => {}
        }
    }
}
