//! Protection against CSRF (cross-site request forgery): forms count only if a page of ours sent them.

use actix_session::SessionExt;
use actix_web::dev::Payload;
use actix_web::http::header::{HOST, ORIGIN};
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde::de::value::{Error as ValueError, MapDeserializer};
use subtle::ConstantTimeEq;

use super::draft;
use super::refusals;
use super::session_user::known_form_token;
use crate::app::App;
use crate::http::asks::{Argument, Asks};
use crate::http::error::AppError;

/// A form and its sender. Handlers can read a form only through this extractor, so none can forget the CSRF check. The
/// extractor `Who` authenticates before the body is read. If both ran concurrently, a rejected body would cancel the
/// authentication and lose the recorded use.
pub struct Posted<Who, Form> {
    /// The sender.
    pub who: Who,
    /// The fields of the form.
    pub form: Form,
}

/// The sender of a form whose handler does not ask for the password again. A form that gives anybody power (that lets
/// somebody in, makes or changes keys, accounts or services) is read by [`Sensitive`](super::confirmation::Sensitive)
/// instead, which asks.
#[diagnostic::on_unimplemented(
    message = "a form that `{Self}` sends can give power, so its handler has to ask for the password again",
    note = "take `Sensitive<{Self}, Form>`, or `Posted<Harmless, Form>` if the form gives nobody any power"
)]
pub trait NeedsNoPassword: Argument {}

/// A form that has only a button.
#[derive(Deserialize)]
pub struct NoFields {}

/// The fields of a form in the order in which they were sent. A name may occur several times.
pub type Fields = Vec<(String, String)>;

/// What the request headers say about the page that sent a form.
#[derive(Debug, PartialEq, Eq)]
enum SentFrom {
    Us,
    /// The headers do not say: an old browser, or a page on a plain http address.
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
                    "This form was sent from another site. Open the page on this site and send the form again.",
                ));
            }
            let who = match Who::from_request(&request, &mut Payload::None).await {
                Err(AppError::Redirect { first, .. }) => {
                    // Read only now, and kept if it can be read.
                    let _ = read_fields(&app, &request, &mut payload, &sent_from).await;
                    return Err(refusals::keeping_the_form(&app, &request, first));
                }
                who => who?,
            };
            let fields = read_fields(&app, &request, &mut payload, &sent_from).await?;
            draft::sent(&request)?;
            Ok(Self { who, form: read_form(fields)? })
        })
    }
}

/// Reads the fields of a form of ours, and leaves them with the request for [`draft`].
async fn read_fields(
    app: &App,
    request: &HttpRequest,
    payload: &mut Payload,
    sent_from: &SentFrom,
) -> Result<Fields, AppError> {
    let fields = web::Form::<Fields>::from_request(request, payload).await;
    let web::Form(mut fields) = fields.map_err(|error| form_error(&error))?;
    let token = fields.iter().position(|(name, _)| name == "form_token").map(|at| fields.swap_remove(at).1);
    if *sent_from == SentFrom::Unsaid && !is_form_token(request, token.as_deref().unwrap_or_default()) {
        return Err(AppError::Forbidden(out_of_date(request, app)));
    }
    draft::leave(request, &mut fields);
    Ok(fields)
}

impl<Who: NeedsNoPassword, Form> Argument for Posted<Who, Form> {
    const ASKS: Asks = Who::ASKS;
}

/// Deserializes a form from its fields.
///
/// # Errors
/// Returns 400 if a field is missing or occurs more often than it may.
pub(super) fn read_form<Form: DeserializeOwned>(fields: Fields) -> Result<Form, AppError> {
    Form::deserialize(MapDeserializer::<_, ValueError>::new(fields.into_iter()))
        .map_err(|error| AppError::BadRequest(format!("The form is incomplete: {error}.")))
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

/// Why a form is refused whose CSRF token is not that of the browser's session. By http, browsers send no cookie that
/// is meant for https.
fn out_of_date(request: &HttpRequest, app: &App) -> &'static str {
    match app.url.is_https() && known_form_token(&request.get_session()).is_none() {
        true => "Your browser sent no cookie with this form. Open the page at an address that begins with https://.",
        false => "This form is out of date. Open the page again and send it from there.",
    }
}

/// Whether `given` is the CSRF token of this browser's session. The comparison takes constant time.
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
