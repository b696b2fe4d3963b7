//! How services come, change and go. One thing at a time is done about any of them, so that what a rule was checked
//! against still holds when it is stored.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;

use super::admitted::Admittee;
use super::service::Service;
use super::setting_rules::{host_errors, path_errors, service_name_errors};
use super::settings::{ServiceChanges, ServiceField, ServiceSettings};
use crate::clock::Timestamp;
use crate::db::schema::{services, token_services, tokens, users};
use crate::db::{DbConnection, DbError, write_error};
use crate::models::event::{EventAction, NewEvent};
use crate::models::groups::group::Group;
use crate::models::kept_in::KeptIn;
use crate::models::keys::scope::{Access, ServiceScope};
use crate::models::keys::token::Token;
use crate::models::people::by_login;
use crate::models::rules::{FieldError, Problem, messages};
use crate::models::tx::Tx;

/// How many services administrators may add up to.
const MOST_SERVICES: i64 = 1000;

/// Why nothing was done about a service.
#[derive(Debug, thiserror::Error)]
pub enum ServiceRefusal {
    /// There is none with this id.
    #[error("There is no such service")]
    Gone,
    /// Rules that are broken.
    #[error("{}", messages(.0).join("; "))]
    Invalid(Vec<FieldError<ServiceField>>),
    /// What stands in the file is changed there.
    #[error(
        "The service {0} is defined in the file that LATCHKEY_SERVICES names: change it there and restart Latchkey"
    )]
    InFile(String),
    /// It is closed.
    #[error("The service {0} is no longer in the file that LATCHKEY_SERVICES names: put it back there, or remove it")]
    LeftFile(String),
    /// Somebody else was faster.
    #[error("Somebody else has changed the service: load it again before you change it")]
    ChangedMeanwhile,
    /// The database would not.
    #[error(transparent)]
    Database(#[from] DbError),
}

write_error!(ServiceRefusal);

impl Service {
    /// Adds a service. One of the same name that was removed before has left nothing behind.
    ///
    /// # Errors
    /// [`ServiceRefusal`]
    pub fn add(tx: &mut Tx<'_>, name: &str, settings: &ServiceSettings) -> Result<Self, ServiceRefusal> {
        lock_all(tx.connection)?;
        let mut settings = settings.clone().tidied();
        let mut errors = service_name_errors(name);
        if errors.is_empty() && Self::find_by_name(tx.connection, name)?.is_some() {
            errors.push(FieldError::new(ServiceField::Name, "has already been taken"));
        }
        let services: i64 = services::table.count().get_result(tx.connection)?;
        if services >= MOST_SERVICES {
            errors.push(FieldError::new(
                ServiceField::Name,
                "cannot be added: there are 1000 services, the most there may be",
            ));
        }
        errors.extend(settings.errors());
        errors.extend(place_errors(tx.connection, None, &settings)?);
        errors.extend(people_errors(tx.connection, &mut settings)?);
        if !errors.is_empty() {
            return Err(ServiceRefusal::Invalid(errors));
        }
        let service = Self::insert(tx.connection, name, &settings, KeptIn::Database, tx.now)?;
        record(tx, EventAction::ServiceAdded, format!("{name}, at {}", service.place()))?;
        Ok(service)
    }

    /// Changes a service that is not kept in a file.
    ///
    /// # Errors
    /// [`ServiceRefusal`]
    pub fn change(tx: &mut Tx<'_>, id: i64, changes: &ServiceChanges) -> Result<Self, ServiceRefusal> {
        lock_all(tx.connection)?;
        let service = Self::find(tx.connection, id)?.ok_or(ServiceRefusal::Gone)?;
        match service.kept_in {
            KeptIn::Database => {}
            KeptIn::File => return Err(ServiceRefusal::InFile(service.name)),
            KeptIn::LeftFile => return Err(ServiceRefusal::LeftFile(service.name)),
        }
        if changes.seen.is_some_and(|seen| seen != service.updated_on) {
            return Err(ServiceRefusal::ChangedMeanwhile);
        }
        let before = ServiceSettings::of(tx.connection, &service)?;
        let mut settings = changes.applied_to(&before).tidied();
        let mut errors = settings.errors();
        errors.extend(place_errors(tx.connection, Some(id), &settings)?);
        errors.extend(people_errors(tx.connection, &mut settings)?);
        if !errors.is_empty() {
            return Err(ServiceRefusal::Invalid(errors));
        }
        let told = settings.told_since(&before);
        if told.is_empty() {
            return Ok(service);
        }
        let changed = service.store(tx.connection, &settings, KeptIn::Database, tx.now)?;
        record(tx, EventAction::ServiceChanged, format!("{}: {}", service.name, told.join(", ")))?;
        Ok(changed)
    }

