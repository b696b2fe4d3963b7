//! What people change about their own account.

use super::user::{Profile, SaveError, User};
use crate::clock::Timestamp;
use crate::db::Database;
use crate::models::event::{Client, Event, EventAction};

impl Profile {
    /// Stores what in it differs from `user`, whose it is. The rest is left as it is by now: somebody else may be
    /// changing that. Where an administrator does it as that person, their activity tells.
    ///
    /// # Errors
    /// [`SaveError`], after which nothing is changed.
    pub async fn save(self, database: &Database, user: &User, client: Client, now: Timestamp) -> Result<(), SaveError> {
        let errors = self.errors();
        if !errors.is_empty() {
            return Err(SaveError::Invalid(errors));
        }
        let (id, before) = (user.id, user.profile());
        let saved = database.write(move |connection| {
            User::lock_row(connection, id)?;
            User::update_profile(connection, id, &before, &self, now)?;
            if client.administrator().is_some() && before != self {
                Event::record(connection, id, EventAction::AccountChanged, None, &client, now)?;
            }
            Ok(())
        });
        saved.await.map_err(SaveError::from)
    }
}
