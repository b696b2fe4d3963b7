//! What programs say about a service that is to be added or changed.

use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::api::described;
use crate::api::json::{Members, text};
use crate::documents::service::ServiceDocument;
use crate::http::error::AppError;
use crate::models::keys::scope::LONGEST_SERVICE_NAME;
use crate::models::services::admitted::Admitted;
use crate::models::services::setting::SettingKind;
use crate::models::services::settings::{ServiceChanges, ServiceField, ServiceSettings};

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
        let fixed = |_| Err("cannot be changed: scopes of keys contain it".to_owned());
        members.take::<(), _>("name", ServiceField::Name.label(), fixed);
        let changes = changes(&mut members);
        members.finish().map(|()| changes)
    }
}

fn changes(members: &mut Members) -> ServiceChanges {
    let mut changes = ServiceChanges::default();
    for field in ServiceField::SETTINGS {
        members.take(field.as_str(), field.label(), |value| changes.set(field, value).map_err(must_be));
    }
    changes
}

fn must_be(kind: SettingKind) -> String {
    match kind {
        SettingKind::Text => "must be a string".to_owned(),
        SettingKind::Texts => "must be an array of strings".to_owned(),
        SettingKind::Truth => "must be true or false".to_owned(),
        SettingKind::Limit => "must be a whole number, or null for no limit".to_owned(),
        SettingKind::Admitted => format!("must be {:?} or an array of logins and groups", Admitted::EVERYONE),
    }
}

/// No other members than the settings.
fn settings() -> ObjectBuilder {
    ServiceDocument::settings_schema().additional_properties(Some(AdditionalProperties::FreeForm(false)))
}

impl PartialSchema for ServiceRequest {
    fn schema() -> RefOr<Schema> {
        let pattern = format!("^[a-z0-9]([a-z0-9-]{{0,{}}}[a-z0-9])?$", LONGEST_SERVICE_NAME - 2);
        let about = "A new service. Settings that are not given get their defaults, which let nobody in.";
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
        settings().description(Some("The settings to change. The others stay the same.")).into()
    }
}

impl ToSchema for ServiceChangesRequest {
    fn name() -> std::borrow::Cow<'static, str> {
        "ServiceChanges".into()
    }
}
