//! The list of everybody's keys, a page at a time. A page begins after the last row of the one before (keyset paging), and
//! is read from the index of its order, so the last page of a million keys costs what the first one does.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::key::{Key, KeyUse};
use super::list_query::{AnyScope, KeyQuery, ListErrors, ListField, ListedState, Unused};
use super::list_rows::{ListedRows, Row};
use super::recording::UsedBy;
use super::token::Token;
use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::db::schema::users;
use crate::models::cursor::Place;
use crate::models::people::user::{User, UserStatus};
use crate::models::rules::{FieldError, Problem};
use crate::models::services::service::Service;
use crate::models::services::used_on::{self, UsedService};
use crate::models::services::uses::KeyOnService;

/// A key, whoever owns it.
#[derive(Clone, Debug)]
pub struct ListedKey {
    /// The key.
    pub key: Key,
    /// Its owner.
    pub owner: Owner,
    /// The services on which it was used, the latest use first.
    pub services: Vec<UsedService>,
}

/// The owner of a key.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The id.
    pub id: i64,
    /// The login.
    pub login: String,
    /// First and last name.
    pub name: String,
    /// The status: the keys of those who are not active are refused.
    pub status: UserStatus,
}

/// A page of the list.
pub struct KeyPage {
    /// The keys. A page that goes on can have fewer than were asked for: a key that was used after the page was looked up
    /// is left out where unused ones are asked for, as is one whose state or verdict has changed.
    pub keys: Vec<ListedKey>,
    /// Where the next page begins; `None`: this is the last one.
    pub next: Option<Place>,
}

/// Uses that are not written yet, which count like those that are. Memory is asked before the database: a use that is
/// written in between is then seen twice, which changes nothing, and not missed.
pub trait UnwrittenUses {
    /// The last use of a secret, written or not.
    fn last_use(&self, secret: &Token) -> Option<Timestamp>;

    /// Who made the last use of a key, written or not; `None`: it is not known.
    fn used_by(&self, key: &Key, last_use: KeyUse) -> Option<UsedBy>;

    /// The unwritten uses of these keys on services.
    fn on_services(&self, key_ids: &[i64]) -> Vec<(KeyOnService, Timestamp)>;
}

/// No unwritten uses: those of a process that serves nothing, such as a command.
pub struct NoUnwrittenUses;

impl UnwrittenUses for NoUnwrittenUses {
    fn last_use(&self, secret: &Token) -> Option<Timestamp> {
        secret.recorded_use()
    }

    fn used_by(&self, key: &Key, last_use: KeyUse) -> Option<UsedBy> {
        key.used_by(last_use).cloned()
    }

    fn on_services(&self, _: &[i64]) -> Vec<(KeyOnService, Timestamp)> {
        Vec::new()
    }
}

/// The list that a query asks for.
#[derive(Clone, Debug)]
pub struct KeyList {
    rows: ListedRows,
}

impl KeyPage {
    /// The page that `query` asks for.
    ///
    /// # Errors
    /// As [`KeyList::of`].
    pub fn of(
        connection: &mut DbConnection,
        query: &KeyQuery,
        uses: &impl UnwrittenUses,
        now: Timestamp,
    ) -> QueryResult<Result<Self, ListErrors>> {
        Ok(match KeyList::of(connection, query)? {
            Ok(list) => Ok(list.page(connection, (query.after, query.limit), uses, now)?),
            Err(errors) => Err(errors),
        })
    }
}

impl KeyList {
    /// The list that `query` asks for.
    ///
    /// # Errors
    /// Inside, that nobody has the login, or no service the name, that the filter says. Outside, those of the queries.
    pub fn of(connection: &mut DbConnection, query: &KeyQuery) -> QueryResult<Result<Self, ListErrors>> {
        let (filter, mut errors) = (query.filter.clone(), ListErrors::new());
        let mut found = |id: Option<i64>, field, text: String| {
            if id.is_none() {
                errors.push(FieldError { field, problem: Problem::sentence(text) });
            }
            id
        };
        let owner = match &filter.owner {
            Some(login) => {
                let id = User::find_by_login(connection, login)?.map(|user| user.id);
                found(id, ListField::Owner, format!("No account has the login {login}"))
            }
            None => None,
        };
        let mut service_named = |field, name: Option<&String>| {
            let Some(name) = name else { return Ok(None) };
            let id = Service::find_by_name(connection, name)?.map(|service| service.id);
            Ok::<_, diesel::result::Error>(found(id, field, format!("No service has the name {name}")))
        };
        let of_scope = match &filter.scope {
            Some(AnyScope::Service(scope)) => Some(&scope.service),
            Some(AnyScope::Own(_)) | None => None,
        };
        let scope_service = service_named(ListField::Scope, of_scope)?;
        let service = service_named(ListField::Service, filter.service.as_ref())?;
        if !errors.is_empty() {
            return Ok(Err(errors));
        }
        let rows = ListedRows { filter, order: query.order, owner, service, scope_service };
        Ok(Ok(Self { rows }))
    }

