//! Why nothing was done about a person.

use super::user::{SaveError, UserField};
use crate::db::{DbError, write_error};
use crate::models::rules::{FieldError, messages};

/// Why a person was not changed or deleted.
#[derive(Debug, thiserror::Error)]
pub enum PersonRefusal {
    /// There is nobody with this id.
    #[error("No account has this id")]
    Gone,
    /// A key whose scopes limit it cannot set passwords, nor add, change, lock or delete administrators: it could make
    /// more of itself than its scopes allow.
    #[error("This needs full access")]
    FullAccessNeeded,
    /// Administrators cannot lock or delete themselves.
    #[error("You cannot lock or delete your own account: ask another administrator")]
    OwnAccount,
    /// There would be no active administrator left.
    #[error("This is the only active administrator: make somebody else an administrator first")]
    LastAdministrator,
    /// Nobody signs in to a service account, so it has no password.
    #[error("A service account cannot sign in, so it can have no password")]
    NoPassword,
    /// Only service accounts have owners.
    #[error("This is no service account: only service accounts have owners")]
    NoServiceAccount,
    /// What stands in the file is changed there.
    #[error(
        "The service account {0} is defined in the file that LATCHKEY_SERVICES names: change it there and restart Latchkey"
    )]
    InFile(String),
    /// It is locked until it is back.
    #[error(
        "The service account {0} is no longer in the file that LATCHKEY_SERVICES names: put it back there, or delete it"
    )]
    LeftFile(String),
    /// Somebody else has changed the person since the form was opened.
    #[error("Somebody else has changed this account since you opened the form")]
    ChangedMeanwhile,
    /// The login that was given to confirm is another one.
    #[error("confirm is not the login of this person")]
    OtherLogin,
    /// The change breaks rules.
    #[error("{}", messages(.0).join("; "))]
    Invalid(Vec<FieldError<UserField>>),
    /// The database failed.
    #[error(transparent)]
    Database(DbError),
}

write_error!(PersonRefusal);

impl From<SaveError> for PersonRefusal {
    fn from(error: SaveError) -> Self {
        match error {
            SaveError::Invalid(errors) => Self::Invalid(errors),
            SaveError::Database(error) => Self::Database(error),
        }
    }
}

impl From<DbError> for PersonRefusal {
    /// A login or mail address that is already taken is a validation error.
    fn from(error: DbError) -> Self {
        SaveError::from(error).into()
    }
}
