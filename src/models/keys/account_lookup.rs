//! What *My account* looks up on every view.

use std::collections::{BTreeMap, BTreeSet};

use diesel::QueryResult;

use super::key::Key;
use super::notice::Notice;
use super::token::TokenAction;
use crate::db::DbConnection;
use crate::db::lookups::Lookup;
use crate::models::people::new_address::NewAddress;

/// Asks for what [`AccountSeen`] has of a person.
#[derive(Clone, Copy)]
pub struct AccountLookup {
    /// The id of the person.
    pub user_id: i64,
}

/// What the page shows besides the person.
#[derive(Clone, Default)]
pub struct AccountSeen {
    /// The keys.
    pub keys: Vec<Key>,
    /// The notices that the person has not dismissed.
    pub unseen: Vec<Notice>,
    /// The mail address that they have asked for and not confirmed.
    pub new_address: Option<NewAddress>,
}

impl Lookup for AccountLookup {
    type Answer = AccountSeen;

    fn answer(&self, connection: &mut DbConnection) -> QueryResult<Self::Answer> {
        let keys = Key::of_user(connection, self.user_id, &TokenAction::KEYS)?;
        let unseen = Notice::unseen(connection, self.user_id)?;
        Ok(AccountSeen { keys, unseen, new_address: NewAddress::of(connection, self.user_id)? })
    }

    fn answer_each(connection: &mut DbConnection, all: &[Self]) -> QueryResult<Vec<Self::Answer>> {
        // One person may have opened the page in several tabs.
        let people: BTreeSet<i64> = all.iter().map(|lookup| lookup.user_id).collect();
        let people: Vec<i64> = people.into_iter().collect();
        let mut answers: BTreeMap<i64, Self::Answer> = BTreeMap::new();
        for key in Key::of_users(connection, &people, &TokenAction::KEYS)? {
            answers.entry(key.user_id).or_default().keys.push(key);
        }
        for (user_id, notice) in Notice::unseen_by(connection, &people)? {
            answers.entry(user_id).or_default().unseen.push(notice);
        }
        for new in NewAddress::of_each(connection, &people)? {
            let answer = answers.entry(new.user_id).or_default();
            answer.new_address = Some(new);
        }
        Ok(all.iter().map(|lookup| answers.get(&lookup.user_id).cloned().unwrap_or_default()).collect())
    }
}
