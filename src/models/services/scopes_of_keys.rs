//! The service scopes of keys. Each is a row, so that removing a service removes its scopes, too.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;

use super::service::Service;
use crate::db::DbConnection;
use crate::db::schema::{services, token_services, tokens};
use crate::models::keys::scope::{Access, KeyScopes, Scopes, ServiceScope};
use crate::models::people::user::User;

/// Which keys are read.
#[derive(Clone, Copy, Debug)]
pub enum KeysOf<'a> {
    /// The keys of a person.
    User(i64),
    /// The keys of people with these ids.
    Users(&'a [i64]),
    /// The keys with these ids.
    These(&'a [i64]),
}

/// The service scopes of each key, by key id. Keys without service scopes have no entry.
///
/// # Errors
/// Returns an error if the query fails.
pub fn of_keys(connection: &mut DbConnection, whose: KeysOf<'_>) -> QueryResult<BTreeMap<i64, BTreeSet<ServiceScope>>> {
    let held = token_services::table.inner_join(services::table).select((
        token_services::token_id,
        services::name,
        token_services::access,
    ));
    // A join, as SQLite would build a table of its own for a list of tokens each time.
    let theirs = tokens::table.on(tokens::id.eq(token_services::token_id));
    // The pages of access tokens run this on every view: Diesel caches the SQL of a query for one backend only.
    let rows: Vec<(i64, String, Access)> = match whose {
        KeysOf::User(user_id) => {
            let held = held.inner_join(theirs).filter(tokens::user_id.eq(user_id));
            match connection {
                DbConnection::Sqlite(it) => held.load(it),
                DbConnection::Postgres(it) => held.load(it),
            }
        }
        KeysOf::Users(user_ids) => {
            let held = held.inner_join(theirs).filter(tokens::user_id.eq_any(user_ids));
            match connection {
                DbConnection::Sqlite(it) => held.load(it),
                DbConnection::Postgres(it) => held.load(it),
            }
        }
        KeysOf::These(ids) => {
            let held = held.filter(token_services::token_id.eq_any(ids));
            match connection {
                DbConnection::Sqlite(it) => held.load(it),
                DbConnection::Postgres(it) => held.load(it),
            }
        }
    }?;
    let mut scopes: BTreeMap<i64, BTreeSet<ServiceScope>> = BTreeMap::new();
    for (key_id, service, access) in rows {
        scopes.entry(key_id).or_default().insert(ServiceScope { service, access });
    }
    Ok(scopes)
}

/// Replaces the service scopes of a key by `scopes`. Scopes of services that do not exist are left out.
///
/// # Errors
/// Returns an error if a query fails.
pub fn replace(connection: &mut DbConnection, key_id: i64, scopes: &BTreeSet<ServiceScope>) -> QueryResult<()> {
    let names: BTreeSet<&str> = scopes.iter().map(|scope| scope.service.as_str()).collect();
    let named = services::table.filter(services::name.eq_any(names)).order(services::id);
    let named = named.select((services::name, services::id));
    // Lock the services until the end of the transaction. If one is being removed, this waits, and then leaves it out.
    // The services come before the scopes of the key, as they do when a service is removed; another order could
    // deadlock.
    let ids: Vec<(String, i64)> = match connection {
        DbConnection::Sqlite(it) => named.load(it),
        DbConnection::Postgres(it) => named.for_key_share().load(it),
    }?;
    let ids: BTreeMap<String, i64> = ids.into_iter().collect();
    diesel::delete(token_services::table.filter(token_services::token_id.eq(key_id))).execute(connection)?;
    for ServiceScope { service, access } in scopes {
        let Some(id) = ids.get(service) else { continue };
        let values = (
            token_services::token_id.eq(key_id),
            token_services::service_id.eq(id),
            token_services::access.eq(*access),
        );
        diesel::insert_into(token_services::table).values(values).execute(connection)?;
    }
    Ok(())
}

/// The service scopes that a person can give to keys: those of the services that admit them.
///
/// # Errors
/// Returns an error if a query fails.
pub fn offered_to(connection: &mut DbConnection, user_id: i64) -> QueryResult<Vec<(Service, ServiceScope)>> {
    let admitting = Service::admitting(connection, user_id)?;
    let offered = admitting.into_iter().flat_map(|(service, most)| {
        let accesses = Access::ALL.into_iter().filter(move |access| most.includes(*access));
        accesses.map(move |access| (service.clone(), ServiceScope { service: service.name.clone(), access }))
    });
    Ok(offered.collect())
}

/// All scopes that a person may use themselves, and so pass on.
///
/// # Errors
/// Returns an error if a query fails.
pub fn most_of(connection: &mut DbConnection, person: &User) -> QueryResult<KeyScopes> {
    let own = Scopes::open_to(person.admin);
    let services = offered_to(connection, person.id)?.into_iter().map(|(_, scope)| scope).collect();
    Ok(KeyScopes { own, services })
}
