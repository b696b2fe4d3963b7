//! The form in which a key is tried on a service.

use std::net::IpAddr;

use serde::Deserialize;

use crate::forward_auth::question::is_method;
use crate::models::services::service::Service;
use crate::pages::form::{Field, error_summary};

/// What is tried.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct TrialForm {
    pub(super) key: String,
    pub(super) tried_method: Field,
    pub(super) tried_path: Field,
    pub(super) tried_address: Field,
}

impl TrialForm {
    /// As it is first shown for `service` to an administrator at `address`.
    pub fn of(service: &Service, address: IpAddr) -> Self {
        let path = service.path_if_any().unwrap_or("/").to_owned();
        Self {
            key: String::new(),
            tried_method: "GET".to_owned().into(),
            tried_path: path.into(),
            tried_address: address.to_string().into(),
        }
    }

    /// The same without the key and without blanks around the rest, and with what is wrong beside each field.
    pub(super) fn checked(self) -> Self {
        let (mut method, mut path, mut address) = (self.tried_method, self.tried_path, self.tried_address);
        address.value = address.value.trim().to_owned();
        if !address.value.is_empty() && address.value.parse::<IpAddr>().is_err() {
            address.errors.push("Address of the client must be an address such as 192.0.2.7".to_owned());
        }
        method.value = method.value.trim().to_ascii_uppercase();
        path.value = path.value.trim().to_owned();
        if !is_method(&method.value) {
            method.errors.push("Method must be a method such as GET or POST".to_owned());
        }
        if !path.value.starts_with('/') {
            path.errors.push("Path must begin with a slash, such as /page".to_owned());
        } else if path.value.contains('?') {
            path.errors.push("Path cannot have a query: leave out the question mark and what follows it".to_owned());
        }
        Self { key: String::new(), tried_method: method, tried_path: path, tried_address: address }
    }

    /// The address that was typed; that of the administrator, `own`, if there is none.
    pub(super) fn address_or(&self, own: IpAddr) -> IpAddr {
        self.tried_address.value.parse().unwrap_or(own)
    }

    pub(super) fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[
            ("tried_method", &self.tried_method),
            ("tried_path", &self.tried_path),
            ("tried_address", &self.tried_address),
        ])
    }
}
