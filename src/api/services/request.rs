//! What programs say about a service that is to be added or changed.

use serde_json::Value;
use utoipa::openapi::schema::{AdditionalProperties, AnyOfBuilder, ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::api::described;
use crate::api::json::{Members, text, texts};
use crate::http::error::AppError;
use crate::models::keys::scope::LONGEST_SERVICE_NAME;
use crate::models::rules::Labelled;
use crate::models::services::settings::{Admitted, ServiceChanges, ServiceField, ServiceSettings};

/// What is said about a new service.
pub struct ServiceRequest;

/// What is to change about a service.
pub struct ServiceChangesRequest;

impl ServiceRequest {
    /// The name and settings of the service that `members` are about. Without a title it is called by its name.
    ///
    /// # Errors
    /// 422 with what is wrong by itself; what may not be is the model's to say.
    pub fn read(mut members: Members) -> Result<(String, ServiceSettings), AppError> {
        let name = members.take("name", ServiceField::Name.label(), text).unwrap_or_default();
        let settings = changes(&mut members).applied_to(&ServiceSettings::new(name.clone(), String::new()));
        members.finish().map(|()| (name, settings))
    }
}

impl ServiceChangesRequest {
    /// The changes that `members` are about.
    ///
    /// # Errors
    /// As [`ServiceRequest::read`].
    pub fn read(mut members: Members) -> Result<ServiceChanges, AppError> {
        let fixed = |_| Err("cannot be changed: it is part of the scopes of keys".to_owned());
        members.take::<()>("name", ServiceField::Name.label(), fixed);
        let changes = changes(&mut members);
        members.finish().map(|()| changes)
    }
}

fn changes(members: &mut Members) -> ServiceChanges {
    let limit = |value: Value| match value {
        Value::Null => Ok(None),
        value => value.as_i64().map(Some).ok_or_else(|| "must be a whole number, or null for any number".to_owned()),
    };
    ServiceChanges {
        title: members.take("title", ServiceField::Title.label(), text),
        host: members.take("host", ServiceField::Host.label(), text),
        path: members.take("path", ServiceField::Path.label(), text),
        reading_methods: members.take("reading_methods", ServiceField::ReadingMethods.label(), texts),
        anonymous_reads: members.take("anonymous_reads", ServiceField::AnonymousReads.label(), truth),
        classic_keys: members.take("classic_keys", ServiceField::ClassicKeys.label(), truth),
        key_parameter: members.take("key_parameter", ServiceField::KeyParameter.label(), truth),
        requests_per_minute: members.take("requests_per_minute", ServiceField::RequestsPerMinute.label(), limit),
        readers: members.take("readers", ServiceField::Readers.label(), admitted),
        writers: members.take("writers", ServiceField::Writers.label(), admitted),
        seen: None,
    }
}

fn truth(value: Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "must be true or false".to_owned())
}

fn admitted(value: Value) -> Result<Admitted, String> {
    match value {
        Value::String(word) if word == Admitted::EVERYONE => Ok(Admitted::Everyone),
        Value::Array(logins) => texts(Value::Array(logins)).map(Admitted::People),
        _ => Err(format!("must be {:?} or an array of logins", Admitted::EVERYONE)),
    }
}

fn settings() -> ObjectBuilder {
    let truth = || ObjectBuilder::new().schema_type(Type::Boolean);
    let method = described::text().pattern(Some("^[A-Za-z0-9_-]{1,40}$"));
    let limit = ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
        .minimum(Some(1))
        .maximum(Some(1_000_000));
    let admitted = |about: &str| {
        let everyone = described::text().enum_values(Some([Admitted::EVERYONE]));
        let logins = ArrayBuilder::new().items(described::text()).description(Some("The people with these logins"));
        AnyOfBuilder::new().item(everyone).item(logins).description(Some(about))
    };
    // No other members than these.
    ObjectBuilder::new()
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .property("title", described::text().min_length(Some(1)).max_length(Some(100)))
        .property("host", described::text().description(Some("A DNS name or an IP address, without a port")))
        .property(
            "path",
            described::text().description(Some("`/`, or plain segments: what is below belongs to it, too")),
        )
        .property("reading_methods", ArrayBuilder::new().items(method).max_items(Some(50)))
        .property("anonymous_reads", truth())
        .property("classic_keys", truth())
        .property("key_parameter", truth())
        .property("requests_per_minute", limit.description(Some("Null: any number")))
        .property("readers", admitted("Whom it admits to read"))
        .property("writers", admitted("Whom it admits to write, and so to read"))
}

impl PartialSchema for ServiceRequest {
    fn schema() -> RefOr<Schema> {
        let pattern = format!("^[a-z0-9]([a-z0-9-]{{0,{}}}[a-z0-9])?$", LONGEST_SERVICE_NAME - 2);
        let about = "A new service: what is not said is as usual, and nobody is admitted.";
        settings()
            .property("name", described::text().pattern(Some(pattern)))
            .required("name")
            .required("host")
            .description(Some(about))
            .into()
    }
}

impl ToSchema for ServiceRequest {
    fn name() -> std::borrow::Cow<'static, str> {
        "NewService".into()
    }
}

impl PartialSchema for ServiceChangesRequest {
    fn schema() -> RefOr<Schema> {
        settings().description(Some("What is to change about a service.")).into()
    }
}

impl ToSchema for ServiceChangesRequest {
    fn name() -> std::borrow::Cow<'static, str> {
        "ServiceChanges".into()
    }
}
