//! A group as programs read it: the same document from the API and from the command line.

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::iso8601;
use crate::models::groups::overview::{AdmittingService, GroupOverview};
use crate::models::kept_in::KeptIn;
use crate::models::people::user::User;

/// A group. Times are RFC 3339 in UTC.
#[derive(Serialize, ToSchema)]
#[schema(as = Group)]
pub struct GroupDocument {
    /// The id of the group, which is never reused.
    pub id: i64,
    /// The name, which is unique regardless of case.
    #[schema(min_length = 1, max_length = 255)]
    pub name: String,
    /// The number of members.
    pub members: i64,
    /// The services that admit the members, by name.
    pub services: Vec<AdmittingDocument>,
    /// Where the members are defined.
    #[schema(value_type = KeptIn)]
    pub kept_in: &'static str,
    /// When the group was added.
    #[schema(format = DateTime)]
    pub created_on: String,
    /// When its name or members were last changed.
    #[schema(format = DateTime)]
    pub updated_on: String,
}

/// A service that admits a group.
#[derive(Serialize, ToSchema)]
#[schema(as = AdmittingService)]
pub struct AdmittingDocument {
    /// The name of the service.
    pub name: String,
    /// `read`, or `write`, which includes it.
    #[schema(pattern = "^(read|write)$")]
    pub access: &'static str,
}

/// A member of a group.
#[derive(Serialize, ToSchema)]
#[schema(as = GroupMember)]
pub struct MemberDocument {
    /// The id of the person.
    pub id: i64,
    /// The login of the person.
    pub login: String,
}

impl From<GroupOverview> for GroupDocument {
    fn from(GroupOverview { group, members, services }: GroupOverview) -> Self {
        Self {
            id: group.id,
            name: group.name,
            members,
            services: services.into_iter().map(AdmittingDocument::from).collect(),
            kept_in: group.kept_in.as_str(),
            created_on: iso8601(group.created_on),
            updated_on: iso8601(group.updated_on),
        }
    }
}

impl From<AdmittingService> for AdmittingDocument {
    fn from(service: AdmittingService) -> Self {
        Self { name: service.name, access: service.access.as_str() }
    }
}

impl From<User> for MemberDocument {
    fn from(user: User) -> Self {
        Self { id: user.id, login: user.login }
    }
}
