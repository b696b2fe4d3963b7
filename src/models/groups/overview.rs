//! Groups with how many members they have and which services admit them, as administrators see them.

use std::collections::BTreeMap;

use diesel::dsl::count_star;
use diesel::prelude::*;

use super::group::Group;
use crate::db::DbConnection;
use crate::db::schema::{group_members, service_group_admissions, services};
use crate::models::keys::scope::Access;

/// A group with how many members it has and which services admit it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOverview {
    /// The group.
    pub group: Group,
    /// How many members it has.
    pub members: i64,
    /// The services that admit it, by name.
    pub services: Vec<AdmittingService>,
}

/// A service that admits a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmittingService {
    /// The id of the service.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// The name that people see.
    pub title: String,
    /// What it admits the members to.
    pub access: Access,
}

impl GroupOverview {
    /// The overview of `group`, as it is now.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn of(connection: &mut DbConnection, group: Group) -> QueryResult<Self> {
        let of_all = Self::of_these(connection, vec![group.clone()])?.pop();
        Ok(of_all.unwrap_or(Self { group, members: 0, services: Vec::new() }))
    }

    /// The overviews of `groups`, in their order.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn of_these(connection: &mut DbConnection, groups: Vec<Group>) -> QueryResult<Vec<Self>> {
        let ids: Vec<i64> = groups.iter().map(|group| group.id).collect();
        let counted = group_members::table
            .filter(group_members::group_id.eq_any(&ids))
            .group_by(group_members::group_id)
            .select((group_members::group_id, count_star()));
        let members: Vec<(i64, i64)> = match connection {
            DbConnection::Sqlite(it) => counted.load(it),
            DbConnection::Postgres(it) => counted.load(it),
        }?;
        let members: BTreeMap<i64, i64> = members.into_iter().collect();
        let mut admitting = admitting(connection, &ids)?;
        let overview = |group: Group| Self {
            members: members.get(&group.id).copied().unwrap_or_default(),
            services: admitting.remove(&group.id).unwrap_or_default(),
            group,
        };
        Ok(groups.into_iter().map(overview).collect())
    }

    /// The names of the services that admit it.
    pub fn service_names(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(|service| service.name.as_str())
    }
}

/// The services that admit each of the groups, by name, each once with what it admits to.
pub(super) fn admitting(
    connection: &mut DbConnection,
    group_ids: &[i64],
) -> QueryResult<BTreeMap<i64, Vec<AdmittingService>>> {
    let rows = service_group_admissions::table
        .inner_join(services::table)
        .filter(service_group_admissions::group_id.eq_any(group_ids))
        .order((services::name, service_group_admissions::access))
        .select((
            service_group_admissions::group_id,
            (services::id, services::name, services::title, service_group_admissions::access),
        ));
    let rows: Vec<(i64, (i64, String, String, Access))> = match connection {
        DbConnection::Sqlite(it) => rows.load(it),
        DbConnection::Postgres(it) => rows.load(it),
    }?;
    let mut all: BTreeMap<i64, Vec<AdmittingService>> = BTreeMap::new();
    for (group_id, (id, name, title, access)) in rows {
        let of_group = all.entry(group_id).or_default();
        match of_group.last_mut().filter(|service| service.id == id) {
            Some(service) => service.access = service.access.max(access),
            None => of_group.push(AdmittingService { id, name, title, access }),
        }
    }
    Ok(all)
}
