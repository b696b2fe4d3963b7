//! JSON and XML in the form of Redmine's API.

use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload};
use serde::Serialize;

use super::asks::Argument;
use super::error::AppError;

/// The format of a response, which the extension in the address chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.json`
    Json,
    /// `.xml`
    Xml,
}

const XML_DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;

impl Format {
    /// The format for the extension of `path`, after which a slash may stand; `None` if the address is that of a page.
    pub fn of_path(path: &str) -> Option<Self> {
        match path.trim_end_matches('/').rsplit_once('.')?.1 {
            "json" => Some(Self::Json),
            "xml" => Some(Self::Xml),
            _ => None,
        }
    }

    /// The media type with its charset.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::Xml => "application/xml; charset=utf-8",
        }
    }

    /// Serializes `value` under `name`: a member of an object in JSON, the root element in XML.
    ///
    /// # Errors
    /// Returns an error if the value cannot be serialized in this format.
    pub fn write<T: Serialize>(self, name: &'static str, value: &T) -> Result<String, AppError> {
        match self {
            Self::Json => {
                let value = serde_json::to_string(value).map_err(AppError::internal)?;
                Ok(format!("{{\"{name}\":{value}}}"))
            }
            Self::Xml => {
                let element = quick_xml::se::to_string_with_root(name, value).map_err(AppError::internal)?;
                Ok(format!("{XML_DECLARATION}{element}"))
            }
        }
    }

    /// A 200 response that contains `value` under `name`.
    ///
    /// # Errors
    /// Returns the same errors as [`Format::write`].
    pub fn respond<T: Serialize>(self, name: &'static str, value: &T) -> Result<HttpResponse, AppError> {
        Ok(HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, HeaderValue::from_static(self.content_type())))
            .body(self.write(name, value)?))
    }

    /// Serializes error messages as clients of Redmine's API read them.
    ///
    /// # Errors
    /// Returns the same errors as [`Format::write`].
    pub fn errors(self, messages: &[String]) -> Result<String, AppError> {
        #[derive(Serialize)]
        struct Errors<'a> {
            #[serde(rename = "@type")]
            kind: &'static str,
            error: &'a [String],
        }
        match self {
            Self::Json => self.write("errors", &messages),
            Self::Xml => self.write("errors", &Errors { kind: "array", error: messages }),
        }
    }
}

impl FromRequest for Format {
    type Error = AppError;
    type Future = std::future::Ready<Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Self::of_path(request.path()).ok_or(AppError::NotFound))
    }
}

impl Argument for Format {}
