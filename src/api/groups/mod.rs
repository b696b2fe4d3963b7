//! `/admin/groups`: named sets of people whom services admit together, for administrators, in JSON only.
//!
//! Who is in a group decides who may use a service, so these addresses ask for the scopes of services.

pub mod request;

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use self::request::{
    GroupChangesRequest, GroupListRequest, GroupRequest, MemberChangesRequest, MemberListRequest, Part,
};
use super::described::{AsProblems, NotLetIn, NotTaken, SwitchUser};
use super::json::{Body, respond};
use super::strict_query;
use crate::app::App;
use crate::callers::api_user::{AdminUser, ServicesRead, ServicesWrite};
use crate::callers::mandate::Mandate;
use crate::documents::group::{GroupDocument, MemberDocument};
use crate::http::address::id_of;
use crate::http::error::AppError;
use crate::models::groups::administration::{Consent, GroupRefusal};
use crate::models::groups::group::Group;
use crate::models::groups::overview::GroupOverview;
use crate::models::people::search::People;
use crate::models::tx::Tx;

/// A part of the list of groups.
#[derive(Serialize, ToSchema)]
#[schema(as = Groups)]
struct GroupList {
    groups: Vec<GroupDocument>,
    /// The number of all groups that were found.
    total_count: usize,
    offset: i64,
    limit: i64,
}

/// A part of the list of a group's members.
#[derive(Serialize, ToSchema)]
#[schema(as = GroupMembers)]
struct MemberList {
    members: Vec<MemberDocument>,
    /// The number of all members.
    total_count: i64,
    offset: i64,
    limit: i64,
}

type Refused = AsProblems<NotLetIn>;

/// `GET /admin/groups.json`
///
/// # Errors
/// Parameters that cannot be understood; those of the database.
#[utoipa::path(
    get,
    path = "/admin/groups.json",
    operation_id = "listAdminGroups",
    summary = "List groups by name (administrators only)",
    params(GroupListRequest, SwitchUser),
    responses(
        (status = 200, description = "A part of the list", body = GroupList),
        (status = 422, description = "A parameter cannot be understood."),
        Refused,
    ),
)]
pub async fn list(
    app: web::Data<App>,
    request: HttpRequest,
    _: AdminUser<ServicesRead>,
) -> Result<HttpResponse, AppError> {
    let GroupListRequest { words, part } = GroupListRequest::read(request.query_string())?;
    let found = app.database.read(move |connection| {
        let all = Group::search(connection, words.as_ref())?;
        let total = all.len();
        Ok((GroupOverview::of_these(connection, part.rows(all))?, total))
    });
    let (groups, total_count) = found.await?;
    let groups = groups.into_iter().map(GroupDocument::from).collect();
    let Part { offset, limit } = part;
    respond(HttpResponse::Ok(), &GroupList { groups, total_count, offset, limit })
}

/// `POST /admin/groups.json`
///
/// # Errors
/// Broken rules; a body that cannot be read; those of the database.
#[utoipa::path(
    post,
    path = "/admin/groups.json",
    operation_id = "createGroup",
    summary = "Add a group (administrators only)",
    params(SwitchUser),
    request_body(content = GroupRequest),
    responses(
        (status = 201, description = "The group", body = GroupDocument,
            headers(("Location" = String, description = "The address of the group")),
            links(
                ("show" = (operation_id = "showAdminGroup", parameters(("id" = "$response.body#/id")))),
                ("update" = (operation_id = "updateGroup", parameters(("id" = "$response.body#/id")))),
                ("members" = (operation_id = "listGroupMembers", parameters(("id" = "$response.body#/id")))),
                ("changeMembers" = (operation_id = "changeGroupMembers", parameters(("id" = "$response.body#/id")))),
                ("delete" = (operation_id = "deleteGroup", parameters(("id" = "$response.body#/id")))),
            )),
        (status = 415, description = "The body is not JSON."),
        Refused,
        NotTaken,
    ),
)]
pub async fn create(
    app: web::Data<App>,
    request: HttpRequest,
    me: AdminUser<ServicesWrite>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let GroupRequest { name, members } = GroupRequest::read(Body::read(&request, payload).await?.members()?)?;
    let added = changed(&me.mandate, move |tx| Group::add(tx, &name, &members)).await?;
    let mut response = HttpResponse::Created();
    response.insert_header((LOCATION, app.url.join(&format!("/admin/groups/{}.json", added.id))));
    respond(response, &added)
}

/// `GET /admin/groups/ID.json`
///
/// # Errors
/// There is none with this id; those of the database.
#[utoipa::path(
    get,
    path = "/admin/groups/{id}.json",
    operation_id = "showAdminGroup",
    summary = "Get a group (administrators only)",
    params(("id" = i64, Path, minimum = 1), SwitchUser),
    responses(
        (status = 200, description = "The group", body = GroupDocument),
        (status = 404, description = "No group has this id."),
        Refused,
    ),
)]
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    _: AdminUser<ServicesRead>,
) -> Result<HttpResponse, AppError> {
    let id = id_of(&request)?;
    let found = app.database.read(move |connection| match Group::find(connection, id)? {
        Some(group) => GroupOverview::of(connection, group).map(Some),
        None => Ok(None),
    });
    respond(HttpResponse::Ok(), &GroupDocument::from(found.await?.ok_or(AppError::NotFound)?))
}

