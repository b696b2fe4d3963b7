//! The rules for new passwords.

use crate::auth::credentials::Password;
use crate::models::people::user::UserField;
use crate::models::rules::FieldError;

/// The minimum length of a new password, in characters.
pub const SHORTEST: usize = 8;
const LONGEST: usize = 1024;

/// Returns the rule about length that a new password breaks, if any: it needs 8 to 1024 characters.
pub fn new_password_errors(password: &Password) -> Vec<FieldError<UserField>> {
    let length = password.expose().chars().count();
    let too = |problem: String| vec![FieldError::new(UserField::Password, problem)];
    if length < SHORTEST {
        too(format!("is too short (minimum is {SHORTEST} characters)"))
    } else if length > LONGEST {
        too(format!("is too long (maximum is {LONGEST} characters)"))
    } else {
        Vec::new()
    }
}

/// Returns every rule that a new password breaks, including that both entries must match.
pub fn confirmed_password_errors(password: &Password, confirmation: &str) -> Vec<FieldError<UserField>> {
    let mut errors = new_password_errors(password);
    if password.expose() != confirmation {
        errors.push(FieldError::new(UserField::PasswordConfirmation, "does not match the new password"));
    }
    errors
}
