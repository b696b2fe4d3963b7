//! An address in the table of routes: the methods it supports, and what each requires of the caller.

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, ResponseError, guard, web};

use super::answer::{ErrorFormat, answer};
use super::{final_slash, long_address};
use crate::http::asks::{Argument, Asks};
use crate::http::error::AppError;

/// The resource at `path`, which supports no method yet. A slash at the end of the address changes nothing.
pub fn at(path: &str) -> At {
    At { final_slash: FinalSlash::Ignored, ..exactly_at(path) }
}

/// The same, but only at `path` as it is.
pub fn exactly_at(path: &str) -> At {
    At {
        path: path.to_owned(),
        literal: None,
        final_slash: FinalSlash::Refused,
        resource: web::resource(path),
        answers: Vec::new(),
        errors: ErrorFormat::AsThePathSays,
    }
}

/// The resource at every address that begins with `path`. Only what follows `path` may have percent escapes.
pub fn below(path: &'static str) -> At {
    At { literal: Some(path), ..at(&format!("{path}{{rest:.*}}")) }
}

/// A resource and the methods it supports.
pub struct At {
    path: String,
    /// The beginning of the path that has to be sent as it stands here; `None`: the whole path.
    literal: Option<&'static str>,
    final_slash: FinalSlash,
    resource: Resource,
    answers: Vec<Answered>,
    errors: ErrorFormat,
}

/// What a slash at the end of an address changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FinalSlash {
    /// Nothing.
    Ignored,
    /// Nothing is there.
    Refused,
}

/// A method that a resource supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The method.
    pub method: Method,
    /// What the method requires of the caller.
    pub asks: Asks,
}

impl At {
    /// Adds GET, and HEAD, which has no body.
    pub fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Argument + 'static,
        F::Output: Responder + 'static,
    {
        self.answering(&[Method::GET, Method::HEAD], handler)
    }

    /// Adds POST.
    pub fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Argument + 'static,
        F::Output: Responder + 'static,
    {
        self.answering(&[Method::POST], handler)
    }

    /// Adds PUT.
    pub fn put<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Argument + 'static,
        F::Output: Responder + 'static,
    {
        self.answering(&[Method::PUT], handler)
    }

    /// Adds PATCH.
    pub fn patch<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Argument + 'static,
        F::Output: Responder + 'static,
    {
        self.answering(&[Method::PATCH], handler)
    }

    /// Adds DELETE.
    pub fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Argument + 'static,
        F::Output: Responder + 'static,
    {
        self.answering(&[Method::DELETE], handler)
    }

    /// Adds every method, for an endpoint that is asked about another request and gets that request's method.
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

    /// Sends errors as problem documents (RFC 9457).
    pub fn with_problems(self) -> Self {
        Self { errors: ErrorFormat::Problems, ..self }
    }

    /// The path as a pattern of actix-web.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What every path begins with that is matched; `None`: the pattern says it.
    pub fn literal(&self) -> Option<&'static str> {
        self.literal
    }

    /// Whether the address has an ending, such as `.json`.
    pub fn has_ending(&self) -> bool {
        has_ending(&self.path)
    }

    /// The methods it supports.
    pub fn answers(&self) -> &[Answered] {
        &self.answers
    }

    /// Responds with 404 to every method, or with 414 if the address was too long.
    pub fn nothing_here(self) -> impl HttpServiceFactory {
        let Self { resource, .. } = self;
        let nothing =
            web::to(async |request: HttpRequest| Err::<HttpResponse, _>(long_address::nothing_at(request.path())));
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
        let (literal, final_slash, errors) = (self.literal, self.final_slash, self.errors);
        let as_sent = guard::fn_guard(move |context| {
            let sent = context.head().uri.path();
            is_literal(sent, literal) && (final_slash == FinalSlash::Ignored || final_slash::without(sent).is_none())
        });
        let answer = from_fn(move |request, next| answer(request, next, errors));
        self.resource.guard(as_sent).default_service(web::to(refuse)).wrap(answer).register(config);
    }
}

/// Whether `path` has an ending, such as `.json`. A slash after it changes nothing.
pub(super) fn has_ending(path: &str) -> bool {
    let path = final_slash::without(path).unwrap_or(path);
    path.rsplit('/').next().is_some_and(|last| last.contains('.'))
}

/// Whether the table's pattern matches `sent` as it is. actix-web decodes a path before it matches it, so `/%61uth` would
/// be `/auth` here, but not in the rules of a proxy. No address of the table needs an escape.
fn is_literal(sent: &str, literal: Option<&str>) -> bool {
    match (sent.split_once('%'), literal) {
        (None, _) => true,
        (Some((before, _)), Some(literal)) => before.contains(literal),
        (Some(_), None) => false,
    }
}
