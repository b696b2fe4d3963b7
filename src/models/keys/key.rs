//! The whole life of a key as its owner sees it: created, changed, rotated, expired, revoked. An access token can have
//! several secrets at a time, each a row of `tokens`; an API or Atom access key has one.
//!
//! It is a long file because the whole life of a key stands here: a verb is read beside those that it must agree with.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use chrono::TimeDelta;
use diesel::backend::Backend;
use diesel::dsl::AsSelect;
use diesel::prelude::*;

use super::authority::Authority;
use super::key_request::{
    Grace, KeyChanges, KeyField, KeyPolicy, LONGEST_NAME, LONGEST_NOTE, NewKey, expiry_errors, expiry_text,
    network_errors, networks_text, scope_errors, shut_out,
};
use super::networks::Networks;
use super::notice::Notice;
use super::recording::{LastClient, RecordIf, TokenUse, UsedBy};
use super::scope::{KeyScopes, Scopes};
use super::suspension::{self, Suspension};
use super::token::{Token, TokenAction};
use super::verdict::Evidence;
use crate::clock::{Timestamp, end_in_words};
use crate::db::schema::{events, tokens};
use crate::db::{DbConnection, DbError, write_error};
use crate::models::client::Client;
use crate::models::event::{EventAction, NewEvent};
use crate::models::ids::{KeyId, UserId};
use crate::models::people::user::User;
use crate::models::retention::kept_since;
use crate::models::rules::{FieldError, messages, name_errors, note_errors};
use crate::models::services::scopes_of_keys::{self, ServiceScopesAsText};
use crate::models::tx::Tx;
use crate::secret::Secret;

/// The most secrets of one key that can be active at the same time.
const MOST_SECRETS: usize = 5;
/// How long a retired secret is kept at least. Its last use may still have to be written.
const KEPT_RETIRED: TimeDelta = TimeDelta::days(1);
/// The most secrets of one key that are kept, whether they still work or not. Who rotates in a loop has to wait until
/// earlier ones have been retired for [`KEPT_RETIRED`].
const MOST_KEPT_SECRETS: usize = 30;
/// A key that expires within this time expires soon.
const SOON: TimeDelta = TimeDelta::days(7);
/// The most keys that are handled in one transaction. Small batches let other writers in between.
const BATCH: i64 = 200;

/// A key, with all its secrets.
#[derive(Clone, Debug)]
pub struct Key {
    /// The id. It is never used again, and a rotation does not change it.
    pub id: i64,
    /// The id of the owner.
    pub user_id: i64,
    /// The kind of key.
    pub action: TokenAction,
    /// The name of an access token; `None` for the other kinds.
    pub name: Option<String>,
    /// The owner's note; may be empty.
    pub note: String,
    /// What the key may do.
    pub scopes: KeyScopes,
    /// When the key was created.
    pub created_on: Timestamp,
    /// From then on it is refused; `None`: it does not expire.
    pub expires_on: Option<Timestamp>,
    /// Where it may be used from; `None`: anywhere.
    pub networks: Option<Networks>,
    /// The current secret.
    pub current: Token,
    /// The earlier secrets, latest first, active or not.
    pub earlier: Vec<Token>,
    /// The login of whoever made the key, where that was not its holder: the owner of a service account, for example.
    pub made_by: Option<String>,
    /// Who used each secret last, by the id of its row, where that is known.
    used_by: BTreeMap<i64, UsedBy>,
}

/// What of a row is read for its key only.
type KeyRow = (Token, Option<String>, Option<String>, LastClient, Option<String>);

/// The columns of a [`KeyRow`].
fn row<DB: Backend>()
-> (AsSelect<Token, DB>, tokens::note, tokens::made_by, AsSelect<LastClient, DB>, ServiceScopesAsText)
where
    Token: Selectable<DB>,
    LastClient: Selectable<DB>,
{
    (Token::as_select(), tokens::note, tokens::made_by, LastClient::as_select(), ServiceScopesAsText)
}

/// Which secret of a key was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsedSecret {
    /// The current one.
    Current,
    /// A secret that a rotation has replaced.
    Earlier,
}

