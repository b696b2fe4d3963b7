//! What it is to break a rule, and the rules that all names share.

/// A part of something that a rule can be broken in.
pub trait Labelled: Copy + PartialEq {
    /// What people call it.
    fn label(self) -> &'static str;
}

/// A broken rule, such as "Email is invalid".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError<Field> {
    /// Where.
    pub field: Field,
    /// What, as it follows the field's name.
    pub problem: String,
}

impl<Field: Labelled> FieldError<Field> {
    /// A rule broken in `field`.
    pub fn new(field: Field, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }

    /// The sentence that people read.
    pub fn message(&self) -> String {
        format!("{} {}", self.field.label(), self.problem)
    }
}

/// Every rule of a name that `name` breaks.
pub(crate) fn name_errors<Field: Labelled>(field: Field, name: &str, longest: usize) -> Vec<FieldError<Field>> {
    let mut errors = presence_and_length(field, name, longest);
    if name.chars().any(unprintable) {
        errors.push(FieldError::new(field, "is invalid"));
    }
    errors
}

pub(crate) fn presence_and_length<Field: Labelled>(field: Field, text: &str, longest: usize) -> Vec<FieldError<Field>> {
    if text.trim().is_empty() {
        vec![FieldError::new(field, "cannot be blank")]
    } else if text.chars().count() > longest {
        vec![FieldError::new(field, format!("is too long (maximum is {longest} characters)"))]
    } else {
        Vec::new()
    }
}

/// What neither XML nor PostgreSQL can hold, and what turns the writing of everything after it.
pub(crate) fn unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The sentences that people read about several broken rules.
pub fn messages<Field: Labelled>(errors: &[FieldError<Field>]) -> Vec<String> {
    errors.iter().map(FieldError::message).collect()
}
