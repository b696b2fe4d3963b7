//! `/groups`: the groups as in Redmine's REST API, as far as accounts are concerned, for administrators. They are changed
//! at `/admin/groups`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::described::{InGroup, IncludeOfGroup, NotLetIn, NotTaken, SwitchUser};
use super::parameters::Parameters;
use super::parameters::table::Operation;
use super::users::asks_for;
use crate::app::App;
use crate::callers::api_user::{AdminUser, UsersRead};
use crate::documents::named::{Listed, Named};
use crate::http::address::id_of;
use crate::http::error::AppError;
use crate::http::format::Format;
use crate::models::groups::group::Group;

/// A group, with what the parameter `include` asks for.
#[derive(Serialize, ToSchema)]
#[schema(as = RedmineGroup, xml(name = "group"))]
struct GroupDocument {
    id: i64,
    name: String,
    /// Only where `include` asks for it: the members by login, whatever their status.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<Vec<Named>>, xml(wrapped(name = "users"), name = "user"))]
    users: Option<Listed>,
    /// Only where `include` asks for it: empty, as there are no projects here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<Vec<Named>>)]
    memberships: Option<Listed>,
}

type JsonGroup = InGroup<GroupDocument>;

/// Every group.
#[derive(Serialize, ToSchema)]
#[schema(as = RedmineGroups)]
struct JsonList {
    groups: Vec<GroupDocument>,
}

/// Every group.
#[derive(Serialize, ToSchema)]
#[schema(as = RedmineGroupsAsXml, xml(name = "groups"))]
struct XmlList {
    #[serde(rename = "@type")]
    #[schema(xml(attribute, name = "type"), value_type = String, pattern = "^array$")]
    kind: &'static str,
    group: Vec<GroupDocument>,
}

/// `GET /groups.{json,xml}`
///
/// # Errors
/// 403 for others; those of the database.
#[utoipa::path(
    get,
    path = "/groups.{format}",
    operation_id = "listGroups",
    summary = "List all groups by name, as Redmine does (administrators only)",
    params(SwitchUser),
    responses(
        (status = 200, description = "All groups", content(
            (JsonList = "application/json"),
            (XmlList = "application/xml"),
        )),
        NotLetIn,
        NotTaken,
    ),
)]
pub async fn list(
    app: web::Data<App>,
    request: HttpRequest,
    format: Format,
    _: AdminUser<UsersRead>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    Parameters::read(&request, format, payload, Operation::ListGroups).await?;
    let all = app.database.read(Group::all).await?;
    let groups: Vec<GroupDocument> = all.into_iter().map(GroupDocument::from).collect();
    match format {
        Format::Json => format.respond("groups", &groups),
        Format::Xml => format.respond("groups", &XmlList { kind: "array", group: groups }),
    }
}

/// `GET /groups/ID.{json,xml}`
///
/// # Errors
/// 403 for others; no group has this id; those of the database.
#[utoipa::path(
    get,
    path = "/groups/{id}.{format}",
    operation_id = "showGroup",
    summary = "Get a group, as Redmine does (administrators only)",
    params(("id" = i64, Path, minimum = 1), SwitchUser, IncludeOfGroup),
    responses(
        (status = 200, description = "The group", content(
            (inline(JsonGroup) = "application/json"),
            (GroupDocument = "application/xml"),
        )),
        (status = 404, description = "No group has this id."),
        NotLetIn,
        NotTaken,
    ),
)]
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    format: Format,
    _: AdminUser<UsersRead>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let parameters = Parameters::read(&request, format, payload, Operation::ShowGroup).await?;
    let id = id_of(&request)?;
    let lists_users = asks_for(&parameters, "users");
    let found = app.database.read(move |connection| {
        let Some(group) = Group::find(connection, id)? else { return Ok(None) };
        let members = match lists_users {
            true => Some(group.members().find(connection, 0, i64::MAX)?.users),
            false => None,
        };
        Ok(Some((group, members)))
    });
    let (group, members) = found.await?.ok_or(AppError::NotFound)?;
    let users = members.map(|members| Listed::users(members, format));
    let memberships = asks_for(&parameters, "memberships").then(|| Listed::nothing(format));
    let document = GroupDocument { users, memberships, ..GroupDocument::from(group) };
    format.respond("group", &document)
}

impl From<Group> for GroupDocument {
    fn from(group: Group) -> Self {
        Self { id: group.id, name: group.name, users: None, memberships: None }
    }
}