/// The latest use of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// When it was used.
    pub on: Timestamp,
    /// The secret that was used.
    pub by: UsedSecret,
}

/// Why a key was not created, changed, rotated or revoked.
#[derive(Debug, thiserror::Error)]
pub enum KeyRefusal {
    /// There is no key with this id, or it belongs to somebody else.
    #[error("There is no such key")]
    Gone,
    /// The request breaks rules.
    #[error("{}", messages(.0).join("; "))]
    Invalid(Vec<FieldError<KeyField>>),
    /// The person already has as many access tokens as allowed.
    #[error("There are already {0} access tokens, the most that one person may have: revoke one first")]
    TooMany(usize),
    /// A key must not create, change, suspend or revoke a key that may do more than itself, nor create, change or switch on
    /// one that expires later or may be used from elsewhere.
    #[error("This key can do more, in more places or for longer, than the key you use")]
    Beyond,
    /// No owner of a service account gets a secret by which they could do more than they may themselves.
    #[error("This access token can do more than you may do yourself: ask an administrator")]
    BeyondOwner,
    /// The key would not work from where the author is, who has to confirm it.
    #[error("The key would not work from {0}, where this comes from: send confirm_networks to limit it all the same")]
    ShutsOut(IpAddr),
    /// The key has expired.
    #[error("This access token has expired: create a new one")]
    Expired,
    /// Only switching a key on again lets it work earlier.
    #[error("This key is already suspended for longer: switch it on again first")]
    SuspendedForLonger,
    /// Only access tokens have names, scopes, and secrets that overlap.
    #[error("This is not an access token: you can reset or revoke it, but not change or rotate it")]
    NotAnAccessToken,
    /// Too many secrets are still active to keep track of them.
    #[error(
        "This access token already has {MOST_SECRETS} active secrets: wait until one stops working, or revoke the token"
    )]
    TooManySecrets,
    /// Too many secrets were replaced within a day.
    #[error("This access token has been rotated too often within a day: wait until tomorrow, or make a new one")]
    RotatedTooOften,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
}

write_error!(KeyRefusal);

