//! The rules of new passwords.

use crate::auth::credentials::Password;
use crate::models::people::user::UserField;
use crate::models::rules::FieldError;

/// The fewest characters of a new password.
pub const SHORTEST: usize = 8;
const LONGEST: usize = 1024;

/// Every rule that a new password breaks: 8 characters at least.
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

/// The same of one that was typed twice.
pub fn confirmed_password_errors(password: &Password, confirmation: &str) -> Vec<FieldError<UserField>> {
    let mut errors = new_password_errors(password);
    if password.expose() != confirmation {
        errors.push(FieldError::new(UserField::PasswordConfirmation, "does not match the new password"));
    }
    errors
}
