//! `/admin/groups/new`: a new group.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::path_of;
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::models::groups::administration::GroupRefusal;
use crate::models::groups::group::{Group, GroupField};
use crate::models::rules::FieldError;
use crate::models::services::settings::words;
use crate::pages::form::{Field, PasswordAgain, error_summary};
use crate::pages::shell::{Flash, Shell, page, see_other_with};

#[derive(Template)]
#[template(path = "groups/add.html")]
struct AddPage {
    shell: Shell,
    name: Field,
    logins: Field,
    again: PasswordAgain,
}

/// The fields of the form.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct AddForm {
    name: String,
    logins: String,
}

impl AddPage {
    fn new(shell: Shell, form: AddForm, again: PasswordAgain, errors: &[FieldError<GroupField>]) -> Self {
        Self {
            shell,
            name: Field::new(form.name, GroupField::Name, errors),
            logins: Field::new(form.logins, GroupField::Members, errors),
            again,
        }
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[("name", &self.name), ("logins", &self.logins), ("password", &self.again.field)])
    }
}

/// `GET /admin/groups/new`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, or an error if the cookie cannot be written.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let (shell, again) = (Shell::of(&app, &request, &session)?, PasswordAgain::of(&app, &me.token));
    page(StatusCode::OK, &AddPage::new(shell, AddForm::default(), again, &[]))
}

/// `POST /admin/groups/new`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 429 after too many wrong passwords, 503 if the hashing queue is
/// full, or an error if a query fails.
pub async fn add(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, AddForm>,
) -> Result<HttpResponse, AppError> {
    let confirmed = sensitive.confirm(&app, &request).await?;
    let (shell, form) = (Shell::of(&app, &request, &session)?, sensitive.form);
    let mandate = match confirmed {
        Ok(mandate) => mandate,
        Err(why) => {
            let again = AddPage::new(shell, form, PasswordAgain::refused(why), &[]);
            return page(StatusCode::UNPROCESSABLE_ENTITY, &again);
        }
    };
    let (name, logins) = (form.name.clone(), words(&form.logins));
    match mandate.write(move |tx| Group::add(tx, &name, &logins)).await? {
        Ok(group) => Ok(see_other_with(&app, &path_of(group.id), Flash::GroupAdded)),
        Err(GroupRefusal::Invalid(errors)) => {
            let again = AddPage::new(shell, form, PasswordAgain::default(), &errors);
            page(StatusCode::UNPROCESSABLE_ENTITY, &again)
        }
        Err(refusal) => Err(refusal.into()),
    }
}
