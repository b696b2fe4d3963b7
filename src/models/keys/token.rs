//! The whole life of a token: issued, found, deleted. `recording` has its use.
//!
//! It is a long file because the whole life of a row stands here.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use chrono::TimeDelta;
use diesel::deserialize::FromSqlRow;
use diesel::dsl::sql;
use diesel::expression::AsExpression;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use super::networks::Networks;
use super::scope::Scopes;
use super::suspension::{Suspension, SuspensionEnd};
use crate::clock::Timestamp;
use crate::db::lookups::Lookup;
use crate::db::schema::{new_addresses, tokens, users};
use crate::db::{DbConnection, Stored};
use crate::models::people::user::{User, UserStatus};
use crate::models::retention::{BATCH, Retention, kept_since};
use crate::models::text_enum::{stored_as_text, text_enum};
use crate::secret::{Digest, Secret};

/// How long sessions that are over are kept at least. Their last use may still have to be written: until then they may
/// not be over.
const SESSIONS_KEPT: TimeDelta = TimeDelta::hours(1);

text_enum! {
    /// The kind of a token.
    #[derive(AsExpression, FromSqlRow, Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[diesel(sql_type = Text)]
    pub enum TokenAction(as_str, label) {
        /// The API access key, which may do everything its owner may.
        Api = ("api", "API access key"),
        /// The Atom access key, which reads feeds.
        Feeds = ("feeds", "Atom access key"),
        /// An access token, which may do what its scopes say, until it expires.
        Access = ("access", "Access token"),
        /// A session in a browser.
        Session = ("session", "Session"),
        /// Signs a browser in again without the password.
        Autologin = ("autologin", "Autologin"),
        /// Lets a person set a new password.
        Recovery = ("recovery", "Password recovery"),
        /// Confirms that a new mail address is the person's.
        NewAddress = ("new_address", "New email address"),
        /// Activates an account.
        Register = ("register", "Activation"),
        /// Replaces a second factor, once.
        TwofaBackupCode = ("twofa_backup_code", "Backup code"),
        /// A kind that only a newer release knows.
        Unknown = ("unknown", "Key"),
    }
}

impl TokenAction {
    /// Whether people call this kind a key: they create and reset it themselves, and see its last use.
    pub fn is_key(self) -> bool {
        Self::KEYS.contains(&self)
    }

    /// Whether a key of this kind has full access: no scopes limit it, and it may do everything that its owner may.
    pub fn has_full_access(self) -> bool {
        self == Self::Api
    }

    /// Whether services accept keys of this kind, if their settings do.
    pub fn opens_services(self) -> bool {
        matches!(self, Self::Api | Self::Access)
    }

    /// The kinds that people call keys.
    pub const KEYS: [Self; 3] = [Self::Api, Self::Feeds, Self::Access];

    /// The most tokens of this kind that a person can have. Issuing one more deletes the one that was unused for
    /// longest. Access tokens are never deleted for that: a setting limits their number, and one more is refused.
    pub fn most_per_user(self) -> usize {
        match self {
            Self::Session | Self::Autologin | Self::TwofaBackupCode => 10,
            Self::Api | Self::Feeds | Self::Recovery | Self::NewAddress | Self::Register | Self::Unknown => 1,
            Self::Access => usize::MAX,
        }
    }

    /// How long a token of this kind is valid; `None`: it has no fixed lifetime.
    fn lifetime(self) -> Option<TimeDelta> {
        matches!(self, Self::Recovery | Self::NewAddress | Self::Register).then(|| TimeDelta::days(1))
    }
}

// A kind that only a newer release knows must not let anybody in.
stored_as_text!(TokenAction, otherwise Unknown);

