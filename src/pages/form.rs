//! The fields of forms as pages show them again: what was typed, and what is wrong with it.

use serde::Deserialize;

use crate::models::user::{FieldError, Labelled, UserField};

/// One field.
#[derive(Default)]
pub struct Field {
    /// What was typed.
    pub value: String,
    /// What is wrong with it, in whole sentences.
    pub errors: Vec<String>,
}

impl Field {
    /// What was typed into `field`, with those of `errors` that are about it.
    pub fn new<F: Labelled>(value: impl Into<String>, field: F, errors: &[FieldError<F>]) -> Self {
        let errors = errors.iter().filter(|error| error.field == field).map(FieldError::message).collect();
        Self { value: value.into(), errors }
    }

    /// A password, which is never shown again.
    pub fn password(field: UserField, errors: &[FieldError]) -> Self {
        Self::new("", field, errors)
    }
}

/// A box to tick: its value is sent when it is, and nothing when it is not.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Checkbox(String);

impl Checkbox {
    /// One that is ticked before anybody has touched it.
    pub fn ticked() -> Self {
        Self("1".to_owned())
    }

    /// Whether it is.
    pub fn is_ticked(&self) -> bool {
        !self.0.is_empty()
    }
}

/// Everything that is wrong, with the ids of the fields it is about, for the top of the page.
pub fn error_summary<'a>(fields: &[(&'a str, &Field)]) -> Vec<(&'a str, String)> {
    fields.iter().flat_map(|(id, field)| field.errors.iter().map(|error| (*id, error.clone()))).collect()
}
