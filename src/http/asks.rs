//! The credentials that a handler requires of its caller, as its signature declares them.

use actix_session::Session;
use actix_web::{HttpRequest, web};

use crate::models::keys::scope::Scope;

/// The credentials that a handler requires of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// None: the endpoint is public.
    Nothing,
    /// A session in a browser.
    Session,
    /// A session in a browser in which the password was given recently.
    RecentPassword,
    /// An Atom access key.
    FeedsKey,
    /// A key, whatever its scopes.
    AnyKey,
    /// A connection from a trusted reverse proxy.
    TrustedProxy,
    /// A key with this scope, or a login and password.
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

/// An argument of a handler (an extractor). It declares at compile time what it requires of the caller, so that the
/// table of routes can list it, and a handler that does not declare it does not compile.
pub trait Argument {
    /// What the argument requires.
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