/// A row of `tokens`.
#[derive(Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = tokens)]
pub struct Token {
    /// The id. It is never used again, so that a pending use of a deleted token cannot be written to another one.
    pub id: i64,
    /// The id of the owner.
    pub user_id: i64,
    /// The kind of token.
    pub action: TokenAction,
    /// The last four characters of the secret.
    pub hint: String,
    /// When the token was issued.
    #[diesel(deserialize_as = Stored<Timestamp>)]
    pub created_on: Timestamp,
    /// The last use that was written; see [`Token::recorded_use`].
    #[diesel(deserialize_as = Stored<Option<Timestamp>>)]
    pub updated_on: Option<Timestamp>,
    /// Since when uses are recorded without a gap, for an imported key, and for one whose uses a crash has lost; `None`:
    /// since it was created.
    #[diesel(deserialize_as = Stored<Option<Timestamp>>)]
    pub recorded_since: Option<Timestamp>,
    /// The name of an access token.
    pub name: Option<String>,
    /// The scopes of an access token; see [`Token::scopes`].
    scopes: Option<Scopes>,
    /// When the key expires; `None`: it does not expire.
    #[diesel(deserialize_as = Stored<Option<Timestamp>>)]
    pub expires_on: Option<Timestamp>,
    /// The key that this is a later secret of; see [`Token::key`].
    key_id: Option<i64>,
    /// When this secret stops working, because a rotation has replaced it; `None`: it is the current one.
    #[diesel(deserialize_as = Stored<Option<Timestamp>>)]
    pub retired_on: Option<Timestamp>,
    /// For a session, when the password was last given; `None`: at the sign-in.
    #[diesel(deserialize_as = Stored<Option<Timestamp>>)]
    pub confirmed_on: Option<Timestamp>,
    /// Since when the key is suspended; see [`Token::suspension`].
    #[diesel(deserialize_as = Stored<Option<Timestamp>>)]
    suspended_on: Option<Timestamp>,
    /// When the suspension ends.
    #[diesel(deserialize_as = Stored<Option<Timestamp>>)]
    suspended_until: Option<Timestamp>,
    /// Whether the key is revoked then.
    revoked_then: bool,
    /// Where the key may be used from; `None`: anywhere.
    pub networks: Option<Networks>,
}

/// The result of looking up a secret that was presented. It is passed on from future to future, which copies it each time,
/// so its rows are on the heap.
#[derive(Clone)]
pub enum Presented {
    /// The token is valid and authenticates its owner.
    Valid(Arc<Token>, Box<User>),
    /// The token exists, but it has expired, or its secret has been replaced.
    Over(Arc<Token>),
    /// The token exists, but its key is suspended.
    Suspended(Arc<Token>),
    /// The token exists, but may not be used from the address of the client, whatever else is wrong with it.
    Elsewhere(Arc<Token>),
}

/// A secret that a client presents, with the kinds of token that are accepted there.
#[derive(Clone, Copy)]
pub struct Claim {
    /// The digest of the secret.
    pub digest: Digest,
    /// The kinds of token that are accepted.
    pub actions: &'static [TokenAction],
    /// The time of the request.
    pub now: Timestamp,
    /// The address of the client.
    pub address: IpAddr,
}

impl Claim {
    /// Decides about `token`, which has the digest of this claim.
    fn decide(&self, token: Token, user: User) -> Option<Presented> {
        let presented = |token: Arc<Token>| match token {
            // This comes first: whoever asks from elsewhere is not even told that the key has expired.
            token if !token.may_be_used_from(self.address) => Presented::Elsewhere(token),
            token if token.is_over(self.now) => Presented::Over(token),
            token if token.is_suspended(self.now) => Presented::Suspended(token),
            token => Presented::Valid(token, Box::new(user)),
        };
        self.actions.contains(&token.action).then(|| presented(Arc::new(token)))
    }
}

impl Lookup for Claim {
    type Answer = Option<Presented>;

    fn answer(&self, connection: &mut DbConnection) -> QueryResult<Self::Answer> {
        Token::find_active(connection, self)
    }

    fn answer_each(connection: &mut DbConnection, all: &[Self]) -> QueryResult<Vec<Self::Answer>> {
        Token::find_each_active(connection, all)
    }
}

