//! Queries in which a mistake would be taken for an answer: of a list without the filter that somebody misspelled, or had
//! nothing to put behind, a program would take everything for what it looks for.

use std::collections::BTreeMap;

/// A parameter that a strict query does not take.
#[derive(Debug, thiserror::Error)]
pub enum Stray {
    /// Nobody knows it.
    #[error("Unknown parameter {0}")]
    Unknown(String),
    /// Nothing stands behind it.
    #[error("{0} cannot be blank")]
    Blank(String),
    /// It was there before.
    #[error("{0} appears twice")]
    Repeated(String),
}

/// Reads the parameters of `query` by their names, which must be among `known`. The key of the caller may stand there, too.
///
/// # Errors
/// The first parameter that is unknown, blank or repeated.
pub fn read(query: &str, known: &[&str]) -> Result<BTreeMap<String, String>, Stray> {
    let mut said = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "key") {
        let name = name.into_owned();
        if !known.contains(&name.as_str()) {
            return Err(Stray::Unknown(name));
        }
        if value.trim().is_empty() {
            return Err(Stray::Blank(name));
        }
        if said.insert(name.clone(), value.into_owned()).is_some() {
            return Err(Stray::Repeated(name));
        }
    }
    Ok(said)
}
