//! Forms that were sent from a page of ours, and from nowhere else.

use actix_session::SessionExt;
use actix_web::dev::Payload;
use actix_web::http::header::{HOST, ORIGIN};
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde::de::value::{Error as ValueError, MapDeserializer};
use subtle::ConstantTimeEq;

use super::session_user::known_form_token;
use crate::app::App;
use crate::http::asks::{Argument, Asks};
use crate::http::error::AppError;

/// A form, and who sent it. There is no other way for a handler to read one, so none can forget to ask where it is
/// from. `Who` is an extractor, asked before the body is looked at: side by side, a body that is refused would cut
/// short who asks, and the recording of that use.
pub struct Posted<Who, Form> {
    /// Who sent it.
    pub who: Who,
    /// Its fields.
    pub form: Form,
}

/// A form that is nothing but its button.
#[derive(Deserialize)]
pub struct NoFields {}

/// The fields of a form as they came, several of the same name included.
pub type Fields = Vec<(String, String)>;

/// What the headers say about the page that a form was sent from.
#[derive(Debug, PartialEq, Eq)]
enum SentFrom {
    Us,
    /// Old browsers, and pages under a plain http name, say too little.
    Unsaid,
    Elsewhere,
}

impl<Who, Form> FromRequest for Posted<Who, Form>
where
    Who: FromRequest<Error = AppError> + 'static,
    Form: DeserializeOwned + 'static,
{
    type Error = AppError;
    type Future = LocalBoxFuture<'static, Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let app = App::of(&request)?;
            let sent_from = sent_from(&request, &app);
            if sent_from == SentFrom::Elsewhere {
                return Err(AppError::Forbidden(
                    "This form was sent from another site. Open the page here and send it again.",
                ));
            }
            let who = Who::from_request(&request, &mut Payload::None).await?;
            let fields = web::Form::<Fields>::from_request(&request, &mut payload).await;
            let web::Form(mut fields) = fields.map_err(|error| form_error(&error))?;
            let token = fields.iter().position(|(name, _)| name == "form_token").map(|at| fields.swap_remove(at).1);
            if sent_from == SentFrom::Unsaid && !is_form_token(&request, token.as_deref().unwrap_or_default()) {
                return Err(AppError::Forbidden(
                    "This form is out of date. Open the page again and send it from there.",
                ));
            }
            Ok(Self { who, form: read_form(fields)? })
        })
    }
}

impl<Who: Argument, Form> Argument for Posted<Who, Form> {
    const ASKS: Asks = Who::ASKS;
}

/// The form that `fields` are those of.
///
/// # Errors
/// 400 if one is missing, or comes more often than it may.
pub(super) fn read_form<Form: DeserializeOwned>(fields: Fields) -> Result<Form, AppError> {
    Form::deserialize(MapDeserializer::<_, ValueError>::new(fields.into_iter()))
        .map_err(|error| AppError::BadRequest(format!("The form is not complete: {error}.")))
}

fn sent_from(request: &HttpRequest, app: &App) -> SentFrom {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = header("Sec-Fetch-Site");
    let origin = header(ORIGIN.as_str());
    let host = header(HOST.as_str()).unwrap_or_default();
    let is_ours = |origin: &str| {
        let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
        origin.eq_ignore_ascii_case(app.url.origin()) || (!host.is_empty() && authority.eq_ignore_ascii_case(host))
    };
    match (site, origin) {
        (Some("same-origin"), _) => SentFrom::Us,
        (_, Some(origin)) if is_ours(origin) => SentFrom::Us,
        (None, None | Some("null")) => SentFrom::Unsaid,
        _ => SentFrom::Elsewhere,
    }
}

fn is_form_token(request: &HttpRequest, given: &str) -> bool {
    let known = known_form_token(&request.get_session());
    known.is_some_and(|known| bool::from(known.as_bytes().ct_eq(given.as_bytes())))
}

fn form_error(error: &actix_web::Error) -> AppError {
    match error.as_response_error().status_code().as_u16() {
        413 => AppError::TooLarge,
        _ => AppError::BadRequest("The form could not be read.".into()),
    }
}
