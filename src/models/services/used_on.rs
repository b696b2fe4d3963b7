//! The services on which several keys were used, for lists of keys.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use diesel::prelude::*;

use super::uses::KeyOnService;
use crate::clock::{Timestamp, latest_true};
use crate::db::DbConnection;
use crate::db::schema::{service_uses, services};

/// A service on which a key was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedService {
    /// The name of the service.
    pub name: String,
    /// The title of the service.
    pub title: String,
    /// When the key was last used there.
    pub last_used_on: Timestamp,
}

/// The services on which each of these keys was used, the latest use first. Keys without any have no entry. `pending` are
/// uses that are not written yet.
///
/// # Errors
/// Returns an error if a query fails.
pub fn of_keys(
    connection: &mut DbConnection,
    key_ids: &[i64],
    pending: &[(KeyOnService, Timestamp)],
    now: Timestamp,
) -> QueryResult<BTreeMap<i64, Vec<UsedService>>> {
    let theirs = service_uses::table.filter(service_uses::token_id.eq_any(key_ids)).select((
        service_uses::token_id,
        service_uses::service_id,
        service_uses::last_used_on,
    ));
    let written: Vec<(i64, i64, Timestamp)> = match connection {
        DbConnection::Sqlite(it) => theirs.load(it),
        DbConnection::Postgres(it) => theirs.load(it),
    }?;
    let written = written.into_iter().map(|(key_id, service_id, on)| (KeyOnService { key_id, service_id }, on));
    let mut latest: BTreeMap<KeyOnService, Timestamp> = BTreeMap::new();
    for (of, on) in written.chain(pending.iter().copied()) {
        let known = latest.entry(of).or_insert(on);
        *known = latest_true(Some(*known), Some(on), now).unwrap_or(on);
    }
    let mut used: BTreeMap<i64, Vec<UsedService>> = BTreeMap::new();
    if latest.is_empty() {
        return Ok(used);
    }
    let names = services::table.select((services::id, (services::name, services::title)));
    let names: BTreeMap<i64, (String, String)> =
        names.load::<(i64, (String, String))>(connection)?.into_iter().collect();
    for (of, last_used_on) in latest {
        // A service may have been removed since.
        let Some((name, title)) = names.get(&of.service_id).cloned() else { continue };
        used.entry(of.key_id).or_default().push(UsedService { name, title, last_used_on });
    }
    used.values_mut().for_each(|services| services.sort_by_key(|it| Reverse(it.last_used_on)));
    Ok(used)
}
