//! One address of the table of routes: the methods that it answers, and what each asks of whoever calls.

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, ResponseError, guard, web};

use super::answer::{ErrorFormat, answer};
use crate::http::asks::{Argument, Asks};
use crate::http::error::AppError;

/// The resource at `path`, which answers no method yet.
pub fn at(path: &str) -> At {
    At { path: path.to_owned(), resource: web::resource(path), answers: Vec::new(), errors: ErrorFormat::AsThePathSays }
}

/// A resource and what it answers.
pub struct At {
    path: String,
    resource: Resource,
    answers: Vec<Answered>,
    errors: ErrorFormat,
}

/// A method that a resource answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Which.
    pub method: Method,
    /// What it asks of whoever calls.
    pub asks: Asks,
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
        Self { errors: ErrorFormat::Problems, ..self }
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
        resource
            .default_service(nothing)
            .wrap(from_fn(|request, next| answer(request, next, ErrorFormat::AsThePathSays)))
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
