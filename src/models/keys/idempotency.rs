//! Idempotent requests. The result of a request that carries an idempotency key is remembered for a time, and a repeated
//! request gets it again, without the secret, which is not stored.

use chrono::TimeDelta;
use diesel::prelude::*;
use sha2::{Digest as _, Sha256};

use super::key::{Key, KeyRefusal};
use crate::db::schema::idempotency_keys;
use crate::db::{DbConnection, DbError, write_error};
use crate::models::people::user::User;
use crate::models::retention::{BATCH, Perishable, kept_since};
use crate::models::tx::Tx;
use crate::secret::Secret;

/// The most results that are remembered for a person. When there is one more, the oldest goes.
const MOST_PER_USER: i64 = 1000;

/// A request with an idempotency key. Only digests of the key and of the body are kept.
#[derive(Clone, Debug)]
pub struct OnceOnly {
    user_id: i64,
    digest: Vec<u8>,
    request: Vec<u8>,
    /// How long its result is remembered; `None`: for ever.
    remembered: Option<TimeDelta>,
}

/// A key that was given a new secret.
#[derive(Debug)]
pub enum Issued {
    /// It was given by this request.
    Now(Key, Secret),
    /// It was given by an earlier request with the same idempotency key.
    Before(Key),
}

/// Why an idempotent request was refused.
#[derive(Debug, thiserror::Error)]
pub enum OnceRefusal {
    /// The request itself was refused; nothing was changed.
    #[error(transparent)]
    Key(KeyRefusal),
    /// The idempotency key belongs to another request; nothing was changed.
    #[error("This Idempotency-Key was used for another request: use a new one for each request")]
    AnotherRequest,
    /// The request was done before, but the key that it made has been revoked since.
    #[error(
        "This request was already done, and its key has been revoked since: to repeat it, use another Idempotency-Key"
    )]
    RevokedSince,
    /// The database failed.
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
    /// Does `work`, unless the request was already done `once`: then returns the key that it made.
    ///
    /// # Errors
    /// [`OnceRefusal`]
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

    /// The key that was given the secret.
    pub fn key(&self) -> &Key {
        match self {
            Self::Now(key, _) | Self::Before(key) => key,
        }
    }
}

impl OnceOnly {
    /// How results are removed.
    pub const PERISHABLE: Perishable =
        Perishable { table: "idempotency_keys", key: "digest", since: "created_on", older: "<=", condition: "TRUE" };

    /// The request that a person sends with `credential` and names `key`. `request` holds the parts that have to be the
    /// same if it is sent again. Its result is remembered for so long; `None`: for ever.
    pub fn new(user_id: i64, credential: &str, key: &str, request: &[&[u8]], remembered: Option<TimeDelta>) -> Self {
        let name = digest(&[user_id.to_string().as_bytes(), credential.as_bytes(), key.as_bytes()]);
        Self { user_id, digest: name, request: digest(request), remembered }
    }

    /// Does `work`, unless it was done before. The lock on the person's row makes two requests at once wait for each
    /// other.
    fn issue(
        self,
        tx: &mut Tx<'_>,
        work: impl FnOnce(&mut Tx<'_>) -> Result<(Key, Secret), KeyRefusal>,
    ) -> Result<Issued, OnceRefusal> {
        User::lock_row(tx.connection, self.user_id)?;
        let row = idempotency_keys::table.find(&self.digest);
        let found = row.filter(idempotency_keys::created_on.gt(kept_since(tx.now, self.remembered)));
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
        // Remove an expired row with the same digest, if there is one.
        diesel::delete(row).execute(tx.connection)?;
        let values = (
            idempotency_keys::digest.eq(&self.digest),
            idempotency_keys::user_id.eq(self.user_id),
            idempotency_keys::request.eq(&self.request),
            idempotency_keys::token_id.eq(key.id),
            idempotency_keys::created_on.eq(tx.now),
        );
        diesel::insert_into(idempotency_keys::table).values(values).execute(tx.connection)?;
        self.bound(tx.connection)?;
        Ok(Issued::Now(key, secret))
    }

    /// Removes the oldest results of the person if there are more than [`MOST_PER_USER`].
    fn bound(&self, connection: &mut DbConnection) -> QueryResult<()> {
        let oldest: Vec<Vec<u8>> = idempotency_keys::table
            .filter(idempotency_keys::user_id.eq(self.user_id))
            .order((idempotency_keys::created_on.desc(), idempotency_keys::token_id.desc()))
            .offset(MOST_PER_USER)
            .limit(BATCH)
            .select(idempotency_keys::digest)
            .load(connection)?;
        let rows = idempotency_keys::table.filter(idempotency_keys::digest.eq_any(oldest));
        diesel::delete(rows).execute(connection).map(|_| ())
    }
}

/// A SHA-256 digest over several parts. The length of each part goes in, too, so that no other list of parts has the
/// same digest.
fn digest(parts: &[&[u8]]) -> Vec<u8> {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    digest.finalize().to_vec()
}