    /// The page of at most `most` keys after a place; `None`: from the beginning.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn page(
        &self,
        connection: &mut DbConnection,
        (after, most): (Option<Place>, usize),
        uses: &impl UnwrittenUses,
        now: Timestamp,
    ) -> QueryResult<KeyPage> {
        let mut rows = self.rows.find(connection, after, most + 1, now)?;
        let goes_on = rows.len() > most;
        rows.truncate(most);
        let last = rows.last().filter(|_| goes_on).map(Row::place);
        // A time that somebody wrote by hand may be spelled in another way than the place, and come again for ever.
        let next = last.filter(|_| last != after);
        let ids: Vec<i64> = rows.iter().map(|row| row.key_id).collect();
        let mut keys = ListedKey::with_ids(connection, &ids, uses, now)?;
        let keys =
            ids.iter().filter_map(|id| keys.remove(id)).filter(|listed| self.accepts(listed, uses, now)).collect();
        Ok(KeyPage { keys, next })
    }

    /// Whether a key that was found still is what was asked for, with its unwritten uses.
    fn accepts(&self, listed: &ListedKey, uses: &impl UnwrittenUses, now: Timestamp) -> bool {
        let last_use = listed.key.last_use(|secret| uses.last_use(secret));
        let is_unused = match self.rows.filter.unused {
            None => true,
            Some(Unused::Ever) => last_use.is_none(),
            Some(Unused::Since(since)) => Key::is_unused_since(last_use, since),
        };
        let (state, verdict) = (self.rows.filter.state, self.rows.filter.verdict);
        is_unused
            && state.is_none_or(|state| state == ListedState::of(&listed.key, now))
            && verdict.is_none_or(|verdict| verdict == listed.key.evidence(last_use).verdict(now))
    }

    /// How the database reads a page, in its own words: a test holds that it sorts nothing and reads no whole table.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn explained(
        &self,
        connection: &mut DbConnection,
        (after, most): (Option<Place>, usize),
        now: Timestamp,
    ) -> QueryResult<String> {
        self.rows.explained(connection, after, most + 1, now)
    }
}

impl ListedKey {
    /// The keys with these ids that are there, by their ids: a few queries, however many they are.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn with_ids(
        connection: &mut DbConnection,
        ids: &[i64],
        uses: &impl UnwrittenUses,
        now: Timestamp,
    ) -> QueryResult<BTreeMap<i64, Self>> {
        let pending = uses.on_services(ids);
        let mut services = used_on::of_keys(connection, ids, &pending, now)?;
        let keys = Key::with_ids(connection, ids)?;
        let mut owner_ids: Vec<i64> = keys.iter().map(|key| key.user_id).collect();
        owner_ids.sort_unstable();
        owner_ids.dedup();
        let owners = Owner::with_ids(connection, &owner_ids)?;
        let listed = keys.into_iter().filter_map(|key| {
            let owner = owners.get(&key.user_id)?.clone();
            Some((key.id, Self { services: services.remove(&key.id).unwrap_or_default(), owner, key }))
        });
        Ok(listed.collect())
    }
}

impl From<&User> for Owner {
    fn from(user: &User) -> Self {
        let name = format!("{} {}", user.firstname, user.lastname);
        Self { id: user.id, login: user.login.clone(), name, status: user.status }
    }
}

impl Owner {
    fn with_ids(connection: &mut DbConnection, ids: &[i64]) -> QueryResult<BTreeMap<i64, Self>> {
        let columns = (users::id, users::login, users::firstname, users::lastname, users::status);
        let owners = users::table.filter(users::id.eq_any(ids)).select(columns);
        let rows: Vec<(i64, String, String, String, UserStatus)> = match connection {
            DbConnection::Sqlite(it) => owners.load(it),
            DbConnection::Postgres(it) => owners.load(it),
        }?;
        let owner =
            |(id, login, first, last, status)| (id, Self { id, login, name: format!("{first} {last}"), status });
        Ok(rows.into_iter().map(owner).collect())
    }
}