impl Token {
    /// Looks up a secret, with its owner, in one query. This is the only way to verify one. Returns `None` if there is
    /// no such token or its owner is not active, and does not say which.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn find_active(connection: &mut DbConnection, claim: &Claim) -> QueryResult<Option<Presented>> {
        let claimed = of_active_people().filter(tokens::digest.eq(claim.digest.as_bytes()));
        // Every request runs this query. Diesel caches the SQL of a query that is built for one backend, but builds
        // that of a multi-backend connection again each time.
        let found = match connection {
            DbConnection::Sqlite(it) => claimed.select((Self::as_select(), User::as_select())).get_result(it),
            DbConnection::Postgres(it) => claimed.select((Self::as_select(), User::as_select())).get_result(it),
        };
        Ok(found.optional()?.and_then(|(token, user)| claim.decide(token, user)))
    }

    /// [`Token::find_active`] for several claims, in their order. PostgreSQL gets them in one query.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn find_each_active(connection: &mut DbConnection, claims: &[Claim]) -> QueryResult<Vec<Option<Presented>>> {
        let DbConnection::Postgres(postgres) = connection else {
            return claims.iter().map(|claim| Self::find_active(connection, claim)).collect();
        };
        let digests: Vec<&[u8]> = claims.iter().map(|claim| claim.digest.as_bytes()).collect();
        let rows: Vec<(Vec<u8>, (Self, User))> = of_active_people()
            .filter(tokens::digest.eq_any(digests))
            .select((tokens::digest, (Self::as_select(), User::as_select())))
            .load(postgres)?;
        let found: HashMap<Vec<u8>, (Self, User)> = rows.into_iter().collect();
        let presented = claims.iter().map(|claim| {
            // Clone the row: two requests may have presented the same secret.
            let (token, user) = found.get(claim.digest.as_bytes())?.clone();
            claim.decide(token, user)
        });
        Ok(presented.collect())
    }

    /// Whether the token has expired, or its secret has been replaced and the grace period is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        let has_aged = self.action.lifetime().is_some_and(|lifetime| now - self.created_on >= lifetime);
        has_aged || self.ends_on().is_some_and(|ends_on| ends_on <= now)
    }

    /// When this secret stops working: at the key's expiry or its own retirement, whichever comes first.
    pub fn ends_on(&self) -> Option<Timestamp> {
        self.expires_on.into_iter().chain(self.retired_on).min()
    }

    /// The suspension of the key, which may be over; `None`: there is none.
    pub fn suspension(&self) -> Option<Suspension> {
        let end = match self.suspended_until {
            None => SuspensionEnd::Open,
            Some(until) if self.revoked_then => SuspensionEnd::Revoked(until),
            Some(until) => SuspensionEnd::Resumed(until),
        };
        self.suspended_on.map(|since| Suspension { since, end })
    }

    /// Whether the key is suspended.
    pub fn is_suspended(&self, now: Timestamp) -> bool {
        self.suspension().is_some_and(|suspension| suspension.holds(now))
    }

    /// Whether a client at `address` may use the token.
    pub fn may_be_used_from(&self, address: IpAddr) -> bool {
        self.networks.as_ref().is_none_or(|networks| networks.contain(address))
    }

    /// The id of the key that this secret belongs to, which is the id of the key's first secret.
    pub fn key(&self) -> i64 {
        self.key_id.unwrap_or(self.id)
    }

    /// The scopes that the token grants in Latchkey itself.
    pub fn scopes(&self) -> Scopes {
        match self.action {
            TokenAction::Api => Scopes::ALL,
            TokenAction::Access => self.scopes.unwrap_or(Scopes::NONE),
            _ => Scopes::NONE,
        }
    }

    /// The title that people recognise the token by.
    pub fn title(&self) -> String {
        let label = self.action.label();
        self.name.as_ref().map_or_else(|| label.to_owned(), |name| format!("{label} “{name}”"))
    }

    /// The last use according to the row. Rails sets `updated_on` to `created_on`, which means that there was none yet.
    pub fn recorded_use(&self) -> Option<Timestamp> {
        self.updated_on.filter(|updated_on| *updated_on > self.created_on)
    }

    /// Issues a token for a person. If there are too many of its kind, those that were unused for longest are deleted. A key
    /// that takes the place of another may be used from the same networks: a reset must not open what was closed.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn issue(
        connection: &mut DbConnection,
        user_id: i64,
        action: TokenAction,
        now: Timestamp,
    ) -> QueryResult<(Self, Secret)> {
        User::lock_row(connection, user_id)?;
        let mut held = Self::of_user(connection, user_id, &[action])?;
        held.sort_by_key(|token| (token.updated_on.unwrap_or(token.created_on), token.id));
        let too_many = (held.len() + 1).saturating_sub(action.most_per_user());
        for token in &held[..too_many] {
            Self::delete(connection, token.id)?;
        }
        let secret = Secret::generate();
        let mut token = Self::insert(connection, user_id, action, &secret, now)?;
        token.networks = held[..too_many].iter().find_map(|replaced| replaced.networks.clone());
        if let Some(networks) = &token.networks {
            let row = tokens::table.find(token.id);
            diesel::update(row).set(tokens::networks.eq(networks.to_string())).execute(connection)?;
        }
        Ok((token, secret))
    }

    /// Issues a key in place of `replaces`, the key that the person was shown (`None`: they had none). This makes a
    /// form that is sent twice idempotent: if the person has another key by now, nothing is done and `None` is
    /// returned.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn issue_in_place_of(
        connection: &mut DbConnection,
        user_id: i64,
        action: TokenAction,
        replaces: Option<i64>,
        now: Timestamp,
    ) -> QueryResult<Option<(Self, Secret)>> {
        User::lock_row(connection, user_id)?;
        let held = Self::of_user(connection, user_id, &[action])?.first().map(|token| token.id);
        if held != replaces {
            return Ok(None);
        }
        Self::issue(connection, user_id, action, now).map(Some)
    }

    /// Stores a token with the given secret. The row is read back by its digest, which works on both databases.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn insert(
        connection: &mut DbConnection,
        user_id: i64,
        action: TokenAction,
        secret: &Secret,
        created_on: Timestamp,
    ) -> QueryResult<Self> {
        let digest = secret.digest();
        let values = (
            tokens::user_id.eq(user_id),
            tokens::action.eq(action),
            tokens::digest.eq(digest.as_bytes()),
            tokens::hint.eq(secret.hint()),
            tokens::created_on.eq(created_on),
        );
        diesel::insert_into(tokens::table).values(values).execute(connection)?;
        tokens::table.filter(tokens::digest.eq(digest.as_bytes())).select(Self::as_select()).first(connection)
    }

    /// A person's tokens of these kinds, oldest first.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn of_user(connection: &mut DbConnection, user_id: i64, actions: &[TokenAction]) -> QueryResult<Vec<Self>> {
        let theirs = tokens::table.filter(tokens::user_id.eq(user_id)).order(tokens::id);
        // Each backend has its own query, as in `find_active`: My account runs it on every view.
        let all: Vec<Self> = match connection {
            DbConnection::Sqlite(it) => theirs.select(Self::as_select()).load(it),
            DbConnection::Postgres(it) => theirs.select(Self::as_select()).load(it),
        }?;
        Ok(all.into_iter().filter(|token| actions.contains(&token.action)).collect())
    }

    /// The keys of several people, oldest first, with each secret of an access token.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn keys_of(connection: &mut DbConnection, user_ids: &[i64]) -> QueryResult<Vec<Self>> {
        tokens::table
            .filter(tokens::user_id.eq_any(user_ids))
            .filter(tokens::action.eq_any(TokenAction::KEYS))
            .order(tokens::id)
            .select(Self::as_select())
            .load(connection)
    }

    /// The token with this id.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn find(connection: &mut DbConnection, id: i64) -> QueryResult<Option<Self>> {
        tokens::table.find(id).select(Self::as_select()).first(connection).optional()
    }

    /// The tokens with these ids, by id. Those that are gone have no entry.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn find_all(connection: &mut DbConnection, ids: &[i64]) -> QueryResult<HashMap<i64, Self>> {
        let rows: Vec<Self> =
            tokens::table.filter(tokens::id.eq_any(ids)).select(Self::as_select()).load(connection)?;
        Ok(rows.into_iter().map(|token| (token.id, token)).collect())
    }

    /// The token with this id. It cannot be deleted until the transaction ends: on PostgreSQL by `FOR KEY SHARE`, which
    /// does not keep the recorder from writing its last use.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn hold(connection: &mut DbConnection, id: i64) -> QueryResult<Option<Self>> {
        let row = tokens::table.find(id);
        let found = match connection {
            DbConnection::Sqlite(it) => row.select(Self::as_select()).first(it),
            DbConnection::Postgres(it) => row.select(Self::as_select()).for_key_share().first(it),
        };
        found.optional()
    }

    /// The key with this secret, whether or not it is still active, and whoever owns it. Tokens that are not keys are
    /// ignored.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn find_key(connection: &mut DbConnection, digest: &Digest) -> QueryResult<Option<Self>> {
        tokens::table
            .filter(tokens::digest.eq(digest.as_bytes()))
            .filter(tokens::action.eq_any(TokenAction::KEYS))
            .select(Self::as_select())
            .first(connection)
            .optional()
    }

    /// When the password was last given in this session.
    pub fn password_given_on(&self) -> Timestamp {
        self.confirmed_on.unwrap_or(self.created_on)
    }

    /// Records that the password was given in a session. Returns `false` if the session has ended.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn confirm(connection: &mut DbConnection, id: i64, now: Timestamp) -> QueryResult<bool> {
        diesel::update(tokens::table.find(id))
            .set(tokens::confirmed_on.eq(now))
            .execute(connection)
            .map(|rows| rows > 0)
    }

    /// Deletes a token. Returns `false` if there was none.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn delete(connection: &mut DbConnection, id: i64) -> QueryResult<bool> {
        diesel::delete(tokens::table.find(id)).execute(connection).map(|rows| rows > 0)
    }

    /// Deletes every token that a person got by signing in with the password, and forgets the mail address that was asked
    /// for in such a session. Keys stay.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn end_sessions(connection: &mut DbConnection, user_id: i64) -> QueryResult<()> {
        let signed_in = [TokenAction::Session, TokenAction::Autologin, TokenAction::Recovery, TokenAction::NewAddress];
        for token in Self::of_user(connection, user_id, &signed_in)? {
            Self::delete(connection, token.id)?;
        }
        diesel::delete(new_addresses::table.find(user_id)).execute(connection).map(|_| ())
    }

    /// Whether [`Token::forget_ended_sessions`] has anything to do.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn any_ended_session(connection: &mut DbConnection, now: Timestamp, kept: &Retention) -> QueryResult<bool> {
        let ended = ended_sessions(now, kept).select(tokens::id);
        Ok(ended.first::<i64>(connection).optional()?.is_some())
    }

    /// Deletes a batch of sessions that have been over for as long as they are kept.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn forget_ended_sessions(connection: &mut DbConnection, now: Timestamp, kept: &Retention) -> QueryResult<()> {
        let ended = ended_sessions(now, kept).order(tokens::created_on).limit(BATCH).select(tokens::id);
        let ended: Vec<i64> = match connection {
            DbConnection::Sqlite(it) => ended.load(it),
            // Rows that are locked are already being removed by another process.
            DbConnection::Postgres(it) => ended.for_update().skip_locked().load(it),
        }?;
        diesel::delete(tokens::table.filter(tokens::id.eq_any(ended))).execute(connection).map(|_| ())
    }

    /// Deletes all tokens of a person.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn delete_all_of(connection: &mut DbConnection, user_id: i64) -> QueryResult<()> {
        diesel::delete(tokens::table.filter(tokens::user_id.eq(user_id))).execute(connection).map(|_| ())
    }
}

