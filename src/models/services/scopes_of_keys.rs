//! The service scopes of keys. Each is a row, so that removing a service removes its scopes, too.

use std::collections::{BTreeMap, BTreeSet};

use diesel::backend::Backend;
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Nullable, Text};

use super::service::Service;
use crate::db::DbConnection;
use crate::db::schema::{services, token_services, tokens};
use crate::models::keys::scope::{Access, KeyScopes, Scopes, ServiceScope};
use crate::models::people::user::User;

/// Selected from `tokens`: the service scopes of the key whose first secret is the row, as text, `wiki:write files:read`;
/// NULL if there are none. One query so reads keys with their scopes. Diesel caches its SQL, unlike that of a literal.
#[derive(Clone, Copy, Debug, QueryId, ValidGrouping)]
pub struct ServiceScopesAsText;

impl Expression for ServiceScopesAsText {
    type SqlType = Nullable<Text>;
}

impl<DB: Backend> QueryFragment<DB> for ServiceScopesAsText {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(
            "(SELECT string_agg(services.name || ':' || token_services.access, ' ') FROM token_services \
             INNER JOIN services ON services.id = token_services.service_id WHERE token_services.token_id = tokens.id)",
        );
        Ok(())
    }
}

impl SelectableExpression<tokens::table> for ServiceScopesAsText {}
impl AppearsOnTable<tokens::table> for ServiceScopesAsText {}

/// The scopes that [`ServiceScopesAsText`] reads. Access that only a newer release knows is the least there is.
pub fn of_text(text: &str) -> BTreeSet<ServiceScope> {
    let scope = |(service, access): (&str, &str)| ServiceScope {
        service: service.to_owned(),
        access: Access::of_text(access).unwrap_or(Access::Read),
    };
    text.split(' ').filter_map(|word| word.split_once(':').map(scope)).collect()
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
