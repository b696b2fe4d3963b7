//! `/openapi.json`: the API as its own handlers describe it, in OpenAPI 3.1.
//!
//! Each handler has its description above it, `#[utoipa::path]`; `Described` gathers them. A path that ends in
//! `.{format}` stands for two, whose answers and bodies are those of its own media type.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::LazyLock;

use actix_web::{HttpResponse, web};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, HeaderBuilder, ObjectBuilder, Ref, RefOr, Required, Response, Schema, Server, Type};
use utoipa::{IntoParams, IntoResponses, Modify, OpenApi, PartialSchema, ToSchema};

use super::format::Format;
use super::json::respond;
use super::problem::{self, Problem};
use super::tokens::wish::RotationWish;
use super::{account, activity, health, revoke, services, tokens, users};
use crate::app::App;
use crate::auth::credentials::{API_KEY_HEADER, SWITCH_USER_HEADER};
use crate::error::AppError;
use crate::models::scope::{LONGEST_SERVICE_NAME, Scope};
use crate::models::token::TokenAction;

/// Every operation there is; by credentials, unless it says something else.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Latchkey",
        description = "A self-hosted home for API keys that know when they were last used. Every answer carries an \
                       `X-Request-Id`, and in answer to a key that expires, or a secret that is replaced, an \
                       `X-Latchkey-Token-Expires`. Of several credentials the first that is present decides: the \
                       parameter `key`, then `X-Redmine-API-Key`, then `Authorization`."
    ),
    paths(
        show,
        users::current,
        users::list,
        users::create,
        users::show,
        users::update,
        users::delete,
        account::show,
        account::update,
        tokens::list,
        tokens::create,
        tokens::show,
        tokens::update,
        tokens::revoke,
        tokens::rotate,
        tokens::services,
        tokens::current,
        tokens::revoke_current,
        services::list,
        services::create,
        services::show,
        services::update,
        services::remove,
        activity::feed,
        revoke::revoke,
        health::healthz,
        health::readyz,
    ),
    components(schemas(Errors, ErrorsAsXml, Problem, RotationWish)),
    security(("key" = []), ("keyParameter" = []), ("basic" = []), ("bearer" = [])),
    modifiers(&Credentials, &Formats),
)]
struct Described;

/// `GET /openapi.json`
///
/// # Errors
/// If it cannot be written.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "describe",
    summary = "This document",
    security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json")),
)]
pub async fn show(app: web::Data<App>) -> Result<HttpResponse, AppError> {
    static DESCRIBED: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(Described::openapi);
    let mut described = DESCRIBED.clone();
    described.servers = Some(vec![Server::new(app.url.join(""))]);
    respond(HttpResponse::Ok(), &described)
}

/// What [`Format::write`] writes of a person, and what `document::read` reads: JSON holds in a member `user` what in
/// XML is the root element. For descriptions only.
pub struct InUser<T>(PhantomData<T>);

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

/// What is wrong, one sentence each.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described: Format::errors writes it")]
struct Errors {
    errors: Vec<String>,
}

/// What is wrong, one sentence each.
#[derive(ToSchema)]
#[schema(xml(name = "errors"))]
#[expect(dead_code, reason = "only described: Format::errors writes it")]
struct ErrorsAsXml {
    #[schema(xml(attribute), pattern = "^array$")]
    r#type: String,
    error: Vec<String>,
}

/// The parameter with which an administrator acts as somebody else.
pub struct SwitchUser;

impl IntoParams for SwitchUser {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = ParameterBuilder::new()
            .name(SWITCH_USER_HEADER)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some("The login of an active person as whom an administrator acts; ignored from others."))
            .schema(Some(text()));
        vec![parameter.build()]
    }
}

/// Why who asks is not let in.
pub struct NotLetIn;

impl IntoResponses for NotLetIn {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let challenge = ("WWW-Authenticate", Type::String, "How to authenticate; not where a key was refused.");
        let retry = ("Retry-After", Type::Integer, "Seconds to wait.");
        [
            ("401", response("The credentials are missing, wrong or no longer valid.", Some(&challenge))),
            (
                "403",
                response("This is for others, the key lacks the scope, or the password must be changed first.", None),
            ),
            ("412", response("X-Redmine-Switch-User names nobody who may sign in.", None)),
            ("429", response("Too many wrong passwords.", Some(&retry))),
            ("503", response("Something is busy or not available at the moment.", Some(&retry))),
        ]
        .map(|(status, response)| (status.to_owned(), RefOr::T(response)))
        .into()
    }
}

/// Why a document that was sent is not taken.
pub struct NotTaken;

impl IntoResponses for NotTaken {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        [
            ("400", response("The document cannot be read.", None)),
            ("413", response("The document is too large.", None)),
            ("422", response("Rules are broken, and nothing is changed.", None)),
        ]
        .map(|(status, response)| (status.to_owned(), RefOr::T(response)))
        .into()
    }
}

/// The same, told as problem documents. So are all other errors of the operation, then.
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

