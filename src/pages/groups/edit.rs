//! `/admin/groups/ID/edit`: gives a group another name.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::{group, path_of};
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::models::groups::administration::GroupRefusal;
use crate::models::groups::group::{Group, GroupField};
use crate::pages::form::{Field, PasswordAgain, error_summary};
use crate::pages::shell::{Flash, Shell, page, see_other_with};

#[derive(Template)]
#[template(path = "groups/edit.html")]
struct EditPage {
    shell: Shell,
    path: String,
    /// The name as it is now.
    title: String,
    name: Field,
    again: PasswordAgain,
}

/// The fields of the form.
#[derive(Deserialize)]
pub struct EditForm {
    name: String,
}

impl EditPage {
    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[("name", &self.name), ("password", &self.again.field)])
    }
}

/// `GET /admin/groups/ID/edit`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if no group has this id, 422 if it is kept in the file, or an
/// error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let group = group(&app, &request).await?.group;
    group.can_be_changed()?;
    let (shell, again) = (Shell::of(&app, &request, &session)?, PasswordAgain::of(&app, &me.token));
    let name = Field::from(group.name.clone());
    page(StatusCode::OK, &EditPage { shell, path: path_of(group.id), title: group.name, name, again })
}

/// `POST /admin/groups/ID/edit`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if no group has this id, 422 if it is kept in the file, 429
/// after too many wrong passwords, 503 if the hashing queue is full, or an error if a query fails.
pub async fn rename(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, EditForm>,
) -> Result<HttpResponse, AppError> {
    let Group { id, name: title, .. } = group(&app, &request).await?.group;
    let confirmed = sensitive.confirm(&app, &request).await?;
    let name = sensitive.form.name;
    let shell = Shell::of(&app, &request, &session)?;
    let path = path_of(id);
    let mandate = match confirmed {
        Ok(mandate) => mandate,
        Err(why) => {
            let again = PasswordAgain::refused(why);
            let shown = EditPage { shell, path, title, name: name.into(), again };
            return page(StatusCode::UNPROCESSABLE_ENTITY, &shown);
        }
    };
    let new = name.clone();
    match mandate.write(move |tx| Group::rename(tx, id, &new)).await? {
        Ok(_) => Ok(see_other_with(&app, &path, Flash::GroupChanged)),
        Err(GroupRefusal::Invalid(errors)) => {
            let name = Field::new(name, GroupField::Name, &errors);
            let again = PasswordAgain::default();
            page(StatusCode::UNPROCESSABLE_ENTITY, &EditPage { shell, path, title, name, again })
        }
        Err(refusal) => Err(refusal.into()),
    }
}
