//! Lists of people and groups by id and name, as Redmine's API has them inside other documents.

use serde::Serialize;
use utoipa::ToSchema;

use crate::http::format::Format;
use crate::models::groups::group::Group;
use crate::models::people::user::User;

/// Somebody or something, by id and name.
#[derive(Serialize, ToSchema)]
#[schema(as = IdAndName)]
pub struct Named {
    #[schema(xml(attribute))]
    id: i64,
    #[schema(xml(attribute))]
    name: String,
}

/// The same in XML, where both are attributes.
#[derive(Serialize)]
pub struct NamedElement {
    #[serde(rename = "@id")]
    id: i64,
    #[serde(rename = "@name")]
    name: String,
}

/// A list in the form that the format has for it.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Listed {
    /// An array.
    Json(Vec<Named>),
    /// An element with one for each group.
    Groups {
        /// Says that it is a list.
        #[serde(rename = "@type")]
        kind: &'static str,
        /// The groups.
        group: Vec<NamedElement>,
    },
    /// An element with one for each person.
    Users {
        /// Says that it is a list.
        #[serde(rename = "@type")]
        kind: &'static str,
        /// The people.
        user: Vec<NamedElement>,
    },
}

/// What the elements of a list are.
#[derive(Clone, Copy)]
enum Of {
    Groups,
    Users,
}

impl Listed {
    /// A list of groups.
    pub fn groups(groups: Vec<Group>, format: Format) -> Self {
        Self::of(Of::Groups, groups.into_iter().map(|group| (group.id, group.name)), format)
    }

    /// A list of people, by their first and last names.
    pub fn users(users: Vec<User>, format: Format) -> Self {
        let name = |user: User| (user.id, format!("{} {}", user.firstname, user.lastname).trim().to_owned());
        Self::of(Of::Users, users.into_iter().map(name), format)
    }

    /// A list of what Latchkey does not have.
    pub fn nothing(format: Format) -> Self {
        Self::of(Of::Groups, std::iter::empty(), format)
    }

    fn of(what: Of, all: impl Iterator<Item = (i64, String)>, format: Format) -> Self {
        let (kind, element) = ("array", |(id, name): (i64, String)| NamedElement { id, name });
        match (format, what) {
            (Format::Json, _) => Self::Json(all.map(|(id, name)| Named { id, name }).collect()),
            (Format::Xml, Of::Groups) => Self::Groups { kind, group: all.map(element).collect() },
            (Format::Xml, Of::Users) => Self::Users { kind, user: all.map(element).collect() },
        }
    }
}
