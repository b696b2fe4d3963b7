//! The file in which services can stand, for those who keep their configuration in git: TOML, a table each.
//!
//! ```toml
//! [services.wiki]
//! host = "wiki.example.org"
//! readers = "everyone"
//! writers = ["alice", "bob"]
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::clock::Timestamp;
use crate::db::{DbConnection, DbError, one_line, transaction};
use crate::models::kept_in::KeptIn;
use crate::models::rules::FieldError;
use crate::models::services::admitted::Admittee;
use crate::models::services::adoption::{Adopted, Adoption, AdoptionError};
use crate::models::services::service::Service;
use crate::models::services::setting::SettingKind;
use crate::models::services::setting_rules::service_name_errors;
use crate::models::services::settings::{ServiceChanges, ServiceField, ServiceSettings};
use crate::models::tx::Tx;

/// The services of a file, each of which breaks no rule by itself.
pub struct ServicesFile {
    path: PathBuf,
    services: Vec<FileService>,
}

struct FileService {
    name: String,
    settings: ServiceSettings,
    /// Where each of its settings stands, by the setting's name; where nothing is said, where the table begins.
    lines: BTreeMap<String, usize>,
    line: usize,
}

/// What is wrong with a file, in one line that says where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}: {cause}; LATCHKEY_SERVICES names it", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{}, line {line}: {problem}; nothing is changed", .path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What, and what to do.
        problem: String,
    },
    /// The database would not.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// A mistake, before it is known in which file.
struct Mistake {
    line: usize,
    problem: String,
}

impl ServicesFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`FileError`], with the first that is wrong.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let text =
            std::fs::read_to_string(path).map_err(|cause| FileError::Unreadable { path: path.to_owned(), cause })?;
        match services_of(&text) {
            Ok(services) => Ok(Self { path: path.to_owned(), services }),
            Err(Mistake { line, problem }) => Err(FileError::Wrong { path: path.to_owned(), line, problem }),
        }
    }

    /// Makes the services of the database what the file says, in one transaction, and logs what that has changed.
    ///
    /// # Errors
    /// Those of the database; a service that cannot be because of one that administrators keep.
    pub fn apply(&self, connection: &mut DbConnection, now: Timestamp) -> Result<(), FileError> {
        let services: Vec<_> = self.services.iter().map(|it| (it.name.clone(), it.settings.clone())).collect();
        let adopted = adopt(connection, now, &services);
        let adoption = adopted.map_err(|error| match error {
            AdoptionError::Database(error) => FileError::Database(error),
            AdoptionError::Clash { name, other } => {
                let line = self.services.iter().find(|it| it.name == name).map_or(1, |it| it.line_of("path"));
                let problem = format!(
                    "service {name}: {other} has the same host and path and is not from the file: choose another path, \
                     remove {other}, or name this one {other} to take it over"
                );
                FileError::Wrong { path: self.path.clone(), line, problem }
            }
        })?;
        self.log(&adoption);
        Ok(())
    }

    fn log(&self, adoption: &Adoption) {
        let file = self.path.display();
        for (service, done) in &adoption.done {
            match done {
                Adopted::Added => tracing::info!(service, %file, "service added"),
                Adopted::Changed => tracing::info!(service, %file, "service changed"),
                Adopted::TakenOver => {
                    tracing::info!(service, %file, "service taken over: its settings now come from the file")
                }
                Adopted::Reopened => tracing::info!(service, %file, "service open again: it is back in the file"),
                Adopted::Closed => tracing::warn!(
                    service,
                    %file,
                    "service closed: it is no longer in the file; put it back, or remove it"
                ),
            }
        }
        for (service, unknown) in &adoption.unknown {
            let logins = unknown.iter().filter_map(Admittee::login).collect::<Vec<_>>().join(", ");
            if !logins.is_empty() {
                tracing::warn!(service, logins, %file, "no accounts have these logins, so they may not use the service; add them and restart");
            }
            let groups = unknown.iter().filter_map(Admittee::group).collect::<Vec<_>>().join(", ");
            if !groups.is_empty() {
                tracing::warn!(service, groups, %file, "no groups have these names, so their members may not use the service; add them and restart");
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever can start the server with a file can write to the database anyway"
)]
fn adopt(
    connection: &mut DbConnection,
    now: Timestamp,
    services: &[(String, ServiceSettings)],
) -> Result<Adoption, AdoptionError> {
    transaction(connection, |connection| Service::adopt(&mut Tx::of_command_line(connection, now), services))
}

/// Says that services are kept in a file where none is named: they stay as they are.
///
/// # Errors
/// Those of the query.
pub fn warn_of_no_file(connection: &mut DbConnection) -> Result<(), FileError> {
    let kept = Service::names_kept_in(connection, KeptIn::File).map_err(DbError::from)?;
    if !kept.is_empty() {
        let services = kept.join(", ");
        tracing::warn!(
            services,
            "LATCHKEY_SERVICES is not set: these services keep the settings from the file; an empty file closes them"
        );
    }
    Ok(())
}

impl FileService {
    /// Where a setting stands.
    fn line_of(&self, setting: &str) -> usize {
        self.lines.get(setting).copied().unwrap_or(self.line)
    }

    fn mistake(&self, setting: &str, problem: impl fmt::Display) -> Mistake {
        Mistake { line: self.line_of(setting), problem: format!("service {}: {problem}", self.name) }
    }
}

/// Reads TOML's tables one by one, and not into structs of ours: what serde says of a table that is none, or of a name that
/// is unknown, does not tell people what to write instead.
fn services_of(text: &str) -> Result<Vec<FileService>, Mistake> {
    let line_of = |span: Range<usize>| text.get(..span.start).unwrap_or(text).matches('\n').count() + 1;
    let document = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, line_of);
        Mistake { line, problem: format!("this is not valid TOML: {}", one_line(error.message())) }
    })?;
    let mut services = Vec::new();
    for (key, value) in document.get_ref() {
        let line = line_of(key.span());
        if key.get_ref() != "services" {
            let problem = format!("unknown table {:?}: use tables such as [services.wiki]", key.get_ref());
            return Err(Mistake { line, problem });
        }
        let DeValue::Table(tables) = value.get_ref() else {
            return Err(Mistake { line, problem: "services must be tables such as [services.wiki]".into() });
        };
        for (name, value) in tables {
            let line = line_of(name.span());
            let DeValue::Table(table) = value.get_ref() else {
                let problem = format!("{:?} must be a table such as [services.wiki]", name.get_ref());
                return Err(Mistake { line, problem });
            };
            services.push(service_of(name.get_ref(), line, table, line_of)?);
        }
    }
    services.sort_by_key(|service: &FileService| service.line);
    for (at, service) in services.iter().enumerate() {
        let is_there = |other: &&FileService| service.settings.are_at(&other.settings.host, &other.settings.path);
        if let Some(other) = services.iter().take(at).find(is_there) {
            let problem = format!("Path is already used by the service {} on this host: choose another", other.name);
            return Err(service.mistake("path", problem));
        }
    }
    Ok(services)
}

