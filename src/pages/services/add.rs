//! `/admin/services/new`: a new service.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::path_of;
use super::settings::ServiceForm;
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::models::services::administration::ServiceRefusal;
use crate::models::services::service::Service;
use crate::pages::form::PasswordAgain;
use crate::pages::shell::{Flash, Shell, page, see_other_with};

#[derive(Template)]
#[template(path = "services/add.html")]
struct AddPage {
    shell: Shell,
    fields: ServiceForm,
    again: PasswordAgain,
}

impl AddPage {
    fn error_summary(&self) -> Vec<(&'static str, String)> {
        self.again.error_summary_after(&self.fields.error_summary)
    }
}

/// `GET /admin/services/new`
///
/// # Errors
/// 403 for others; if the cookie cannot be written.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let (shell, again) = (Shell::of(&app, &request, &session)?, PasswordAgain::of(&app, &me.token));
    page(StatusCode::OK, &AddPage { shell, fields: ServiceForm::blank(), again })
}

/// `POST /admin/services/new`
///
/// # Errors
/// 403 for others; too many wrong passwords; hashing is busy; those of the database.
pub async fn add(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, ServiceForm>,
) -> Result<HttpResponse, AppError> {
    let confirmed = sensitive.confirm(&app, &request).await?;
    let (shell, form) = (Shell::of(&app, &request, &session)?, sensitive.form);
    let mandate = match confirmed {
        Ok(mandate) => mandate,
        Err(why) => {
            let again = AddPage { shell, fields: form, again: PasswordAgain::refused(why) };
            return page(StatusCode::UNPROCESSABLE_ENTITY, &again);
        }
    };
    let (name, settings) = (form.name.value.trim().to_owned(), form.settings());
    match mandate.write(move |tx| Service::add(tx, &name, &settings)).await? {
        Ok(service) => Ok(see_other_with(&app, &path_of(service.id), Flash::ServiceAdded)),
        Err(ServiceRefusal::Invalid(errors)) => {
            let (fields, again) = (form.with_errors(&errors), PasswordAgain::default());
            page(StatusCode::UNPROCESSABLE_ENTITY, &AddPage { shell, fields, again })
        }
        Err(refusal) => Err(refusal.into()),
    }
}
