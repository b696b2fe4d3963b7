//! `/admin/services/new`: a new service.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::path_of;
use super::settings::ServiceForm;
use crate::app::App;
use crate::callers::posted_form::Posted;
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::models::services::administration::ServiceRefusal;
use crate::models::services::service::Service;
use crate::pages::shell::{Flash, Shell, page, see_other_with};

#[derive(Template)]
#[template(path = "services/add.html")]
struct AddPage {
    shell: Shell,
    fields: ServiceForm,
}

/// `GET /admin/services/new`
///
/// # Errors
/// 403 for others; if the cookie cannot be written.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    _: AdminSession,
) -> Result<HttpResponse, AppError> {
    page(StatusCode::OK, &AddPage { shell: Shell::of(&app, &request, &session)?, fields: ServiceForm::blank() })
}

/// `POST /admin/services/new`
///
/// # Errors
/// 403 for others; those of the database.
pub async fn add(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    Posted { who: me, form }: Posted<AdminSession, ServiceForm>,
) -> Result<HttpResponse, AppError> {
    let (name, settings) = (form.name.value.trim().to_owned(), form.settings());
    match me.mandate.write(move |tx| Service::add(tx, &name, &settings)).await? {
        Ok(service) => Ok(see_other_with(&app, &path_of(service.id), Flash::ServiceAdded)),
        Err(ServiceRefusal::Invalid(errors)) => {
            let (shell, fields) = (Shell::of(&app, &request, &session)?, form.with_errors(&errors));
            page(StatusCode::UNPROCESSABLE_ENTITY, &AddPage { shell, fields })
        }
        Err(refusal) => Err(refusal.into()),
    }
}
