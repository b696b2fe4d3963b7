//! Validation errors, and the rules that all names share.

/// The fields of something that is validated.
pub trait Labelled: Copy + PartialEq {
    /// The name of the field, as people read it.
    fn label(self) -> &'static str;
}

/// A broken rule, such as "Email is invalid".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError<Field> {
    /// The field that is wrong.
    pub field: Field,
    /// The problem, worded to follow the name of the field.
    pub problem: String,
}

impl<Field: Labelled> FieldError<Field> {
    /// A validation error of `field`.
    pub fn new(field: Field, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }

    /// The whole sentence, as people read it.
    pub fn message(&self) -> String {
        format!("{} {}", self.field.label(), self.problem)
    }
}

/// Every rule of names that `name` breaks.
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

/// Whether `c` is a character that XML or PostgreSQL cannot store, or that changes the direction of the text after it
/// (Unicode's bidirectional controls).
pub(crate) fn unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The sentences for several validation errors.
pub fn messages<Field: Labelled>(errors: &[FieldError<Field>]) -> Vec<String> {
    errors.iter().map(FieldError::message).collect()
}
