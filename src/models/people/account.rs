//! What people change about their own account.

use super::user::{Profile, SaveError, User};
use crate::models::event::{EventAction, NewEvent};
use crate::models::tx::Tx;

impl Profile {
    /// Stores what in it differs from `before`, that of the person as they saw it. The rest is left as it is by now:
    /// somebody else may be changing that. Where an administrator does it as that person, their activity tells.
    ///
    /// # Errors
    /// [`SaveError`], after which nothing is changed.
    pub fn save(&self, tx: &mut Tx<'_>, user_id: i64, before: &Self) -> Result<(), SaveError> {
        let errors = self.errors();
        if !errors.is_empty() {
            return Err(SaveError::Invalid(errors));
        }
        User::lock_row(tx.connection, user_id)?;
        User::update_profile(tx.connection, user_id, before, self, tx.now)?;
        if tx.client.administrator().is_some() && before != self {
            NewEvent::of_person(user_id, EventAction::AccountChanged).record(tx)?;
        }
        Ok(())
    }
}
