//! Services with all that is told of them: their settings, and what hangs on each.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;

use super::service::Service;
use super::settings::ServiceSettings;
use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::db::schema::{service_uses, token_services, tokens};
use crate::models::keys::scope::Access;

/// A service with all that is told of it.
#[derive(Clone, Debug)]
pub struct ServiceOverview {
    /// The service.
    pub service: Service,
    /// What is said about it.
    pub settings: ServiceSettings,
    /// What hangs on it.
    pub dependents: Dependents,
}

/// What hangs on a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dependents {
    /// Keys that may read on it, and not write.
    pub reading_keys: usize,
    /// Keys that may write on it.
    pub writing_keys: usize,
    /// The people whose keys those are.
    pub people: usize,
    /// When any key was last used on it; `None`: never.
    pub last_used_on: Option<Timestamp>,
}

impl ServiceOverview {
    /// That of `service`, as it is by now.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn of(connection: &mut DbConnection, service: Service) -> QueryResult<Self> {
        let settings = ServiceSettings::of(connection, &service)?;
        let dependents = Dependents::of_services(connection, &[service.id])?.remove(&service.id).unwrap_or_default();
        Ok(Self { service, settings, dependents })
    }

    /// That of every service, by name.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn of_all(connection: &mut DbConnection) -> QueryResult<Vec<Self>> {
        let all = ServiceSettings::of_all(connection)?;
        let ids: Vec<i64> = all.iter().map(|(service, _)| service.id).collect();
        let mut dependents = Dependents::of_services(connection, &ids)?;
        let overview = |(service, settings): (Service, ServiceSettings)| {
            let dependents = dependents.remove(&service.id).unwrap_or_default();
            Self { service, settings, dependents }
        };
        Ok(all.into_iter().map(overview).collect())
    }

    /// The same where uses are known that are not written yet: `pending` has the latest of each service.
    pub fn with_uses(mut self, pending: &BTreeMap<i64, Timestamp>) -> Self {
        let last_used_on = &mut self.dependents.last_used_on;
        *last_used_on = (*last_used_on).max(pending.get(&self.service.id).copied());
        self
    }
}

impl Dependents {
    /// Keys that have scopes of it.
    pub fn keys(&self) -> usize {
        self.reading_keys + self.writing_keys
    }

    fn of_services(connection: &mut DbConnection, ids: &[i64]) -> QueryResult<BTreeMap<i64, Self>> {
        let held = token_services::table
            .inner_join(tokens::table)
            .filter(token_services::service_id.eq_any(ids))
            .select((token_services::service_id, token_services::token_id, token_services::access, tokens::user_id));
        let last = service_uses::table.filter(service_uses::service_id.eq_any(ids)).group_by(service_uses::service_id);
        let last = last.select((service_uses::service_id, diesel::dsl::max(service_uses::last_used_on)));
        Ok(Self::of_rows(held.load(connection)?, last.load(connection)?))
    }

    /// `held` is a service, a key, what the key may do there, and whose it is; `last` a service and its last use.
    fn of_rows(held: Vec<(i64, i64, Access, i64)>, last: Vec<(i64, Option<Timestamp>)>) -> BTreeMap<i64, Self> {
        let mut keys: BTreeMap<i64, BTreeMap<i64, (Access, i64)>> = BTreeMap::new();
        for (service_id, key_id, access, user_id) in held {
            let most = keys.entry(service_id).or_default().entry(key_id).or_insert((access, user_id));
            most.0 = most.0.max(access);
        }
        let mut all: BTreeMap<i64, Self> = BTreeMap::new();
        for (service_id, keys) in keys {
            let writing_keys = keys.values().filter(|(access, _)| *access == Access::Write).count();
            let people: BTreeSet<i64> = keys.values().map(|(_, user_id)| *user_id).collect();
            let (reading_keys, people) = (keys.len() - writing_keys, people.len());
            all.insert(service_id, Self { reading_keys, writing_keys, people, last_used_on: None });
        }
        for (service_id, last_used_on) in last {
            all.entry(service_id).or_default().last_used_on = last_used_on;
        }
        all
    }
}
