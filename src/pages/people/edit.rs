//! `/admin/users/ID/edit`: changes the login, names and mail address of somebody else, and whether they are an
//! administrator.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::{full_name, path_of, person};
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::AdminSession;
use crate::clock::{Timestamp, parse_without_zone};
use crate::http::error::AppError;
use crate::models::people::administration::{PersonChanges, confirm_unchanged};
use crate::models::people::refusal::PersonRefusal;
use crate::models::people::user::{User, UserField, normalized_mail};
use crate::models::rules::FieldError;
use crate::pages::form::{Checkbox, Field, PasswordAgain, error_summary};
use crate::pages::shell::{Flash, Shell, page, see_other, see_other_with};

#[derive(Template)]
#[template(path = "people/edit.html")]
struct EditPage {
    shell: Shell,
    path: String,
    name: String,
    /// The person as they are now.
    user: User,
    /// When the person was last changed, as the form shows them (an optimistic lock).
    seen: String,
    login: Field,
    firstname: Field,
    lastname: Field,
    mail: Field,
    admin: bool,
    again: PasswordAgain,
    /// Whether somebody else has changed the person since the form was opened.
    is_outdated: bool,
}

/// The fields of the form.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct EditForm {
    login: String,
    firstname: String,
    lastname: String,
    mail: String,
    admin: Checkbox,
    seen: String,
}

impl EditForm {
    fn of(user: &User) -> Self {
        Self {
            login: user.login.clone(),
            firstname: user.firstname.clone(),
            lastname: user.lastname.clone(),
            mail: user.mail.clone(),
            admin: if user.admin { Checkbox::ticked() } else { Checkbox::default() },
            seen: user.updated_on.to_string(),
        }
    }

    /// What differs from `user`, and when that was as the form was opened.
    fn changes(&self, user: &User) -> Result<(PersonChanges, Timestamp), AppError> {
        let incomplete =
            || AppError::BadRequest("The form is incomplete: open the page again and send it from there.".into());
        let seen = parse_without_zone(&self.seen).ok_or_else(incomplete)?;
        let differing = |new: String, old: &String| Some(new).filter(|new| new != old);
        let changes = PersonChanges {
            login: differing(self.login.trim().to_owned(), &user.login),
            firstname: differing(self.firstname.trim().to_owned(), &user.firstname),
            lastname: differing(self.lastname.trim().to_owned(), &user.lastname),
            mail: differing(normalized_mail(&self.mail), &user.mail),
            admin: Some(self.admin.is_ticked()).filter(|admin| *admin != user.admin),
            ..PersonChanges::default()
        };
        Ok((changes, seen))
    }
}

impl EditPage {
    fn new(shell: Shell, user: User, form: EditForm, again: PasswordAgain, errors: &[FieldError<UserField>]) -> Self {
        let name = if user.is_service_account() { UserField::AccountName } else { UserField::Lastname };
        Self {
            shell,
            path: path_of(user.id),
            name: full_name(&user),
            seen: form.seen,
            login: Field::new(form.login, UserField::Login, errors),
            firstname: Field::new(form.firstname, UserField::Firstname, errors),
            lastname: Field::new(form.lastname, name, errors),
            mail: Field::new(form.mail, UserField::Mail, errors),
            admin: form.admin.is_ticked(),
            again,
            is_outdated: false,
            user,
        }
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[
            ("login", &self.login),
            ("firstname", &self.firstname),
            ("lastname", &self.lastname),
            ("mail", &self.mail),
            ("password", &self.again.field),
        ])
    }
}

/// `GET /admin/users/ID/edit`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if nobody has this id, or an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let user = person(&app, &request).await?;
    if user.id == me.user.id {
        return Ok(to_ones_own(&app));
    }
    let (shell, again) = (Shell::of(&app, &request, &session)?, PasswordAgain::of(&app, &me.token));
    let form = EditForm::of(&user);
    page(StatusCode::OK, &EditPage::new(shell, user, form, again, &[]))
}

/// `POST /admin/users/ID/edit`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if nobody has this id, 422 if no active administrator would
/// be left, 429 after too many wrong passwords, 503 if the hashing queue is full, or an error if a query fails.
pub async fn change(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, EditForm>,
) -> Result<HttpResponse, AppError> {
    let user = person(&app, &request).await?;
    if user.id == sensitive.user.id {
        return Ok(to_ones_own(&app));
    }
    let (changes, seen) = sensitive.form.changes(&user)?;
    let confirmed = sensitive.confirm(&app, &request).await?;
    let form = sensitive.form;
    let shell = Shell::of(&app, &request, &session)?;
    let mandate = match confirmed {
        Ok(mandate) => mandate,
        Err(why) => {
            let again = EditPage::new(shell, user, form, PasswordAgain::refused(why), &[]);
            return page(StatusCode::UNPROCESSABLE_ENTITY, &again);
        }
    };
    let id = user.id;
    // The form was sent twice, or says what there is: nothing is left to do, whoever did it.
    if changes == PersonChanges::default() {
        return Ok(see_other_with(&app, &path_of(id), Flash::PersonChanged));
    }
    let (checked, before) = (changes.clone(), user.clone());
    let errors = app.database.read(move |connection| checked.errors(connection, &before)).await?;
    let changed = match errors.is_empty() {
        true => {
            let change = mandate.write_about(id, move |tx| {
                confirm_unchanged(tx, id, seen)?;
                changes.apply(tx, id)
            });
            change.await?
        }
        false => Err(PersonRefusal::Invalid(errors)),
    };
    match changed {
        Ok(()) => Ok(see_other_with(&app, &path_of(id), Flash::PersonChanged)),
        Err(PersonRefusal::Invalid(errors)) => {
            let again = EditPage::new(shell, user, form, PasswordAgain::default(), &errors);
            page(StatusCode::UNPROCESSABLE_ENTITY, &again)
        }
        Err(PersonRefusal::ChangedMeanwhile) => {
            // Sent again, the form changes the person as they are shown now.
            let user = person(&app, &request).await?;
            let form = EditForm { seen: user.updated_on.to_string(), ..form };
            let again = EditPage::new(shell, user, form, PasswordAgain::default(), &[]);
            page(StatusCode::CONFLICT, &EditPage { is_outdated: true, ..again })
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// Redirects to the page for one's own account: nobody changes their own role, or the login that they sign in with.
fn to_ones_own(app: &App) -> HttpResponse {
    see_other(&app.url.path("/my/account"))
}
