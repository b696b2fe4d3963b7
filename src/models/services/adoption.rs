//! How services become what a file says of them.

use diesel::prelude::*;

use super::administration::{lock_all, record};
use super::admitted::Admittee;
use super::service::{NOWHERE, Service};
use super::settings::ServiceSettings;
use crate::db::schema::services;
use crate::db::{DbError, write_error};
use crate::models::event::EventAction;
use crate::models::kept_in::{Adopted, KeptIn};
use crate::models::tx::Tx;

/// What came of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adoption {
    /// The services that something became of.
    pub done: Vec<(String, Adopted)>,
    /// Those whom nobody is, by the service that names them.
    pub unknown: Vec<(String, Vec<Admittee>)>,
}

/// Why the services are not what the file says.
#[derive(Debug, thiserror::Error)]
pub enum AdoptionError {
    /// A service of the file cannot be because of one that administrators keep.
    #[error("service {name}: {other} has the same host and path")]
    Clash {
        /// That of the file.
        name: String,
        /// The other one, which has the same host and path.
        other: String,
    },
    /// The database would not.
    #[error(transparent)]
    Database(#[from] DbError),
}

write_error!(AdoptionError);

impl Service {
    /// Makes the services what the file says of them, which breaks no rule by itself, and closes those that stood there
    /// and do no more. Those that are as they should be are left alone.
    ///
    /// # Errors
    /// [`AdoptionError`], after which nothing is changed.
    pub fn adopt(tx: &mut Tx<'_>, file: &[(String, ServiceSettings)]) -> Result<Adoption, AdoptionError> {
        let adoption = Self::adopt_quietly(tx, file)?;
        for (name, done) in &adoption.done {
            let action = match done {
                Adopted::Added => EventAction::ServiceAdded,
                _ => EventAction::ServiceChanged,
            };
            record(tx, action, format!("{name}: {}", done.in_words("settings")))?;
        }
        Ok(adoption)
    }

    fn adopt_quietly(tx: &mut Tx<'_>, file: &[(String, ServiceSettings)]) -> Result<Adoption, AdoptionError> {
        let (connection, now) = (&mut *tx.connection, tx.now);
        lock_all(connection)?;
        let existing = ServiceSettings::of_all(connection)?;
        let in_file = |name: &str| file.iter().any(|(of_file, _)| of_file == name);
        for (name, settings) in file {
            let clashes =
                |it: &Service| it.kept_in == KeptIn::Database && settings.are_at(&it.settings.host, &it.settings.path);
            if let Some((other, _)) = existing.iter().find(|(it, _)| clashes(it) && !in_file(&it.name)) {
                return Err(AdoptionError::Clash { name: name.clone(), other: other.name.clone() });
            }
        }
        // Those that move make room first: two may change places. So does what has left the file.
        for (service, before) in &existing {
            let is_at = |settings: &ServiceSettings| (&settings.host, &settings.path) == (&before.host, &before.path);
            let makes_room = match file.iter().find(|(name, _)| *name == service.name) {
                Some((_, settings)) => !is_at(settings),
                None => file.iter().any(|(_, settings)| is_at(settings)),
            };
            if makes_room {
                let nowhere = services::path.eq(format!("{NOWHERE}{}", service.id));
                diesel::update(services::table.find(service.id)).set(nowhere).execute(connection)?;
            }
        }
        let mut adoption = Adoption::default();
        for (name, settings) in file {
            let mut settings = settings.clone();
            let unknown: Vec<Admittee> = settings.resolve(connection)?.into_iter().flatten().collect();
            if !unknown.is_empty() {
                adoption.unknown.push((name.clone(), unknown));
            }
            let before = existing.iter().find(|(service, _)| service.name == *name);
            let done = match before {
                None => Some(Adopted::Added),
                Some((service, before)) => Adopted::of(service.kept_in, *before != settings),
            };
            match (before, done) {
                (None, _) => drop(Self::insert(connection, name, &settings, KeptIn::File, now)?),
                (Some((service, _)), Some(_)) => drop(service.store(connection, &settings, KeptIn::File, now)?),
                (Some(_), None) => {}
            }
            adoption.done.extend(done.map(|done| (name.clone(), done)));
        }
        for (service, _) in existing.iter().filter(|it| it.0.kept_in == KeptIn::File && !in_file(&it.0.name)) {
            let closed = (services::kept_in.eq(KeptIn::LeftFile), services::updated_on.eq(now));
            diesel::update(services::table.find(service.id)).set(closed).execute(connection)?;
            adoption.done.push((service.name.clone(), Adopted::Closed));
        }
        Ok(adoption)
    }
}
