//! `/admin/keys/suspend`: the keys that were ticked in a list are suspended, after a question that shows which they are.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::chosen::{self, Question};
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::models::keys::few_keys::Outcome;
use crate::pages::form::PasswordAgain;
use crate::pages::shell::{Shell, page};
use crate::pages::suspension::{SuspendForm, SuspensionChoices};

/// The form of the question.
#[derive(Deserialize)]
pub struct SuspendSeveralForm {
    #[serde(default)]
    chosen: String,
    #[serde(flatten)]
    suspension: SuspendForm,
}

/// `GET /admin/keys/suspend`, with a parameter `ids` for each key.
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 422 if there are too many keys, or an error if a query fails.
pub async fn ask(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let (keys, again) = (chosen::asked_for(&request)?, PasswordAgain::of(&app, &me.token));
    let choices = Some(SuspensionChoices::new(&app, &SuspendForm::default()));
    page(StatusCode::OK, &Question::about(&app, (&request, &session), &keys, (choices, again)).await?)
}

/// `POST /admin/keys/suspend`: all of them at once.
///
/// # Errors
/// Returns 400 for values that the form never sends, 403 for anybody who is not an administrator, 422 if there are too many
/// keys, 429 after too many wrong passwords, 503 if the hashing queue is full, or an error if a query fails.
pub async fn suspend(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, SuspendSeveralForm>,
) -> Result<HttpResponse, AppError> {
    let (keys, new) = (chosen::answered(&sensitive.form.chosen)?, sensitive.form.suspension.read()?);
    let confirmed = sensitive.confirm(&app, &request).await?;
    let choices = SuspensionChoices::new(&app, &sensitive.form.suspension);
    let (choices, again) = match (confirmed, new) {
        (Err(why), _) => (choices, PasswordAgain::refused(why)),
        (Ok(_), Err(problem)) => (choices.refused(problem), PasswordAgain::default()),
        (Ok(mandate), Ok(new)) => {
            let outcome = mandate.write_about_keys(keys, move |keys, tx| keys.suspend(tx, new)).await??;
            let shell = Shell::of(&app, &request, &session)?;
            return chosen::done(shell, "Keys suspended", &outcome, [done(&outcome), unchanged(&outcome)]);
        }
    };
    let question = Question::about(&app, (&request, &session), &keys, (Some(choices), again)).await?;
    page(StatusCode::UNPROCESSABLE_ENTITY, &question)
}

fn done(outcome: &Outcome) -> String {
    match outcome.done.len() {
        0 => "No key has been suspended.".to_owned(),
        1 => "1 key has been suspended. Its page shows who misses it.".to_owned(),
        several => format!("{several} keys have been suspended. Their pages show who misses them."),
    }
}

fn unchanged(outcome: &Outcome) -> String {
    match outcome.unchanged.len() {
        0 => String::new(),
        1 => "1 key has expired, or is suspended for longer already.".to_owned(),
        several => format!("{several} keys have expired, or are suspended for longer already."),
    }
}
