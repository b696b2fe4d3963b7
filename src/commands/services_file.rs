//! The file in which services and groups can stand, for those who keep their configuration in git: TOML, a table each.
//!
//! ```toml
//! [groups."QA team"]
//! members = ["carol", "dave"]
//!
//! [services.wiki]
//! host = "wiki.example.org"
//! readers = "everyone"
//! writers = ["alice", "group:QA team"]
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::clock::Timestamp;
use crate::db::{DbConnection, DbError, one_line, transaction};
use crate::models::groups::adoption::{AdoptedGroup, GroupAdoption};
use crate::models::groups::group::{Group, PREFIX, group_name_errors};
use crate::models::kept_in::KeptIn;
use crate::models::rules::FieldError;
use crate::models::services::administration::lock_all;
use crate::models::services::admitted::Admittee;
use crate::models::services::adoption::{Adopted, Adoption, AdoptionError};
use crate::models::services::service::Service;
use crate::models::services::setting::SettingKind;
use crate::models::services::setting_rules::service_name_errors;
use crate::models::services::settings::{ServiceChanges, ServiceField, ServiceSettings};
use crate::models::tx::Tx;

/// The services and groups of a file, each of which breaks no rule by itself.
pub struct ServicesFile {
    path: PathBuf,
    said: Said,
}

/// What stands in a file.
#[derive(Default)]
struct Said {
    services: Vec<FileService>,
    groups: Vec<FileGroup>,
}

struct FileGroup {
    name: String,
    members: Vec<String>,
    line: usize,
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
        match said_in(&text) {
            Ok(said) => Ok(Self { path: path.to_owned(), said }),
            Err(Mistake { line, problem }) => Err(FileError::Wrong { path: path.to_owned(), line, problem }),
        }
    }

    /// Makes the services and groups of the database what the file says, in one transaction, and logs what that has
    /// changed.
    ///
    /// # Errors
    /// Those of the database; a service that cannot be because of one that administrators keep.
    pub fn apply(&self, connection: &mut DbConnection, now: Timestamp) -> Result<(), FileError> {
        let Said { services, groups } = &self.said;
        let groups: Vec<_> = groups.iter().map(|it| (it.name.clone(), it.members.clone())).collect();
        let settings: Vec<_> = services.iter().map(|it| (it.name.clone(), it.settings.clone())).collect();
        let adopted = adopt(connection, now, &groups, &settings);
        let (of_groups, adoption) = adopted.map_err(|error| match error {
            AdoptionError::Database(error) => FileError::Database(error),
            AdoptionError::Clash { name, other } => {
                let line = services.iter().find(|it| it.name == name).map_or(1, |it| it.line_of("path"));
                let problem = format!(
                    "service {name}: {other} has the same host and path and is not from the file: choose another path, \
                     remove {other}, or name this one {other} to take it over"
                );
                FileError::Wrong { path: self.path.clone(), line, problem }
            }
        })?;
        self.log_groups(&of_groups);
        self.log(&adoption);
        Ok(())
    }

    fn log_groups(&self, adoption: &GroupAdoption) {
        let file = self.path.display();
        for (group, done) in &adoption.done {
            match done {
                AdoptedGroup::Added => tracing::info!(group, %file, "group added"),
                AdoptedGroup::Changed => tracing::info!(group, %file, "group changed"),
                AdoptedGroup::TakenOver => {
                    tracing::info!(group, %file, "group taken over: its members now come from the file")
                }
                AdoptedGroup::Reopened => tracing::info!(group, %file, "group open again: it is back in the file"),
                AdoptedGroup::Closed => tracing::warn!(
                    group,
                    %file,
                    "group closed: it is no longer in the file, so it has no members; put it back, or delete it"
                ),
            }
        }
        for (group, logins) in &adoption.unknown {
            let logins = logins.join(", ");
            tracing::warn!(group, logins, %file, "no accounts have these logins, so they are not in the group; add them and restart");
        }
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
    groups: &[(String, Vec<String>)],
    services: &[(String, ServiceSettings)],
) -> Result<(GroupAdoption, Adoption), AdoptionError> {
    transaction(connection, |connection| {
        // Services come first, as whoever changes one holds the groups that it names.
        lock_all(connection)?;
        let tx = &mut Tx::of_command_line(connection, now);
        Ok((Group::adopt(tx, groups)?, Service::adopt(tx, services)?))
    })
}

