//! `/openapi.json`: the description of the API in OpenAPI 3.1, generated from the handlers.
//!
//! Each handler is described above its code by `#[utoipa::path]`, and `Described` collects these. A path that ends in
//! `.{format}` becomes two, each with the media type of its format.

use std::sync::LazyLock;

use actix_web::{HttpResponse, web};
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, ObjectBuilder, Ref, RefOr, Required, Response, Schema, Server, Type};
use utoipa::{Modify, OpenApi, ToSchema};

use super::described::{problem, text};
use super::json::respond;
use super::tokens::request::{RotationRequest, SuspensionRequest};
use super::tokens::suspensions;
use super::{account, activity, audit, groups, health, keys, redmine_groups, revoke, services, tokens, users};
use crate::app::App;
use crate::auth::credentials::{API_KEY_HEADER, SWITCH_USER_HEADER};
use crate::http::error::AppError;
use crate::http::format::Format;
use crate::http::problem::{self as problem_document, Problem};

/// All operations. Each needs credentials, unless it says otherwise.
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
        redmine_groups::list,
        redmine_groups::show,
        account::show,
        account::update,
        tokens::list,
        tokens::create,
        tokens::show,
        tokens::update,
        tokens::revoke,
        tokens::rotate,
        tokens::services,
        suspensions::suspend,
        suspensions::resume,
        suspensions::refused,
        tokens::current,
        tokens::revoke_current,
        services::list,
        services::create,
        services::show,
        services::update,
        services::remove,
        groups::list,
        groups::create,
        groups::show,
        groups::update,
        groups::delete,
        groups::members,
        groups::change_members,
        keys::list,
        keys::csv,
        keys::ndjson,
        keys::revoke,
        keys::suspend,
        keys::resume,
        keys::limit,
        audit::list,
        audit::csv,
        audit::ndjson,
        activity::feed,
        revoke::revoke,
        health::healthz,
        health::readyz,
    ),
    components(schemas(Errors, ErrorsAsXml, Problem, RotationRequest, SuspensionRequest)),
    security(("key" = []), ("keyParameter" = []), ("basic" = []), ("bearer" = [])),
    modifiers(&Credentials, &Formats, &ServiceAccounts),
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
    summary = "Get this document",
    security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json")),
)]
pub async fn show(app: web::Data<App>) -> Result<HttpResponse, AppError> {
    static DESCRIBED: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(Described::openapi);
    let mut described = DESCRIBED.clone();
    described.servers = Some(vec![Server::new(app.url.join(""))]);
    respond(HttpResponse::Ok(), &described)
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

/// Adds the places where credentials can be sent.
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

/// Splits each path that ends in `.{format}` into two, and adds the format of errors where a handler does not describe
/// it.
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

/// Adds the addresses at which the same is said of the keys of a service account, as the table of routes has them.
struct ServiceAccounts;

impl Modify for ServiceAccounts {
    fn modify(&self, described: &mut utoipa::openapi::OpenApi) {
        let is_about_keys = |path: &str| path.starts_with("/my/tokens") && !path.ends_with("/current.json");
        let own: Vec<(String, PathItem)> = described
            .paths
            .paths
            .iter()
            .filter(|(path, _)| is_about_keys(path))
            .map(|it| (it.0.clone(), it.1.clone()))
            .collect();
        for (path, mut item) in own {
            operations(&mut item).for_each(describe_of_service_account);
            let path = path.replacen("/my", "/my/service-accounts/{service_account}", 1);
            described.paths.paths.insert(path, item);
        }
    }
}

fn describe_of_service_account(operation: &mut Operation) {
    if let Some(id) = &mut operation.operation_id {
        id.push_str("OfServiceAccount");
    }
    operation.summary =
        operation.summary.take().map(|summary| format!("{summary} (of a service account that you own)"));
    let account = ParameterBuilder::new()
        .name("service_account")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("The id of the service account"))
        .schema(Some(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1))))
        .build();
    let parameters = operation.parameters.get_or_insert_default();
    // Nobody owns a service account in somebody else's name.
    parameters.retain(|it| !matches!(it, RefOr::T(parameter) if parameter.name == SWITCH_USER_HEADER));
    parameters.insert(0, RefOr::T(account));
    let responses = &mut operation.responses.responses;
    responses.entry("404".to_owned()).or_insert_with(|| {
        let (media_type, schema) = problem();
        let mut gone = Response::new("You own no service account with this id.");
        gone.content.insert(media_type.to_owned(), RefOr::T(Content::new(Some(schema))));
        RefOr::T(gone)
    });
    for response in responses.values_mut() {
        if let RefOr::T(response) = response {
            // These lead to the operations about one's own keys.
            response.links.clear();
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
    // The "# Errors" section of a handler is for readers of the code, not of the API.
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
        |it: &RefOr<Response>| matches!(it, RefOr::T(it) if it.content.contains_key(problem_document::CONTENT_TYPE));
    let tells_problems = responses.values().any(is_problem);
    for (status, response) in responses {
        let RefOr::T(response) = response else { continue };
        response.content.retain(|media_type, _| media_type != other);
        if format == Some(Format::Xml) {
            // The JSON operation has these links already, and their expressions work on JSON only.
            response.links.clear();
        }
        if status.starts_with(['4', '5']) && response.content.is_empty() {
            let (media_type, schema) = if tells_problems { problem() } else { error(format) };
            response.content.insert(media_type.to_owned(), RefOr::T(Content::new(Some(schema))));
        }
    }
}

/// The body of an error, as `server/answer.rs` writes it for a path with this ending.
fn error(format: Option<Format>) -> (&'static str, RefOr<Schema>) {
    match format {
        Some(Format::Json) => ("application/json", Ref::from_schema_name(Errors::name()).into()),
        Some(Format::Xml) => ("application/xml", Ref::from_schema_name(ErrorsAsXml::name()).into()),
        None => ("text/plain", text().into()),
    }
}
