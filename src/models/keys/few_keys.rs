//! What administrators do about several keys at once, whoever owns them.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::key::{Key, KeyRefusal};
use super::key_request::{KeyChanges, KeyPolicy, network_errors};
use super::networks::NetworkLimit;
use super::suspension::NewSuspension;
use super::token::TokenAction;
use crate::db::DbConnection;
use crate::db::schema::tokens;
use crate::models::ids::{KeyId, UserId};
use crate::models::tx::Tx;

/// The most keys that are changed in one transaction: others want to write too.
pub const MOST_AT_ONCE: usize = 500;

/// The ids of a few keys, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FewKeys(Vec<i64>);

/// There are too many keys to be changed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} keys are too many at once: choose at most {MOST_AT_ONCE}")]
pub struct TooManyKeys(pub usize);

/// What became of a few keys, in the order of their ids.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The keys that were changed, or, if they were revoked, as they were.
    pub done: Vec<Key>,
    /// The keys with which there was nothing to do.
    pub unchanged: Vec<Key>,
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

    /// The ids of the owners of those that are there, whose rows must be locked before the keys are changed.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn owners(&self, connection: &mut DbConnection) -> QueryResult<BTreeSet<i64>> {
        let keys = tokens::table.filter(tokens::id.eq_any(&self.0)).filter(tokens::action.eq_any(TokenAction::KEYS));
        let owners = keys.select(tokens::user_id).distinct().load(connection)?;
        Ok(owners.into_iter().collect())
    }

    /// Revokes them, each as [`Key::revoke`] does.
    ///
    /// # Errors
    /// [`KeyRefusal::Beyond`] if one of them may do more than the author. Then none is revoked.
    pub fn revoke(&self, tx: &mut Tx<'_>) -> Result<Outcome, KeyRefusal> {
        self.each(tx, |tx, key| Key::revoke(tx, (UserId(key.user_id), KeyId(key.id))).map(Some))
    }

    /// Suspends them, each as [`Key::suspend`] does. Those that have expired, or are suspended for longer, stay as they
    /// are: they are refused in any case.
    ///
    /// # Errors
    /// [`KeyRefusal::Beyond`] if one of them may do more than the author. Then none is suspended.
    pub fn suspend(&self, tx: &mut Tx<'_>, new: NewSuspension) -> Result<Outcome, KeyRefusal> {
        self.each(tx, |tx, key| match Key::suspend(tx, (UserId(key.user_id), KeyId(key.id)), new) {
            Err(KeyRefusal::Expired | KeyRefusal::SuspendedForLonger) => Ok(None),
            suspended => suspended.map(Some),
        })
    }

    /// Switches them on again, each as [`Key::resume`] does. Those that have expired, or are not suspended, stay as they
    /// are.
    ///
    /// # Errors
    /// [`KeyRefusal::Beyond`] if one of them may do more, in more places or for longer, than the author. Then none is switched on.
    pub fn resume(&self, tx: &mut Tx<'_>) -> Result<Outcome, KeyRefusal> {
        self.each(tx, |tx, key| match key.suspension(tx.now) {
            Some(_) if !key.is_expired(tx.now) => Key::resume(tx, (UserId(key.user_id), KeyId(key.id))).map(Some),
            _ => Ok(None),
        })
    }

    /// Limits them to networks, or lifts the limit, each as [`Key::change`] does. Those that have expired, or are limited so
    /// already, stay as they are.
    ///
    /// # Errors
    /// [`KeyRefusal::Beyond`] if one of them may do more, in more places or for longer, than the author, and what is wrong
    /// with the networks. Then none is changed.
    pub fn limit(&self, tx: &mut Tx<'_>, limit: &NetworkLimit, policy: &KeyPolicy) -> Result<Outcome, KeyRefusal> {
        // Also where none of the keys is there any more.
        let errors = network_errors(tx, limit.networks.as_ref());
        if !errors.is_empty() {
            return Err(KeyRefusal::Invalid(errors));
        }
        let changes = KeyChanges::of_networks(limit.clone());
        self.each(tx, |tx, key| match limit.differs_from(key.networks.as_ref()) {
            true if !key.is_expired(tx.now) => {
                Key::change(tx, (UserId(key.user_id), KeyId(key.id)), &changes, policy).map(Some)
            }
            _ => Ok(None),
        })
    }

    /// Changes each; `None`: it stays as it is. A key that is gone is no error, so that all of it can be repeated.
    fn each(
        &self,
        tx: &mut Tx<'_>,
        change: impl Fn(&mut Tx<'_>, &Key) -> Result<Option<Key>, KeyRefusal>,
    ) -> Result<Outcome, KeyRefusal> {
        let mut outcome = Outcome::default();
        for key in Key::with_ids(tx.connection, &self.0)? {
            match change(tx, &key) {
                Ok(Some(changed)) => outcome.done.push(changed),
                Ok(None) => outcome.unchanged.push(key),
                // It was revoked meanwhile, or its suspension has just ended so.
                Err(KeyRefusal::Gone) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        let is_there = |id: &i64| outcome.done.iter().chain(&outcome.unchanged).any(|key| key.id == *id);
        outcome.gone = self.0.iter().copied().filter(|id| !is_there(id)).collect();
        Ok(outcome)
    }
}
