//! One address of the table of routes: the methods it answers, within a time, and in the client's own format when
//! something goes wrong.

use std::time::Duration;

use actix_session::Session;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{AppService, HttpServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Next, from_fn};
use actix_web::{
    FromRequest, Handler, HttpMessage, HttpRequest, HttpResponse, Resource, Responder, ResponseError, guard, web,
};

use crate::api::format::Format;
use crate::api::problem;
use crate::app::App;
use crate::auth::deleted::refusal_of_deleted;
use crate::auth::session_user::{SignedInAs, signed_in};
use crate::auth::verify::Authenticated;
use crate::clock::iso8601;
use crate::db::DbError;
use crate::error::AppError;
use crate::models::scope::Scope;
use crate::models::token::Token;
use crate::pages::error_page;

/// When the key that was used expires, or the secret of it that was.
const TOKEN_EXPIRES: HeaderName = HeaderName::from_static("x-latchkey-token-expires");
/// How long a request may take, its body included.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// The resource at `path`, which answers no method yet.
pub fn at(path: &str) -> At {
    At { path: path.to_owned(), resource: web::resource(path), answers: Vec::new(), errors: Errors::AsThePathSays }
}

/// A resource and what it answers.
pub struct At {
    path: String,
    resource: Resource,
    answers: Vec<Answered>,
    errors: Errors,
}

/// A method that a resource answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Which.
    pub method: Method,
    /// What it asks of whoever calls.
    pub asks: Asks,
}

/// What a handler asks of whoever calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Nothing: anybody may.
    Nothing,
    /// To be signed in, in a browser.
    Session,
    /// An Atom access key.
    FeedsKey,
    /// A key of any scopes.
    AnyKey,
    /// To be a proxy that is believed.
    TrustedProxy,
    /// A key, or login and password, with this scope.
    Scope(Scope),
}

impl Asks {
    const fn or(self, other: Self) -> Self {
        match self {
            Self::Nothing => other,
            _ => self,
        }
    }
}

/// An argument of a handler. What it asks of whoever calls is known to the compiler, so that the table of routes can
/// tell, and no handler can be in it without saying so.
pub trait Argument {
    /// What it asks.
    const ASKS: Asks = Asks::Nothing;
}

impl Argument for HttpRequest {}
impl Argument for Session {}
impl Argument for web::Payload {}
impl<T> Argument for web::Data<T> {}
impl<T> Argument for web::Path<T> {}

macro_rules! arguments {
    ($($name:ident)*) => {
        impl<$($name: Argument),*> Argument for ($($name,)*) {
            const ASKS: Asks = Asks::Nothing$(.or($name::ASKS))*;
        }
    };
}
arguments! {}
arguments! { A }
arguments! { A B }
arguments! { A B C }
arguments! { A B C D }
arguments! { A B C D E }
arguments! { A B C D E F }

/// How a resource tells what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Errors {
    /// As Redmine's API does it where the path ends in a format, and as a page elsewhere.
    AsThePathSays,
    /// As problem documents.
    Problems,
}

impl At {
    /// GET, and HEAD without the body.
    pub fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Argument + 'static,
        F::Output: Responder + 'static,
    {
        self.answering(&[Method::GET, Method::HEAD], handler)
    }

    /// POST
    pub fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Argument + 'static,
        F::Output: Responder + 'static,
    {
        self.answering(&[Method::POST], handler)
    }

    /// PUT
    pub fn put<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Argument + 'static,
        F::Output: Responder + 'static,
    {
        self.answering(&[Method::PUT], handler)
    }

    /// PATCH
    pub fn patch<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Argument + 'static,
        F::Output: Responder + 'static,
    {
        self.answering(&[Method::PATCH], handler)
    }

    /// DELETE
    pub fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Argument + 'static,
        F::Output: Responder + 'static,
    {
        self.answering(&[Method::DELETE], handler)
    }

