//! Parts that the descriptions of several operations share: parameters, refusals, schemas.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{Content, HeaderBuilder, ObjectBuilder, Ref, RefOr, Required, Response, Schema, Type};
use utoipa::{IntoParams, IntoResponses, PartialSchema, ToSchema};

use crate::auth::credentials::SWITCH_USER_HEADER;
use crate::http::problem::{self, Problem};
use crate::models::keys::scope::{LONGEST_SERVICE_NAME, Scope};
use crate::models::keys::token::TokenAction;
use crate::models::keys::verdict::Verdict;

/// The schema of a person in JSON, where a member `user` holds what in XML is the root element. It only describes what
/// [`Format::write`](crate::http::format::Format::write) writes and [`Parameters`](super::parameters::Parameters) read.
pub struct InUser<T>(PhantomData<T>);

/// The same of a group.
pub struct InGroup<T>(PhantomData<T>);

impl<T: ToSchema> PartialSchema for InGroup<T> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().property("group", Ref::from_schema_name(T::name())).required("group").into()
    }
}

impl<T: ToSchema> ToSchema for InGroup<T> {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

impl<T: ToSchema> PartialSchema for InUser<T> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().property("user", Ref::from_schema_name(T::name())).required("user").into()
    }
}

impl<T: ToSchema> ToSchema for InUser<T> {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

/// The description of a parameter that a query may have.
pub fn query_parameter(name: &str, schema: impl Into<RefOr<Schema>>, description: &str) -> Parameter {
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query).required(Required::False);
    parameter.description(Some(description)).schema(Some(schema)).build()
}

/// The header with which an administrator acts as somebody else.
pub struct SwitchUser;

impl IntoParams for SwitchUser {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = ParameterBuilder::new()
            .name(SWITCH_USER_HEADER)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(
                "The login of the active person to act as. Only administrators can do this; for others it is ignored. An \
                 access token cannot act as an administrator.",
            ))
            .schema(Some(text()));
        vec![parameter.build()]
    }
}

/// The parameter that asks for more about a person.
pub struct Include;

impl IntoParams for Include {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = ParameterBuilder::new()
            .name("include")
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some("`groups` or `memberships`, or both with a comma. Administrators are told the groups; memberships are empty here."))
            .schema(Some(text()));
        vec![parameter.build()]
    }
}

/// The parameter that asks for more about a group.
pub struct IncludeOfGroup;

impl IntoParams for IncludeOfGroup {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "`users` or `memberships`, or both with a comma. Memberships are empty here.";
        vec![query_parameter("include", text(), about)]
    }
}

/// The responses when the caller is not authenticated or not allowed.
pub struct NotLetIn;

impl IntoResponses for NotLetIn {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let challenge = ("WWW-Authenticate", Type::String, "How to authenticate; not where a key was refused.");
        let retry = ("Retry-After", Type::Integer, "Seconds to wait.");
        [
            ("401", response("The credentials are missing, wrong or no longer valid.", Some(&challenge))),
            (
                "403",
                response(
                    "This is for others, the key lacks the scope or may do less than this needs, or the password must be \
                     changed first.",
                    None,
                ),
            ),
            ("412", response("X-Redmine-Switch-User does not name an active account.", None)),
            ("429", response("Too many requests within a minute, or too many wrong passwords.", Some(&retry))),
            ("503", response("Something is busy or not available at the moment.", Some(&retry))),
        ]
        .map(|(status, response)| (status.to_owned(), RefOr::T(response)))
        .into()
    }
}

/// The responses when the parameters or the document that were sent are not accepted.
pub struct NotTaken;

impl IntoResponses for NotTaken {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        [
            ("400", response("What was sent cannot be read.", None)),
            ("413", response("What was sent is too large.", None)),
            ("415", response("What was sent is in a format or a character encoding that is not read here.", None)),
            ("422", response("Rules are broken, or a parameter is refused, and nothing is changed.", None)),
        ]
        .map(|(status, response)| (status.to_owned(), RefOr::T(response)))
        .into()
    }
}

/// The same responses as problem documents (RFC 9457). All other errors of the operation then become problem documents,
/// too.
pub struct AsProblems<T>(PhantomData<T>);

impl<T: IntoResponses> IntoResponses for AsProblems<T> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = T::responses();
        for response in responses.values_mut() {
            if let RefOr::T(response) = response {
                let (media_type, schema) = problem();
                response.content.insert(media_type.to_owned(), RefOr::T(Content::new(Some(schema))));
            }
        }
        responses
    }
}

/// A response. `header` is a name, a type and a description.
fn response(description: &str, header: Option<&(&str, Type, &str)>) -> Response {
    let mut response = Response::new(description);
    if let Some((name, kind, description)) = header {
        let schema = ObjectBuilder::new().schema_type(kind.clone());
        let header = HeaderBuilder::new().schema(Some(schema)).description(Some(*description)).build();
        response.headers.insert((*name).to_owned(), RefOr::T(header));
    }
    response
}

/// A text, to which more can be added.
pub(super) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

impl PartialSchema for Scope {
    fn schema() -> RefOr<Schema> {
        let own = text().enum_values(Some(Self::ALL.map(Self::as_str)));
        let pattern = format!("^service:[a-z0-9]([a-z0-9-]{{0,{}}}[a-z0-9])?:(read|write)$", LONGEST_SERVICE_NAME - 2);
        let of_services = text().pattern(Some(pattern)).description(Some("Use the service with this name"));
        AnyOfBuilder::new().item(own).item(of_services).into()
    }
}

impl ToSchema for Scope {}

/// Only the kinds of keys: no operation shows other tokens.
impl PartialSchema for TokenAction {
    fn schema() -> RefOr<Schema> {
        text().enum_values(Some(Self::KEYS.map(Self::as_str))).into()
    }
}

impl ToSchema for TokenAction {}

impl PartialSchema for Verdict {
    fn schema() -> RefOr<Schema> {
        text().enum_values(Some(Self::ALL.map(Self::as_str))).into()
    }
}

impl ToSchema for Verdict {}

/// The body of an error, as `server/answer.rs` writes it for a resource with problem documents.
pub(super) fn problem() -> (&'static str, RefOr<Schema>) {
    (problem::CONTENT_TYPE, Ref::from_schema_name(Problem::name()).into())
}
