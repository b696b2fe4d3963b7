//! Changes that people make to their own account.

use super::new_address::NewAddress;
use super::user::{Profile, SaveError, User};
use crate::models::event::{EventAction, NewEvent};
use crate::models::mails::outbox::Outbox;
use crate::models::tx::Tx;

impl Profile {
    /// Stores the fields that differ from `before`, the profile that the person was shown. Other fields keep their
    /// current values, as somebody else may be changing them. Where mail is sent, a new mail address is only asked for: it
    /// counts once the person has opened the link that is sent there. If an administrator acts as the person, the change
    /// is recorded in the person's activity.
    ///
    /// # Errors
    /// [`SaveError`]; nothing is changed then.
    pub fn save(&self, tx: &mut Tx<'_>, user_id: i64, before: &Self) -> Result<(), SaveError> {
        let user = User::lock_row(tx.connection, user_id)?;
        let errors = self.errors_of(tx.connection, Some(user_id), &user.login)?;
        if !errors.is_empty() {
            return Err(SaveError::Invalid(errors));
        }
        match Outbox::open(tx.connection)?.filter(|_| self.mail != before.mail) {
            Some(outbox) => {
                let at_once = Self { mail: before.mail.clone(), ..self.clone() };
                User::update_profile(tx.connection, user_id, before, &at_once, tx.now)?;
                NewAddress::ask(tx, outbox, &user, &self.mail)?;
            }
            None => User::update_profile(tx.connection, user_id, before, self, tx.now)?,
        }
        if tx.client.administrator().is_some() && before != self {
            NewEvent::of_person(user_id, EventAction::AccountChanged).record(tx)?;
        }
        Ok(())
    }
}
