//! What programs tell Redmine's API: the parameters of the address and of the body, whatever its format. Reading them
//! takes the operation, whose refusals are in the [`table`], so no handler can pass over what it should refuse.

mod body;
mod parameter;
pub mod table;

use std::collections::{BTreeMap, BTreeSet};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::{FromRequest, HttpRequest, web};
use serde::de::DeserializeOwned;

use self::parameter::{Parameter, Value};
use self::table::Operation;
use crate::http::error::AppError;
use crate::http::format::Format;
use crate::models::services::settings::words;

/// The most parameters that a request may have. Redmine has not a hundred.
const MOST: usize = 1000;

/// The parameters of a request. Names are those of forms: what JSON writes as `{"user":{"mail":"…"}}` is `user[mail]`.
pub struct Parameters(Vec<Parameter>);

/// The fields of a `user` that an operation reads. Each is text and may be missing.
pub trait Document: DeserializeOwned {
    /// The names of the fields.
    const FIELDS: &'static [&'static str];
}

impl Parameters {
    /// Reads the parameters of `request`. `format` is the one of the path, for a body whose Content-Type names none.
    /// As in Redmine, what the body has replaces what the address has under the same name.
    ///
    /// # Errors
    /// Returns an error if something cannot be read, or `operation` refuses a parameter.
    pub async fn read(
        request: &HttpRequest,
        format: Format,
        payload: web::Payload,
        operation: Operation,
    ) -> Result<Self, AppError> {
        // Read the body in the handler, after authentication. If both were extractors, they would run concurrently: a
        // rejected body would cancel the authentication and lose the recorded use.
        let in_body = match payload.into_inner() {
            Payload::None => Vec::new(),
            mut payload => {
                let body = web::Bytes::from_request(request, &mut payload).await.map_err(|error| body_error(&error))?;
                body::of_body(request.headers(), format, &body)?
            }
        };
        let mut all = body::of_query(request.query_string())?;
        let replaced: BTreeSet<&str> = in_body.iter().map(|it| it.name.root.as_str()).collect();
        all.retain(|it| !replaced.contains(it.name.root.as_str()));
        all.extend(in_body);
        if all.len() > MOST {
            return Err(AppError::BadRequest(format!("There are more than {MOST} parameters.")));
        }
        let parameters = Self(all);
        match parameters.refused(operation) {
            refused if refused.is_empty() => Ok(parameters),
            refused => Err(AppError::Invalid(refused)),
        }
    }

    /// The text of the parameter `name`, which has no brackets. If there are several, the last one counts, as in Rack.
    ///
    /// # Errors
    /// Returns 400 if it is not a text but holds others.
    pub fn text(&self, name: &str) -> Result<Option<String>, AppError> {
        let given = self.0.iter().filter(|it| it.name.root == name);
        text_of(name, given.map(|it| (it.name.field.is_none(), &it.value)))
    }

    /// The texts of the parameter `name`: those of the list `name[]`, or else the last of its own.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let of = |field: Option<&str>| -> Vec<String> {
            let given = self.0.iter().filter(|it| it.name.root == name && it.name.field.as_deref() == field);
            given.map(|it| it.value.text()).collect()
        };
        match of(Some("")) {
            list if list.is_empty() => of(None).pop().into_iter().collect(),
            list => list,
        }
    }

    /// The texts of `name[field]`, which may be a list: `name[field][]`.
    pub fn texts_in(&self, name: &str, field: &str) -> Vec<String> {
        let given = self.0.iter().filter(|it| it.name.root == name && it.name.field.as_deref() == Some(field));
        given.map(|it| it.value.text()).collect()
    }

    /// Whether Ruby takes the parameter `name` for true: it is given, and is neither null nor JSON's false.
    pub fn is_given(&self, name: &str) -> bool {
        let says = |value: &Value| !matches!(value, Value::Nothing | Value::Bool(false));
        self.0.iter().any(|it| it.name.root == name && says(&it.value))
    }

    /// The fields of the `user`.
    ///
    /// # Errors
    /// Returns 400 if a field is not a text but holds others.
    pub fn user<T: Document>(&self) -> Result<T, AppError> {
        let mut texts = serde_json::Map::new();
        for name in T::FIELDS {
            let given = self.0.iter().filter(|it| it.name.root == "user" && it.name.field.as_deref() == Some(name));
            if let Some(text) = text_of(name, given.map(|it| (!it.name.is_nested, &it.value)))? {
                texts.insert((*name).to_owned(), text.into());
            }
        }
        T::deserialize(serde_json::Value::Object(texts)).map_err(AppError::internal)
    }

    /// The words of the field `name` of the `user`, which may be a text or a list; `None`: it is not given.
    pub fn user_words(&self, name: &str) -> Option<Vec<String>> {
        let given = self.0.iter().filter(|it| it.name.root == "user" && it.name.field.as_deref() == Some(name));
        let texts: Vec<String> = given.map(|it| it.value.text()).collect();
        (!texts.is_empty()).then(|| words(&texts.join(" ")))
    }

    /// Why `operation` refuses parameters that are given here, a sentence for each.
    fn refused(&self, operation: Operation) -> Vec<String> {
        let refused = self.0.iter().filter_map(|it| {
            let name = it.name.in_table();
            let reason = table::effect(operation, &name)?.refusal(&it.value)?;
            Some((name, reason))
        });
        // Each name once, however long its list is.
        let refused: BTreeMap<String, &str> = refused.collect();
        refused.into_iter().map(|(name, reason)| format!("{name} is refused: {reason}")).collect()
    }
}

/// The text of the last value of `name`, if there is any. Each comes with whether it is a text, not a part of more.
fn text_of<'a>(name: &str, values: impl Iterator<Item = (bool, &'a Value)>) -> Result<Option<String>, AppError> {
    match values.last() {
        Some((false, _)) => Err(AppError::BadRequest(format!("{name} must be text."))),
        last => Ok(last.map(|(_, value)| value.text())),
    }
}

/// The response for a body that could not be received.
pub(super) fn body_error(error: &actix_web::Error) -> AppError {
    match error.as_response_error().status_code() {
        StatusCode::PAYLOAD_TOO_LARGE => AppError::TooLarge,
        _ => AppError::BadRequest("The body could not be read.".into()),
    }
}

/// Whether the client wants a list without its numbers, by the parameter `nometa` or the header of Redmine's.
pub fn is_without_numbers(parameters: &Parameters, headers: &HeaderMap) -> bool {
    let asked = parameters.texts("nometa").iter().any(|text| !text.trim().is_empty());
    asked || headers.contains_key("X-Redmine-Nometa")
}
