//! Whom services admit by name: the settings that have rows of their own.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::service::Service;
use super::settings::{Admitted, ServiceSettings};
use crate::db::schema::{service_admissions, services, users};
use crate::db::{DbConnection, lower};
use crate::models::keys::scope::Access;
use crate::models::people::user::login_errors;

impl ServiceSettings {
    /// Those of one service.
    ///
    /// # Errors
    /// Those of the query.
    pub fn of(connection: &mut DbConnection, service: &Service) -> QueryResult<Self> {
        let admissions = service_admissions::table
            .inner_join(users::table)
            .filter(service_admissions::service_id.eq(service.id))
            .order(lower(users::login))
            .select((service_admissions::access, users::login))
            .load(connection)?;
        Ok(of_rows(service, admissions))
    }

    /// Every service with its settings, by name.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn of_all(connection: &mut DbConnection) -> QueryResult<Vec<(Service, Self)>> {
        let all: Vec<Service> = services::table.order(services::name).select(Service::as_select()).load(connection)?;
        let rows: Vec<(i64, Access, String)> = service_admissions::table
            .inner_join(users::table)
            .order(lower(users::login))
            .select((service_admissions::service_id, service_admissions::access, users::login))
            .load(connection)?;
        let mut admissions: BTreeMap<i64, Vec<(Access, String)>> = BTreeMap::new();
        for (service_id, access, login) in rows {
            admissions.entry(service_id).or_default().push((access, login));
        }
        let with_settings = all.into_iter().map(|service| {
            let settings = of_rows(&service, admissions.remove(&service.id).unwrap_or_default());
            (service, settings)
        });
        Ok(with_settings.collect())
    }

    /// Puts the logins as they are stored in place of those that were typed, by login, and gives those that nobody has,
    /// which it leaves out.
    pub(super) fn resolve(&mut self, connection: &mut DbConnection) -> QueryResult<(Vec<String>, Vec<String>)> {
        let readers = resolve(connection, &mut self.readers)?;
        Ok((readers, resolve(connection, &mut self.writers)?))
    }

    /// Names the people whom service `id` admits in place of those whom it has.
    pub(super) fn store_admissions(&self, connection: &mut DbConnection, id: i64) -> QueryResult<()> {
        let of_service = service_admissions::table.filter(service_admissions::service_id.eq(id));
        diesel::delete(of_service).execute(connection)?;
        for (access, admitted) in [(Access::Read, &self.readers), (Access::Write, &self.writers)] {
            for user_id in ids_of(connection, admitted.logins())? {
                let values = (
                    service_admissions::service_id.eq(id),
                    service_admissions::user_id.eq(user_id),
                    service_admissions::access.eq(access),
                );
                diesel::insert_into(service_admissions::table).values(values).execute(connection)?;
            }
        }
        Ok(())
    }
}

/// The settings of `service`, which admits these logins.
fn of_rows(service: &Service, admissions: Vec<(Access, String)>) -> ServiceSettings {
    let (reading, writing): (Vec<_>, Vec<_>) = admissions.into_iter().partition(|(access, _)| *access == Access::Read);
    let logins = |admitted: Vec<(Access, String)>| admitted.into_iter().map(|(_, login)| login).collect();
    service.settings.with_people(logins(reading), logins(writing))
}

fn resolve(connection: &mut DbConnection, admitted: &mut Admitted) -> QueryResult<Vec<String>> {
    let Admitted::People(logins) = admitted else { return Ok(Vec::new()) };
    let found = logins_of(connection, logins)?;
    let is_found = |login: &String| found.iter().any(|found| found.eq_ignore_ascii_case(login));
    let unknown = logins.iter().filter(|login| !is_found(login)).cloned().collect();
    *logins = found;
    Ok(unknown)
}

/// The logins as they are stored of those that somebody has, in the order of logins, each once.
fn logins_of(connection: &mut DbConnection, logins: &[String]) -> QueryResult<Vec<String>> {
    let same = lower(users::login).eq_any(folded(logins));
    users::table.filter(same).order(lower(users::login)).select(users::login).load(connection)
}

fn ids_of(connection: &mut DbConnection, logins: &[String]) -> QueryResult<Vec<i64>> {
    users::table.filter(lower(users::login).eq_any(folded(logins))).select(users::id).load(connection)
}

/// What databases compare; what cannot be a login is nobody's.
fn folded(logins: &[String]) -> Vec<String> {
    let possible = logins.iter().filter(|login| login_errors(login).is_empty());
    possible.map(|login| login.to_ascii_lowercase()).collect()
}
