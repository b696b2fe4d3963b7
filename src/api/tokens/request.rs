//! Requests about keys. They are read member by member, so that errors can name the member; the schema is below.

use serde_json::Value;
use utoipa::openapi::schema::{AdditionalProperties, AnyOfBuilder, ArrayBuilder, SchemaType};
use utoipa::openapi::{KnownFormat, ObjectBuilder, Ref, RefOr, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::api::described;
use crate::api::json::{Members, text, texts};
use crate::http::error::AppError;

use crate::models::keys::key_request::{Expiry, Grace, KeyChanges, KeyField, LONGEST_NAME, LONGEST_NOTE, NewKey};
use crate::models::keys::networks::{MOST, NetworkLimit, Networks, network};
use crate::models::keys::scope::{KeyScopes, Scope};
use crate::models::keys::suspension::{Afterwards, NewSuspension, SuspensionSpan};
use crate::models::rules::{Labelled, Problem};

/// A request to create a key.
pub struct KeyRequest;

/// A request to change a key.
pub struct KeyChangesRequest;

/// A request to rotate a key.
pub struct RotationRequest;

/// A request to suspend a key.
pub struct SuspensionRequest;

/// The schema of a date or an RFC 3339 time.
pub struct Time;

impl KeyRequest {
    /// Reads a request to create a key.
    ///
    /// # Errors
    /// Returns 422 if a member cannot be read. The rules for its value are checked by the model.
    pub fn read(mut members: Members) -> Result<NewKey, AppError> {
        let new = NewKey {
            name: name(&mut members).unwrap_or_default(),
            note: note(&mut members).unwrap_or_default(),
            scopes: scopes(&mut members).unwrap_or_default(),
            expiry: expiry(&mut members),
            networks: networks(&mut members),
        };
        members.finish().map(|()| new)
    }
}

impl KeyChangesRequest {
    /// Reads a request to change a key.
    ///
    /// # Errors
    /// See [`KeyRequest::read`].
    pub fn read(mut members: Members) -> Result<KeyChanges, AppError> {
        let changes = KeyChanges {
            name: name(&mut members),
            note: note(&mut members),
            scopes: scopes(&mut members),
            expiry: expiry(&mut members),
            networks: networks(&mut members),
        };
        members.finish().map(|()| changes)
    }
}

impl RotationRequest {
    /// Reads a request to rotate a key, which has the grace period.
    ///
    /// # Errors
    /// See [`KeyRequest::read`].
    pub fn read(mut members: Members) -> Result<Grace, AppError> {
        let grace = members.take("grace", "Grace", |value| text(value)?.parse::<Grace>().map_err(str::to_owned));
        members.finish().map(|()| grace.unwrap_or_default())
    }
}

impl SuspensionRequest {
    /// Reads a request to suspend a key.
    ///
    /// # Errors
    /// Returns 422 if a member cannot be read, or if the two contradict each other.
    pub fn read(mut members: Members) -> Result<NewSuspension, AppError> {
        let span = members.take("for", "For", |value| text(value)?.parse::<SuspensionSpan>().map_err(str::to_owned));
        let then = members.take("then", "Then", |value| text(value)?.parse::<Afterwards>().map_err(str::to_owned));
        members.finish()?;
        let suspension = NewSuspension::new(span.unwrap_or_default(), then.unwrap_or_default());
        suspension.map_err(|problem| AppError::Invalid(vec![problem.to_owned()]))
    }
}

fn name(members: &mut Members) -> Option<String> {
    members.take("name", KeyField::Name.label(), |value| text(value).map(|name| name.trim().to_owned()))
}

fn note(members: &mut Members) -> Option<String> {
    members.take("note", KeyField::Note.label(), |value| if value.is_null() { Ok(String::new()) } else { text(value) })
}

fn scopes(members: &mut Members) -> Option<KeyScopes> {
    members.take("scopes", KeyField::Scopes.label(), |value| {
        let words = texts(value)?;
        KeyScopes::of_words(words.iter().map(String::as_str)).map_err(|unknown| Problem::sentence(unknown.to_string()))
    })
}

fn expiry(members: &mut Members) -> Option<Expiry> {
    members.take("expires_on", KeyField::Expiry.label(), |value| match value {
        Value::Null => Ok(Expiry::Never),
        value => text(value)?.parse().map_err(str::to_owned),
    })
}

/// Takes the networks of a key, and whether these are confirmed. `None`: no networks are named, or they cannot be read.
pub fn networks(members: &mut Members) -> Option<NetworkLimit> {
    let networks = members.take("networks", KeyField::Networks.label(), |value| match value {
        Value::Null => Ok(None),
        value => {
            let networks = texts(value)?.iter().map(|text| network(text)).collect::<Result<Vec<_>, _>>();
            networks
                .map(|networks| Some(Networks::of(networks)))
                .map_err(|problem| Problem::sentence(problem.to_string()))
        }
    });
    let confirmed =
        members.take("confirm_networks", "Confirm networks", |value| value.as_bool().ok_or("must be true or false"));
    networks.map(|networks| NetworkLimit { networks, is_confirmed: confirmed.unwrap_or_default() })
}

/// An object that accepts no other members than the ones described.
pub fn closed() -> ObjectBuilder {
    ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(false)))
}

