//! The bodies of requests about several keys.

use serde_json::Value;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::api::json::Members;
use crate::api::tokens::request::{SuspensionRequest, closed, networks, with_networks};
use crate::http::error::AppError;
use crate::models::keys::few_keys::{FewKeys, MOST_AT_ONCE};
use crate::models::keys::networks::NetworkLimit;
use crate::models::keys::suspension::NewSuspension;

/// Which keys.
pub struct FewKeysRequest;

/// Which keys are to be suspended, for how long, and what becomes of them then.
pub struct FewSuspendedRequest;

/// Which keys are to be limited, and to which networks.
pub struct FewLimitedRequest;

impl FewKeysRequest {
    /// Reads the ids.
    ///
    /// # Errors
    /// Returns 422 if they are missing, no ids, or too many.
    pub fn read(mut members: Members) -> Result<FewKeys, AppError> {
        let keys = take_ids(&mut members);
        members.finish()?;
        keys.ok_or_else(ids_missing)
    }
}

impl FewSuspendedRequest {
    /// Reads the ids, and how long the keys are to be suspended.
    ///
    /// # Errors
    /// Returns 422 if the ids are missing, no ids, or too many, or if the time and the end contradict each other.
    pub fn read(mut members: Members) -> Result<(FewKeys, NewSuspension), AppError> {
        let keys = take_ids(&mut members);
        let new = SuspensionRequest::read(members)?;
        Ok((keys.ok_or_else(ids_missing)?, new))
    }
}

impl FewLimitedRequest {
    /// Reads the ids, and the networks.
    ///
    /// # Errors
    /// Returns 422 if the ids are missing, no ids, or too many, or if the networks are missing or none.
    pub fn read(mut members: Members) -> Result<(FewKeys, NetworkLimit), AppError> {
        let (keys, limit) = (take_ids(&mut members), networks(&mut members));
        members.finish()?;
        let missing = || AppError::Invalid(vec!["networks must be an array of strings, or null".to_owned()]);
        Ok((keys.ok_or_else(ids_missing)?, limit.ok_or_else(missing)?))
    }
}

fn must_be() -> String {
    format!("must be an array of at most {MOST_AT_ONCE} ids")
}

fn ids_missing() -> AppError {
    AppError::Invalid(vec![format!("ids {}", must_be())])
}

fn take_ids(members: &mut Members) -> Option<FewKeys> {
    members.take("ids", "ids", |value: Value| {
        let ids = value.as_array().ok_or_else(must_be)?;
        let ids: Option<Vec<i64>> = ids.iter().map(Value::as_i64).collect();
        FewKeys::of(ids.ok_or_else(must_be)?).map_err(|too_many| format!("has too many keys: {too_many}"))
    })
}

/// Adds the ids to the members of `request`.
fn with_ids(request: ObjectBuilder) -> RefOr<Schema> {
    let id = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
    let ids = ArrayBuilder::new().items(id).max_items(Some(MOST_AT_ONCE)).description(Some("The ids of the keys"));
    request.property("ids", ids).required("ids").into()
}

impl PartialSchema for FewKeysRequest {
    fn schema() -> RefOr<Schema> {
        with_ids(closed())
    }
}

impl ToSchema for FewKeysRequest {
    fn name() -> std::borrow::Cow<'static, str> {
        "FewKeys".into()
    }
}

impl PartialSchema for FewSuspendedRequest {
    fn schema() -> RefOr<Schema> {
        with_ids(SuspensionRequest::object())
    }
}

impl ToSchema for FewSuspendedRequest {
    fn name() -> std::borrow::Cow<'static, str> {
        "FewSuspended".into()
    }
}

impl PartialSchema for FewLimitedRequest {
    fn schema() -> RefOr<Schema> {
        with_ids(with_networks(closed()).required("networks"))
    }
}

impl ToSchema for FewLimitedRequest {
    fn name() -> std::borrow::Cow<'static, str> {
        "FewLimited".into()
    }
}
