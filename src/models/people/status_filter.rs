//! Which statuses a filter of people asks for, in Redmine's numbers and operators: `1|3`, `!3`, `*`.

use super::user::UserStatus;

/// Why a filter by status cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatusFilterError {
    /// It names no status.
    #[error("status cannot be blank")]
    Blank,
    /// It is about everybody but those of a status that there is not.
    #[error("status is invalid: there are 1, 2 and 3")]
    Unknown,
    /// It has an operator that does not go with a status.
    #[error("status does not take the operator {0:?}")]
    Operator(String),
}

/// The statuses that `operator` and `values` ask for; none if nobody can have what they ask for.
///
/// # Errors
/// [`StatusFilterError`]
pub fn statuses(operator: &str, values: &[&str]) -> Result<Vec<UserStatus>, StatusFilterError> {
    let filled = values.iter().map(|value| value.trim()).filter(|value| !value.is_empty()).collect::<Vec<_>>();
    let known = || match filled.is_empty() {
        true => Err(StatusFilterError::Blank),
        false => Ok(filled.iter().filter_map(|value| UserStatus::numbered(value)).collect::<Vec<_>>()),
    };
    match operator {
        "*" => Ok(UserStatus::ALL.to_vec()),
        "!*" => Ok(Vec::new()),
        // Nobody has a status that there is not.
        "=" => known(),
        "!" => {
            let others = known()?;
            // Everybody would not have it.
            let all_known = others.len() == values.len();
            let rest = || UserStatus::ALL.into_iter().filter(|status| !others.contains(status)).collect();
            all_known.then(rest).ok_or(StatusFilterError::Unknown)
        }
        other => Err(StatusFilterError::Operator(other.to_owned())),
    }
}

/// The same for a filter that is one text, such as `1|3` or `!3`. An empty one asks for everybody.
///
/// # Errors
/// [`StatusFilterError`]
pub fn statuses_of_text(text: &str) -> Result<Vec<UserStatus>, StatusFilterError> {
    let text = text.trim();
    let operator = ["!*", "*", "!", "="].into_iter().find(|operator| text.starts_with(operator));
    let values = &text[operator.map_or(0, str::len)..];
    match (text, operator) {
        ("", _) => Ok(UserStatus::ALL.to_vec()),
        _ => statuses(operator.unwrap_or("="), &values.split('|').collect::<Vec<_>>()),
    }
}
