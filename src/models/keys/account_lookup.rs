//! What *My account* looks up on every view.

use std::collections::{BTreeMap, BTreeSet};

use diesel::QueryResult;

use super::key::Key;
use super::notice::Notice;
use super::token::TokenAction;
use crate::db::DbConnection;
use crate::db::lookups::Lookup;

/// Asks for the keys of a person, and for the notices that they have not dismissed.
#[derive(Clone, Copy)]
pub struct AccountLookup {
    /// The id of the person.
    pub user_id: i64,
}

impl Lookup for AccountLookup {
    type Answer = (Vec<Key>, Vec<Notice>);

    fn answer(&self, connection: &mut DbConnection) -> QueryResult<Self::Answer> {
        let keys = Key::of_user(connection, self.user_id, &TokenAction::KEYS)?;
        Ok((keys, Notice::unseen(connection, self.user_id)?))
    }

    fn answer_each(connection: &mut DbConnection, all: &[Self]) -> QueryResult<Vec<Self::Answer>> {
        // One person may have opened the page in several tabs.
        let people: BTreeSet<i64> = all.iter().map(|lookup| lookup.user_id).collect();
        let people: Vec<i64> = people.into_iter().collect();
        let mut answers: BTreeMap<i64, Self::Answer> = BTreeMap::new();
        for key in Key::of_users(connection, &people, &TokenAction::KEYS)? {
            answers.entry(key.user_id).or_default().0.push(key);
        }
        for (user_id, notice) in Notice::unseen_by(connection, &people)? {
            answers.entry(user_id).or_default().1.push(notice);
        }
        Ok(all.iter().map(|lookup| answers.get(&lookup.user_id).cloned().unwrap_or_default()).collect())
    }
}
