//! `/my/tokens/ID/rotate`: a new secret for the same token, while the previous one keeps working for a grace period.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::new::MadePage;
use super::shown::ShownToken;
use super::{command_to_try, path_of, token};
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::SessionUser;
use crate::http::error::AppError;
use crate::models::ids::{KeyId, UserId};
use crate::models::keys::key::{Key, KeyRefusal};
use crate::models::keys::key_request::Grace;
use crate::models::people::user::User;
use crate::pages::form::{Choice, PasswordAgain};
use crate::pages::moment::Due;
use crate::pages::shell::{Shell, page, see_other_about};

#[derive(Template)]
#[template(path = "tokens/rotate.html")]
struct RotatePage {
    shell: Shell,
    token: ShownToken,
    replaces: String,
    graces: Vec<Choice>,
    password: PasswordAgain,
    /// Why no secret was created, if no field is to blame; empty before the form is sent.
    refused: String,
}

impl RotatePage {
    fn new(app: &App, shell: Shell, key: &Key, grace: Grace, password: PasswordAgain) -> Self {
        Self {
            shell,
            token: ShownToken::new(app, key),
            replaces: key.current.id.to_string(),
            graces: graces(app, key, grace),
            password,
            refused: String::new(),
        }
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        let of_password = self.password.field.errors.iter().map(|error| ("password", error.clone()));
        let of_grace = Some(("grace", self.refused.clone())).filter(|(_, refused)| !refused.is_empty());
        of_grace.into_iter().chain(of_password).collect()
    }
}

#[derive(Template)]
#[template(path = "tokens/unchanged.html")]
struct UnchangedPage {
    shell: Shell,
    token: ShownToken,
}

/// The fields of the form.
#[derive(Deserialize)]
pub struct RotateForm {
    /// The id of the secret to replace, as an optimistic lock: a form that is sent twice replaces it once.
    replaces: String,
    grace: String,
}

/// `GET /my/tokens/ID/rotate`
///
/// # Errors
/// Returns 404 if the person has no such token, or an error if a query fails.
pub async fn ask(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SessionUser,
) -> Result<HttpResponse, AppError> {
    let key = token(&app, &request, me.user.id).await?;
    if key.is_expired(app.clock.now()) {
        return Ok(see_other_about(&app, &request, &path_of(key.id)));
    }
    let (shell, password) = (Shell::of(&app, &request, &session)?, PasswordAgain::of(&app, &me.token));
    page(StatusCode::OK, &RotatePage::new(&app, shell, &key, Grace::default(), password))
}

/// `POST /my/tokens/ID/rotate`: creates the secret and shows it.
///
/// # Errors
/// Returns 404 if the person has no such token, 422 if it has expired, 429 after too many wrong passwords, 503 if the
/// hashing queue is full, or an error if a query fails.
pub async fn rotate(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<SessionUser, RotateForm>,
) -> Result<HttpResponse, AppError> {
    let odd = || {
        AppError::BadRequest("The form does not name a secret of this token, or a time that the page offers.".into())
    };
    let grace: Grace = sensitive.form.grace.parse().map_err(|_| odd())?;
    let replaces: i64 = sensitive.form.replaces.parse().map_err(|_| odd())?;
    let user_id = sensitive.user.id;
    let key = token(&app, &request, user_id).await?;
    let confirmed = sensitive.confirm(&app, &request).await?;
    let shell = Shell::of(&app, &request, &session)?;
    let confirmed = match confirmed {
        Ok(confirmed) => confirmed,
        Err(why) => {
            let shown = RotatePage::new(&app, shell, &key, grace, PasswordAgain::refused(why));
            return page(StatusCode::UNPROCESSABLE_ENTITY, &shown);
        }
    };
    let id = key.id;
    let rotated = confirmed.write(move |tx| {
        User::lock_row(tx.connection, user_id)?;
        match Key::find(tx.connection, user_id, id)? {
            Some(key) if key.current.id != replaces => Ok(None),
            _ => Key::rotate(tx, (UserId(user_id), KeyId(id)), grace).map(Some),
        }
    });
    match rotated.await? {
        Ok(Some((key, secret))) => {
            let shown = MadePage {
                shell,
                heading: format!("“{}” has a new secret", key.name.clone().unwrap_or_default()),
                before: fate_of_the_one_before(&app, &key, grace),
                secret: secret.expose().to_owned(),
                command: command_to_try(&app, &key, &secret),
                path: path_of(key.id),
            };
            page(StatusCode::OK, &shown)
        }
        Err(refusal @ KeyRefusal::TooManySecrets) => {
            let again = RotatePage::new(&app, shell, &key, grace, PasswordAgain::default());
            page(StatusCode::UNPROCESSABLE_ENTITY, &RotatePage { refused: refusal.to_string(), ..again })
        }
        Err(refusal) => Err(refusal.into()),
        Ok(None) => {
            let key = token(&app, &request, user_id).await?;
            page(StatusCode::CONFLICT, &UnchangedPage { shell, token: ShownToken::new(&app, &key) })
        }
    }
}

fn graces(app: &App, key: &Key, chosen: Grace) -> Vec<Choice> {
    let now = app.clock.now();
    let choice = |grace: Grace| {
        let ends_on = key.expires_on.into_iter().chain([now + grace.span()]).min();
        let until = ends_on.filter(|_| grace != Grace::None).map(|time| format!("until {}", Due::new(time, now).exact));
        Choice {
            id: String::new(),
            value: grace.as_str().to_owned(),
            label: match grace {
                Grace::None => "No time: it stops at once".to_owned(),
                _ => grace.label().to_owned(),
            },
            detail: until.unwrap_or_default(),
            is_chosen: grace == chosen,
        }
    };
    Choice::numbered("grace", Grace::ALL.into_iter().map(choice))
}

fn fate_of_the_one_before(app: &App, key: &Key, grace: Grace) -> String {
    let before = key.earlier.first();
    let hint = before.map(|secret| secret.hint.as_str()).unwrap_or_default();
    match before.and_then(|secret| secret.ends_on()).filter(|_| grace != Grace::None) {
        Some(ends_on) => {
            let due = Due::new(ends_on, app.clock.now());
            format!("The old secret, ending in {hint}, works until {}.", due.exact)
        }
        None => format!("The old secret, ending in {hint}, has stopped working."),
    }
}
