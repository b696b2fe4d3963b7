//! What stands behind a reverse proxy that asks whether a key is good for it: where it is, and who may use it how.

use diesel::dsl::{AsSelect, SqlTypeOf, max};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Nullable, Text};

use super::settings::StoredSettings;
use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::db::lookups::Lookup;
use crate::db::schema::{group_members, service_admissions, service_group_admissions, services, token_services};
use crate::models::kept_in::KeptIn;
use crate::models::keys::scope::{Access, is_service_name};

/// What the path of a service begins with that has left the file, and whose place another has now.
pub(super) const NOWHERE: char = '#';

/// A row of `services`.
#[derive(Queryable, Selectable, Clone, Debug, PartialEq, Eq)]
#[diesel(table_name = services)]
pub struct Service {
    /// The id of the service, which is never reused.
    pub id: i64,
    /// What its scopes call it: see [`is_service_name`].
    pub name: String,
    /// Its settings.
    #[diesel(embed)]
    pub settings: StoredSettings,
    /// Where these settings are defined.
    pub kept_in: KeptIn,
    /// When the service was added.
    pub created_on: Timestamp,
    /// When the settings were last changed.
    pub updated_on: Timestamp,
}

/// Somebody with a key, as a service sees them.
#[derive(Clone, Copy, Debug)]
pub struct Visitor {
    /// The person.
    pub user_id: i64,
    /// The key that they have come with, by its first secret; `None`: one that may do all that its owner may.
    pub key_id: Option<i64>,
}

/// Somebody who asks for something on a host.
#[derive(Clone, Debug)]
pub struct ServiceLookup {
    /// In lower case, without a port.
    pub host: String,
    /// Who; `None`: somebody without a key.
    pub visitor: Option<Visitor>,
}

/// What somebody may do on a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// What their key has the scope for.
    pub scope: Option<Access>,
    /// What the service admits them to.
    pub admission: Option<Access>,
}

impl Permission {
    /// What comes of both: no more than either.
    pub fn access(self) -> Option<Access> {
        self.scope.min(self.admission)
    }
}

impl Service {
    /// How a request with `method`, whose case counts, uses it.
    pub fn access_of(&self, method: &str) -> Access {
        if self.settings.reading_methods().any(|reading| reading == method) { Access::Read } else { Access::Write }
    }

    /// Whether `path` is its own or below.
    pub fn has_path(&self, path: &[u8]) -> bool {
        self.settings.path == "/" || is_below(path, self.settings.path.as_bytes())
    }

    /// The same for a server to which upper and lower case are one.
    pub fn has_path_in_any_case(&self, path: &[u8]) -> bool {
        let own = self.settings.path.to_ascii_lowercase();
        own == "/" || is_below(&path.to_ascii_lowercase(), own.as_bytes())
    }

    /// The services that are open on the host of `visit`, those with the longest path first, each with what the visitor
    /// may do there by now.
    ///
    /// # Errors
    /// Those of the query.
    pub fn look_up(connection: &mut DbConnection, visit: &ServiceLookup) -> QueryResult<Vec<(Self, Permission)>> {
        let ServiceLookup { host, visitor } = visit;
        let scope = token_services::table
            .filter(token_services::token_id.nullable().eq(visitor.and_then(|it| it.key_id)))
            .filter(token_services::service_id.eq(services::id))
            .select(max(token_services::access));
        let admission = service_admissions::table
            .filter(service_admissions::user_id.nullable().eq(visitor.map(|it| it.user_id)))
            .filter(service_admissions::service_id.eq(services::id))
            .select(max(service_admissions::access));
        let by_group = group_members::table
            .inner_join(
                service_group_admissions::table.on(service_group_admissions::group_id.eq(group_members::group_id)),
            )
            .filter(group_members::user_id.nullable().eq(visitor.map(|it| it.user_id)))
            .filter(service_group_admissions::service_id.eq(services::id))
            .select(max(service_group_admissions::access));
        let (scope, admission, by_group) = (scope.single_value(), admission.single_value(), by_group.single_value());
        let on_host = services::table.filter(services::host.eq(host));
        // Each question asks this: a query of a backend's own is written as text once, not each time.
        let rows: Vec<Visited> = match connection {
            DbConnection::Sqlite(it) => on_host.select((Self::as_select(), scope, admission, by_group)).load(it),
            DbConnection::Postgres(it) => on_host.select((Self::as_select(), scope, admission, by_group)).load(it),
        }?;
        let row = |(service, scope, named, by_group)| FoundRow { number: 1, service, scope, named, by_group };
        let rows = rows.into_iter().map(row);
        Ok(visit.decide(rows))
    }