impl Key {
    /// A person's keys of these kinds, oldest first.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn of_user(connection: &mut DbConnection, user_id: i64, actions: &[TokenAction]) -> QueryResult<Vec<Self>> {
        let theirs = tokens::table.filter(tokens::user_id.eq(user_id)).order(tokens::id);
        // Each backend has its own query, as in `Token::find_active`: My account runs it on every view. Which kinds are asked
        // for is no part of it, as Diesel does not keep a statement whose number of parameters varies.
        let mut rows: Vec<KeyRow> = match connection {
            DbConnection::Sqlite(it) => theirs.select(row()).load(it),
            DbConnection::Postgres(it) => theirs.select(row()).load(it),
        }?;
        rows.retain(|(token, ..)| actions.contains(&token.action));
        Ok(Self::of_rows(rows))
    }

    /// The keys of these kinds of several people, oldest first.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn of_users(
        connection: &mut DbConnection,
        user_ids: &[i64],
        actions: &[TokenAction],
    ) -> QueryResult<Vec<Self>> {
        let theirs = tokens::table.filter(tokens::user_id.eq_any(user_ids)).order(tokens::id);
        let mut rows: Vec<KeyRow> = match connection {
            DbConnection::Sqlite(it) => theirs.select(row()).load(it),
            DbConnection::Postgres(it) => theirs.select(row()).load(it),
        }?;
        rows.retain(|(token, ..)| actions.contains(&token.action));
        Ok(Self::of_rows(rows))
    }

    /// The keys with these ids that are there, by their ids.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn with_ids(connection: &mut DbConnection, ids: &[i64]) -> QueryResult<Vec<Self>> {
        let is_key = || tokens::action.eq_any(TokenAction::KEYS);
        let firsts = tokens::table.filter(is_key()).filter(tokens::id.eq_any(ids)).filter(tokens::key_id.is_null());
        let later = tokens::table.filter(is_key()).filter(tokens::key_id.eq_any(ids));
        let (mut found, later): (Vec<KeyRow>, Vec<KeyRow>) = match connection {
            DbConnection::Sqlite(it) => (firsts.select(row()).load(it)?, later.select(row()).load(it)?),
            DbConnection::Postgres(it) => (firsts.select(row()).load(it)?, later.select(row()).load(it)?),
        };
        found.extend(later);
        found.sort_by_key(|(token, ..)| token.id);
        // A key may have been revoked between the two queries.
        Ok(Self::of_rows(found)
            .into_iter()
            .filter(|key| key.earlier.last().unwrap_or(&key.current).id == key.id)
            .collect())
    }

    /// The key that has this id, or has a secret with this id, and its owner.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn find_anybodys(connection: &mut DbConnection, id: i64) -> QueryResult<Option<(Self, User)>> {
        let Some(secret) = Token::find(connection, id)? else { return Ok(None) };
        let Some(key) = Self::find(connection, secret.user_id, secret.key())? else { return Ok(None) };
        Ok(User::find(connection, secret.user_id)?.map(|owner| (key, owner)))
    }

    /// The key with this id, if it belongs to the person.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn find(connection: &mut DbConnection, user_id: i64, id: i64) -> QueryResult<Option<Self>> {
        let rows = tokens::table
            .filter(tokens::id.eq(id).or(tokens::key_id.eq(id)))
            .filter(tokens::user_id.eq(user_id))
            .filter(tokens::action.eq_any(TokenAction::KEYS))
            .order(tokens::id)
            .select(row())
            .load(connection)?;
        Ok(Self::of_rows(rows).into_iter().find(|key| key.id == id))
    }

    /// The id of the access token that a person created last, even if it is gone by now; `None`: there was never one. A
    /// form carries this id, so that sending it twice creates only one token (it is idempotent).
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn latest_made(connection: &mut DbConnection, user_id: i64) -> QueryResult<Option<i64>> {
        events::table
            .filter(events::user_id.eq(user_id))
            .filter(events::action.eq(EventAction::KeyCreated))
            .filter(events::token_action.eq(TokenAction::Access))
            .select(diesel::dsl::max(events::token_id))
            .first(connection)
    }

    /// Groups rows into keys. The rows of one key must be in the order of their ids.
    fn of_rows(rows: Vec<KeyRow>) -> Vec<Self> {
        let mut keys: BTreeMap<i64, Vec<KeyRow>> = BTreeMap::new();
        for row in rows {
            keys.entry(row.0.key()).or_default().push(row);
        }
        keys.into_iter().filter_map(|(id, rows)| Self::of_secrets(id, rows)).collect()
    }

    fn of_secrets(id: i64, rows: Vec<KeyRow>) -> Option<Self> {
        let (mut secrets, mut note, mut made_by, mut used_by) = (Vec::new(), None, None, BTreeMap::new());
        let mut services = BTreeSet::new();
        for (token, its_note, its_maker, last_client, its_services) in rows {
            services.extend(its_services.iter().flat_map(|text| scopes_of_keys::of_text(text)));
            used_by.extend(last_client.of(&token).map(|by| (token.id, by)));
            note = its_note;
            made_by = made_by.or(its_maker);
            secrets.push(token);
        }
        let created_on = secrets.first()?.created_on;
        // The row with the highest id holds the current secret.
        let current = secrets.pop()?;
        Some(Self {
            id,
            user_id: current.user_id,
            action: current.action,
            name: current.name.clone(),
            note: note.unwrap_or_default(),
            scopes: KeyScopes { own: current.scopes(), services },
            created_on,
            expires_on: current.expires_on,
            networks: current.networks.clone(),
            current,
            earlier: secrets.into_iter().rev().collect(),
            made_by,
            used_by,
        })
    }

    /// The title that people recognise the key by.
    pub fn title(&self) -> String {
        self.current.title()
    }

    /// Whether the key has expired.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_on.is_some_and(|expires_on| expires_on <= now)
    }

    /// The suspension that holds now; `None`: the key is not suspended.
    pub fn suspension(&self, now: Timestamp) -> Option<Suspension> {
        self.current.suspension().filter(|suspension| suspension.holds(now))
    }

    /// Whether requests with the key's current secret are answered, as far as that is up to the key.
    pub fn works(&self, now: Timestamp) -> bool {
        !self.is_expired(now) && self.suspension(now).is_none()
    }

    /// Whether the key works, but expires within a week.
    pub fn expires_soon(&self, now: Timestamp) -> bool {
        self.expires_on.is_some_and(|expires_on| expires_on > now && expires_on - now <= SOON)
    }

    /// The secrets that were replaced but are still in their grace period, latest first.
    pub fn in_grace(&self, now: Timestamp) -> impl Iterator<Item = &Token> {
        self.earlier.iter().filter(move |secret| secret.ends_on().is_some_and(|ends_on| ends_on > now))
    }

    /// The latest use of any of its secrets; `last_use` returns the one of a single secret.
    pub fn last_use(&self, last_use: impl Fn(&Token) -> Option<Timestamp>) -> Option<KeyUse> {
        let by_earlier = self.earlier.iter().filter_map(&last_use).max();
        let by_current = last_use(&self.current);
        match (by_current, by_earlier) {
            (Some(on), earlier) if earlier.is_none_or(|earlier| earlier <= on) => {
                Some(KeyUse { on, by: UsedSecret::Current })
            }
            (_, earlier) => earlier.map(|on| KeyUse { on, by: UsedSecret::Earlier }),
        }
    }

    /// All its secrets, the current one first.
    pub fn secrets(&self) -> impl Iterator<Item = &Token> {
        std::iter::once(&self.current).chain(&self.earlier)
    }

    /// Who was last to use it according to its rows, if `last_use` is what they say; `None`: nobody knows.
    pub fn used_by(&self, last_use: KeyUse) -> Option<&UsedBy> {
        let secret = self.secrets().find(|secret| secret.recorded_use() == Some(last_use.on))?;
        self.used_by.get(&secret.id)
    }

    /// Since when uses of all its secrets are recorded without a gap: usually since the key was created.
    pub fn recorded_since(&self) -> Timestamp {
        self.secrets().filter_map(|secret| secret.recorded_since).fold(self.created_on, Timestamp::max)
    }

    /// What is known of its use, if this is its last use.
    pub fn evidence(&self, last_use: Option<KeyUse>) -> Evidence {
        Evidence {
            created_on: self.created_on,
            recorded_since: self.recorded_since(),
            last_use: last_use.map(|last_use| last_use.on),
        }
    }

    /// Since when nobody has used the key or looked after it, if this is its last use: see [`Evidence::quiet_since`], and
    /// a new secret counts, too.
    pub fn quiet_since(&self, last_use: Option<KeyUse>) -> Timestamp {
        self.evidence(last_use).quiet_since().max(self.current.created_on)
    }

    /// Whether a key with this last use was not used since then. Keys that were never used are among them.
    pub fn is_unused_since(last_use: Option<KeyUse>, since: Timestamp) -> bool {
        last_use.is_none_or(|last_use| last_use.on < since)
    }

    /// Creates an access token for a person, within the authority of the author.
    ///
    /// # Errors
    /// [`KeyRefusal`]
    pub fn make(tx: &mut Tx<'_>, user_id: i64, new: &NewKey, policy: &KeyPolicy) -> Result<(Self, Secret), KeyRefusal> {
        let owner = User::lock_row(tx.connection, user_id)?;
        let held = Self::of_user(tx.connection, user_id, &[TokenAction::Access])?.len();
        if held >= policy.most_per_user {
            return Err(KeyRefusal::TooMany(held));
        }
        let usual = || policy.usual_expiry(tx.authority(), tx.now);
        let expires_on = new.expiry.map_or_else(usual, |expiry| expiry.from(tx.now));
        let mut errors = name_errors(KeyField::Name, &new.name, LONGEST_NAME);
        errors.extend(note_errors(KeyField::Note, &new.note, LONGEST_NOTE));
        errors.extend(scope_errors(tx, &owner, &new.scopes, &KeyScopes::NONE)?);
        errors.extend(expiry_errors(tx, policy, expires_on));
        let inherited = || tx.authority().networks.clone();
        let networks = new.networks.as_ref().map_or_else(inherited, |limit| limit.networks.clone());
        errors.extend(network_errors(tx, networks.as_ref()));
        if !errors.is_empty() {
            return Err(KeyRefusal::Invalid(errors));
        }
        if let Some(address) = new.networks.as_ref().and_then(|limit| shut_out(tx, limit)) {
            return Err(KeyRefusal::ShutsOut(address));
        }
        let said = (Some(new.name.as_str()), new.note.as_str(), new.scopes.own);
        let (mut key, secret) = Self::add_secret(tx, (user_id, None), said, (expires_on, networks.as_ref(), None))?;
        if let Some(maker) = tx.other_than(user_id) {
            key.made_by = Some(maker.to_owned());
            let made_by = tokens::made_by.eq(&key.made_by);
            diesel::update(tokens::table.find(key.id)).set(made_by).execute(tx.connection)?;
        }
        scopes_of_keys::replace(tx.connection, key.id, &new.scopes.services)?;
        key.scopes.services = new.scopes.services.clone();
        NewEvent::of_key(&key.current, EventAction::KeyCreated).detail(key.summary()).record(tx)?;
        Ok((key, secret))
    }

    /// Changes a key of a person, within the authority of the author: an access token, or where a key of any kind may be used
    /// from.
    ///
    /// # Errors
    /// [`KeyRefusal`]
    pub fn change(
        tx: &mut Tx<'_>,
        (UserId(user_id), KeyId(id)): (UserId, KeyId),
        changes: &KeyChanges,
        policy: &KeyPolicy,
    ) -> Result<Self, KeyRefusal> {
        let owner = User::lock_row(tx.connection, user_id)?;
        let kinds: &[TokenAction] =
            if changes.are_of_networks_only() { &TokenAction::KEYS } else { &[TokenAction::Access] };
        let key = Self::find_to_change(tx, (UserId(user_id), KeyId(id)), kinds)?;
        let name = changes.name.clone().filter(|name| key.name.as_ref() != Some(name));
        let note = changes.note.clone().filter(|note| key.note != *note);
        let scopes = changes.scopes.as_ref().filter(|scopes| key.scopes != **scopes);
        let expires_on = changes.expiry.map(|expiry| expiry.from(tx.now)).filter(|it| key.expires_on != *it);
        let limit = changes.networks.as_ref().filter(|limit| limit.differs_from(key.networks.as_ref()));
        let mut errors = Vec::new();
        errors.extend(name.iter().flat_map(|name| name_errors(KeyField::Name, name, LONGEST_NAME)));
        errors.extend(note.iter().flat_map(|note| note_errors(KeyField::Note, note, LONGEST_NOTE)));
        if let Some(scopes) = scopes {
            errors.extend(scope_errors(tx, &owner, scopes, &key.scopes)?);
        }
        errors.extend(expires_on.into_iter().flat_map(|expires_on| expiry_errors(tx, policy, expires_on)));
        errors.extend(limit.iter().flat_map(|limit| network_errors(tx, limit.networks.as_ref())));
        if !errors.is_empty() {
            return Err(KeyRefusal::Invalid(errors));
        }
        if let Some(address) = limit.and_then(|limit| shut_out(tx, limit)) {
            return Err(KeyRefusal::ShutsOut(address));
        }
        let before = Authority { networks: key.networks.clone(), ..Authority::of_scopes(key.scopes.clone()) };
        let before = Authority { expires_on: key.expires_on, ..before };
        let gives_more = scopes.is_some_and(|scopes| before.exceeded_by(scopes).is_some())
            || expires_on.is_some_and(|expires_on| !before.outlives(expires_on))
            || limit.is_some_and(|limit| !before.reaches(limit.networks.as_ref()));
        let told: Vec<String> = [
            name.as_ref().map(|_| format!("was called “{}”", key.name.as_deref().unwrap_or_default())),
            note.as_ref().map(|_| "note".to_owned()),
            scopes.map(|scopes| format!("may do {scopes}")),
            expires_on.map(expiry_text),
            limit.map(|limit| networks_text(limit.networks.as_ref())),
        ]
        .into_iter()
        .flatten()
        .collect();
        if told.is_empty() {
            return Ok(key);
        }
        let values = (
            name.map(|name| tokens::name.eq(name)),
            note.map(|note| tokens::note.eq(note)),
            scopes.map(|scopes| tokens::scopes.eq(scopes.own.to_string())),
            expires_on.map(|expires_on| (tokens::expires_on.eq(expires_on), tokens::expiry_told.eq(false))),
            limit.map(|limit| tokens::networks.eq(limit.networks.as_ref().map(Networks::to_string))),
        );
        diesel::update(suspension::secrets_of(id)).set(values).execute(tx.connection)?;
        if let Some(scopes) = scopes {
            scopes_of_keys::replace(tx.connection, id, &scopes.services)?;
        }
        let key = Self::find(tx.connection, user_id, id)?.ok_or(KeyRefusal::Gone)?;
        let event = NewEvent::of_key(&key.current, EventAction::KeyChanged).detail(told.join(", "));
        let event = if gives_more { event.giving_more() } else { event };
        event.record(tx)?;
        Ok(key)
    }

    /// Gives a person's access token a new secret, within the authority of the author. The old secret works on for
    /// `grace`.
    ///
    /// # Errors
    /// [`KeyRefusal`]
    pub fn rotate(
        tx: &mut Tx<'_>,
        (UserId(user_id), KeyId(id)): (UserId, KeyId),
        grace: Grace,
    ) -> Result<(Self, Secret), KeyRefusal> {
        User::lock_row(tx.connection, user_id)?;
        let key = Self::find_to_change(tx, (UserId(user_id), KeyId(id)), &[TokenAction::Access])?;
        // Add two: the current secret, which is about to be retired, and the new one.
        if key.in_grace(tx.now).count() + 2 > MOST_SECRETS {
            return Err(KeyRefusal::TooManySecrets);
        }
        let forgotten = key.forget_retired(tx.connection, tx.now)?;
        if key.earlier.len() - forgotten + 2 > MOST_KEPT_SECRETS {
            return Err(KeyRefusal::RotatedTooOften);
        }
        let retired = tokens::table.find(key.current.id);
        let ends_on = tx.now + grace.span();
        diesel::update(retired).set(tokens::retired_on.eq(ends_on)).execute(tx.connection)?;
        let said = (key.name.as_deref(), key.note.as_str(), key.scopes.own);
        // A new secret of a suspended key is suspended as well.
        let limits = (key.expires_on, key.networks.as_ref(), key.suspension(tx.now));
        let (key, secret) = Self::add_secret(tx, (user_id, Some(id)), said, limits)?;
        let told = match grace {
            Grace::None => "the old secret has stopped working".to_owned(),
            _ => format!("the old secret works until {}", end_in_words(ends_on)),
        };
        NewEvent::of_key(&key.current, EventAction::KeyRotated).detail(told).record(tx)?;
        Ok((key, secret))
    }

    /// Stores a new secret of an access token. Every row of a key repeats its name, note, scopes, expiry, networks and suspension.
    /// `key_id` is the key that the secret is added to; `None`: it is the first one of a new key.
    fn add_secret(
        tx: &mut Tx<'_>,
        (user_id, key_id): (i64, Option<i64>),
        (name, note, scopes): (Option<&str>, &str, Scopes),
        (expires_on, networks, suspension): (Option<Timestamp>, Option<&Networks>, Option<Suspension>),
    ) -> Result<(Self, Secret), KeyRefusal> {
        let secret = Secret::generate();
        let id = Token::insert(tx.connection, user_id, TokenAction::Access, &secret, tx.now)?.id;
        let values = (
            tokens::key_id.eq(key_id),
            tokens::name.eq(name),
            tokens::note.eq(note),
            tokens::scopes.eq(scopes.to_string()),
            tokens::expires_on.eq(expires_on),
            tokens::networks.eq(networks.map(Networks::to_string)),
            suspension::columns(suspension),
        );
        diesel::update(tokens::table.find(id)).set(values).execute(tx.connection)?;
        let key = Self::find(tx.connection, user_id, key_id.unwrap_or(id))?.ok_or(KeyRefusal::Gone)?;
        Ok((key, secret))
    }

    /// Revokes a person's key at once, with all its secrets. A key can be revoked by one that expires earlier, but not by
    /// one that may do less.
    ///
    /// # Errors
    /// [`KeyRefusal`]
    pub fn revoke(tx: &mut Tx<'_>, (UserId(user_id), KeyId(id)): (UserId, KeyId)) -> Result<Self, KeyRefusal> {
        let key = Self::find_to_revoke(tx, (UserId(user_id), KeyId(id)))?;
        Token::delete(tx.connection, id)?;
        NewEvent::of_key(&key.current, EventAction::KeyRevoked).record(tx)?;
        Ok(key)
    }

    /// [`Key::revoke`] for a form that is about keys of the kind `action`: no other kind is revoked by it, whatever id it
    /// names.
    ///
    /// # Errors
    /// [`KeyRefusal`]
    pub fn revoke_of_kind(
        tx: &mut Tx<'_>,
        action: TokenAction,
        (UserId(user_id), KeyId(id)): (UserId, KeyId),
    ) -> Result<Self, KeyRefusal> {
        match Self::find(tx.connection, user_id, id)?.filter(|key| key.action == action) {
            Some(_) => Self::revoke(tx, (UserId(user_id), KeyId(id))),
            None => Err(KeyRefusal::Gone),
        }
    }

    /// Revokes the key that the secret `leaked` belongs to, and tells its owner. Knowing the secret is all the
    /// authority that this needs. Returns `false` if the key was already gone.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn revoke_leaked(tx: &mut Tx<'_>, leaked: &Token) -> QueryResult<bool> {
        // The key is also gone if the person is.
        let is_there = User::lock_row(tx.connection, leaked.user_id).optional()?.is_some();
        if !is_there || !Token::delete(tx.connection, leaked.key())? {
            return Ok(false);
        }
        // Show the secret that leaked: a key may have several.
        NewEvent::of_key(leaked, EventAction::KeyLeaked).record(tx)?;
        Notice::of_leak(tx.connection, leaked)?;
        Ok(true)
    }

    /// Records that access tokens have expired, and removes those that expired before the time that they are `kept`
    /// for; `None`: they are kept for ever.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn tell_and_clear_expired(tx: &mut Tx<'_>, kept: Option<TimeDelta>) -> QueryResult<()> {
        let now = tx.now;
        let expired = |by: Timestamp| tokens::table.filter(tokens::key_id.is_null()).filter(tokens::expires_on.le(by));
        let untold: Vec<Token> = expired(now)
            .filter(tokens::expiry_told.eq(false))
            .order(tokens::id)
            .limit(BATCH)
            .select(Token::as_select())
            .load(tx.connection)?;
        for token in untold {
            let row = tokens::table.find(token.id).filter(tokens::expiry_told.eq(false));
            // Another process may have recorded it in the meantime.
            if diesel::update(row).set(tokens::expiry_told.eq(true)).execute(tx.connection)? > 0 {
                let at = token.expires_on.unwrap_or(now);
                NewEvent::of_key(&token, EventAction::KeyExpired).done_by(&Client::latchkey(), at).record(tx)?;
            }
        }
        let old: Vec<Token> = expired(kept_since(now, kept))
            .order(tokens::id)
            .limit(BATCH)
            .select(Token::as_select())
            .load(tx.connection)?;
        for token in old {
            if Token::delete(tx.connection, token.id)? {
                NewEvent::of_key(&token, EventAction::KeyCleared).record(tx)?;
            }
        }
        Ok(())
    }

    /// Whether [`Key::tell_and_clear_expired`] has anything to do.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn any_to_tell_or_clear(
        connection: &mut DbConnection,
        now: Timestamp,
        kept: Option<TimeDelta>,
    ) -> QueryResult<bool> {
        let due = tokens::expiry_told.eq(false).or(tokens::expires_on.le(kept_since(now, kept)).assume_not_null());
        let found = tokens::table
            .filter(tokens::key_id.is_null())
            .filter(tokens::expires_on.le(now))
            .filter(due)
            .select(tokens::id)
            .first::<i64>(connection)
            .optional()?;
        Ok(found.is_some())
    }

    /// The scopes, the expiry and any networks, for the owner's activity.
    fn summary(&self) -> String {
        let networks = self.networks.as_ref().map(|networks| format!(", {}", networks_text(Some(networks))));
        format!("may do {}, {}{}", self.scopes, expiry_text(self.expires_on), networks.unwrap_or_default())
    }

    /// Whether the key may do no more than `authority` allows.
    pub(super) fn is_within(&self, authority: &Authority) -> bool {
        authority.has_every_scope() || !self.action.has_full_access() && authority.exceeded_by(&self.scopes).is_none()
    }

    /// Whether whoever has `authority` may revoke or suspend the key.
    fn may_be_ended_by(&self, authority: &Authority) -> bool {
        let is_within = |ends: &KeyScopes| !self.action.has_full_access() && self.scopes.is_within(ends);
        authority.ends.as_ref().is_none_or(is_within)
    }

    /// Finds a person's key after locking their row, if the author may revoke it.
    pub(super) fn find_to_revoke(
        tx: &mut Tx<'_>,
        (UserId(user_id), KeyId(id)): (UserId, KeyId),
    ) -> Result<Self, KeyRefusal> {
        User::lock_row(tx.connection, user_id)?;
        let key = Self::find(tx.connection, user_id, id)?.ok_or(KeyRefusal::Gone)?;
        if key.may_be_ended_by(tx.authority()) { Ok(key) } else { Err(KeyRefusal::Beyond) }
    }

    /// Why the author gets no secret of a key, and does not change it, that may do more than they may pass on.
    pub(super) fn beyond(tx: &Tx<'_>) -> KeyRefusal {
        if tx.authority().is_of_owner() { KeyRefusal::BeyondOwner } else { KeyRefusal::Beyond }
    }

    /// Whether a key that the author gives power stays within the limits of time and place.
    pub(super) fn is_in_reach_of(&self, authority: &Authority) -> bool {
        authority.outlives(self.expires_on) && authority.reaches(self.networks.as_ref())
    }

    /// Finds a key of these kinds that the author may change.
    fn find_to_change(
        tx: &mut Tx<'_>,
        (UserId(user_id), KeyId(id)): (UserId, KeyId),
        kinds: &[TokenAction],
    ) -> Result<Self, KeyRefusal> {
        match Self::find(tx.connection, user_id, id)?.ok_or(KeyRefusal::Gone)? {
            key if !kinds.contains(&key.action) => Err(KeyRefusal::NotAnAccessToken),
            key if !key.is_within(tx.authority()) => Err(Self::beyond(tx)),
            key if !key.is_in_reach_of(tx.authority()) => Err(KeyRefusal::Beyond),
            key if key.is_expired(tx.now) => Err(KeyRefusal::Expired),
            key => Ok(key),
        }
    }

    /// Removes secrets that stopped working long ago. The latest use of them moves to the first secret, which is an earlier
    /// one too, with who it was by: otherwise the key would look less used than it was. Returns how many were removed.
    fn forget_retired(&self, connection: &mut DbConnection, now: Timestamp) -> QueryResult<usize> {
        let is_long_over = |secret: &Token| secret.ends_on().is_some_and(|ends_on| ends_on + KEPT_RETIRED <= now);
        let Some((first, rest)) = self.earlier.split_last().filter(|(first, _)| is_long_over(first)) else {
            return Ok(0);
        };
        let over: Vec<&Token> = rest.iter().filter(|secret| is_long_over(secret)).collect();
        let last_use = over.iter().filter_map(|secret| Some((secret.recorded_use()?, secret.id))).max();
        if let Some((used_on, of)) = last_use.filter(|(used_on, _)| first.recorded_use().is_none_or(|it| it < *used_on))
        {
            let latest = TokenUse { token_id: first.id, used_on, by: self.used_by.get(&of).cloned() };
            Token::record_uses(connection, &[latest], RecordIf::Later)?;
        }
        over.iter().try_for_each(|secret| Token::delete(connection, secret.id).map(|_| ()))?;
        Ok(over.len())
    }
}
