//! A service as programs read it: the same document from the API and from the command line.

use serde::Serialize;
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::clock::iso8601;
use crate::models::kept_in::KeptIn;
use crate::models::services::admitted::Admitted;
use crate::models::services::overview::ServiceOverview;
use crate::models::services::settings::{ServiceField, ServiceSettings};

/// A service. Times are RFC 3339 in UTC.
#[derive(Serialize, ToSchema)]
#[schema(as = Service)]
pub struct ServiceDocument {
    /// The id of the service, which is never reused.
    pub id: i64,
    /// The name in its scopes `service:NAME:read` and `service:NAME:write`.
    pub name: String,
    /// The name that people see.
    #[schema(min_length = 1, max_length = 100)]
    pub title: String,
    /// The host: a DNS name or an IP address, without a port.
    pub host: String,
    /// The path on that host: the service covers it and everything below. null: the service is closed, and another service has its path.
    #[schema(required)]
    pub path: Option<String>,
    /// The methods that count as reading. All others count as writing.
    #[schema(value_type = Vec<Method>, inline, max_items = 50)]
    pub reading_methods: Vec<String>,
    /// Whether requests without a key may read.
    pub anonymous_reads: bool,
    /// Whether the service accepts API access keys.
    pub classic_keys: bool,
    /// Whether the service accepts keys in the address, as `key=`.
    pub key_parameter: bool,
    /// The most requests that a key may send per minute; null: no limit.
    #[schema(required, minimum = 1, maximum = 1_000_000)]
    pub requests_per_minute: Option<i64>,
    /// Who has read access.
    pub readers: Admitted,
    /// Who has write access, which includes read.
    pub writers: Admitted,
    /// Where these settings are defined.
    #[schema(value_type = KeptIn)]
    pub kept_in: &'static str,
    /// The number of keys that have its scopes.
    pub keys: usize,
    /// When a key was last used on the service; null: never.
    #[schema(format = DateTime, required)]
    pub last_used_on: Option<String>,
    /// When the service was added.
    #[schema(format = DateTime)]
    pub created_on: String,
    /// When the settings were last changed.
    #[schema(format = DateTime)]
    pub updated_on: String,
}

impl From<ServiceOverview> for ServiceDocument {
    fn from(ServiceOverview { service, settings, dependents }: ServiceOverview) -> Self {
        // Each setting is named here, so that none can be left out of the document by mistake.
        let ServiceSettings {
            title,
            host,
            path: _,
            reading_methods,
            anonymous_reads,
            classic_keys,
            key_parameter,
            requests_per_minute,
            readers,
            writers,
        } = settings;
        Self {
            id: service.id,
            path: service.path_if_any().map(str::to_owned),
            name: service.name,
            title,
            host,
            reading_methods,
            anonymous_reads,
            classic_keys,
            key_parameter,
            requests_per_minute,
            readers,
            writers,
            kept_in: service.kept_in.as_str(),
            keys: dependents.keys(),
            last_used_on: dependents.last_used_on.map(iso8601),
            created_on: iso8601(service.created_on),
            updated_on: iso8601(service.updated_on),
        }
    }
}

impl ServiceDocument {
    /// What programs may say about a service, with the limits of each: every setting, as it is read.
    pub fn settings_schema() -> ObjectBuilder {
        let RefOr::T(Schema::Object(document)) = Self::schema() else { return ObjectBuilder::new() };
        let settings = ServiceField::SETTINGS.into_iter().filter_map(|field| {
            let schema = document.properties.get(field.as_str())?.clone();
            Some((field.as_str(), schema))
        });
        let all = settings.fold(ObjectBuilder::new(), |all, (name, schema)| all.property(name, schema));
        // Only what is closed has no path.
        all.property("path", text().description(Some("The service covers this path and everything below it")))
    }
}

/// For descriptions only: a method of HTTP, in any case.
struct Method;

impl PartialSchema for Method {
    fn schema() -> RefOr<Schema> {
        text().pattern(Some("^[A-Za-z0-9_-]{1,40}$")).into()
    }
}

impl ToSchema for Method {}

impl PartialSchema for Admitted {
    fn schema() -> RefOr<Schema> {
        let everyone = text().enum_values(Some([Admitted::EVERYONE]));
        let about = "The people with these logins, and the members of groups, such as `group:Writers`";
        let people = ArrayBuilder::new().items(text()).description(Some(about));
        AnyOfBuilder::new().item(everyone).item(people).into()
    }
}

impl ToSchema for Admitted {}

impl PartialSchema for KeptIn {
    fn schema() -> RefOr<Schema> {
        let about = "Where the settings of a service are kept: administrators change them; they stand in the file that \
                     `serve` reads; or they have left it, and the service is closed.";
        text().enum_values(Some(Self::ALL.map(Self::as_str))).description(Some(about)).into()
    }
}

impl ToSchema for KeptIn {}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
