//! A person, as programs read them.

use serde::Serialize;
use utoipa::ToSchema;

use super::named::{Listed, Named};
use crate::clock::iso8601;
use crate::http::format::Format;
use crate::models::groups::group::Group;
use crate::models::people::service_account::logins_of;
use crate::models::people::user::User;

/// A person. The field `api_key` is left out: no secret is stored that could stand in it.
#[derive(Serialize, ToSchema)]
#[schema(xml(name = "user"))]
pub struct Person {
    id: i64,
    login: String,
    admin: bool,
    firstname: String,
    lastname: String,
    mail: String,
    #[schema(format = DateTime)]
    created_on: String,
    #[schema(format = DateTime)]
    updated_on: String,
    #[schema(format = DateTime, required)]
    last_login_on: Option<String>,
    #[schema(format = DateTime, required)]
    passwd_changed_on: Option<String>,
    #[schema(required)]
    twofa_scheme: Option<String>,
    /// Only administrators are told: 1 active, 2 registered, 3 locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 3)]
    status: Option<i64>,
    /// Only administrators are told: `person`, or `service` for a service account, whose name is in `lastname`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>, pattern = "^(person|service)$")]
    kind: Option<&'static str>,
    /// Only administrators are told: the logins of the people who own the service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    owners: Option<String>,
    /// Only where `include` asks for it, and only for administrators.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<Vec<Named>>, xml(wrapped(name = "groups"), name = "group"))]
    groups: Option<Listed>,
    /// Only where `include` asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<Vec<Named>>)]
    memberships: Option<Listed>,
}

impl Person {
    /// The fields that people see about themselves.
    pub fn themself(user: User) -> Self {
        Self {
            id: user.id,
            login: user.login,
            admin: user.admin,
            firstname: user.firstname,
            lastname: user.lastname,
            mail: user.mail,
            created_on: iso8601(user.created_on),
            updated_on: iso8601(user.updated_on),
            last_login_on: user.last_login_on.map(iso8601),
            passwd_changed_on: user.passwd_changed_on.map(iso8601),
            twofa_scheme: user.twofa_scheme,
            status: None,
            kind: None,
            owners: None,
            groups: None,
            memberships: None,
        }
    }

    /// The fields that administrators see about everybody.
    pub fn for_administrators(user: User) -> Self {
        let (status, kind) = (Some(user.status.number()), Some(user.kind.as_str()));
        Self { status, kind, ..Self::themself(user) }
    }

    /// The same with the people who own the service account.
    pub fn owned_by(self, owners: &[User]) -> Self {
        Self { owners: Some(logins_of(owners)), ..self }
    }

    /// The same with the lists that are asked for. There are no projects here, so there is no membership of one.
    pub fn including(self, groups: Option<Vec<Group>>, memberships: bool, format: Format) -> Self {
        let groups = groups.map(|groups| Listed::groups(groups, format));
        Self { groups, memberships: memberships.then(|| Listed::nothing(format)), ..self }
    }
}
