//! The whole life of a key as its owner sees it: made, changed, rotated, expired, revoked. An access token may have
//! several secrets at a time, each a row of `tokens`; an API or Atom access key has one.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use diesel::prelude::*;

use super::key_wish::{
    Authority, Grace, KeyChanges, KeyField, KeyPolicy, LONGEST_NAME, NewKey, Rules, expiry_text, note_errors,
};
use super::notice::Notice;
use super::scope::{KeyScopes, Scopes};
use super::token::{Token, TokenAction};
use crate::clock::{Timestamp, iso8601};
use crate::db::schema::{events, tokens, users};
use crate::db::{DbConnection, lower};
use crate::models::event::{Client, Event, EventAction};
use crate::models::people::user::User;
use crate::models::rules::{FieldError, name_errors};
use crate::models::services::scopes_of_keys::{self, KeysOf};
use crate::secret::Secret;

/// Secrets of one key that may work at the same time.
const MOST_SECRETS: usize = 5;
/// A secret that has been replaced is kept for this long at least, so that its last use can still be recorded.
const KEPT_RETIRED: TimeDelta = TimeDelta::days(1);
/// A key that has expired is shown for this long.
pub const KEPT_EXPIRED: TimeDelta = TimeDelta::days(30);
/// A key unused for this long seems to be needed no more.
const IDLE_AFTER: TimeDelta = TimeDelta::days(90);
/// So does one whose uses have been recorded for this long without there being one.
const IDLE_UNUSED_AFTER: TimeDelta = TimeDelta::days(30);
/// Keys that are told of in one transaction as expired, at most: others want to write too.
const BATCH: i64 = 200;

/// A key, with all its secrets.
#[derive(Clone, Debug)]
pub struct Key {
    /// Never given twice; the same after a rotation.
    pub id: i64,
    /// Whose.
    pub user_id: i64,
    /// Which kind.
    pub action: TokenAction,
    /// What an access token is called; `None` for the other kinds.
    pub name: Option<String>,
    /// What else its owner wrote about it; may be empty.
    pub note: String,
    /// What it may do.
    pub scopes: KeyScopes,
    /// When it was made.
    pub created_on: Timestamp,
    /// From then on it is refused; `None`: it does not expire.
    pub expires_on: Option<Timestamp>,
    /// The secret that it has now.
    pub current: Token,
    /// Those before it, latest first, whether they still work or not.
    pub earlier: Vec<Token>,
}

/// Which secret of a key it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsedSecret {
    /// The one that it has now.
    Current,
    /// One that has been replaced.
    Earlier,
}

/// The latest use of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// When.
    pub on: Timestamp,
    /// By which secret.
    pub by: UsedSecret,
}

/// Why nothing was done about a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// There is none with this id, or it is somebody else's.
    #[error("There is no such key")]
    Gone,
    /// Rules that are broken.
    #[error("{}", .0.iter().map(FieldError::message).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<FieldError<KeyField>>),
    /// There are as many as one person may have.
    #[error("There are {0} access tokens, as many as one person may have: revoke one first")]
    TooMany(usize),
    /// What somebody was let in with is over by now.
    #[error("What you were let in with is no longer valid")]
    NoAuthority,
    /// A key is not to make or change one that may do more than itself, or lives longer.
    #[error("This key may do more, or lives longer, than the one that you use")]
    Beyond,
    /// It has expired.
    #[error("This access token has expired: make a new one")]
    Expired,
    /// Only access tokens have names and scopes, and secrets that overlap.
    #[error("This is no access token: it can be reset or revoked, not changed or rotated")]
    NotAnAccessToken,
    /// So many that each would have to be looked for.
    #[error("{MOST_SECRETS} secrets of this access token still work: wait until the first of them stops, or revoke it")]
    TooManySecrets,
}

/// What came of something that was to be done about a key.
pub type Outcome<T> = QueryResult<Result<T, KeyRefusal>>;

impl Key {
    /// The keys of a person that are of one of `actions`, oldest first.
    ///
    /// # Errors
    /// Those of the query.
    pub fn of_user(connection: &mut DbConnection, user_id: i64, actions: &[TokenAction]) -> QueryResult<Vec<Self>> {
        let rows = tokens::table
            .filter(tokens::user_id.eq(user_id))
            .filter(tokens::action.eq_any(actions))
            .order(tokens::id)
            .select((Token::as_select(), tokens::note))
            .load(connection)?;
        Self::of_rows(connection, rows, KeysOf::User(user_id))
    }