    /// Any method: it is not its own, but that of another request.
    pub fn any<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Argument + 'static,
        F::Output: Responder + 'static,
    {
        let usual =
            [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
        self.answers.extend(usual.into_iter().map(|method| Answered { method, asks: Args::ASKS }));
        self.resource = self.resource.route(web::route().to(handler));
        self
    }

    /// Tells what is wrong as problem documents (RFC 9457).
    pub fn with_problems(self) -> Self {
        Self { errors: Errors::Problems, ..self }
    }

    /// The pattern of its path, as actix matches it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What it answers.
    pub fn answers(&self) -> &[Answered] {
        &self.answers
    }

    /// 404, whatever the method.
    pub fn nothing_here(self) -> impl HttpServiceFactory {
        let Self { resource, .. } = self;
        let nothing = web::to(async || Err::<HttpResponse, _>(AppError::NotFound));
        resource.default_service(nothing).wrap(from_fn(|request, next| answer(request, next, Errors::AsThePathSays)))
    }

    fn answering<F, Args>(mut self, methods: &[Method], handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Argument + 'static,
        F::Output: Responder + 'static,
    {
        let methods = methods.to_vec();
        let asks = Args::ASKS;
        self.answers.extend(methods.iter().map(|method| Answered { method: method.clone(), asks }));
        let asked = guard::fn_guard(move |context| methods.contains(&context.head().method));
        self.resource = self.resource.route(web::route().guard(asked).to(handler));
        self
    }
}

impl HttpServiceFactory for At {
    fn register(self, config: &mut AppService) {
        let allowed = self.answers.iter().map(|answered| answered.method.as_str()).collect::<Vec<_>>().join(", ");
        let refuse = move || {
            let mut response = AppError::MethodNotAllowed.error_response();
            if let Ok(allowed) = HeaderValue::from_str(&allowed) {
                response.headers_mut().insert(ALLOW, allowed);
            }
            std::future::ready(response)
        };
        let errors = self.errors;
        let answer = from_fn(move |request, next| answer(request, next, errors));
        self.resource.default_service(web::to(refuse)).wrap(answer).register(config);
    }
}

/// The id that the address names.
///
/// # Errors
/// 404 where it is none that anything can have.
pub fn id_of(request: &HttpRequest) -> Result<i64, AppError> {
    request.match_info().get("id").and_then(|id| id.parse().ok()).ok_or(AppError::NotFound)
}

/// Ends what takes too long, says until when the key is valid that was used, and gives errors a body.
async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    errors: Errors,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let original = request.request().clone();
    let mut response = match tokio::time::timeout(TIME_LIMIT, next.call(request)).await {
        Ok(response) => response?.map_into_boxed_body(),
        Err(_) => ServiceResponse::new(original, HttpResponse::from_error(AppError::TimedOut)),
    };
    tell_expiry(&mut response);
    if missing_row(&response).is_some() {
        // Apart, as it is rare: what every request waits for stays small.
        response = Box::pin(refuse_deleted(response)).await;
    }
    if !is_bare_error(&response) {
        return Ok(response);
    }
    let (request, response) = response.into_parts();
    if response.status().is_client_error() {
        know_who_is_signed_in(&request).await;
    }
    let response = with_body(&request, response, errors);
    Ok(ServiceResponse::new(request, response))
}

/// The error, if it is that a row was not there.
fn missing_row(response: &ServiceResponse<BoxBody>) -> Option<&DbError> {
    match response.response().error()?.as_error()? {
        AppError::Database(error) if error.misses_a_row() => Some(error),
        _ => None,
    }
}

/// Tells who was deleted after they were let in what anybody is told whose key or session is gone. Their row is missing
/// then, wherever the work relied on it.
async fn refuse_deleted(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let request = response.request().clone();
    let refusal = match App::of(&request) {
        Ok(app) => refusal_of_deleted(&app, &request).await,
        Err(error) => Err(error),
    };
    match refusal {
        Ok(Some(refusal)) => ServiceResponse::new(request, HttpResponse::from_error(refusal)),
        // Whatever goes wrong here, the error that there is already is the one to show.
        Ok(None) | Err(_) => {
            tracing::error!(error = missing_row(&response).map(ToString::to_string), "internal error");
            response
        }
    }
}

/// Says when the key that was used expires, if it does.
fn tell_expiry(response: &mut ServiceResponse<BoxBody>) {
    let expires_on = match response.request().extensions().get::<Authenticated>() {
        Some(Authenticated { credential, .. }) => credential.token().and_then(Token::ends_on),
        None => None,
    };
    if let Some(value) = expires_on.and_then(|expires_on| HeaderValue::try_from(iso8601(expires_on)).ok()) {
        response.headers_mut().insert(TOKEN_EXPIRES, value);
    }
}

/// Asks who is signed in if nobody has, so that the frame of the error page can say so: a form that is refused, or an
/// address where nothing is, is answered before. Where there is no session, this asks nothing.
async fn know_who_is_signed_in(request: &HttpRequest) {
    let known = request.extensions().contains::<SignedInAs>();
    if let (false, Ok(app)) = (known, App::of(request)) {
        // Whatever goes wrong here, the error that there is already is the one to show.
        let _ = signed_in(&app, request).await;
    }
}

/// Whether nobody has written yet what is wrong.
fn is_bare_error(response: &ServiceResponse) -> bool {
    let failed = response.status().is_client_error() || response.status().is_server_error();
    let empty = matches!(response.response().body().size(), BodySize::None | BodySize::Sized(0));
    failed && (empty || response.response().error().is_some())
}

fn with_body(request: &HttpRequest, mut response: HttpResponse, errors: Errors) -> HttpResponse {
    let status = response.status();
    let texts = match response.error().and_then(|error| error.as_error::<AppError>()) {
        Some(error) => error.texts(),
        None => vec![text_of(status)],
    };
    let path = request.path();
    let (content_type, body) = match Format::of_path(path) {
        _ if errors == Errors::Problems => (problem::CONTENT_TYPE, problem::document(status, &texts)),
        Some(format) => (format.content_type(), format.errors(&texts)),
        None if path.ends_with(".atom") => ("text/plain; charset=utf-8", Ok(texts.join("\n"))),
        None => ("text/html; charset=utf-8", error_page::render(request, status, texts.join(" "))),
    };
    let body = body.unwrap_or_else(|error| {
        tracing::error!(%error, "an error could not be shown");
        texts.join("\n")
    });
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.set_body(BoxBody::new(body))
}

/// Of the errors that actix makes itself.
fn text_of(status: StatusCode) -> String {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => AppError::TooLarge.to_string(),
        StatusCode::NOT_FOUND => AppError::NotFound.to_string(),
        StatusCode::METHOD_NOT_ALLOWED => AppError::MethodNotAllowed.to_string(),
        _ => "The request could not be read.".to_owned(),
    }
}
