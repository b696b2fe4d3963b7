//! `/admin/groups/ID/delete`: asks first, and says which services admit the group.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::{Service, group, members_in_words, path_of};
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::models::groups::administration::{Consent, GroupRefusal};
use crate::models::groups::group::Group;
use crate::models::groups::overview::GroupOverview;
use crate::pages::form::{PasswordAgain, error_summary};
use crate::pages::shell::{Flash, Shell, page, see_other_with};

#[derive(Template)]
#[template(path = "groups/delete.html")]
struct DeletePage {
    shell: Shell,
    path: String,
    name: String,
    size: String,
    services: Vec<Service>,
    /// The names of the services, with blanks between.
    told: String,
    /// Whether a service has begun to admit it since the form was opened.
    is_outdated: bool,
    again: PasswordAgain,
}

/// The form of the question.
#[derive(Deserialize)]
pub struct DeleteForm {
    /// The names of the services that the question told of, with blanks between.
    #[serde(default)]
    told: String,
}

impl DeletePage {
    fn new(shell: Shell, whole: GroupOverview, again: PasswordAgain) -> Self {
        let told = whole.service_names().collect::<Vec<_>>().join(" ");
        let GroupOverview { group, members, services } = whole;
        Self {
            shell,
            path: path_of(group.id),
            name: group.name,
            size: members_in_words(members),
            services: services.into_iter().map(Service::from).collect(),
            told,
            is_outdated: false,
            again,
        }
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[("password", &self.again.field)])
    }
}

/// `GET /admin/groups/ID/delete`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if no group has this id, 422 if it is kept in the file, or an
/// error if a query fails.
pub async fn ask(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let whole = group(&app, &request).await?;
    if !whole.group.kept_in.can_be_removed() {
        return Err(GroupRefusal::InFile(whole.group.name).into());
    }
    let (shell, again) = (Shell::of(&app, &request, &session)?, PasswordAgain::of(&app, &me.token));
    page(StatusCode::OK, &DeletePage::new(shell, whole, again))
}

/// `POST /admin/groups/ID/delete`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if no group has this id, 422 if it is kept in the file, 429
/// after too many wrong passwords, 503 if the hashing queue is full, or an error if a query fails.
pub async fn delete(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, DeleteForm>,
) -> Result<HttpResponse, AppError> {
    let whole = group(&app, &request).await?;
    let mandate = match sensitive.confirm(&app, &request).await? {
        Ok(mandate) => mandate,
        Err(why) => {
            let shell = Shell::of(&app, &request, &session)?;
            let again = DeletePage::new(shell, whole, PasswordAgain::refused(why));
            return page(StatusCode::UNPROCESSABLE_ENTITY, &again);
        }
    };
    let id = whole.group.id;
    let consent = Consent::Services(sensitive.form.told.split_whitespace().map(str::to_owned).collect());
    match mandate.write(move |tx| Group::delete(tx, id, &consent)).await? {
        Ok(_) => Ok(see_other_with(&app, "/admin/groups", Flash::GroupDeleted)),
        Err(GroupRefusal::Admitted(..)) => {
            let (whole, shell) = (group(&app, &request).await?, Shell::of(&app, &request, &session)?);
            let again = DeletePage::new(shell, whole, PasswordAgain::default());
            page(StatusCode::CONFLICT, &DeletePage { is_outdated: true, ..again })
        }
        Err(refusal) => Err(refusal.into()),
    }
}
