//! What is told behind the request: sign-ins that were refused, counted, the time of the last by Basic, and keys that
//! were refused though they were right; of suspended keys, each request is counted by who sent it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use diesel::QueryResult;
use diesel::result::{DatabaseErrorKind::ForeignKeyViolation, Error::DatabaseError};

use super::write::write;
use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::models::client::Client;
use crate::models::event::{EventAction, Refusals, RefusedKey};
use crate::models::keys::refused_use::{RefusedClient, RefusedUses};
use crate::models::people::user::User;

/// Rows that are counted in memory at the same time, at most.
const MOST_REFUSALS: usize = 10_000;
/// Clients with suspended keys that are told apart in memory, at most: each costs the next write a few statements.
const MOST_CLIENTS: usize = 1_000;

/// What is not yet written about sign-ins.
#[derive(Default)]
pub struct SignIns(Mutex<Unwritten>);

#[derive(Default)]
struct Unwritten {
    refusals: HashMap<(i64, String, Timestamp), Refusals>,
    logins: HashMap<i64, Timestamp>,
    /// The first since they were last written, by key and, if that is why, address: bounded by the number of keys.
    key_refusals: HashMap<(i64, EventAction), BTreeMap<String, RefusedKey>>,
    refused_uses: HashMap<RefusedClient, RefusedUses>,
}

impl SignIns {
    /// Counts a sign-in as `user_id` that was refused.
    pub fn refused(&self, user_id: i64, client: Client, at: Timestamp) {
        let refusals = Refusals { user_id, client, times: 1, first_on: at, last_on: at };
        self.unwritten().count(refusals);
    }

    /// Notes that `user` came in by Basic with a password: at most once a minute.
    pub fn signed_in(&self, user: &User, at: Timestamp) {
        if user.last_login_on.is_none_or(|last| last + TimeDelta::minutes(1) <= at) {
            self.unwritten().logins.insert(user.id, at);
        }
    }

    /// Notes that a key was right, and refused all the same.
    pub fn key_refused(&self, refusal: RefusedKey) {
        self.unwritten().note_key_refusal(refusal);
    }

    /// Counts a request with a suspended key.
    pub fn suspended_key_refused(&self, client: RefusedClient, at: Timestamp) {
        self.unwritten().count_refused_use(client, RefusedUses::one(at));
    }

    /// Writes everything. What cannot be written stays.
    pub(crate) fn write(&self, connection: &mut DbConnection) -> QueryResult<()> {
        let unwritten = std::mem::take(&mut *self.unwritten());
        let mut taken = Taken { from: self, unwritten };
        let written = taken.write_sign_ins(connection);
        let refused_uses = taken.write_refused_uses(connection);
        written.and(taken.write_key_refusals(connection)).and(refused_uses)
    }

    fn unwritten(&self) -> MutexGuard<'_, Unwritten> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was taken out to be written. What is left of it goes back, also if writing it panics.
struct Taken<'a> {
    from: &'a SignIns,
    unwritten: Unwritten,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.from.unwritten().merge(std::mem::take(&mut self.unwritten));
    }
}

/// Tells of a refused key in a transaction of its own: so that of several processes one tells it, and none waits for
/// another while it holds more than one person's row, which could end in a deadlock.
fn tell_refused(connection: &mut DbConnection, refused: &RefusedKey) -> QueryResult<()> {
    match refused.untold(connection)? {
        None => Ok(()),
        Some(_) => write(connection, refused.at, |tx| refused.record(tx)),
    }
}

