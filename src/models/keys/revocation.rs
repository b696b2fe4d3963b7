//! Several keys revoked at once, whoever owns them.

use std::collections::BTreeSet;

use diesel::QueryResult;

use super::key::{Key, KeyRefusal};
use crate::db::DbConnection;
use crate::models::ids::{KeyId, UserId};
use crate::models::tx::Tx;

/// The most keys that are revoked in one transaction: others want to write too.
pub const MOST_AT_ONCE: usize = 500;

/// The ids of a few keys, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FewKeys(Vec<i64>);

/// There are too many keys to be revoked at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} keys are too many at once: choose at most {MOST_AT_ONCE}")]
pub struct TooManyKeys(pub usize);

/// What became of the keys that were to be revoked.
pub struct Revoked {
    /// The keys that were revoked, as they were, by their ids.
    pub keys: Vec<Key>,
    /// The ids of those that were gone already, or never there.
    pub gone: Vec<i64>,
}

impl FewKeys {
    /// The keys with these ids.
    ///
    /// # Errors
    /// There are too many.
    pub fn of(ids: impl IntoIterator<Item = i64>) -> Result<Self, TooManyKeys> {
        let ids: BTreeSet<i64> = ids.into_iter().collect();
        if ids.len() > MOST_AT_ONCE { Err(TooManyKeys(ids.len())) } else { Ok(Self(ids.into_iter().collect())) }
    }

    /// The ids, in order.
    pub fn ids(&self) -> &[i64] {
        &self.0
    }

    /// The ids of the owners of those that are there, whose rows must be locked before the keys are revoked.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn owners(&self, connection: &mut DbConnection) -> QueryResult<BTreeSet<i64>> {
        Ok(Key::with_ids(connection, &self.0)?.into_iter().map(|key| key.user_id).collect())
    }

    /// Revokes them, each as [`Key::revoke`] does. A key that is gone already is no error, so this can be repeated.
    ///
    /// # Errors
    /// [`KeyRefusal::Beyond`] if one of them may do more than the author. Then none is revoked.
    pub fn revoke(&self, tx: &mut Tx<'_>) -> Result<Revoked, KeyRefusal> {
        let mut keys = Vec::new();
        for key in Key::with_ids(tx.connection, &self.0)? {
            keys.push(Key::revoke(tx, (UserId(key.user_id), KeyId(key.id)))?);
        }
        let is_gone = |id: &i64| !keys.iter().any(|key: &Key| key.id == *id);
        let gone = self.0.iter().copied().filter(is_gone).collect();
        Ok(Revoked { keys, gone })
    }
}