fn service_of(
    name: &str,
    line: usize,
    table: &DeTable<'_>,
    line_of: impl Fn(Range<usize>) -> usize,
) -> Result<FileService, Mistake> {
    let lines = table.iter().map(|(key, _)| (key.get_ref().to_string(), line_of(key.span()))).collect();
    let settings = ServiceSettings::new(name, String::new());
    let mut service = FileService { name: name.to_owned(), settings, lines, line };
    if let Some(error) = service_name_errors(name).first() {
        return Err(service.mistake("", error.message()));
    }
    let mut changes = ServiceChanges::default();
    for (key, value) in table {
        let setting = key.get_ref().as_ref();
        let Some(field) = ServiceField::SETTINGS.into_iter().find(|field| field.as_str() == setting) else {
            let known = ServiceField::SETTINGS.map(ServiceField::as_str).join(", ");
            return Err(service.mistake(setting, format!("unknown setting {setting:?}: use {known}")));
        };
        let set = changes.set(field, ValueDeserializer::from(value.clone()));
        set.map_err(|kind| service.mistake(setting, format!("{} {}", field.label(), must_be(kind))))?;
    }
    service.settings = changes.applied_to(&service.settings).tidied();
    match first(service.settings.errors(), |field| service.line_of(field.as_str())) {
        Some(error) => Err(service.mistake(error.field.as_str(), error.message())),
        None => Ok(service),
    }
}

fn must_be(kind: SettingKind) -> &'static str {
    match kind {
        SettingKind::Text => "must be a string in quotes",
        SettingKind::Texts => "must be an array of strings, such as [\"GET\", \"HEAD\"]",
        SettingKind::Truth => "must be true or false",
        SettingKind::Limit => "must be a whole number",
        SettingKind::Admitted => {
            "must be \"everyone\" or an array of logins and groups, such as [\"alice\", \"group:Writers\"]"
        }
    }
}

/// That of `errors` which stands first.
fn first(
    errors: Vec<FieldError<ServiceField>>,
    line: impl Fn(ServiceField) -> usize,
) -> Option<FieldError<ServiceField>> {
    errors.into_iter().min_by_key(|error| line(error.field))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,80}|(\\[services\\.[a-z]{1,3}\\]\n|host = \"[a-z.:/]{0,9}\"\n|(readers|paths?|requests_per_minute) = (\"everyone\"|\\[\"a\"\\]|0x1F|1_0|-9|true)\n){0,6}") {
            if let Ok(services) = services_of(&text) {
                prop_assert!(services.iter().all(|service| service.settings.errors().is_empty()));
            }
        }
    }
}
