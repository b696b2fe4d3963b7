//! `/my/account`

use std::fmt::Display;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use quick_xml::events::Event;
use quick_xml::reader::Reader;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::format::Format;
use crate::app::App;
use crate::auth::api_user::ApiUser;
use crate::clock::iso8601;
use crate::error::AppError;
use crate::models::user::{Profile, User};

#[derive(Serialize)]
struct Account {
    id: i64,
    login: String,
    admin: bool,
    firstname: String,
    lastname: String,
    mail: String,
    created_on: String,
    last_login_on: Option<String>,
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            login: user.login,
            admin: user.admin,
            firstname: user.firstname,
            lastname: user.lastname,
            mail: user.mail,
            created_on: iso8601(user.created_on),
            last_login_on: user.last_login_on.map(iso8601),
        }
    }
}

/// What people may change about themselves; every other field is ignored.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Changes {
    firstname: Option<String>,
    lastname: Option<String>,
    mail: Option<String>,
}

/// `GET /my/account.{json,xml}`
///
/// # Errors
/// If it cannot be written in this format.
pub async fn show(format: Format, me: ApiUser) -> Result<HttpResponse, AppError> {
    format.respond("user", &Account::from(me.user))
}

/// `PUT /my/account.{json,xml}`
///
/// # Errors
/// Broken rules; a body that cannot be read; those of the database.
pub async fn update(
    app: web::Data<App>,
    request: HttpRequest,
    format: Format,
    me: ApiUser,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    // Not an extractor of the handler: those run side by side, and a body that is refused would cut short who asks,
    // and the recording of that use.
    let body =
        web::Bytes::from_request(&request, &mut payload.into_inner()).await.map_err(|error| body_error(&error))?;
    let changes = match body_format(&request).unwrap_or(format) {
        Format::Json => from_json(&body)?,
        Format::Xml => from_xml(&body)?,
    };
    let before = me.user.profile();
    let profile = Profile {
        firstname: changes.firstname.unwrap_or(before.firstname),
        lastname: changes.lastname.unwrap_or(before.lastname),
        mail: changes.mail.unwrap_or(before.mail),
    };
    profile.trimmed().save(&app.database, &me.user, app.clock.now()).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn body_error(error: &actix_web::Error) -> AppError {
    match error.as_response_error().status_code() {
        StatusCode::PAYLOAD_TOO_LARGE => AppError::TooLarge,
        _ => AppError::BadRequest("The body could not be read.".into()),
    }
}

/// What the body says it is; `None`: something else, such as the form that curl claims to send unless told otherwise.
fn body_format(request: &HttpRequest) -> Option<Format> {
    let media_type = request.headers().get(CONTENT_TYPE)?.to_str().ok()?.split(';').next()?.trim();
    match media_type.to_ascii_lowercase().as_str() {
        "application/json" | "text/json" => Some(Format::Json),
        "application/xml" | "text/xml" => Some(Format::Xml),
        _ => None,
    }
}

fn from_json(body: &[u8]) -> Result<Changes, AppError> {
    let unreadable = |error| AppError::BadRequest(format!("The JSON could not be read: {error}."));
    let document: Value = serde_json::from_slice(body).map_err(unreadable)?;
    let field = |name: &str| document.get("user").and_then(|user| user.get(name)).map(json_text).transpose();
    Ok(Changes { firstname: field("firstname")?, lastname: field("lastname")?, mail: field("mail")? })
}

/// Text, as Rails takes it: null is empty, numbers and truth values are written out.
fn json_text(value: &Value) -> Result<String, AppError> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Array(_) | Value::Object(_) => Err(AppError::BadRequest("Names and mail are text.".into())),
    }
}

fn from_xml(body: &[u8]) -> Result<Changes, AppError> {
    #[derive(Deserialize)]
    enum Document {
        #[serde(rename = "user")]
        User(Changes),
        #[serde(other)]
        Other,
    }
    let unreadable = |error: &dyn Display| AppError::BadRequest(format!("The XML could not be read: {error}."));
    let text = std::str::from_utf8(body).map_err(|error| unreadable(&error))?;
    if !is_one_element(text).map_err(|error| unreadable(&error))? {
        return Err(unreadable(&"it is not one element that ends"));
    }
    match quick_xml::de::from_str(text).map_err(|error| unreadable(&error))? {
        Document::User(changes) => Ok(changes),
        Document::Other => Ok(Changes::default()),
    }
}

/// Whether there is one root element, and nothing but white space beside it. What reads the fields stops when it has
/// them, and would take half a document for a whole one.
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
