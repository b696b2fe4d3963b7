//! What stands in the file, and where.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::db::one_line;
use crate::models::groups::group::{PREFIX, group_name_errors};
use crate::models::people::ownership::{NewServiceAccount, number_problem};
use crate::models::people::user::{Profile, UserField, login_errors};
use crate::models::rules::{FieldError, name_errors};
use crate::models::services::setting::SettingKind;
use crate::models::services::setting_rules::service_name_errors;
use crate::models::services::settings::{ServiceChanges, ServiceField, ServiceSettings};

/// What stands in a file.
#[derive(Default)]
pub(super) struct Said {
    pub services: Vec<FileService>,
    pub groups: Vec<FileGroup>,
    pub accounts: Vec<PlacedAccount>,
}

pub(super) struct FileGroup {
    pub name: String,
    pub members: Vec<String>,
    line: usize,
}

pub(super) struct FileService {
    pub name: String,
    pub settings: ServiceSettings,
    lines: Lines,
}

/// A service account, and where it stands.
pub(super) struct PlacedAccount {
    pub account: NewServiceAccount,
    lines: Lines,
}

/// Where the settings of one table stand.
struct Lines {
    /// By the setting's name.
    of_settings: BTreeMap<String, usize>,
    /// Where the table begins.
    first: usize,
}

/// A mistake, before it is known in which file.
pub(super) struct Mistake {
    pub line: usize,
    pub problem: String,
}

impl Lines {
    fn of(table: &DeTable<'_>, first: usize, line_of: impl Fn(Range<usize>) -> usize) -> Self {
        Self {
            of_settings: table.iter().map(|(key, _)| (key.get_ref().to_string(), line_of(key.span()))).collect(),
            first,
        }
    }

    /// Where a setting stands; where nothing is said of it, where the table begins.
    fn of_setting(&self, setting: &str) -> usize {
        self.of_settings.get(setting).copied().unwrap_or(self.first)
    }
}

impl Said {
    /// What is wrong with a setting of a service that stands in the file.
    pub fn mistake_of_service(&self, name: &str, setting: &str, problem: impl fmt::Display) -> Mistake {
        let service = self.services.iter().find(|service| service.name == name);
        let line = service.map_or(1, |service| service.lines.of_setting(setting));
        Mistake { line, problem: format!("service {name}: {problem}") }
    }

    /// What is wrong with a setting of a service account that stands in the file.
    pub fn mistake_of_account(&self, login: &str, setting: &str, problem: impl fmt::Display) -> Mistake {
        let placed = self.accounts.iter().find(|placed| placed.account.login == login);
        let line = placed.map_or(1, |placed| placed.lines.of_setting(setting));
        Mistake { line, problem: format!("service account {login}: {problem}") }
    }
}

impl FileService {
    fn mistake(&self, setting: &str, problem: impl fmt::Display) -> Mistake {
        Mistake { line: self.lines.of_setting(setting), problem: format!("service {}: {problem}", self.name) }
    }
}