    /// [`Service::look_up`] for each of `visits`, in their order; on PostgreSQL in one query.
    ///
    /// # Errors
    /// Those of the query.
    pub fn look_up_each(
        connection: &mut DbConnection,
        visits: &[ServiceLookup],
    ) -> QueryResult<Vec<Vec<(Self, Permission)>>> {
        let DbConnection::Postgres(postgres) = connection else {
            return visits.iter().map(|visit| Self::look_up(connection, visit)).collect();
        };
        let visitors = || visits.iter().map(|visit| visit.visitor);
        let look_up_each = EachLookup {
            service: Self::as_select(),
            hosts: visits.iter().map(|visit| visit.host.clone()).collect(),
            key_ids: visitors().map(|visitor| visitor.and_then(|it| it.key_id)).collect(),
            user_ids: visitors().map(|visitor| visitor.map(|it| it.user_id)).collect(),
        };
        let mut rows: Vec<FoundRow> = look_up_each.load(postgres)?;
        rows.sort_by_key(|row| row.number);
        let mut rows = rows.into_iter().peekable();
        let of_each = (1..).zip(visits).map(|(number, visit)| {
            let of_visit: Vec<_> = std::iter::from_fn(|| rows.next_if(|row| row.number == number)).collect();
            visit.decide(of_visit.into_iter())
        });
        Ok(of_each.collect())
    }

    /// The service with this id.
    ///
    /// # Errors
    /// Those of the query.
    pub fn find(connection: &mut DbConnection, id: i64) -> QueryResult<Option<Self>> {
        services::table.find(id).select(Self::as_select()).first(connection).optional()
    }

    /// The service of this name. What cannot be one finds none.
    ///
    /// # Errors
    /// Those of the query.
    pub fn find_by_name(connection: &mut DbConnection, name: &str) -> QueryResult<Option<Self>> {
        if !is_service_name(name) {
            return Ok(None);
        }
        services::table.filter(services::name.eq(name)).select(Self::as_select()).first(connection).optional()
    }

    /// The names of those whose settings are kept there, in order.
    ///
    /// # Errors
    /// Those of the query.
    pub fn names_kept_in(connection: &mut DbConnection, kept_in: KeptIn) -> QueryResult<Vec<String>> {
        let kept = services::table.filter(services::kept_in.eq(kept_in)).order(services::name);
        kept.select(services::name).load(connection)
    }

    /// Its path; `None`: it is closed, and another service has that now.
    pub fn path_if_any(&self) -> Option<&str> {
        Some(self.settings.path.as_str()).filter(|path| !path.starts_with(NOWHERE))
    }

    /// Where it lives, or did, as people write it.
    pub fn place(&self) -> String {
        match self.path_if_any() {
            None | Some("/") => self.settings.host.clone(),
            Some(path) => format!("{}{path}", self.settings.host),
        }
    }

    /// What it admits everyone to.
    pub fn admits_everyone_to(&self) -> Option<Access> {
        match self.settings {
            StoredSettings { everyone_writes: true, .. } => Some(Access::Write),
            StoredSettings { everyone_reads: true, .. } => Some(Access::Read),
            _ => None,
        }
    }

    /// The services that admit a person, by name, with what to.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn admitting(connection: &mut DbConnection, user_id: i64) -> QueryResult<Vec<(Self, Access)>> {
        let all: Vec<Self> = services::table
            .filter(services::kept_in.ne(KeptIn::LeftFile))
            .order(services::name)
            .select(Self::as_select())
            .load(connection)?;
        let named: Vec<(i64, Access)> = service_admissions::table
            .filter(service_admissions::user_id.eq(user_id))
            .select((service_admissions::service_id, service_admissions::access))
            .load(connection)?;
        let by_group: Vec<(i64, Access)> = group_members::table
            .inner_join(
                service_group_admissions::table.on(service_group_admissions::group_id.eq(group_members::group_id)),
            )
            .filter(group_members::user_id.eq(user_id))
            .select((service_group_admissions::service_id, service_group_admissions::access))
            .load(connection)?;
        let admitted = all.into_iter().filter_map(|service| {
            let of_service = named.iter().chain(&by_group).filter(|(id, _)| *id == service.id);
            let access = of_service.map(|(_, access)| *access).chain(service.admits_everyone_to()).max()?;
            Some((service, access))
        });
        Ok(admitted.collect())
    }
}

