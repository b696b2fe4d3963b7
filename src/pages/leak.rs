//! *Report a leaked key*: a public form for anybody who found a secret where it should not be.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::form::{Field, error_summary};
use super::shell::{Flash, Shell, page, see_other_with};
use crate::app::App;
use crate::callers::leak;
use crate::callers::posted_form::Posted;
use crate::callers::session_user::MaybeSignedIn;
use crate::http::error::AppError;

#[derive(Template)]
#[template(path = "leak.html")]
struct LeakPage {
    shell: Shell,
    /// The secret's field, which never shows again what was typed.
    secret: Field,
}

impl LeakPage {
    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[("secret", &self.secret)])
    }
}

/// The only field of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct LeakForm {
    secret: String,
}

/// `GET /revoke`
///
/// # Errors
/// Returns an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    MaybeSignedIn(_): MaybeSignedIn,
) -> Result<HttpResponse, AppError> {
    let shell = Shell::of(&app, &request, &session)?.saying(&request, &[Flash::LeakReported]);
    page(StatusCode::OK, &LeakPage { shell, secret: Field::default() })
}

/// `POST /revoke`
///
/// # Errors
/// Returns 429 after too many reports from one address, or an error if a query fails.
pub async fn report(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    Posted { who: MaybeSignedIn(_), form }: Posted<MaybeSignedIn, LeakForm>,
) -> Result<HttpResponse, AppError> {
    app.leak_reports.pass(app.addresses.of(&request))?;
    match leak::report(&app, &request, &form.secret).await {
        Ok(()) => Ok(see_other_with(&app, "/revoke", Flash::LeakReported)),
        Err(AppError::Invalid(errors)) => {
            let shell = Shell::of(&app, &request, &session)?;
            let secret = Field { value: String::new(), errors };
            page(StatusCode::UNPROCESSABLE_ENTITY, &LeakPage { shell, secret })
        }
        Err(error) => Err(error),
    }
}
