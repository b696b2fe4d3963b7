//! One address of the table of routes: the methods it answers, within a time, and in the client's own format when
//! something goes wrong.

use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{AppService, HttpServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Next, from_fn};
use actix_web::{
    FromRequest, Handler, HttpMessage, HttpRequest, HttpResponse, Resource, Responder, ResponseError, guard, web,
};

use crate::api::format::Format;
use crate::app::App;
use crate::auth::session_user::{SignedInAs, signed_in};
use crate::error::AppError;
use crate::pages::error_page;

/// How long a request may take, its body included.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// The resource at `path`, which answers no method yet.
pub fn at(path: &str) -> At {
    At { resource: web::resource(path), allowed: Vec::new() }
}

/// A resource and what it answers.
pub struct At {
    resource: Resource,
    allowed: Vec<Method>,
}

impl At {
    /// GET, and HEAD without the body.
    pub fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.answering(&[Method::GET, Method::HEAD], handler)
    }

    /// POST
    pub fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.answering(&[Method::POST], handler)
    }

    /// PUT
    pub fn put<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.answering(&[Method::PUT], handler)
    }

    /// DELETE
    pub fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.answering(&[Method::DELETE], handler)
    }

    /// 404, whatever the method.
    pub fn nothing_here(self) -> impl HttpServiceFactory {
        let Self { resource, .. } = self;
        resource.default_service(web::to(async || Err::<HttpResponse, _>(AppError::NotFound))).wrap(from_fn(answer))
    }

    fn answering<F, Args>(mut self, methods: &[Method], handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let methods = methods.to_vec();
        self.allowed.extend(methods.iter().cloned());
        let asked = guard::fn_guard(move |context| methods.contains(&context.head().method));
        self.resource = self.resource.route(web::route().guard(asked).to(handler));
        self
    }
}

impl HttpServiceFactory for At {
    fn register(self, config: &mut AppService) {
        let allowed = self.allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let refuse = move || {
            let mut response = AppError::MethodNotAllowed.error_response();
            if let Ok(allowed) = HeaderValue::from_str(&allowed) {
                response.headers_mut().insert(ALLOW, allowed);
            }
            std::future::ready(response)
        };
        self.resource.default_service(web::to(refuse)).wrap(from_fn(answer)).register(config);
    }
}

/// Ends what takes too long, and gives errors a body.
async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let original = request.request().clone();
    let response = match tokio::time::timeout(TIME_LIMIT, next.call(request)).await {
        Ok(response) => response?.map_into_boxed_body(),
        Err(_) => ServiceResponse::new(original, HttpResponse::from_error(AppError::TimedOut)),
    };
    if !is_bare_error(&response) {
        return Ok(response);
    }
    let (request, response) = response.into_parts();
    if response.status().is_client_error() {
        know_who_is_signed_in(&request).await;
    }
    let response = with_body(&request, response);
    Ok(ServiceResponse::new(request, response))
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

fn with_body(request: &HttpRequest, mut response: HttpResponse) -> HttpResponse {
    let status = response.status();
    let texts = match response.error().and_then(|error| error.as_error::<AppError>()) {
        Some(error) => error.texts(),
        None => vec![text_of(status)],
    };
    let path = request.path();
    let (content_type, body) = match Format::of_path(path) {
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
