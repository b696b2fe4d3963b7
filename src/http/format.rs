//! JSON and XML, as Redmine's API writes them.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload};
use serde::Serialize;

use super::asks::Argument;
use super::error::AppError;

/// The format of an answer: the ending of the address says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.json`
    Json,
    /// `.xml`
    Xml,
}

const XML_DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;

impl Format {
    /// What the end of `path` says; `None`: it is a page.
    pub fn of_path(path: &str) -> Option<Self> {
        match path.rsplit_once('.')?.1 {
            "json" => Some(Self::Json),
            "xml" => Some(Self::Xml),
            _ => None,
        }
    }

    /// The media type, with its charset.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::Xml => "application/xml; charset=utf-8",
        }
    }

    /// `value` as `name`: a member of an object in JSON, the root element in XML.
    ///
    /// # Errors
    /// If it cannot be written in this format.
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

    /// The answer that holds `value` as `name`.
    ///
    /// # Errors
    /// As [`Format::write`].
    pub fn respond<T: Serialize>(self, name: &'static str, value: &T) -> Result<HttpResponse, AppError> {
        Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, self.content_type())).body(self.write(name, value)?))
    }

    /// What is wrong, as clients of Redmine's API read it.
    ///
    /// # Errors
    /// As [`Format::write`].
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
