//! Where a key may be used from: what the pages about one's own keys (`own`) and about other people's (`others`) share.

pub mod field;
pub mod others;
pub mod own;
pub mod shown;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use self::field::NetworksField;
use super::form::{PasswordAgain, error_summary};
use super::shell::{Shell, page};
use super::tokens::shown::ShownToken;
use crate::http::error::AppError;
use crate::models::keys::key::KeyRefusal;
use crate::models::rules::messages;

/// The page with the form for the networks of a key.
#[derive(Template)]
#[template(path = "key_networks.html")]
struct NetworksPage {
    shell: Shell,
    /// The key. Its path is the one below which the form is sent.
    key: ShownToken,
    /// The path of its page, and what that is called.
    back: (String, String),
    /// The name of the owner; `None`: it is the person's own.
    owner: Option<String>,
    networks: NetworksField,
    again: PasswordAgain,
}

impl NetworksPage {
    /// The same page, saying why nothing was saved.
    fn refused(mut self, refusal: KeyRefusal) -> Result<Self, AppError> {
        match refusal {
            KeyRefusal::Invalid(errors) => self.networks.field.errors = messages(&errors),
            KeyRefusal::ShutsOut(address) => self.networks = self.networks.asking(address),
            refusal => return Err(refusal.into()),
        }
        Ok(self)
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        let Self { networks, again, .. } = self;
        error_summary(&[
            ("networks", &networks.field),
            ("confirm_networks", &networks.question),
            ("password", &again.field),
        ])
    }

    fn shown(&self, status: StatusCode) -> Result<HttpResponse, AppError> {
        page(status, self)
    }
}