    /// Removes a service for good, with its scopes of all keys, whose owners are told.
    ///
    /// # Errors
    /// [`ServiceRefusal`]
    pub fn remove(tx: &mut Tx<'_>, id: i64) -> Result<Self, ServiceRefusal> {
        lock_all(tx.connection)?;
        let service = Self::find(tx.connection, id)?.ok_or(ServiceRefusal::Gone)?;
        if !service.kept_in.can_be_removed() {
            return Err(ServiceRefusal::InFile(service.name));
        }
        service.lock_row(tx.connection)?;
        let losses = service.losses(tx.connection)?;
        diesel::delete(services::table.find(id)).execute(tx.connection)?;
        service.tell_owners(tx, losses)?;
        record(tx, EventAction::ServiceRemoved, format!("{}, at {}", service.name, service.place()))?;
        Ok(service)
    }

    /// Has those wait who would refer to it: no key gets a scope of it any more, and no use is recorded.
    fn lock_row(&self, connection: &mut DbConnection) -> QueryResult<()> {
        if let DbConnection::Postgres(postgres) = connection {
            services::table.find(self.id).select(services::id).for_update().first::<i64>(postgres)?;
        }
        Ok(())
    }

    /// The keys that have scopes of it, each by its current secret, and which.
    fn losses(&self, connection: &mut DbConnection) -> QueryResult<Vec<(Token, Vec<Access>)>> {
        let held = || token_services::table.filter(token_services::service_id.eq(self.id));
        let rows: Vec<(i64, Access)> =
            held().select((token_services::token_id, token_services::access)).load(connection)?;
        let mut accesses: BTreeMap<i64, BTreeSet<Access>> = BTreeMap::new();
        for (key_id, access) in rows {
            accesses.entry(key_id).or_default().insert(access);
        }
        let ids = || held().select(token_services::token_id);
        let secrets: Vec<Token> = tokens::table
            .filter(tokens::id.eq_any(ids()).or(tokens::key_id.assume_not_null().eq_any(ids())))
            .order(tokens::id)
            .select(Token::as_select())
            .load(connection)?;
        // The latest secret of each is the one that its owner knows it by.
        let current: BTreeMap<i64, Token> = secrets.into_iter().map(|secret| (secret.key(), secret)).collect();
        let with_accesses = |(id, token)| Some((token, accesses.remove(&id)?.into_iter().collect()));
        Ok(current.into_iter().filter_map(with_accesses).collect())
    }

    /// Tells the owners of keys which scopes those have lost. Owners who are being deleted have been waited for when the
    /// scopes of their keys went; the others stay until the transaction ends.
    fn tell_owners(&self, tx: &mut Tx<'_>, losses: Vec<(Token, Vec<Access>)>) -> QueryResult<()> {
        let ids: BTreeSet<i64> = losses.iter().map(|(token, _)| token.user_id).collect();
        let there = users::table.filter(users::id.eq_any(ids)).order(users::id).select(users::id);
        let there: Vec<i64> = match &mut *tx.connection {
            DbConnection::Sqlite(sqlite) => there.load(sqlite),
            DbConnection::Postgres(postgres) => there.for_key_share().load(postgres),
        }?;
        for (token, accesses) in losses.iter().filter(|(token, _)| there.contains(&token.user_id)) {
            let scope = |access: &Access| ServiceScope { service: self.name.clone(), access: *access }.to_string();
            let scopes = accesses.iter().map(scope).collect::<Vec<_>>().join(" and ");
            let detail = format!("may no longer do {scopes}: the service “{}” was removed", self.settings.title);
            NewEvent::of_key(token, EventAction::KeyChanged).detail(detail).record(tx)?;
        }
        Ok(())
    }