/// Adds the networks of a key to the members of `request`.
pub fn with_networks(request: ObjectBuilder) -> ObjectBuilder {
    let networks = ArrayBuilder::new().items(described::text()).min_items(Some(1)).max_items(Some(MOST));
    let anywhere = ObjectBuilder::new().schema_type(Type::Null).description(Some("Anywhere"));
    let networks = AnyOfBuilder::new().item(networks).item(anywhere).description(Some(
        "The addresses and networks (in CIDR notation) that the key may be used from. null: anywhere. Without it, a new key \
         has those of the key you use",
    ));
    let confirmed =
        "true: limit the key even if it will not work from where this request comes. Otherwise that is refused";
    let confirmed = ObjectBuilder::new().schema_type(Type::Boolean).description(Some(confirmed));
    request.property("networks", networks).property("confirm_networks", confirmed)
}

fn key() -> ObjectBuilder {
    let or_null = || ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
    let days = described::text().pattern(Some("^[0-9]{1,5}d$")).description(Some("A number of days from now"));
    let never = ObjectBuilder::new().schema_type(Type::Null).description(Some("Never"));
    let expires_on = AnyOfBuilder::new().item(days).item(Time::schema()).item(never);
    let expires_on =
        expires_on.description(Some("When the key expires. A date means the end of that day in UTC. null: never"));
    let key = closed()
        .property("name", described::text().min_length(Some(1)).max_length(Some(LONGEST_NAME)))
        .property("note", or_null().max_length(Some(LONGEST_NOTE)))
        .property("scopes", ArrayBuilder::new().items(Ref::from_schema_name(Scope::name())).min_items(Some(1)))
        .property("expires_on", expires_on);
    with_networks(key)
}

impl PartialSchema for KeyRequest {
    fn schema() -> RefOr<Schema> {
        let about = "A new access token. Without `expires_on`, it gets the default lifetime of the server.";
        key().required("name").required("scopes").description(Some(about)).into()
    }
}

impl ToSchema for KeyRequest {
    fn name() -> std::borrow::Cow<'static, str> {
        "NewKey".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Scope::name().into_owned(), Scope::schema()));
    }
}

impl PartialSchema for KeyChangesRequest {
    fn schema() -> RefOr<Schema> {
        key().description(Some("The fields to change. The others stay the same.")).into()
    }
}

impl ToSchema for KeyChangesRequest {
    fn name() -> std::borrow::Cow<'static, str> {
        "KeyChanges".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Scope::name().into_owned(), Scope::schema()));
    }
}

impl PartialSchema for RotationRequest {
    fn schema() -> RefOr<Schema> {
        let grace = described::text().enum_values(Some(Grace::ALL.map(Grace::as_str)));
        let grace = grace.description(Some("How long the old secret keeps working; 1d by default"));
        closed().property("grace", grace).into()
    }
}

impl ToSchema for RotationRequest {
    fn name() -> std::borrow::Cow<'static, str> {
        "Rotation".into()
    }
}

impl SuspensionRequest {
    /// Its members.
    pub fn object() -> ObjectBuilder {
        let span = described::text().enum_values(Some(SuspensionSpan::ALL.map(SuspensionSpan::as_str)));
        let span = span.description(Some("How long the key is suspended; 1d by default"));
        let then = described::text().enum_values(Some(Afterwards::ALL.map(Afterwards::as_str)));
        let then = then.description(Some(
            "What becomes of the key then; resume by default. revoke needs an end: not until-switched-on",
        ));
        closed().property("for", span).property("then", then)
    }
}

impl PartialSchema for SuspensionRequest {
    fn schema() -> RefOr<Schema> {
        Self::object().into()
    }
}

impl ToSchema for SuspensionRequest {
    fn name() -> std::borrow::Cow<'static, str> {
        "Suspension".into()
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        let of = |format| described::text().format(Some(SchemaFormat::KnownFormat(format)));
        AnyOfBuilder::new().item(of(KnownFormat::Date)).item(of(KnownFormat::DateTime)).into()
    }
}