impl Lookup for ServiceLookup {
    type Answer = Vec<(Service, Permission)>;

    fn answer(&self, connection: &mut DbConnection) -> QueryResult<Self::Answer> {
        Service::look_up(connection, self)
    }

    fn answer_each(connection: &mut DbConnection, all: &[Self]) -> QueryResult<Vec<Self::Answer>> {
        Service::look_up_each(connection, all)
    }
}

/// A service, with what the key has the scope for, and what the visitor is admitted to by name and by group.
type Visited = (Service, Option<Access>, Option<Access>, Option<Access>);

/// What is known of a service that is visited.
#[derive(Queryable)]
struct FoundRow {
    /// Of the visit.
    number: i64,
    service: Service,
    /// Of the key.
    scope: Option<Access>,
    /// What it admits the visitor to by name.
    named: Option<Access>,
    /// What it admits a group to that the visitor is in.
    by_group: Option<Access>,
}

/// Asks PostgreSQL for the services on the hosts of several visits. Not `sql_query`, which would have it read and planned
/// each time.
#[derive(QueryId)]
struct EachLookup {
    service: AsSelect<Service, Pg>,
    hosts: Vec<String>,
    key_ids: Vec<Option<i64>>,
    user_ids: Vec<Option<i64>>,
}

impl Query for EachLookup {
    type SqlType = (BigInt, SqlTypeOf<AsSelect<Service, Pg>>, Nullable<Text>, Nullable<Text>, Nullable<Text>);
}

impl RunQueryDsl<PgConnection> for EachLookup {}

impl QueryFragment<Pg> for EachLookup {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT visit.number, ");
        self.service.walk_ast(out.reborrow())?;
        out.push_sql(
            ", (SELECT max(access) FROM token_services
                WHERE token_services.token_id = visit.key_id AND token_services.service_id = services.id)
             , (SELECT max(access) FROM service_admissions
                WHERE service_admissions.user_id = visit.user_id AND service_admissions.service_id = services.id)
             , (SELECT max(access) FROM group_members
                JOIN service_group_admissions ON service_group_admissions.group_id = group_members.group_id
                WHERE group_members.user_id = visit.user_id AND service_group_admissions.service_id = services.id)
             FROM unnest(",
        );
        out.push_bind_param::<Array<Text>, _>(&self.hosts)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<BigInt>>, _>(&self.key_ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<BigInt>>, _>(&self.user_ids)?;
        out.push_sql(
            ") WITH ORDINALITY AS visit (host, key_id, user_id, number)
             JOIN services ON services.host = visit.host",
        );
        Ok(())
    }
}

impl ServiceLookup {
    /// What `rows`, those of the services on its host, come to.
    fn decide(&self, rows: impl Iterator<Item = FoundRow>) -> Vec<(Service, Permission)> {
        let may_all = self.visitor.filter(|visitor| visitor.key_id.is_none()).map(|_| Access::Write);
        let open = rows.filter(|row| !row.service.kept_in.is_closed());
        let mut decided: Vec<(Service, Permission)> = open
            .map(|FoundRow { service, scope, named, by_group, .. }| {
                let admission = named.max(by_group).max(service.admits_everyone_to());
                (service, Permission { scope: scope.or(may_all), admission })
            })
            .collect();
        decided.sort_by_key(|(service, _)| std::cmp::Reverse(service.settings.path.len()));
        decided
    }
}

fn is_below(path: &[u8], root: &[u8]) -> bool {
    path.strip_prefix(root).is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_may_do_more_than_both_the_key_and_the_service_say() {
        let (read, write) = (Some(Access::Read), Some(Access::Write));
        for (scope, admission, access) in [
            (None, write, None),
            (write, None, None),
            (read, write, read),
            (write, read, read),
            (write, write, write),
            (None, None, None),
        ] {
            assert_eq!(Permission { scope, admission }.access(), access, "{scope:?} {admission:?}");
        }
    }
}
