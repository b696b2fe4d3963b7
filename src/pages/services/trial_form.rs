//! The form in which a key is tried on a service.

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
}

impl TrialForm {
    /// As it is first shown for `service`.
    pub fn of(service: &Service) -> Self {
        let path = service.path_if_any().unwrap_or("/").to_owned();
        Self { key: String::new(), tried_method: "GET".to_owned().into(), tried_path: path.into() }
    }

    /// The same without the key and without blanks around the rest, and with what is wrong beside each field.
    pub(super) fn checked(self) -> Self {
        let (mut method, mut path) = (self.tried_method, self.tried_path);
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
        Self { key: String::new(), tried_method: method, tried_path: path }
    }

    pub(super) fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[("tried_method", &self.tried_method), ("tried_path", &self.tried_path)])
    }
}
