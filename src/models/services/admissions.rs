//! Whom services admit by name: the settings that have rows of their own.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;

use super::admitted::{Admitted, Admittee};
use super::service::Service;
use super::settings::ServiceSettings;
use crate::db::schema::{groups, service_admissions, service_group_admissions, services, users};
use crate::db::{DbConnection, lower};
use crate::models::groups::group::Group;
use crate::models::keys::scope::Access;
use crate::models::natural::natural_key;
use crate::models::people::by_login;

/// Whom a service admits to what.
type Admission = (Access, Admittee);

impl ServiceSettings {
    /// Those of one service.
    ///
    /// # Errors
    /// Those of the query.
    pub fn of(connection: &mut DbConnection, service: &Service) -> QueryResult<Self> {
        let admissions = admissions(connection, &[service.id])?.remove(&service.id).unwrap_or_default();
        Ok(of_rows(service, admissions))
    }

    /// Every service with its settings, by name.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn of_all(connection: &mut DbConnection) -> QueryResult<Vec<(Service, Self)>> {
        let all: Vec<Service> = services::table.order(services::name).select(Service::as_select()).load(connection)?;
        let ids: Vec<i64> = all.iter().map(|service| service.id).collect();
        let mut admissions = admissions(connection, &ids)?;
        let with_settings = all.into_iter().map(|service| {
            let settings = of_rows(&service, admissions.remove(&service.id).unwrap_or_default());
            (service, settings)
        });
        Ok(with_settings.collect())
    }

    /// Puts the names as they are stored in place of those that were typed, in order, and gives those that nobody has,
    /// which it leaves out: of readers, and of writers. Those who are found cannot be deleted before the transaction ends.
    pub(super) fn resolve(&mut self, connection: &mut DbConnection) -> QueryResult<[Vec<Admittee>; 2]> {
        let named: Vec<&Admittee> = self.readers.named().iter().chain(self.writers.named()).collect();
        let logins: Vec<&str> = named.iter().filter_map(|it| it.login()).collect();
        let mut people: Vec<String> =
            by_login::hold(connection, &logins)?.into_iter().map(|(_, login)| login).collect();
        people.sort_by_cached_key(|login| login.to_ascii_lowercase());
        let names = named.iter().filter_map(|it| it.group());
        let mut groups: Vec<String> =
            Group::hold_named(connection, names)?.into_iter().map(|group| group.name).collect();
        groups.sort_by_cached_key(|name| natural_key(name));
        let found =
            groups.into_iter().map(Admittee::Group).chain(people.into_iter().map(Admittee::Person)).collect::<Vec<_>>();
        Ok([&mut self.readers, &mut self.writers].map(|admitted| keep_found(admitted, &found)))
    }

    /// Names those whom service `id` admits in place of those whom it has.
    pub(super) fn store_admissions(&self, connection: &mut DbConnection, id: i64) -> QueryResult<()> {
        let of_service = service_admissions::table.filter(service_admissions::service_id.eq(id));
        diesel::delete(of_service).execute(connection)?;
        let groups_of_service = service_group_admissions::table.filter(service_group_admissions::service_id.eq(id));
        diesel::delete(groups_of_service).execute(connection)?;
        for (access, admitted) in [(Access::Read, &self.readers), (Access::Write, &self.writers)] {
            let logins: Vec<&str> = admitted.named().iter().filter_map(Admittee::login).collect();
            for (user_id, _) in by_login::hold(connection, &logins)? {
                let values = (
                    service_admissions::service_id.eq(id),
                    service_admissions::user_id.eq(user_id),
                    service_admissions::access.eq(access),
                );
                diesel::insert_into(service_admissions::table).values(values).execute(connection)?;
            }
            for group in Group::hold_named(connection, admitted.named().iter().filter_map(Admittee::group))? {
                let values = (
                    service_group_admissions::service_id.eq(id),
                    service_group_admissions::group_id.eq(group.id),
                    service_group_admissions::access.eq(access),
                );
                diesel::insert_into(service_group_admissions::table).values(values).execute(connection)?;
            }
        }
        Ok(())
    }
}

/// Whom each of these services admits, by its id: groups first, then people, each in the order in which people look for
/// them.
fn admissions(connection: &mut DbConnection, ids: &[i64]) -> QueryResult<BTreeMap<i64, Vec<Admission>>> {
    let of_groups = service_group_admissions::table
        .inner_join(groups::table)
        .filter(service_group_admissions::service_id.eq_any(ids))
        .select((service_group_admissions::service_id, service_group_admissions::access, groups::name));
    let of_people = service_admissions::table
        .inner_join(users::table)
        .filter(service_admissions::service_id.eq_any(ids))
        .order(lower(users::login))
        .select((service_admissions::service_id, service_admissions::access, users::login));
    type Rows = Vec<(i64, Access, String)>;
    let (mut of_groups, of_people): (Rows, Rows) = match connection {
        DbConnection::Sqlite(it) => (of_groups.load(it)?, of_people.load(it)?),
        DbConnection::Postgres(it) => (of_groups.load(it)?, of_people.load(it)?),
    };
    of_groups.sort_by_cached_key(|(_, _, name)| natural_key(name));
    let of_groups = of_groups.into_iter().map(|(id, access, name)| (id, access, Admittee::Group(name)));
    let of_people = of_people.into_iter().map(|(id, access, login)| (id, access, Admittee::Person(login)));
    let mut all: BTreeMap<i64, Vec<Admission>> = BTreeMap::new();
    for (service_id, access, admittee) in of_groups.chain(of_people) {
        all.entry(service_id).or_default().push((access, admittee));
    }
    Ok(all)
}

/// The settings of `service`, which admits these.
fn of_rows(service: &Service, admissions: Vec<Admission>) -> ServiceSettings {
    let (reading, writing): (Vec<_>, Vec<_>) = admissions.into_iter().partition(|(access, _)| *access == Access::Read);
    let admitted = |admissions: Vec<Admission>| admissions.into_iter().map(|(_, admittee)| admittee).collect();
    service.settings.admitting(admitted(reading), admitted(writing))
}

/// Leaves those of `found` whom `admitted` names, and gives the others.
fn keep_found(admitted: &mut Admitted, found: &[Admittee]) -> Vec<Admittee> {
    let Admitted::These(named) = admitted else { return Vec::new() };
    let in_lower_case = |admittees: &[Admittee]| admittees.iter().map(Admittee::in_lower_case).collect::<BTreeSet<_>>();
    let (wanted, there) = (in_lower_case(named), in_lower_case(found));
    let unknown = named.iter().filter(|it| !there.contains(&it.in_lower_case())).cloned().collect();
    *named = found.iter().filter(|it| wanted.contains(&it.in_lower_case())).cloned().collect();
    unknown
}
