//! Validation errors, and the rules that all names and notes share.

use std::ops::RangeInclusive;
use std::str::FromStr;

use super::visible::invisible;

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
    /// The problem.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Words that follow the name of the field, such as "is invalid".
    OfField(String),
    /// A sentence of its own, where one that begins with the name of the field would be hard to read.
    Sentence(String),
}

impl Problem {
    /// A sentence of its own, without a full stop.
    pub fn sentence(text: impl Into<String>) -> Self {
        Self::Sentence(text.into())
    }

    /// The whole sentence, as people read it about the field named `label`.
    pub fn about(&self, label: &str) -> String {
        match self {
            Self::OfField(words) => format!("{label} {words}"),
            Self::Sentence(text) => text.clone(),
        }
    }
}

impl<Text: Into<String>> From<Text> for Problem {
    fn from(words: Text) -> Self {
        Self::OfField(words.into())
    }
}

impl<Field: Labelled> FieldError<Field> {
    /// A validation error of `field`.
    pub fn new(field: Field, problem: impl Into<Problem>) -> Self {
        Self { field, problem: problem.into() }
    }

    /// The whole sentence, as people read it.
    pub fn message(&self) -> String {
        self.problem.about(self.field.label())
    }
}

/// Every rule of names that `name` breaks: it has 1 to `longest` characters, and all of them can be seen.
pub(crate) fn name_errors<Field: Labelled>(field: Field, name: &str, longest: usize) -> Vec<FieldError<Field>> {
    let mut errors = presence_and_length(field, name, longest);
    errors.extend(invisible_error(field, name));
    errors
}

/// Every rule of notes that `note` breaks: it may be empty and have several lines, and is else like a name.
pub(crate) fn note_errors<Field: Labelled>(field: Field, note: &str, longest: usize) -> Vec<FieldError<Field>> {
    let mut errors: Vec<_> = length_error(field, note, longest).into_iter().collect();
    errors.extend(invisible_error(field, &note.replace(['\r', '\n', '\t'], " ")));
    errors
}

fn invisible_error<Field: Labelled>(field: Field, text: &str) -> Option<FieldError<Field>> {
    let c = invisible(text).next()?;
    Some(FieldError::new(field, format!("contains an invisible character (U+{:04X})", u32::from(c))))
}

pub(crate) fn presence_and_length<Field: Labelled>(field: Field, text: &str, longest: usize) -> Vec<FieldError<Field>> {
    if text.trim().is_empty() {
        return vec![FieldError::new(field, "cannot be blank")];
    }
    length_error(field, text, longest).into_iter().collect()
}

fn length_error<Field: Labelled>(field: Field, text: &str, longest: usize) -> Option<FieldError<Field>> {
    let too_long = text.chars().count() > longest;
    too_long.then(|| FieldError::new(field, format!("is too long (maximum is {longest} characters)")))
}

/// The sentences for several validation errors.
pub fn messages<Field: Labelled>(errors: &[FieldError<Field>]) -> Vec<String> {
    errors.iter().map(FieldError::message).collect()
}

/// The number in `range` that `text` is, written with digits alone.
pub fn number_within<N: FromStr + PartialOrd>(text: &str, range: RangeInclusive<N>) -> Option<N> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    Some(text).filter(|_| is_number)?.parse().ok().filter(|number| range.contains(number))
}
