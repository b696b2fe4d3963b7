//! What a handler asks of whoever calls, as its signature says it.

use actix_session::Session;
use actix_web::{HttpRequest, web};

use crate::models::keys::scope::Scope;

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
