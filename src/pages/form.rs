//! The fields of forms as pages show them again: what was typed, and what is wrong with it.

use crate::models::user::{FieldError, UserField};

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
    pub fn new(value: impl Into<String>, field: UserField, errors: &[FieldError]) -> Self {
        let errors = errors.iter().filter(|error| error.field == field).map(FieldError::message).collect();
        Self { value: value.into(), errors }
    }

    /// A password, which is never shown again.
    pub fn password(field: UserField, errors: &[FieldError]) -> Self {
        Self::new("", field, errors)
    }
}

/// Everything that is wrong, with the ids of the fields it is about, for the top of the page.
pub fn error_summary<'a>(fields: &[(&'a str, &Field)]) -> Vec<(&'a str, String)> {
    fields.iter().flat_map(|(id, field)| field.errors.iter().map(|error| (*id, error.clone()))).collect()
}
