//! `/admin/users/new`: adds a person.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::path_of;
use crate::app::App;
use crate::auth::credentials::Password;
use crate::auth::passwords::new_password::{NewPassword, Owner};
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::models::people::administration::Addition;
use crate::models::people::refusal::PersonRefusal;
use crate::models::people::user::{AccountKind, NewUser, Profile, UserField, UserStatus};
use crate::models::rules::FieldError;
use crate::pages::form::{Checkbox, Field, PasswordAgain, error_summary};
use crate::pages::shell::{Flash, Shell, page, see_other_with};

#[derive(Template)]
#[template(path = "people/add.html")]
struct AddPage {
    shell: Shell,
    login: Field,
    firstname: Field,
    lastname: Field,
    mail: Field,
    password: Field,
    confirmation: Field,
    must_change: bool,
    admin: bool,
    again: PasswordAgain,
}

impl AddPage {
    fn new(shell: Shell, form: AddForm, again: PasswordAgain, errors: &[FieldError<UserField>]) -> Self {
        Self {
            shell,
            login: Field::new(form.login, UserField::Login, errors),
            firstname: Field::new(form.firstname, UserField::Firstname, errors),
            lastname: Field::new(form.lastname, UserField::Lastname, errors),
            mail: Field::new(form.mail, UserField::Mail, errors),
            password: Field::password(UserField::Password, errors),
            confirmation: Field::password(UserField::PasswordConfirmation, errors),
            must_change: form.must_change.is_ticked(),
            admin: form.admin.is_ticked(),
            again,
        }
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[
            ("login", &self.login),
            ("firstname", &self.firstname),
            ("lastname", &self.lastname),
            ("mail", &self.mail),
            ("new_password", &self.password),
            ("new_password_confirmation", &self.confirmation),
            ("password", &self.again.field),
        ])
    }
}

/// The fields of the form.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct AddForm {
    login: String,
    firstname: String,
    lastname: String,
    mail: String,
    new_password: String,
    new_password_confirmation: String,
    must_change: Checkbox,
    admin: Checkbox,
}

/// `GET /admin/users/new`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, or an error if the cookie cannot be written.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let blank = AddForm { must_change: Checkbox::ticked(), ..AddForm::default() };
    let (shell, again) = (Shell::of(&app, &request, &session)?, PasswordAgain::of(&app, &me.token));
    page(StatusCode::OK, &AddPage::new(shell, blank, again, &[]))
}

/// `POST /admin/users/new`
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
    let form = sensitive.form;
    let shell = Shell::of(&app, &request, &session)?;
    let mandate = match confirmed {
        Ok(mandate) => mandate,
        Err(why) => {
            let again = AddPage::new(shell, form, PasswordAgain::refused(why), &[]);
            return page(StatusCode::UNPROCESSABLE_ENTITY, &again);
        }
    };
    let AddForm { login, firstname, lastname, mail, .. } = form.clone();
    let profile = Profile { firstname, lastname, mail }.normalized();
    let login = login.trim().to_owned();
    let (admin, kind) = (form.admin.is_ticked(), AccountKind::Person);
    let mut new = NewUser { login, profile, password_hash: None, admin, kind };
    let owner = Owner { login: &new.login, profile: &new.profile };
    let password = Password::new(form.new_password.clone());
    let password = NewPassword::confirmed(password, &form.new_password_confirmation, owner);
    let checked = new.clone();
    let mut errors = app.database.read(move |connection| checked.errors(connection)).await?;
    errors.extend(password.as_ref().err().into_iter().flatten().cloned());
    let added = match password {
        Ok(password) if errors.is_empty() => {
            new.password_hash = Some(app.passwords.hash(&password).await?);
            let must_change_password = form.must_change.is_ticked();
            let most_accounts = app.config.most_accounts;
            let addition = Addition { new, status: UserStatus::Active, must_change_password, most_accounts };
            mandate.write(move |tx| addition.make(tx)).await?
        }
        _ => Err(PersonRefusal::Invalid(errors)),
    };
    match added {
        Ok(user) => Ok(see_other_with(&app, &path_of(user.id), Flash::PersonAdded)),
        Err(PersonRefusal::Invalid(errors)) => {
            let again = AddPage::new(shell, form, PasswordAgain::default(), &errors);
            page(StatusCode::UNPROCESSABLE_ENTITY, &again)
        }
        Err(error) => Err(error.into()),
    }
}
