//! A service as programs read it: the same document from the API and from the command line.

use serde::Serialize;
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::clock::iso8601;
use crate::models::services::overview::ServiceOverview;
use crate::models::services::service::KeptIn;
use crate::models::services::settings::Admitted;

/// A service. Times are RFC 3339 in UTC.
#[derive(Serialize, ToSchema)]
#[schema(as = Service)]
pub struct ServiceDocument {
    /// Never given twice.
    pub id: i64,
    /// What its scopes call it: `service:NAME:read` and `service:NAME:write`.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Where it lives: a DNS name or an IP address, without a port.
    pub host: String,
    /// What of that host belongs to it, with everything below; null: it is closed, and another service has that now.
    #[schema(required)]
    pub path: Option<String>,
    /// The methods that read; every other one writes.
    pub reading_methods: Vec<String>,
    /// Whether whoever presents nothing may read.
    pub anonymous_reads: bool,
    /// Whether API access keys are good for it.
    pub classic_keys: bool,
    /// Whether a key may stand in the address as `key=`.
    pub key_parameter: bool,
    /// How many requests a key may send in a minute; null: any number.
    #[schema(required)]
    pub requests_per_minute: Option<i64>,
    /// Whom it admits to read.
    pub readers: AdmittedDocument,
    /// Whom it admits to write, and so to read.
    pub writers: AdmittedDocument,
    /// Where these settings are kept.
    pub kept_in: KeptInDocument,
    /// How many keys have scopes of it.
    pub keys: usize,
    /// When a key was last used on it; null: never.
    #[schema(format = DateTime, required)]
    pub last_used_on: Option<String>,
    /// When it was added.
    #[schema(format = DateTime)]
    pub created_on: String,
    /// When its settings were changed last.
    #[schema(format = DateTime)]
    pub updated_on: String,
}

/// Whom a service admits: `everyone`, or the people with these logins.
#[derive(Serialize)]
#[serde(untagged)]
pub enum AdmittedDocument {
    /// The word.
    Everyone(&'static str),
    /// The logins.
    People(Vec<String>),
}

/// Where the settings of a service are kept: administrators change them; they stand in the file that `serve` reads; or
/// they have left it, and the service is closed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = KeptIn)]
pub enum KeptInDocument {
    /// Administrators change them.
    Database,
    /// They stand in the file.
    File,
    /// They have left it.
    LeftFile,
}

impl From<ServiceOverview> for ServiceDocument {
    fn from(ServiceOverview { service, settings, dependents }: ServiceOverview) -> Self {
        Self {
            id: service.id,
            path: service.path_if_any().map(str::to_owned),
            name: service.name,
            title: settings.title,
            host: settings.host,
            reading_methods: settings.reading_methods,
            anonymous_reads: settings.anonymous_reads,
            classic_keys: settings.classic_keys,
            key_parameter: settings.key_parameter,
            requests_per_minute: settings.requests_per_minute,
            readers: settings.readers.into(),
            writers: settings.writers.into(),
            kept_in: service.kept_in.into(),
            keys: dependents.keys(),
            last_used_on: dependents.last_used_on.map(iso8601),
            created_on: iso8601(service.created_on),
            updated_on: iso8601(service.updated_on),
        }
    }
}

impl From<Admitted> for AdmittedDocument {
    fn from(admitted: Admitted) -> Self {
        match admitted {
            Admitted::Everyone => Self::Everyone(Admitted::EVERYONE),
            Admitted::People(logins) => Self::People(logins),
        }
    }
}

impl From<KeptIn> for KeptInDocument {
    fn from(kept_in: KeptIn) -> Self {
        match kept_in {
            KeptIn::Database => Self::Database,
            KeptIn::File => Self::File,
            KeptIn::LeftFile => Self::LeftFile,
        }
    }
}

impl PartialSchema for AdmittedDocument {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let everyone = text().enum_values(Some([Admitted::EVERYONE]));
        let people = ArrayBuilder::new().items(text()).description(Some("The people with these logins"));
        AnyOfBuilder::new().item(everyone).item(people).into()
    }
}

impl ToSchema for AdmittedDocument {
    fn name() -> std::borrow::Cow<'static, str> {
        "Admitted".into()
    }
}
