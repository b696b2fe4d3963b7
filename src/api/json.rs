//! Requests and responses where JSON is the only format. A request is one object, in which each member must be known
//! and appear only once: a program that misspells `scopes` must not get a key with other permissions.

use std::collections::BTreeMap;
use std::fmt;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder, web};
use serde::de::{Deserialize, MapAccess, Visitor};
use serde::{Deserializer, Serialize};
use serde_json::Value;

use super::parameters::body_error;
use crate::http::error::AppError;
use crate::http::format::Format;
use crate::models::rules::Problem;

/// The body of a request.
pub struct Body {
    bytes: web::Bytes,
}

/// The members of an object that have not been taken yet, and the errors of those that have.
#[derive(Default)]
pub struct Members {
    left: BTreeMap<String, Value>,
    known: Vec<&'static str>,
    errors: Vec<String>,
}

/// Responds with `document` as JSON.
///
/// # Errors
/// Returns an error if the document cannot be serialized.
pub fn respond(mut response: HttpResponseBuilder, document: &impl Serialize) -> Result<HttpResponse, AppError> {
    let body = serde_json::to_string(document).map_err(AppError::internal)?;
    Ok(response.insert_header((CONTENT_TYPE, Format::Json.content_type())).body(body))
}

impl Body {
    /// Reads the body. It must be empty or have the Content-Type of JSON.
    ///
    /// # Errors
    /// Returns 413 if the body is too large, 415 if it is not JSON, and 400 if it is incomplete.
    pub async fn read(request: &HttpRequest, payload: web::Payload) -> Result<Self, AppError> {
        let bytes = web::Bytes::from_request(request, &mut payload.into_inner()).await;
        let bytes = bytes.map_err(|error| body_error(&error))?;
        if !bytes.is_empty() && !is_json(request) {
            return Err(AppError::UnsupportedMediaType("Send JSON, with Content-Type: application/json."));
        }
        Ok(Self { bytes })
    }

    /// The body as it was received.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Parses the body as an object.
    ///
    /// # Errors
    /// Returns 400 if it is not an object, or has a member twice.
    pub fn members(&self) -> Result<Members, AppError> {
        let Object(left) = serde_json::from_slice(&self.bytes)
            .map_err(|error| AppError::BadRequest(format!("The JSON is invalid: {error}.")))?;
        Ok(Members { left, ..Members::default() })
    }

    /// The same, but an empty body is accepted, too: it has no members.
    ///
    /// # Errors
    /// See [`Body::members`].
    pub fn members_if_any(&self) -> Result<Members, AppError> {
        if self.bytes.is_empty() { Ok(Members::default()) } else { self.members() }
    }
}

fn is_json(request: &HttpRequest) -> bool {
    let media_type = request.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok()?.split(';').next());
    media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

impl Members {
    /// Takes a member and converts it with `read`; errors name it `label`. Returns `None` if it is missing or wrong.
    pub fn take<T, P: Into<Problem>>(
        &mut self,
        name: &'static str,
        label: &str,
        read: impl FnOnce(Value) -> Result<T, P>,
    ) -> Option<T> {
        self.known.push(name);
        let value = self.left.remove(name)?;
        read(value).map_err(|problem| self.errors.push(problem.into().about(label))).ok()
    }

    /// Checks that no unknown member is left and that there were no errors.
    ///
    /// # Errors
    /// Returns 422 with the errors, including one about an unknown member.
    pub fn finish(mut self) -> Result<(), AppError> {
        if let Some((name, _)) = self.left.first_key_value() {
            self.errors.push(format!("Unknown field {name:?}: use {}", self.known.join(", ")));
        }
        if self.errors.is_empty() { Ok(()) } else { Err(AppError::Invalid(self.errors)) }
    }
}

/// Converts a value to text.
///
/// # Errors
/// Returns the problem, worded to follow the name of the member.
pub fn text(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err("must be a string".into()),
    }
}

/// Converts a value to a list of texts.
///
/// # Errors
/// Returns the problem, worded to follow the name of the member.
pub fn texts(value: Value) -> Result<Vec<String>, String> {
    let wrong = || "must be an array of strings".to_owned();
    match value {
        Value::Array(items) => items.into_iter().map(|item| text(item).map_err(|_| wrong())).collect(),
        _ => Err(wrong()),
    }
}

/// An object without duplicate members.
struct Object(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.contains_key(&name) {
                        return Err(serde::de::Error::custom(format_args!("{name:?} appears twice")));
                    }
                    members.insert(name, value);
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}
