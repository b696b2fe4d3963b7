//! `/admin/users/ID/owners`: gives a service account to others.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::logins;
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::models::people::ownership::set_owners;
use crate::models::people::refusal::PersonRefusal;
use crate::models::people::service_account::owners_of;
use crate::models::people::user::{User, UserField};
use crate::models::rules::FieldError;
use crate::pages::form::{Field, PasswordAgain, error_summary};
use crate::pages::people::{path_of, person};
use crate::pages::shell::{Flash, Shell, page, see_other_with};

#[derive(Template)]
#[template(path = "service_accounts/owners.html")]
struct OwnersPage {
    shell: Shell,
    path: String,
    name: String,
    owners: Field,
    again: PasswordAgain,
}

impl OwnersPage {
    fn new(
        shell: Shell,
        account: &User,
        form: OwnersForm,
        again: PasswordAgain,
        errors: &[FieldError<UserField>],
    ) -> Self {
        Self {
            shell,
            path: path_of(account.id),
            name: account.lastname.clone(),
            owners: Field::new(form.owners, UserField::Owners, errors),
            again,
        }
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[("owners", &self.owners), ("password", &self.again.field)])
    }
}

/// The fields of the form.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct OwnersForm {
    owners: String,
}

/// `GET /admin/users/ID/owners`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if no service account has this id, or an error if a query
/// fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let account = service_account(&app, &request).await?;
    let id = account.id;
    let owners = app.database.read(move |connection| owners_of(connection, id)).await?;
    let logins: Vec<&str> = owners.iter().map(|owner| owner.login.as_str()).collect();
    let (shell, again) = (Shell::of(&app, &request, &session)?, PasswordAgain::of(&app, &me.token));
    let form = OwnersForm { owners: logins.join("\n") };
    page(StatusCode::OK, &OwnersPage::new(shell, &account, form, again, &[]))
}

/// `POST /admin/users/ID/owners`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if no service account has this id, 429 after too many wrong
/// passwords, 503 if the hashing queue is full, or an error if a query fails.
pub async fn change(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, OwnersForm>,
) -> Result<HttpResponse, AppError> {
    let account = service_account(&app, &request).await?;
    let confirmed = sensitive.confirm(&app, &request).await?;
    let (form, shell) = (sensitive.form, Shell::of(&app, &request, &session)?);
    let mandate = match confirmed {
        Ok(mandate) => mandate,
        Err(why) => {
            let again = OwnersPage::new(shell, &account, form, PasswordAgain::refused(why), &[]);
            return page(StatusCode::UNPROCESSABLE_ENTITY, &again);
        }
    };
    let (id, owners) = (account.id, logins(&form.owners));
    match mandate.write_about(id, move |tx| set_owners(tx, id, &owners)).await? {
        Ok(()) => Ok(see_other_with(&app, &path_of(id), Flash::OwnersChanged)),
        Err(PersonRefusal::Invalid(errors)) => {
            let again = OwnersPage::new(shell, &account, form, PasswordAgain::default(), &errors);
            page(StatusCode::UNPROCESSABLE_ENTITY, &again)
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// Finds the service account whose id is in the address.
async fn service_account(app: &App, request: &HttpRequest) -> Result<User, AppError> {
    Some(person(app, request).await?).filter(User::is_service_account).ok_or(AppError::NotFound)
}