    /// Everybody's keys with their owner's login, by login, oldest first.
    ///
    /// # Errors
    /// Those of the query.
    pub fn of_everybody(connection: &mut DbConnection) -> QueryResult<Vec<(Self, String)>> {
        let rows: Vec<(Token, Option<String>, String)> = tokens::table
            .inner_join(users::table)
            .filter(tokens::action.eq_any(TokenAction::KEYS))
            .order((lower(users::login), tokens::id))
            .select((Token::as_select(), tokens::note, users::login))
            .load(connection)?;
        // In the order of the rows of their first secrets, which is that of the logins.
        let firsts: Vec<(i64, String)> = rows
            .iter()
            .filter(|(token, ..)| token.key() == token.id)
            .map(|(token, _, login)| (token.id, login.clone()))
            .collect();
        let rows = rows.into_iter().map(|(token, note, _)| (token, note)).collect();
        let keys = Self::of_rows(connection, rows, KeysOf::Everybody)?;
        let mut keys: BTreeMap<i64, Self> = keys.into_iter().map(|key| (key.id, key)).collect();
        Ok(firsts.into_iter().filter_map(|(id, login)| Some((keys.remove(&id)?, login))).collect())
    }

    /// Whoever's key it is that has this id, or a secret with this id; with its owner.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn find_anybodys(connection: &mut DbConnection, id: i64) -> QueryResult<Option<(Self, User)>> {
        let Some(secret) = Token::find(connection, id)? else { return Ok(None) };
        let Some(key) = Self::find(connection, secret.user_id, secret.key())? else { return Ok(None) };
        Ok(User::find(connection, secret.user_id)?.map(|owner| (key, owner)))
    }

    /// The key of a person with this id.
    ///
    /// # Errors
    /// Those of the query.
    pub fn find(connection: &mut DbConnection, user_id: i64, id: i64) -> QueryResult<Option<Self>> {
        let rows = tokens::table
            .filter(tokens::id.eq(id).or(tokens::key_id.eq(id)))
            .filter(tokens::user_id.eq(user_id))
            .filter(tokens::action.eq_any(TokenAction::KEYS))
            .order(tokens::id)
            .select((Token::as_select(), tokens::note))
            .load(connection)?;
        Ok(Self::of_rows(connection, rows, KeysOf::User(user_id))?.into_iter().find(|key| key.id == id))
    }

    /// The id of the access token that a person made last, be it still there or not; `None`: none was made yet. A form
    /// that names it makes one token, however often it is sent.
    ///
    /// # Errors
    /// Those of the query.
    pub fn latest_made(connection: &mut DbConnection, user_id: i64) -> QueryResult<Option<i64>> {
        events::table
            .filter(events::user_id.eq(user_id))
            .filter(events::action.eq(EventAction::KeyCreated))
            .filter(events::token_action.eq(TokenAction::Access))
            .select(diesel::dsl::max(events::token_id))
            .first(connection)
    }

    /// Puts the rows of keys together, of which those of one key come in the order of their ids.
    fn of_rows(
        connection: &mut DbConnection,
        rows: Vec<(Token, Option<String>)>,
        whose: KeysOf,
    ) -> QueryResult<Vec<Self>> {
        let mut keys: BTreeMap<i64, Vec<(Token, Option<String>)>> = BTreeMap::new();
        for row in rows {
            keys.entry(row.0.key()).or_default().push(row);
        }
        let mut keys: Vec<Self> = keys.into_iter().filter_map(|(id, rows)| Self::of_secrets(id, rows)).collect();
        if keys.iter().any(|key| key.action == TokenAction::Access) {
            let mut of_services = scopes_of_keys::of_keys(connection, whose)?;
            keys.iter_mut().for_each(|key| key.scopes.services = of_services.remove(&key.id).unwrap_or_default());
        }
        Ok(keys)
    }

    fn of_secrets(id: i64, mut rows: Vec<(Token, Option<String>)>) -> Option<Self> {
        let created_on = rows.first()?.0.created_on;
        // The latest is the one that no other has taken the place of.
        let (current, note) = rows.pop()?;
        Some(Self {
            id,
            user_id: current.user_id,
            action: current.action,
            name: current.name.clone(),
            note: note.unwrap_or_default(),
            scopes: current.scopes().into(),
            created_on,
            expires_on: current.expires_on,
            current,
            earlier: rows.into_iter().rev().map(|(token, _)| token).collect(),
        })
    }

    /// What people call it, to recognise it by.
    pub fn title(&self) -> String {
        self.current.title()
    }

    /// Whether it is refused because of its age.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_on.is_some_and(|expires_on| expires_on <= now)
    }

    /// Secrets that were replaced and still work, latest first.
    pub fn in_grace(&self, now: Timestamp) -> impl Iterator<Item = &Token> {
        self.earlier.iter().filter(move |secret| secret.ends_on().is_some_and(|ends_on| ends_on > now))
    }

    /// The latest use of any of its secrets; `last_use` tells that of one.
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

    /// Whether nobody seems to need it any more: unused for 90 days, or not used at all in the 30 days or more that its
    /// uses have been recorded.
    pub fn is_idle(&self, last_use: Option<KeyUse>, now: Timestamp) -> bool {
        match last_use {
            Some(last_use) => now - last_use.on >= IDLE_AFTER,
            None => now - self.current.recorded_since.unwrap_or(self.created_on) >= IDLE_UNUSED_AFTER,
        }
    }

    /// Makes an access token for a person, on the authority of whoever asks for it.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn make(
        connection: &mut DbConnection,
        user_id: i64,
        new: &NewKey,
        (policy, authority): (&KeyPolicy, &Authority),
        client: &Client,
        now: Timestamp,
    ) -> Outcome<(Self, Secret)> {
        let owner = User::lock_row(connection, user_id)?;
        let held = Self::of_user(connection, user_id, &[TokenAction::Access])?.len();
        if held >= policy.most_per_user {
            return Ok(Err(KeyRefusal::TooMany(held)));
        }
        let expires_on = new.expiry.map_or_else(|| policy.usual_expiry(authority, now), |expiry| expiry.from(now));
        let rules = Rules { owner: &owner, policy, authority, now };
        let mut errors = name_errors(KeyField::Name, &new.name, LONGEST_NAME);
        errors.extend(note_errors(&new.note));
        errors.extend(rules.scope_errors(connection, &new.scopes, &KeyScopes::default())?);
        errors.extend(rules.expiry_errors(expires_on));
        if !errors.is_empty() {
            return Ok(Err(KeyRefusal::Invalid(errors)));
        }
        let said = (Some(new.name.as_str()), new.note.as_str(), new.scopes.own, expires_on);
        let (mut key, secret) = match Self::add_secret(connection, (user_id, None), said, now)? {
            Ok(made) => made,
            Err(refusal) => return Ok(Err(refusal)),
        };
        scopes_of_keys::replace(connection, key.id, &new.scopes.services)?;
        key.scopes.services = new.scopes.services.clone();
        Event::record_detail(connection, EventAction::KeyCreated, &key.current, &key.summary(), client, now)?;
        Ok(Ok((key, secret)))
    }

    /// Changes an access token of a person, on the authority of whoever asks for it.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn change(
        connection: &mut DbConnection,
        (user_id, id): (i64, i64),
        changes: &KeyChanges,
        (policy, authority): (&KeyPolicy, &Authority),
        client: &Client,
        now: Timestamp,
    ) -> Outcome<Self> {
        let owner = User::lock_row(connection, user_id)?;
        let key = match Self::find_to_change(connection, (user_id, id), authority, now)? {
            Ok(key) => key,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let rules = Rules { owner: &owner, policy, authority, now };
        let name = changes.name.clone().filter(|name| key.name.as_ref() != Some(name));
        let note = changes.note.clone().filter(|note| key.note != *note);
        let scopes = changes.scopes.as_ref().filter(|scopes| key.scopes != **scopes);
        let expires_on = changes.expiry.map(|expiry| expiry.from(now)).filter(|it| key.expires_on != *it);
        let mut errors = Vec::new();
        errors.extend(name.iter().flat_map(|name| name_errors(KeyField::Name, name, LONGEST_NAME)));
        errors.extend(note.iter().flat_map(|note| note_errors(note)));
        if let Some(scopes) = scopes {
            errors.extend(rules.scope_errors(connection, scopes, &key.scopes)?);
        }
        errors.extend(expires_on.into_iter().flat_map(|expires_on| rules.expiry_errors(expires_on)));
        if !errors.is_empty() {
            return Ok(Err(KeyRefusal::Invalid(errors)));
        }
        let told: Vec<String> = [
            name.as_ref().map(|_| format!("was called “{}”", key.name.as_deref().unwrap_or_default())),
            note.as_ref().map(|_| "note".to_owned()),
            scopes.map(|scopes| format!("may do {scopes}")),
            expires_on.map(expiry_text),
        ]
        .into_iter()
        .flatten()
        .collect();
        if told.is_empty() {
            return Ok(Ok(key));
        }
        let values = (
            name.map(|name| tokens::name.eq(name)),
            note.map(|note| tokens::note.eq(note)),
            scopes.map(|scopes| tokens::scopes.eq(scopes.own.to_string())),
            expires_on.map(|expires_on| (tokens::expires_on.eq(expires_on), tokens::expiry_told.eq(false))),
        );
        let secrets = tokens::table.filter(tokens::id.eq(id).or(tokens::key_id.eq(id)));
        diesel::update(secrets).set(values).execute(connection)?;
        if let Some(scopes) = scopes {
            scopes_of_keys::replace(connection, id, &scopes.services)?;
        }
        let Some(key) = Self::find(connection, user_id, id)? else { return Ok(Err(KeyRefusal::Gone)) };
        Event::record_detail(connection, EventAction::KeyChanged, &key.current, &told.join(", "), client, now)?;
        Ok(Ok(key))
    }

    /// Gives an access token of a person a new secret, on the authority of whoever asks for it. The one before works on
    /// for `grace`.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn rotate(
        connection: &mut DbConnection,
        (user_id, id): (i64, i64),
        grace: Grace,
        authority: &Authority,
        client: &Client,
        now: Timestamp,
    ) -> Outcome<(Self, Secret)> {
        User::lock_row(connection, user_id)?;
        let key = match Self::find_to_change(connection, (user_id, id), authority, now)? {
            Ok(key) => key,
            Err(refusal) => return Ok(Err(refusal)),
        };
        // With the current one, which is about to be one of them, and the new one.
        if key.in_grace(now).count() + 2 > MOST_SECRETS {
            return Ok(Err(KeyRefusal::TooManySecrets));
        }
        key.forget_retired(connection, now)?;
        let retired = tokens::table.find(key.current.id);
        diesel::update(retired).set(tokens::retired_on.eq(now + grace.span())).execute(connection)?;
        let said = (key.name.as_deref(), key.note.as_str(), key.scopes.own, key.expires_on);
        let (key, secret) = match Self::add_secret(connection, (user_id, Some(id)), said, now)? {
            Ok(made) => made,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let told = match grace {
            Grace::None => "the secret before has stopped working".to_owned(),
            _ => format!("the secret before works until {}", iso8601(now + grace.span())),
        };
        Event::record_detail(connection, EventAction::KeyRotated, &key.current, &told, client, now)?;
        Ok(Ok((key, secret)))
    }

    /// Stores a new secret of an access token of a person, with what is said about the key in the row of each: name, note,
    /// scopes and expiry. `key_id` names the key that it is a later secret of; `None`: it is the first of one.
    fn add_secret(
        connection: &mut DbConnection,
        (user_id, key_id): (i64, Option<i64>),
        (name, note, scopes, expires_on): (Option<&str>, &str, Scopes, Option<Timestamp>),
        now: Timestamp,
    ) -> Outcome<(Self, Secret)> {
        let secret = Secret::generate();
        let id = Token::insert(connection, user_id, TokenAction::Access, &secret, now)?.id;
        let values = (
            tokens::key_id.eq(key_id),
            tokens::name.eq(name),
            tokens::note.eq(note),
            tokens::scopes.eq(scopes.to_string()),
            tokens::expires_on.eq(expires_on),
        );
        diesel::update(tokens::table.find(id)).set(values).execute(connection)?;
        let key = Self::find(connection, user_id, key_id.unwrap_or(id))?;
        Ok(key.map(|key| (key, secret)).ok_or(KeyRefusal::Gone))
    }

    /// Ends a key of a person at once, with every secret of it.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn revoke(
        connection: &mut DbConnection,
        (user_id, id): (i64, i64),
        client: &Client,
        now: Timestamp,
    ) -> Outcome<Self> {
        User::lock_row(connection, user_id)?;
        let Some(key) = Self::find(connection, user_id, id)? else { return Ok(Err(KeyRefusal::Gone)) };
        Token::delete(connection, id)?;
        Event::record(connection, user_id, EventAction::KeyRevoked, Some(&key.current), client, now)?;
        Ok(Ok(key))
    }

    /// Ends the key that `leaked` is a secret of, because somebody who is `client` knows that secret, and tells its owner.
    /// `false`: it was gone already.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn revoke_leaked(
        connection: &mut DbConnection,
        leaked: &Token,
        client: &Client,
        now: Timestamp,
    ) -> QueryResult<bool> {
        // Gone, too, if the person is.
        let is_there = User::lock_row(connection, leaked.user_id).optional()?.is_some();
        if !is_there || !Token::delete(connection, leaked.key())? {
            return Ok(false);
        }
        // By the end of the secret that leaked: a key may have several.
        Event::record(connection, leaked.user_id, EventAction::KeyLeaked, Some(leaked), client, now)?;
        Notice::of_leak(connection, leaked)?;
        Ok(true)
    }

    /// Tells owners of access tokens that have expired, and removes those that expired long ago.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn tell_and_clear_expired(connection: &mut DbConnection, now: Timestamp) -> QueryResult<()> {
        let expired = |by: Timestamp| tokens::table.filter(tokens::key_id.is_null()).filter(tokens::expires_on.le(by));
        let untold: Vec<Token> = expired(now)
            .filter(tokens::expiry_told.eq(false))
            .order(tokens::id)
            .limit(BATCH)
            .select(Token::as_select())
            .load(connection)?;
        for token in untold {
            let row = tokens::table.find(token.id).filter(tokens::expiry_told.eq(false));
            // Another process may have told it meanwhile.
            if diesel::update(row).set(tokens::expiry_told.eq(true)).execute(connection)? > 0 {
                let at = token.expires_on.unwrap_or(now);
                let (action, client) = (EventAction::KeyExpired, Client::latchkey());
                Event::record(connection, token.user_id, action, Some(&token), &client, at)?;
            }
        }
        let old: Vec<Token> =
            expired(now - KEPT_EXPIRED).order(tokens::id).limit(BATCH).select(Token::as_select()).load(connection)?;
        for token in old {
            if Token::delete(connection, token.id)? {
                let (action, client) = (EventAction::KeyCleared, Client::latchkey());
                Event::record(connection, token.user_id, action, Some(&token), &client, now)?;
            }
        }
        Ok(())
    }

    /// Whether [`Key::tell_and_clear_expired`] has anything to do.
    ///
    /// # Errors
    /// Those of the query.
    pub fn any_to_tell_or_clear(connection: &mut DbConnection, now: Timestamp) -> QueryResult<bool> {
        let due = tokens::expiry_told.eq(false).or(tokens::expires_on.le(now - KEPT_EXPIRED).assume_not_null());
        let found = tokens::table
            .filter(tokens::key_id.is_null())
            .filter(tokens::expires_on.le(now))
            .filter(due)
            .select(tokens::id)
            .first::<i64>(connection)
            .optional()?;
        Ok(found.is_some())
    }

    /// What it may do and until when, for its owner's activity.
    fn summary(&self) -> String {
        format!("may do {}, {}", self.scopes, expiry_text(self.expires_on))
    }

    fn find_to_change(
        connection: &mut DbConnection,
        (user_id, id): (i64, i64),
        authority: &Authority,
        now: Timestamp,
    ) -> Outcome<Self> {
        Ok(match Self::find(connection, user_id, id)? {
            None => Err(KeyRefusal::Gone),
            Some(key) if key.action != TokenAction::Access => Err(KeyRefusal::NotAnAccessToken),
            Some(key) if !authority.covers(&key.scopes, key.expires_on) => Err(KeyRefusal::Beyond),
            Some(key) if key.is_expired(now) => Err(KeyRefusal::Expired),
            Some(key) => Ok(key),
        })
    }

    /// Removes secrets that stopped working long ago. What is known of their use goes to the first one, as that of an
    /// earlier secret: the key must not read as less used than it was.
    fn forget_retired(&self, connection: &mut DbConnection, now: Timestamp) -> QueryResult<()> {
        let is_long_over = |secret: &Token| secret.ends_on().is_some_and(|ends_on| ends_on + KEPT_RETIRED <= now);
        let Some((first, rest)) = self.earlier.split_last().filter(|(first, _)| is_long_over(first)) else {
            return Ok(());
        };
        let over: Vec<&Token> = rest.iter().filter(|secret| is_long_over(secret)).collect();
        let last_use = over.iter().filter_map(|secret| secret.recorded_use()).max();
        if let Some(last_use) = last_use.filter(|last_use| first.recorded_use().is_none_or(|it| it < *last_use)) {
            diesel::update(tokens::table.find(first.id)).set(tokens::updated_on.eq(last_use)).execute(connection)?;
        }
        over.into_iter().try_for_each(|secret| Token::delete(connection, secret.id).map(|_| ()))
    }
}
