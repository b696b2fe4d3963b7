//! The field for the networks of a key, and the question that follows it.

use std::net::IpAddr;

use actix_web::HttpRequest;
use serde::Deserialize;

use crate::app::App;
use crate::models::keys::key::Key;
use crate::models::keys::key_request::KeyField;
use crate::models::keys::networks::{NetworkLimit, Networks};
use crate::models::rules::{FieldError, Problem};
use crate::pages::form::{Checkbox, Field};

/// The field for networks, and the question that follows it if they do not have the address of whoever typed them.
pub struct NetworksField {
    /// What was typed, and what is wrong with it.
    pub field: Field,
    /// The address of whoever looks at the form.
    pub address: IpAddr,
    /// What is asked; its value is not shown.
    pub question: Field,
    /// Whether the question was answered with yes.
    pub is_confirmed: bool,
}

/// The networks and the answer to the question, as they were sent.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct NetworksForm {
    /// The networks.
    pub networks: String,
    /// Whether the author knows that the key will not work from where they are.
    pub confirm_networks: Checkbox,
}

impl NetworksForm {
    /// A form with the current networks of `key`.
    pub fn of(key: &Key) -> Self {
        let networks = key.networks.as_ref().map(|networks| networks.to_string().replace(' ', "\n"));
        Self { networks: networks.unwrap_or_default(), confirm_networks: Checkbox::default() }
    }

    /// The limit that the form asks for.
    ///
    /// # Errors
    /// What is wrong with the networks.
    pub fn limit(&self) -> Result<NetworkLimit, FieldError<KeyField>> {
        let wrong = |problem: String| FieldError::new(KeyField::Networks, Problem::Sentence(problem));
        let networks = Networks::typed(&self.networks).map_err(|problem| wrong(problem.to_string()))?;
        Ok(NetworkLimit { networks, is_confirmed: self.confirm_networks.is_ticked() })
    }
}

impl NetworksField {
    /// The field with what is in `form`, for whoever sent `request`.
    pub fn new(app: &App, request: &HttpRequest, form: NetworksForm, errors: &[FieldError<KeyField>]) -> Self {
        Self {
            is_confirmed: form.confirm_networks.is_ticked(),
            field: Field::new(form.networks, KeyField::Networks, errors),
            address: app.addresses.of(request),
            question: Field::default(),
        }
    }

    /// The same field, asking whether the key shall really not work from `address`.
    pub fn asking(mut self, address: IpAddr) -> Self {
        let question =
            format!("The key will not work from {address}, where you are now. Tick the box to save it anyway");
        self.question.errors = vec![question];
        self
    }

    /// Whether the question is shown.
    pub fn is_asked(&self) -> bool {
        self.is_confirmed || !self.question.errors.is_empty()
    }
}