/// Tokens joined with their owners, if these are active.
#[diesel::dsl::auto_type]
fn of_active_people() -> _ {
    let active: UserStatus = UserStatus::Active;
    tokens::table.inner_join(users::table).filter(users::status.eq(active))
}

/// Sessions that were over at least [`SESSIONS_KEPT`] ago, and for as long as the settings say.
fn ended_sessions(now: Timestamp, kept: &Retention) -> EndedSessions {
    let ended_before = |span: Option<TimeDelta>| {
        let kept = kept.expired.map(|kept| kept.max(SESSIONS_KEPT));
        kept_since(now, span.zip(kept).and_then(|(span, kept)| span.checked_add(&kept)))
    };
    sessions_before(ended_before(kept.session_lifetime), ended_before(kept.session_timeout))
}

/// Sessions that began before the first time, or were not used since the second. The literal lets SQLite see that the
/// partial index will do.
#[diesel::dsl::auto_type(type_alias, type_name = "EndedSessions")]
fn sessions_before(began: Timestamp, used: Timestamp) -> _ {
    let is_session: diesel::expression::SqlLiteral<Bool> = sql::<Bool>("tokens.action = 'session'");
    let is_unused = tokens::updated_on.is_null().or(tokens::updated_on.lt(used).assume_not_null());
    tokens::table.filter(is_session).filter(tokens::created_on.lt(began).or(tokens::created_on.lt(used).and(is_unused)))
}
