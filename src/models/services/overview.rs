//! Services with their settings and what depends on them, as administrators see them.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;

use super::service::Service;
use super::settings::ServiceSettings;
use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::db::schema::{service_uses, token_services, tokens};
use crate::models::keys::scope::Access;

/// A service with its settings and what depends on it.
#[derive(Clone, Debug)]
pub struct ServiceOverview {
    /// The service.
    pub service: Service,
    /// Its settings.
    pub settings: ServiceSettings,
    /// What depends on it.
    pub dependents: Dependents,
}

/// The keys and people that depend on a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dependents {
    /// How many keys may read on it, but not write.
    pub reading_keys: usize,
    /// How many keys may write on it.
    pub writing_keys: usize,
    /// How many people these keys belong to.
    pub people: usize,
    /// When a key was last used on it; `None`: never.
    pub last_used_on: Option<Timestamp>,
}

impl ServiceOverview {
    /// The overview of `service`, as it is now.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn of(connection: &mut DbConnection, service: Service) -> QueryResult<Self> {
        let settings = ServiceSettings::of(connection, &service)?;
        let dependents = Dependents::of_services(connection, &[service.id])?.remove(&service.id).unwrap_or_default();
        Ok(Self { service, settings, dependents })
    }

    /// The overviews of all services, by name.
    ///
    /// # Errors
    /// Returns an error if a query fails.
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

    /// Adds uses that are still in memory: `pending` is the latest one of each service, by id.
    pub fn with_uses(mut self, pending: &BTreeMap<i64, Timestamp>) -> Self {
        let last_used_on = &mut self.dependents.last_used_on;
        *last_used_on = (*last_used_on).max(pending.get(&self.service.id).copied());
        self
    }
}

impl Dependents {
    /// How many keys have a scope of the service.
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

    /// Counts the rows. `held` has a service, a key, its access and its owner; `last` a service and its last use.
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