    pub(super) fn insert(
        connection: &mut DbConnection,
        name: &str,
        settings: &ServiceSettings,
        kept_in: KeptIn,
        now: Timestamp,
    ) -> QueryResult<Self> {
        let when = (services::created_on.eq(now), services::updated_on.eq(now));
        let values = (services::name.eq(name), settings.stored(), services::kept_in.eq(kept_in), when);
        diesel::insert_into(services::table).values(values).execute(connection)?;
        let made: Self = services::table.filter(services::name.eq(name)).select(Self::as_select()).first(connection)?;
        settings.store_admissions(connection, made.id)?;
        Ok(made)
    }

    pub(super) fn store(
        &self,
        connection: &mut DbConnection,
        settings: &ServiceSettings,
        kept_in: KeptIn,
        now: Timestamp,
    ) -> QueryResult<Self> {
        diesel::update(services::table.find(self.id))
            .set((settings.stored(), services::kept_in.eq(kept_in), services::updated_on.eq(now)))
            .execute(connection)?;
        settings.store_admissions(connection, self.id)?;
        services::table.find(self.id).select(Self::as_select()).first(connection)
    }
}

/// Tells what somebody did about a service, in their own activity.
pub(super) fn record(tx: &mut Tx<'_>, action: EventAction, detail: String) -> QueryResult<()> {
    NewEvent::of_nobody(action).detail(detail).record(tx)
}

/// Has everybody else wait who wants to change services, until the transaction ends; whoever only reads them goes on,
/// and so do foreign keys that refer to them. SQLite has one writer anyway.
pub(crate) fn lock_all(connection: &mut DbConnection) -> QueryResult<()> {
    if let DbConnection::Postgres(postgres) = connection {
        diesel::sql_query("LOCK TABLE services IN SHARE ROW EXCLUSIVE MODE").execute(postgres)?;
    }
    Ok(())
}

/// Whether another service lives where this one is to live; `id` is its own, if it has one.
fn place_errors(
    connection: &mut DbConnection,
    id: Option<i64>,
    settings: &ServiceSettings,
) -> QueryResult<Vec<FieldError<ServiceField>>> {
    if !host_errors(&settings.host).is_empty() || !path_errors(&settings.path).is_empty() {
        return Ok(Vec::new());
    }
    let on_host = services::table.filter(services::host.eq(&settings.host)).select(Service::as_select());
    let on_host: Vec<Service> = on_host.load(connection)?;
    let is_there = |other: &Service| settings.are_at(&other.settings.host, &other.settings.path);
    let other = on_host.into_iter().find(|other| Some(other.id) != id && is_there(other));
    Ok(other.into_iter().map(|other| FieldError::new(ServiceField::Path, taken(&other.name, other.kept_in))).collect())
}

/// What is wrong with a path that service `other` has on the same host.
fn taken(other: &str, kept_in: KeptIn) -> String {
    let what_to_do = match kept_in {
        KeptIn::Database | KeptIn::File => "choose another path, or another host",
        KeptIn::LeftFile => "remove that service first, which is closed because it is no longer in the file",
    };
    format!("is already used by the service {other} on this host: {what_to_do}")
}

/// Resolves whom `settings` name, and tells of those whom nobody is.
fn people_errors(
    connection: &mut DbConnection,
    settings: &mut ServiceSettings,
) -> QueryResult<Vec<FieldError<ServiceField>>> {
    let [readers, writers] = settings.resolve(connection)?;
    let mut errors = Vec::new();
    for (field, unknown) in [(ServiceField::Readers, readers), (ServiceField::Writers, writers)] {
        let logins: Vec<&str> = unknown.iter().filter_map(Admittee::login).collect();
        let names: Vec<&str> = unknown.iter().filter_map(Admittee::group).collect();
        let of_group = Group::hold_named(connection, logins.iter().copied())?.into_iter().next();
        let hint = of_group.map(|group| format!("The group is written {}", Admittee::Group(group.name)));
        let problems = by_login::nobody(&logins).into_iter().chain(hint).chain(no_group(&names));
        errors.extend(problems.map(|problem| FieldError::new(field, Problem::sentence(problem))));
    }
    Ok(errors)
}

/// That no groups have these names, as a sentence without a full stop; `None`: there are none.
fn no_group(names: &[&str]) -> Option<String> {
    match names {
        [] => None,
        [only] => Some(format!("No group has the name {only}")),
        several => Some(format!("No group has one of the names {}", several.join(", "))),
    }
}
