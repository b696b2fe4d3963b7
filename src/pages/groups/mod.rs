//! *Groups*, for administrators: named sets of people, whom services admit together.

pub mod add;
pub mod delete;
pub mod edit;
pub mod group;
pub mod list;
pub mod remove;

use actix_web::HttpRequest;

use crate::app::App;
use crate::http::address::id_of;
use crate::http::error::AppError;
use crate::models::groups::group::Group;
use crate::models::groups::overview::{AdmittingService, GroupOverview};
use crate::models::keys::scope::Access;
use crate::pages::count;

/// The group that the address names.
async fn group(app: &App, request: &HttpRequest) -> Result<GroupOverview, AppError> {
    let id = id_of(request)?;
    let found = app.database.read(move |connection| match Group::find(connection, id)? {
        Some(group) => GroupOverview::of(connection, group).map(Some),
        None => Ok(None),
    });
    found.await?.ok_or(AppError::NotFound)
}

/// Where the page of a group is.
pub fn path_of(id: i64) -> String {
    format!("/admin/groups/{id}")
}

fn members_in_words(members: i64) -> String {
    match members {
        0 => "No member".to_owned(),
        members => count(members, "member"),
    }
}

/// A service that admits a group, as pages show it.
struct Service {
    path: String,
    title: String,
    access: &'static str,
}

impl From<AdmittingService> for Service {
    fn from(service: AdmittingService) -> Self {
        let access = match service.access {
            Access::Read => "read access",
            Access::Write => "read and write access",
        };
        Self { path: format!("/admin/services/{}", service.id), title: service.title, access }
    }
}
