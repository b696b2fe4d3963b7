//! What is said about services: the list of their settings.

use diesel::prelude::*;

use super::admitted::{Admitted, Admittee};
use super::setting::service_settings;
use crate::db::schema::services;

/// The methods that read unless something else is said.
const READING_METHODS: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

/// The words of `text`, between which are commas, blanks or ends of lines.
pub fn words(text: &str) -> Vec<String> {
    text.split(|c: char| c == ',' || c.is_whitespace()).filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

service_settings! {
    /// What people call it: 1 to 100 characters.
    title: String, Title = "Title";
    /// Where it lives: a DNS name or an IP address (IPv6 in brackets), without a port.
    host: String, Host = "Host";
    /// What of that host belongs to it: `/`, or segments with everything below.
    path: String, Path = "Path";
    /// The methods that read.
    reading_methods: Vec<String>, ReadingMethods = "Reading methods";
    /// Whether requests without a key may read.
    anonymous_reads: bool, AnonymousReads = "Anonymous reads";
    /// Whether API access keys, which may do everything their owners may, are good for it.
    classic_keys: bool, ClassicKeys = "Classic keys";
    /// Whether the service accepts keys in the address, as `key=`.
    key_parameter: bool, KeyParameter = "Key parameter";
    /// How many requests a key may send in a minute; `None`: any number.
    requests_per_minute: Option<i64>, RequestsPerMinute = "Requests per minute";
    /// Who has read access.
    readers: Admitted, Readers = "Readers";
    /// Who has write access, which includes read.
    writers: Admitted, Writers = "Writers";
}

/// The settings as the row of a service has them: of whom it admits, only whether that is everyone. Those who are named
/// have rows of their own.
#[derive(Queryable, Selectable, Insertable, AsChangeset, Clone, Debug, PartialEq, Eq)]
#[diesel(table_name = services, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct StoredSettings {
    /// See [`ServiceSettings::title`].
    pub title: String,
    /// See [`ServiceSettings::host`].
    pub host: String,
    /// See [`ServiceSettings::path`].
    pub path: String,
    /// The methods that read, with blanks between.
    reading_methods: String,
    /// See [`ServiceSettings::anonymous_reads`].
    pub anonymous_reads: bool,
    /// See [`ServiceSettings::classic_keys`].
    pub classic_keys: bool,
    /// See [`ServiceSettings::key_parameter`].
    pub key_parameter: bool,
    /// See [`ServiceSettings::requests_per_minute`].
    pub requests_per_minute: Option<i64>,
    /// Whether it admits everyone to read.
    pub everyone_reads: bool,
    /// Whether it admits everyone to write.
    pub everyone_writes: bool,
}

impl ServiceSettings {
    /// Those of a service at `host` about which nothing else is said: nobody is admitted.
    pub fn new(title: impl Into<String>, host: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            host: host.into(),
            path: "/".to_owned(),
            reading_methods: READING_METHODS.map(str::to_owned).to_vec(),
            anonymous_reads: false,
            classic_keys: false,
            key_parameter: false,
            requests_per_minute: None,
            readers: Admitted::nobody(),
            writers: Admitted::nobody(),
        }
    }

    /// Whether they say that it lives there. There are servers to which upper and lower case are one.
    pub fn are_at(&self, host: &str, path: &str) -> bool {
        self.host == host && self.path.eq_ignore_ascii_case(path)
    }

    /// In words: what of `before` is another now.
    pub(super) fn told_since(&self, before: &Self) -> Vec<String> {
        let now = |field| match field {
            ServiceField::Title => format!("“{}”", self.title),
            other => self.in_words(other),
        };
        let told = |field: ServiceField| format!("{}: {}", field.label().to_lowercase(), now(field));
        self.changed_since(before).map(told).collect()
    }

    /// The settings as the row of a service has them.
    pub(super) fn stored(&self) -> StoredSettings {
        StoredSettings {
            title: self.title.clone(),
            host: self.host.clone(),
            path: self.path.clone(),
            reading_methods: self.reading_methods.join(" "),
            anonymous_reads: self.anonymous_reads,
            classic_keys: self.classic_keys,
            key_parameter: self.key_parameter,
            requests_per_minute: self.requests_per_minute,
            everyone_reads: self.readers == Admitted::Everyone,
            everyone_writes: self.writers == Admitted::Everyone,
        }
    }
}