/// Says that services or groups are kept in a file where none is named: they stay as they are.
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
    let kept = Group::names_kept_in(connection, KeptIn::File).map_err(DbError::from)?;
    if !kept.is_empty() {
        let groups = kept.join(", ");
        tracing::warn!(
            groups,
            "LATCHKEY_SERVICES is not set: these groups keep the members from the file; an empty file closes them"
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
fn said_in(text: &str) -> Result<Said, Mistake> {
    let line_of = |span: Range<usize>| text.get(..span.start).unwrap_or(text).matches('\n').count() + 1;
    let document = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, line_of);
        Mistake { line, problem: format!("this is not valid TOML: {}", one_line(error.message())) }
    })?;
    let Said { mut services, mut groups } = Said::default();
    for (key, value) in document.get_ref() {
        let line = line_of(key.span());
        let example = match key.get_ref().as_ref() {
            "services" => "[services.wiki]",
            "groups" => "[groups.Writers]",
            unknown => {
                let problem =
                    format!("unknown table {unknown:?}: use tables such as [services.wiki] or [groups.Writers]");
                return Err(Mistake { line, problem });
            }
        };
        let DeValue::Table(tables) = value.get_ref() else {
            let problem = format!("{} must be tables such as {example}", key.get_ref());
            return Err(Mistake { line, problem });
        };
        for (name, value) in tables {
            let line = line_of(name.span());
            let DeValue::Table(table) = value.get_ref() else {
                let problem = format!("{:?} must be a table such as {example}", name.get_ref());
                return Err(Mistake { line, problem });
            };
            match key.get_ref() == "services" {
                true => services.push(service_of(name.get_ref(), line, table, line_of)?),
                false => groups.push(group_of(name.get_ref(), line, table, line_of)?),
            }
        }
    }
    groups.sort_by_key(|group: &FileGroup| group.line);
    for (at, group) in groups.iter().enumerate() {
        let is_same = |other: &&FileGroup| other.name.to_lowercase() == group.name.to_lowercase();
        if let Some(other) = groups.iter().take(at).find(is_same) {
            let problem = format!("group {}: {} has the same name, as case does not count", group.name, other.name);
            return Err(Mistake { line: group.line, problem });
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
    Ok(Said { services, groups })
}

fn group_of(
    name: &str,
    line: usize,
    table: &DeTable<'_>,
    line_of: impl Fn(Range<usize>) -> usize,
) -> Result<FileGroup, Mistake> {
    let mistake = |line: usize, problem: String| Err(Mistake { line, problem: format!("group {name}: {problem}") });
    if name.trim() != name {
        return mistake(line, "Name cannot begin or end with a blank".to_owned());
    }
    if let Some(error) = group_name_errors(name).first() {
        return mistake(line, error.message());
    }
    let mut members = Vec::new();
    for (key, value) in table {
        let line = line_of(key.span());
        if key.get_ref() != "members" {
            return mistake(line, format!("unknown setting {:?}: use members", key.get_ref()));
        }
        let logins = Vec::<String>::deserialize(ValueDeserializer::from(value.clone()));
        let Ok(logins) = logins else {
            return mistake(line, "Members must be an array of logins, such as [\"alice\", \"bob\"]".to_owned());
        };
        if let Some(group) = logins.iter().find(|login| login.starts_with(PREFIX)) {
            return mistake(line, format!("{group} cannot be a member, as it is a group: name its members"));
        }
        members = logins;
    }
    Ok(FileGroup { name: name.to_owned(), members, line })
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
        fn no_text_makes_the_reader_panic(text in "\\PC{0,80}|(\\[groups\\.[aA\"]{1,3}\\]\n(members = (1|\\[\"a\"\\])\n)?){0,3}|(\\[services\\.[a-z]{1,3}\\]\n|host = \"[a-z.:/]{0,9}\"\n|(readers|paths?|requests_per_minute) = (\"everyone\"|\\[\"a\"\\]|0x1F|1_0|-9|true)\n){0,6}") {
            if let Ok(Said { services, groups }) = said_in(&text) {
                prop_assert!(groups.iter().all(|group| group_name_errors(&group.name).is_empty()));
                prop_assert!(services.iter().all(|service| service.settings.errors().is_empty()));
            }
        }
    }
}