/// `header` is a name, a type and a description.
fn response(description: &str, header: Option<&(&str, Type, &str)>) -> Response {
    let mut response = Response::new(description);
    if let Some((name, kind, description)) = header {
        let schema = ObjectBuilder::new().schema_type(kind.clone());
        let header = HeaderBuilder::new().schema(Some(schema)).description(Some(*description)).build();
        response.headers.insert((*name).to_owned(), RefOr::T(header));
    }
    response
}

/// A text, of which more may be said.
pub(super) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

impl PartialSchema for Scope {
    fn schema() -> RefOr<Schema> {
        let own = text().enum_values(Some(Self::ALL.map(Self::as_str)));
        let pattern = format!("^service:[a-z0-9]([a-z0-9-]{{0,{}}}[a-z0-9])?:(read|write)$", LONGEST_SERVICE_NAME - 2);
        let of_services = text().pattern(Some(pattern)).description(Some("To use the service of this name"));
        AnyOfBuilder::new().item(own).item(of_services).into()
    }
}

impl ToSchema for Scope {}

/// Those of keys: others are nobody's business.
impl PartialSchema for TokenAction {
    fn schema() -> RefOr<Schema> {
        text().enum_values(Some(Self::KEYS.map(Self::as_str))).into()
    }
}

impl ToSchema for TokenAction {}

/// The places where credentials may stand.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, described: &mut utoipa::openapi::OpenApi) {
        let parameter = |description| ApiKey::Query(ApiKeyValue::with_description("key", description));
        let header = ApiKeyValue::with_description(API_KEY_HEADER, "An API access key.");
        let mut basic = Http::new(HttpAuthScheme::Basic);
        basic.description = Some("An API access key and any password, or login and password.".to_owned());
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.description = Some("An API access key.".to_owned());
        let components = described.components.get_or_insert_default();
        for (name, scheme) in [
            ("key", SecurityScheme::ApiKey(ApiKey::Header(header))),
            ("keyParameter", SecurityScheme::ApiKey(parameter("An API access key. Prefer a header."))),
            ("basic", SecurityScheme::Http(basic)),
            ("bearer", SecurityScheme::Http(bearer)),
            ("atomKey", SecurityScheme::ApiKey(parameter("An Atom access key."))),
        ] {
            components.add_security_scheme(name, scheme);
        }
    }
}

/// Makes two of each path that ends in `.{format}`, and says what errors look like where a handler has not.
struct Formats;

impl Modify for Formats {
    fn modify(&self, described: &mut utoipa::openapi::OpenApi) {
        let both = std::mem::take(&mut described.paths.paths);
        for (path, item) in both {
            let paths = match path.strip_suffix("{format}") {
                Some(stem) => vec![format!("{stem}json"), format!("{stem}xml")],
                None => vec![path],
            };
            for path in paths {
                let mut item = item.clone();
                for operation in operations(&mut item) {
                    describe_in_format(operation, Format::of_path(&path));
                }
                described.paths.paths.insert(path, item);
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

fn describe_in_format(operation: &mut Operation, format: Option<Format>) {
    let other = match format {
        Some(Format::Json) => "application/xml",
        Some(Format::Xml) => "application/json",
        None => "",
    };
    // What a handler's documentation says of its errors is for whoever reads the code.
    let description = operation.description.take();
    let description = description.as_deref().and_then(|text| text.split("# Errors").next()).unwrap_or_default().trim();
    operation.description = Some(description.to_owned()).filter(|text| !text.is_empty());
    if let (Some(Format::Xml), Some(id)) = (format, &mut operation.operation_id) {
        id.push_str("AsXml");
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        body.content.retain(|media_type, _| media_type != other);
    }
    let responses = &mut operation.responses.responses;
    let is_problem =
        |it: &RefOr<Response>| matches!(it, RefOr::T(it) if it.content.contains_key(problem::CONTENT_TYPE));
    let tells_problems = responses.values().any(is_problem);
    for (status, response) in responses {
        let RefOr::T(response) = response else { continue };
        response.content.retain(|media_type, _| media_type != other);
        if format == Some(Format::Xml) {
            // They are followed by what stands where in JSON.
            response.links.clear();
        }
        if status.starts_with(['4', '5']) && response.content.is_empty() {
            let (media_type, schema) = if tells_problems { problem() } else { error(format) };
            response.content.insert(media_type.to_owned(), RefOr::T(Content::new(Some(schema))));
        }
    }
}

/// What `resource` writes where it is told to tell problems.
fn problem() -> (&'static str, RefOr<Schema>) {
    (problem::CONTENT_TYPE, Ref::from_schema_name(Problem::name()).into())
}

/// What `resource` writes at an address that ends so, elsewhere.
fn error(format: Option<Format>) -> (&'static str, RefOr<Schema>) {
    match format {
        Some(Format::Json) => ("application/json", Ref::from_schema_name(Errors::name()).into()),
        Some(Format::Xml) => ("application/xml", Ref::from_schema_name(ErrorsAsXml::name()).into()),
        None => ("text/plain", text().into()),
    }
}