/// `PATCH /admin/groups/ID.json`: gives it another name.
///
/// # Errors
/// Broken rules; there is none with this id; it is kept in a file; a body that cannot be read; those of the database.
#[utoipa::path(
    patch,
    path = "/admin/groups/{id}.json",
    operation_id = "updateGroup",
    summary = "Rename a group (administrators only)",
    params(("id" = i64, Path, minimum = 1), SwitchUser),
    request_body(content = GroupChangesRequest),
    responses(
        (status = 200, description = "The group as it is now", body = GroupDocument),
        (status = 404, description = "No group has this id."),
        (status = 415, description = "The body is not JSON."),
        Refused,
        NotTaken,
    ),
)]
pub async fn update(
    request: HttpRequest,
    me: AdminUser<ServicesWrite>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let name = GroupChangesRequest::read(Body::read(&request, payload).await?.members()?)?;
    let id = id_of(&request)?;
    let group = changed(&me.mandate, move |tx| match name {
        Some(name) => Group::rename(tx, id, &name),
        None => Group::find(tx.connection, id)?.ok_or(GroupRefusal::Gone),
    });
    respond(HttpResponse::Ok(), &group.await?)
}

/// `DELETE /admin/groups/ID.json`: with `confirm`, also if services admit it.
///
/// # Errors
/// There is none with this id; it is kept in a file; services admit it; those of the database.
#[utoipa::path(
    delete,
    path = "/admin/groups/{id}.json",
    operation_id = "deleteGroup",
    summary = "Delete a group; this cannot be undone (administrators only)",
    description = "If services admit the group, its members lose what these admit them to. So the group is deleted only \
                   with `confirm`.",
    params(
        ("id" = i64, Path, minimum = 1),
        ("confirm" = Option<String>, Query, nullable = false,
            description = "The name of the group, which services may admit. Nothing happens if it is another one"),
        SwitchUser,
    ),
    responses(
        (status = 204, description = "The group was deleted."),
        (status = 404, description = "No group has this id."),
        (status = 422, description = "Services admit the group, or it is defined in the services file, or `confirm` is \
            another name, so nothing was changed."),
        Refused,
    ),
)]
pub async fn delete(request: HttpRequest, me: AdminUser<ServicesWrite>) -> Result<HttpResponse, AppError> {
    let id = id_of(&request)?;
    let said = strict_query::read(request.query_string(), &["confirm"]);
    let said = said.map_err(|stray| AppError::Invalid(vec![format!("{stray}.")]))?;
    let consent = said.get("confirm").map_or_else(Consent::none, |name| Consent::Name(name.clone()));
    me.mandate.write(move |tx| Group::delete(tx, id, &consent)).await??;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /admin/groups/ID/members.json`
///
/// # Errors
/// There is no group with this id; parameters that cannot be understood; those of the database.
#[utoipa::path(
    get,
    path = "/admin/groups/{id}/members.json",
    operation_id = "listGroupMembers",
    summary = "List the members of a group by login (administrators only)",
    params(("id" = i64, Path, minimum = 1), MemberListRequest, SwitchUser),
    responses(
        (status = 200, description = "A part of the list", body = MemberList),
        (status = 404, description = "No group has this id."),
        (status = 422, description = "A parameter cannot be understood."),
        Refused,
    ),
)]
pub async fn members(
    app: web::Data<App>,
    request: HttpRequest,
    _: AdminUser<ServicesRead>,
) -> Result<HttpResponse, AppError> {
    let MemberListRequest(Part { offset, limit }) = MemberListRequest::read(request.query_string())?;
    let id = id_of(&request)?;
    let found = app.database.read(move |connection| match Group::find(connection, id)? {
        Some(group) => group.members().find(connection, offset, limit).map(Some),
        None => Ok(None),
    });
    let People { users, total: total_count } = found.await?.ok_or(AppError::NotFound)?;
    let members = users.into_iter().map(MemberDocument::from).collect();
    respond(HttpResponse::Ok(), &MemberList { members, total_count, offset, limit })
}

/// `PATCH /admin/groups/ID/members.json`: adds people and takes others out.
///
/// # Errors
/// Nobody has one of the logins; there is no group with this id; it is kept in a file; a body that cannot be read; those of
/// the database.
#[utoipa::path(
    patch,
    path = "/admin/groups/{id}/members.json",
    operation_id = "changeGroupMembers",
    summary = "Add people to a group, and take others out (administrators only)",
    params(("id" = i64, Path, minimum = 1), SwitchUser),
    request_body(content = MemberChangesRequest),
    responses(
        (status = 200, description = "The group as it is now", body = GroupDocument),
        (status = 404, description = "No group has this id."),
        (status = 415, description = "The body is not JSON."),
        Refused,
        NotTaken,
    ),
)]
pub async fn change_members(
    request: HttpRequest,
    me: AdminUser<ServicesWrite>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let changes = MemberChangesRequest::read(Body::read(&request, payload).await?.members()?)?;
    let id = id_of(&request)?;
    let group = changed(&me.mandate, move |tx| Group::change_members(tx, id, &changes)).await?;
    respond(HttpResponse::Ok(), &group)
}

/// The group as it is after `work`.
async fn changed(
    mandate: &Mandate,
    work: impl FnOnce(&mut Tx<'_>) -> Result<Group, GroupRefusal> + Send + 'static,
) -> Result<GroupDocument, AppError> {
    let changed = mandate.write(move |tx| {
        let group = work(tx)?;
        Ok::<_, GroupRefusal>(GroupOverview::of(tx.connection, group)?)
    });
    Ok(changed.await??.into())
}
