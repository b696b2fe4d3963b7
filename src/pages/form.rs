//! The fields of forms as pages show them again: what was typed, and what is wrong with it.

use serde::Deserialize;

use crate::app::App;
use crate::callers::confirmation::{Unconfirmed, asks_again};
use crate::clock::parse_date;
use crate::models::keys::token::Token;
use crate::models::people::user::UserField;
use crate::models::rules::{FieldError, Labelled};

/// One field. As it is sent, nothing is known to be wrong with it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "String")]
pub struct Field {
    /// What was typed.
    pub value: String,
    /// What is wrong with it, in whole sentences.
    pub errors: Vec<String>,
}

impl From<String> for Field {
    fn from(value: String) -> Self {
        Self { value, errors: Vec::new() }
    }
}

impl Field {
    /// What was typed into `field`, with those of `errors` that are about it.
    pub fn new<F: Labelled>(value: impl Into<String>, field: F, errors: &[FieldError<F>]) -> Self {
        let errors = errors.iter().filter(|error| error.field == field).map(FieldError::message).collect();
        Self { value: value.into(), errors }
    }

    /// A password, which is never shown again.
    pub fn password(field: UserField, errors: &[FieldError<UserField>]) -> Self {
        Self::new("", field, errors)
    }
}

/// The password, in the form of a step that asks for it again if it was given too long ago.
#[derive(Default)]
pub struct PasswordAgain {
    /// Whether it is asked for.
    pub is_asked: bool,
    /// The field, whose value is never shown.
    pub field: Field,
}

impl PasswordAgain {
    /// As a form is first shown in `session`.
    pub fn of(app: &App, session: &Token) -> Self {
        Self { is_asked: asks_again(app, session), field: Field::default() }
    }

    /// As the form is shown again after it was refused.
    pub fn refused(why: Unconfirmed) -> Self {
        Self { is_asked: true, field: Field { value: String::new(), errors: vec![why.to_string()] } }
    }

    /// `others`, what is wrong with the other fields of the form, and after it what is wrong with the password.
    pub fn error_summary_after(&self, others: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
        others.iter().cloned().chain(error_summary(&[("password", &self.field)])).collect()
    }
}

/// One of several things to choose from.
pub struct Choice {
    /// The id of its input.
    pub id: String,
    /// What is sent when it is chosen.
    pub value: String,
    /// What people read.
    pub label: String,
    /// What else there is to say about it; may be empty.
    pub detail: String,
    /// Whether it is chosen.
    pub is_chosen: bool,
}

impl Choice {
    /// `choices` with the ids of their inputs: the first has `id`, which an error leads to.
    pub fn numbered(id: &str, choices: impl Iterator<Item = Self>) -> Vec<Self> {
        let number = |(at, choice): (usize, Self)| Self {
            id: if at == 0 { id.to_owned() } else { format!("{id}-{}", at + 1) },
            ..choice
        };
        choices.enumerate().map(number).collect()
    }
}

/// One of several things to choose from a list (a `select`).
pub struct SelectOption {
    /// What is sent when it is chosen.
    pub value: &'static str,
    /// What people read.
    pub label: String,
    /// Whether it is chosen.
    pub is_chosen: bool,
}

impl SelectOption {
    /// One of a list of which `chosen` is.
    pub fn new(value: &'static str, label: impl Into<String>, chosen: &str) -> Self {
        Self { value, label: label.into(), is_chosen: chosen == value }
    }
}

/// A field for a day. Programs may have put a time into the address, which no browser shows in such a field.
pub struct DateField {
    /// What was typed, and what is wrong with it.
    pub field: Field,
    /// The type of its input.
    pub kind: &'static str,
}

impl From<Field> for DateField {
    fn from(field: Field) -> Self {
        let is_day = field.value.is_empty() || parse_date(&field.value).is_some();
        Self { field, kind: if is_day { "date" } else { "text" } }
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
