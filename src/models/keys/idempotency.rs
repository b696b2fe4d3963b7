//! Requests that are done once, however often they are sent: by the key that the client gave to one, what came of it is
//! remembered for a day. Who asks again gets it without the secret, which is nowhere kept.

use chrono::TimeDelta;
use diesel::prelude::*;
use sha2::{Digest as _, Sha256};

use super::key::{Key, KeyRefusal};
use crate::clock::Timestamp;
use crate::db::schema::idempotency_keys;
use crate::db::{DbConnection, DbError, write_error};
use crate::models::people::user::User;
use crate::models::tx::Tx;
use crate::secret::Secret;

/// How long a request is remembered.
const REMEMBERED: TimeDelta = TimeDelta::days(1);
/// Requests that are forgotten in one transaction, at most: others want to write too.
const BATCH: i64 = 1000;

/// A request that is to be done once. Of its key and its body it holds only digests.
#[derive(Clone, Debug)]
pub struct OnceOnly {
    user_id: i64,
    digest: Vec<u8>,
    request: Vec<u8>,
}

/// A key that got a new secret.
#[derive(Debug)]
pub enum Issued {
    /// Just now.
    Now(Key, Secret),
    /// When the same was asked for before.
    Before(Key),
}

/// Why there is nothing to give.
#[derive(Debug, thiserror::Error)]
pub enum OnceRefusal {
    /// Nothing was done.
    #[error(transparent)]
    Key(KeyRefusal),
    /// Nothing was done: what came of another request is remembered by this key.
    #[error("The Idempotency-Key was used for another request: give each request one of its own")]
    AnotherRequest,
    /// It was done before, and what came of it is gone.
    #[error("This has been done before, and the key was revoked since: to do it again, give another Idempotency-Key")]
    RevokedSince,
    /// The database would not.
    #[error(transparent)]
    Database(#[from] DbError),
}

write_error!(OnceRefusal);

impl From<KeyRefusal> for OnceRefusal {
    fn from(refusal: KeyRefusal) -> Self {
        match refusal {
            KeyRefusal::Database(error) => Self::Database(error),
            refusal => Self::Key(refusal),
        }
    }
}

impl Issued {
    /// What `work` gives, which is not done again if it was done `once` before.
    ///
    /// # Errors
    /// [`OnceRefusal`].
    pub fn once(
        tx: &mut Tx<'_>,
        once: Option<OnceOnly>,
        work: impl FnOnce(&mut Tx<'_>) -> Result<(Key, Secret), KeyRefusal>,
    ) -> Result<Self, OnceRefusal> {
        match once {
            Some(once) => once.issue(tx, work),
            None => Ok(work(tx).map(|(key, secret)| Self::Now(key, secret))?),
        }
    }

    /// The key.
    pub fn key(&self) -> &Key {
        match self {
            Self::Now(key, _) | Self::Before(key) => key,
        }
    }
}

impl OnceOnly {
    /// What a person, authenticated with `credential`, asks for in `request`, the parts of it that count, and calls
    /// `key`.
    pub fn new(user_id: i64, credential: &str, key: &str, request: &[&[u8]]) -> Self {
        let name = digest(&[user_id.to_string().as_bytes(), credential.as_bytes(), key.as_bytes()]);
        Self { user_id, digest: name, request: digest(request) }
    }

    /// Does `work`, unless it has been done. Two at once wait for each other at the person's row.
    fn issue(
        self,
        tx: &mut Tx<'_>,
        work: impl FnOnce(&mut Tx<'_>) -> Result<(Key, Secret), KeyRefusal>,
    ) -> Result<Issued, OnceRefusal> {
        User::lock_row(tx.connection, self.user_id)?;
        let row = idempotency_keys::table.find(&self.digest);
        let found = row.filter(idempotency_keys::created_on.gt(tx.now - REMEMBERED));
        let columns = (idempotency_keys::request, idempotency_keys::token_id);
        let found: Option<(Vec<u8>, i64)> = found.select(columns).first(tx.connection).optional()?;
        if let Some((request, key_id)) = found {
            if request != self.request {
                return Err(OnceRefusal::AnotherRequest);
            }
            let key = Key::find(tx.connection, self.user_id, key_id)?;
            return key.map(Issued::Before).ok_or(OnceRefusal::RevokedSince);
        }
        let (key, secret) = work(tx)?;
        // There may be one that is too old to count.
        diesel::delete(row).execute(tx.connection)?;
        let values = (
            idempotency_keys::digest.eq(&self.digest),
            idempotency_keys::user_id.eq(self.user_id),
            idempotency_keys::request.eq(&self.request),
            idempotency_keys::token_id.eq(key.id),
            idempotency_keys::created_on.eq(tx.now),
        );
        diesel::insert_into(idempotency_keys::table).values(values).execute(tx.connection)?;
        Ok(Issued::Now(key, secret))
    }

    /// Whether [`OnceOnly::forget_old`] has anything to do.
    ///
    /// # Errors
    /// Those of the query.
    pub fn any_to_forget(connection: &mut DbConnection, now: Timestamp) -> QueryResult<bool> {
        let old = idempotency_keys::table.filter(idempotency_keys::created_on.le(now - REMEMBERED));
        let found = old.select(idempotency_keys::token_id).first::<i64>(connection).optional()?;
        Ok(found.is_some())
    }

    /// Forgets requests of more than a day ago.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn forget_old(connection: &mut DbConnection, now: Timestamp) -> QueryResult<()> {
        let old: Vec<Vec<u8>> = idempotency_keys::table
            .filter(idempotency_keys::created_on.le(now - REMEMBERED))
            .limit(BATCH)
            .select(idempotency_keys::digest)
            .load(connection)?;
        let rows = idempotency_keys::table.filter(idempotency_keys::digest.eq_any(old));
        diesel::delete(rows).execute(connection).map(|_| ())
    }
}

/// SHA-256 over parts, each with its length, so that no two lists of parts are alike.
fn digest(parts: &[&[u8]]) -> Vec<u8> {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    digest.finalize().to_vec()
}