/// Reads TOML's tables one by one, and not into structs of ours: what serde says of a table that is none, or of a name that
/// is unknown, does not tell people what to write instead.
pub(super) fn said_in(text: &str) -> Result<Said, Mistake> {
    let line_of = |span: Range<usize>| text.get(..span.start).unwrap_or(text).matches('\n').count() + 1;
    let document = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, line_of);
        Mistake { line, problem: format!("this is not valid TOML: {}", one_line(error.message())) }
    })?;
    let Said { mut services, mut groups, mut accounts } = Said::default();
    for (key, value) in document.get_ref() {
        let line = line_of(key.span());
        let example = match key.get_ref().as_ref() {
            "services" => "[services.wiki]",
            "groups" => "[groups.Writers]",
            "service_accounts" => "[service_accounts.backup]",
            unknown => {
                let problem = format!(
                    "unknown table {unknown:?}: use tables such as [services.wiki], [groups.Writers] or \
                     [service_accounts.backup]"
                );
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
            match key.get_ref().as_ref() {
                "services" => services.push(service_of(name.get_ref(), line, table, line_of)?),
                "groups" => groups.push(group_of(name.get_ref(), line, table, line_of)?),
                _ => accounts.push(account_of(name.get_ref(), line, table, line_of)?),
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
    accounts.sort_by_key(|placed: &PlacedAccount| placed.lines.first);
    for (at, placed) in accounts.iter().enumerate() {
        let is_same = |other: &&PlacedAccount| other.account.login.eq_ignore_ascii_case(&placed.account.login);
        if let Some(other) = accounts.iter().take(at).find(is_same) {
            let (login, same) = (&placed.account.login, &other.account.login);
            let problem = format!("service account {login}: {same} has the same login, as case does not count");
            return Err(Mistake { line: placed.lines.first, problem });
        }
    }
    services.sort_by_key(|service: &FileService| service.lines.first);
    for (at, service) in services.iter().enumerate() {
        let is_there = |other: &&FileService| service.settings.are_at(&other.settings.host, &other.settings.path);
        if let Some(other) = services.iter().take(at).find(is_there) {
            let problem = format!("Path is already used by the service {} on this host: choose another", other.name);
            return Err(service.mistake("path", problem));
        }
    }
    Ok(Said { services, groups, accounts })
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
        let Some(logins) = logins_in(value.clone()) else {
            return mistake(line, format!("Members {ARRAY_OF_LOGINS}"));
        };
        if let Some(group) = logins.iter().find(|login| login.starts_with(PREFIX)) {
            return mistake(line, format!("{group} cannot be a member, as it is a group: name its members"));
        }
        members = logins;
    }
    Ok(FileGroup { name: name.to_owned(), members, line })
}

const ARRAY_OF_LOGINS: &str = "must be an array of logins, such as [\"alice\", \"bob\"]";

fn logins_in(value: Spanned<DeValue<'_>>) -> Option<Vec<String>> {
    Vec::deserialize(ValueDeserializer::from(value)).ok()
}

fn account_of(
    login: &str,
    line: usize,
    table: &DeTable<'_>,
    line_of: impl Fn(Range<usize>) -> usize,
) -> Result<PlacedAccount, Mistake> {
    let lines = Lines::of(table, line, line_of);
    let mistake = |setting: &str, problem: String| {
        Err(Mistake { line: lines.of_setting(setting), problem: format!("service account {login}: {problem}") })
    };
    if let Some(error) = login_errors(login).first() {
        return mistake("", error.message());
    }
    let mut account = NewServiceAccount { login: login.to_owned(), name: login.to_owned(), owners: Vec::new() };
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "name" => match String::deserialize(ValueDeserializer::from(value.clone())) {
                Ok(name) => account.name = name.trim().to_owned(),
                Err(_) => return mistake("name", format!("Name {}", must_be(SettingKind::Text))),
            },
            "owners" => match logins_in(value.clone()) {
                Some(owners) => account.owners = owners,
                None => return mistake("owners", format!("Owners {ARRAY_OF_LOGINS}")),
            },
            unknown => return mistake(unknown, format!("unknown setting {unknown:?}: use name, owners")),
        }
    }
    if let Some(error) = name_errors(UserField::AccountName, &account.name, Profile::LONGEST_LASTNAME).first() {
        return mistake("name", error.message());
    }
    if let Some(problem) = number_problem(account.owners.len()) {
        return mistake("owners", problem);
    }
    if let Some(group) = account.owners.iter().find(|owner| owner.starts_with(PREFIX)) {
        return mistake("owners", format!("{group} cannot own it, as it is a group: name its members"));
    }
    Ok(PlacedAccount { account, lines })
}

fn service_of(
    name: &str,
    line: usize,
    table: &DeTable<'_>,
    line_of: impl Fn(Range<usize>) -> usize,
) -> Result<FileService, Mistake> {
    let lines = Lines::of(table, line, line_of);
    let mut service = FileService { name: name.to_owned(), settings: ServiceSettings::new(name, String::new()), lines };
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
    match first(service.settings.errors(), |field| service.lines.of_setting(field.as_str())) {
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
        fn no_text_makes_the_reader_panic(text in "\\PC{0,80}|(\\[groups\\.[aA\"]{1,3}\\]\n(members = (1|\\[\"a\"\\])\n)?){0,3}|(\\[service_accounts\\.[aA\"]{1,3}\\]\n((name|owners) = (1|\"\"|\\[\"a\"\\])\n){0,2}){0,3}|(\\[services\\.[a-z]{1,3}\\]\n|host = \"[a-z.:/]{0,9}\"\n|(readers|paths?|requests_per_minute) = (\"everyone\"|\\[\"a\"\\]|0x1F|1_0|-9|true)\n){0,6}") {
            if let Ok(Said { services, groups, accounts }) = said_in(&text) {
                prop_assert!(accounts.iter().all(|placed| login_errors(&placed.account.login).is_empty()));
                prop_assert!(groups.iter().all(|group| group_name_errors(&group.name).is_empty()));
                prop_assert!(services.iter().all(|service| service.settings.errors().is_empty()));
            }
        }
    }
}