impl StoredSettings {
    /// The methods that count as reading. All others count as writing.
    pub fn reading_methods(&self) -> impl Iterator<Item = &str> {
        self.reading_methods.split(' ').filter(|method| !method.is_empty())
    }

    /// All settings, where these are named besides.
    pub(super) fn admitting(&self, readers: Vec<Admittee>, writers: Vec<Admittee>) -> ServiceSettings {
        ServiceSettings {
            title: self.title.clone(),
            host: self.host.clone(),
            path: self.path.clone(),
            reading_methods: self.reading_methods().map(str::to_owned).collect(),
            anonymous_reads: self.anonymous_reads,
            classic_keys: self.classic_keys,
            key_parameter: self.key_parameter,
            requests_per_minute: self.requests_per_minute,
            readers: if self.everyone_reads { Admitted::Everyone } else { Admitted::These(readers) },
            writers: if self.everyone_writes { Admitted::Everyone } else { Admitted::These(writers) },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::models::services::setting::SettingKind;

    /// What comes of it when a program says that `field` is `value`.
    fn set(field: ServiceField, value: Value) -> Result<ServiceSettings, SettingKind> {
        let mut changes = ServiceChanges::default();
        changes.set(field, value)?;
        Ok(changes.applied_to(&ServiceSettings::new("Wiki", "wiki.example.org")))
    }

    #[test]
    fn each_setting_is_set_by_its_name_and_told_with_its_label() {
        let before = ServiceSettings::new("Wiki", "wiki.example.org");
        let mut told = Vec::new();
        for (name, value) in [
            ("title", json!("Team wiki")),
            ("host", json!("h")),
            ("path", json!("/wiki")),
            ("reading_methods", json!(["GET", "REPORT"])),
            ("anonymous_reads", json!(true)),
            ("classic_keys", json!(true)),
            ("key_parameter", json!(true)),
            ("requests_per_minute", json!(60)),
            ("readers", json!("everyone")),
            ("writers", json!(["alice", "group:QA team", "bob"])),
        ] {
            let field = ServiceField::of_text(name).expect(name);
            assert!(ServiceField::SETTINGS.contains(&field), "{name}");
            let after = set(field, value).expect(name);
            told.extend(after.told_since(&before));
            assert_eq!(after.stored().admitting(after.readers.named().into(), after.writers.named().into()), after);
            assert_eq!(ServiceChanges::to(after.clone()).applied_to(&before), after, "{name}");
        }
        let expected = [
            "title: “Team wiki”",
            "host: h",
            "path: /wiki",
            "reading methods: GET REPORT",
            "anonymous reads: yes",
            "classic keys: yes",
            "key parameter: yes",
            "requests per minute: 60",
            "readers: everyone",
            "writers: alice, group:QA team, bob",
        ];
        assert_eq!(told, expected);
        assert_eq!(told.len(), ServiceField::SETTINGS.len(), "a new one stands here, too");
    }

    #[test]
    fn a_value_of_another_kind_is_refused() {
        use ServiceField::{AnonymousReads, Host, Readers, ReadingMethods, RequestsPerMinute};
        use SettingKind::{Admitted, Limit, Text, Texts, Truth};
        for (field, value, kind) in [
            (Host, json!(1), Text),
            (Host, json!(null), Text),
            (ReadingMethods, json!("GET"), Texts),
            (ReadingMethods, json!(["GET", 1]), Texts),
            (AnonymousReads, json!("yes"), Truth),
            (RequestsPerMinute, json!("60"), Limit),
            (RequestsPerMinute, json!(1.5), Limit),
            (RequestsPerMinute, json!(u64::MAX), Limit),
            (Readers, json!("nobody"), Admitted),
            (Readers, json!({"everyone": null}), Admitted),
            (Readers, json!([["alice"]]), Admitted),
            (Readers, json!(null), Admitted),
        ] {
            assert_eq!(set(field, value.clone()), Err(kind), "{value}");
        }
        assert_eq!(set(RequestsPerMinute, json!(null)).map(|it| it.requests_per_minute), Ok(None));
        assert_eq!(set(ServiceField::Name, json!(1)), Ok(ServiceSettings::new("Wiki", "wiki.example.org")));
    }
}