impl Taken<'_> {
    fn write_key_refusals(&mut self, connection: &mut DbConnection) -> QueryResult<()> {
        let refusals = &mut self.unwritten.key_refusals;
        for key in refusals.keys().copied().collect::<Vec<_>>() {
            // Those that are told already are told no second time.
            refusals[&key].values().try_for_each(|refused| tell_refused(connection, refused))?;
            refusals.remove(&key);
        }
        Ok(())
    }

    /// Writes who was refused with suspended keys.
    fn write_refused_uses(&mut self, connection: &mut DbConnection) -> QueryResult<()> {
        let refused_uses = &mut self.unwritten.refused_uses;
        if refused_uses.is_empty() {
            return Ok(());
        }
        let uses: BTreeMap<_, _> = refused_uses.iter().map(|(client, uses)| (client, *uses)).collect();
        write(connection, Timestamp::default(), |tx| RefusedClient::record(tx.connection, &uses))?;
        refused_uses.clear();
        Ok(())
    }

    fn write_sign_ins(&mut self, connection: &mut DbConnection) -> QueryResult<()> {
        let unwritten = &mut self.unwritten;
        if unwritten.refusals.is_empty() && unwritten.logins.is_empty() {
            return Ok(());
        }
        let written = write(connection, Timestamp::default(), |tx| {
            // In order: two processes that write about the same people would deadlock otherwise.
            let mut refusals: Vec<_> = unwritten.refusals.iter().collect();
            refusals.sort_unstable_by_key(|(key, _)| *key);
            refusals.into_iter().try_for_each(|(_, refusals)| refusals.record(tx.connection))?;
            let mut logins: Vec<_> = unwritten.logins.iter().collect();
            logins.sort_unstable();
            logins.into_iter().try_for_each(|(user_id, at)| User::record_login(tx.connection, *user_id, *at))
        });
        match written {
            Err(DatabaseError(ForeignKeyViolation, _)) => {
                tracing::warn!("a person is gone: what was to be told of sign-ins in the last second is not");
            }
            written => written?,
        }
        unwritten.refusals.clear();
        unwritten.logins.clear();
        Ok(())
    }
}

impl Unwritten {
    fn count(&mut self, more: Refusals) {
        let key = (more.user_id, more.address().to_owned(), Refusals::hour(more.first_on));
        if let Some(refusals) = self.refusals.get_mut(&key) {
            refusals.times += more.times;
            refusals.first_on = refusals.first_on.min(more.first_on);
            refusals.last_on = refusals.last_on.max(more.last_on);
            refusals.client = more.client;
        } else if self.refusals.len() < MOST_REFUSALS {
            self.refusals.insert(key, more);
        } else {
            tracing::warn!(user_id = more.user_id, "too many refused sign-ins to tell each of them apart");
        }
    }

    fn count_refused_use(&mut self, client: RefusedClient, uses: RefusedUses) {
        let is_known = self.refused_uses.contains_key(&client);
        let client = if is_known || self.refused_uses.len() < MOST_CLIENTS { client } else { client.among_others() };
        let known = self.refused_uses.entry(client).or_insert(RefusedUses { times: 0, ..uses });
        *known = known.and(uses);
    }

    /// Keeps the first refusal of a key and a place. Places beyond those that are told apart would not be told anyway.
    fn note_key_refusal(&mut self, refusal: RefusedKey) {
        let of_key = self.key_refusals.entry((refusal.token.key(), refusal.action)).or_default();
        if of_key.len() <= RefusedKey::MOST_ADDRESSES {
            of_key.entry(refusal.place().unwrap_or_default().to_owned()).or_insert(refusal);
        }
    }

    fn merge(&mut self, earlier: Self) {
        earlier.refusals.into_values().for_each(|refusals| self.count(refusals));
        for (user_id, at) in earlier.logins {
            let later = self.logins.entry(user_id).or_insert(at);
            *later = at.max(*later);
        }
        earlier.refused_uses.into_iter().for_each(|(client, uses)| self.count_refused_use(client, uses));
        // The earlier ones are those to tell.
        let later = std::mem::replace(&mut self.key_refusals, earlier.key_refusals);
        later.into_values().flat_map(BTreeMap::into_values).for_each(|refusal| self.note_key_refusal(refusal));
    }
}
