//! `/admin/service-accounts/new`: makes a service account.

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
use crate::models::people::ownership::NewServiceAccount;
use crate::models::people::refusal::PersonRefusal;
use crate::models::people::user::UserField;
use crate::models::rules::FieldError;
use crate::pages::form::{Field, PasswordAgain, error_summary};
use crate::pages::people::path_of;
use crate::pages::shell::{Flash, Shell, page, see_other_with};

#[derive(Template)]
#[template(path = "service_accounts/add.html")]
struct AddPage {
    shell: Shell,
    login: Field,
    name: Field,
    owners: Field,
    again: PasswordAgain,
}

impl AddPage {
    fn new(shell: Shell, form: AddForm, again: PasswordAgain, errors: &[FieldError<UserField>]) -> Self {
        Self {
            shell,
            login: Field::new(form.login, UserField::Login, errors),
            name: Field::new(form.name, UserField::AccountName, errors),
            owners: Field::new(form.owners, UserField::Owners, errors),
            again,
        }
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[
            ("login", &self.login),
            ("name", &self.name),
            ("owners", &self.owners),
            ("password", &self.again.field),
        ])
    }
}

/// The fields of the form.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct AddForm {
    login: String,
    name: String,
    owners: String,
}

impl AddForm {
    fn new_account(&self) -> NewServiceAccount {
        NewServiceAccount {
            login: self.login.trim().to_owned(),
            name: self.name.trim().to_owned(),
            owners: logins(&self.owners),
        }
    }
}

/// `GET /admin/service-accounts/new`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, or an error if the cookie cannot be written.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let blank = AddForm { owners: me.user.login.clone(), ..AddForm::default() };
    let (shell, again) = (Shell::of(&app, &request, &session)?, PasswordAgain::of(&app, &me.token));
    page(StatusCode::OK, &AddPage::new(shell, blank, again, &[]))
}

/// `POST /admin/service-accounts/new`
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
    let (form, shell) = (sensitive.form, Shell::of(&app, &request, &session)?);
    let mandate = match confirmed {
        Ok(mandate) => mandate,
        Err(why) => {
            let again = AddPage::new(shell, form, PasswordAgain::refused(why), &[]);
            return page(StatusCode::UNPROCESSABLE_ENTITY, &again);
        }
    };
    let (new, most_accounts) = (form.new_account(), app.config.most_accounts);
    match mandate.write(move |tx| new.make(tx, most_accounts)).await? {
        Ok(account) => Ok(see_other_with(&app, &path_of(account.id), Flash::ServiceAccountAdded)),
        Err(PersonRefusal::Invalid(errors)) => {
            let again = AddPage::new(shell, form, PasswordAgain::default(), &errors);
            page(StatusCode::UNPROCESSABLE_ENTITY, &again)
        }
        Err(refusal) => Err(refusal.into()),
    }
}
