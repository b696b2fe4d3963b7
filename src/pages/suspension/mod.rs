//! Suspending a key, to hear who misses it, and switching it on again: what the pages about one's own keys (`own`) and
//! about other people's (`others`) share.

pub mod others;
pub mod own;
pub mod shown;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use serde::Deserialize;

use self::shown::{Refusals, ShownSuspension};
use super::form::{Choice, Field, PasswordAgain, error_summary};
use super::moment::Due;
use super::shell::{Shell, page};
use super::tokens::shown::ShownToken;
use crate::app::App;
use crate::http::error::AppError;
use crate::models::keys::key::Key;
use crate::models::keys::suspension::{Afterwards, NewSuspension, SuspensionSpan};

/// The key that a page asks about.
struct AskedKey {
    /// The key. Its path is the one below which the forms are sent.
    shown: ShownToken,
    /// The path of its page, and what that is called.
    back: String,
    back_title: String,
    /// The name of the owner; `None`: it is the person's own.
    owner: Option<String>,
    /// Its suspension; `None`: it works.
    suspension: Option<ShownSuspension>,
    refusals: Refusals,
}

/// The page that asks how long a key is to be suspended.
#[derive(Template)]
#[template(path = "suspension/suspend.html")]
struct SuspendPage {
    shell: Shell,
    key: AskedKey,
    choices: SuspensionChoices,
    again: PasswordAgain,
}

/// How long a suspension can be, and how it can end.
pub struct SuspensionChoices {
    pub spans: Vec<Choice>,
    /// What is wrong with how long it is to be.
    pub span: Field,
    pub ends: Vec<Choice>,
}

/// The page that asks before a key is switched on again.
#[derive(Template)]
#[template(path = "suspension/resume.html")]
struct ResumePage {
    shell: Shell,
    key: AskedKey,
    again: PasswordAgain,
}

/// The fields of the form that suspends a key.
#[derive(Clone, Deserialize)]
pub struct SuspendForm {
    #[serde(rename = "for")]
    span: String,
    then: String,
}

impl Default for SuspendForm {
    /// What is chosen before anybody has chosen anything.
    fn default() -> Self {
        Self::of(SuspensionSpan::default())
    }
}

impl AskedKey {
    async fn new(
        app: &App,
        key: &Key,
        shown: ShownToken,
        ((back, back_title), owner): ((String, String), Option<String>),
    ) -> Result<Self, AppError> {
        let (suspension, now) = (key.suspension(app.clock.now()), app.clock.now());
        let refusals = Refusals::of(app, key.id, suspension.as_ref()).await?;
        let suspension = suspension.map(|suspension| ShownSuspension::new(&suspension, now));
        Ok(Self { shown, back, back_title, owner, suspension, refusals })
    }
}

impl SuspendForm {
    fn of(span: SuspensionSpan) -> Self {
        Self { span: span.as_str().to_owned(), then: Afterwards::default().as_str().to_owned() }
    }

    /// What is chosen before anybody has chosen anything. A suspended key is offered what is longer in any case.
    fn untouched(key: &AskedKey) -> Self {
        if key.suspension.is_some() { Self::of(SuspensionSpan::Open) } else { Self::default() }
    }

    /// What is asked for; inside, what is wrong with it.
    ///
    /// # Errors
    /// Returns 400 for values that our forms never send.
    pub fn read(&self) -> Result<Result<NewSuspension, &'static str>, AppError> {
        let odd =
            |problem: &'static str| AppError::BadRequest(format!("The form names a time or an end that {problem}."));
        Ok(NewSuspension::new(self.span.parse().map_err(odd)?, self.then.parse().map_err(odd)?))
    }
}

impl SuspensionChoices {
    /// What there is to choose, as it is chosen in `form`.
    pub fn new(app: &App, form: &SuspendForm) -> Self {
        let now = app.clock.now();
        let span = |span: SuspensionSpan| Choice {
            id: String::new(),
            value: span.as_str().to_owned(),
            label: span.label().to_owned(),
            detail: span
                .length()
                .map(|length| format!("until {}", Due::new(now + length, now).exact))
                .unwrap_or_default(),
            is_chosen: form.span == span.as_str(),
        };
        let end = |end: Afterwards| Choice {
            id: String::new(),
            value: end.as_str().to_owned(),
            label: end.label().to_owned(),
            detail: String::new(),
            is_chosen: form.then == end.as_str(),
        };
        Self {
            spans: Choice::numbered("for", SuspensionSpan::ALL.into_iter().map(span)),
            span: Field::default(),
            ends: Choice::numbered("then", Afterwards::ALL.into_iter().map(end)),
        }
    }

    /// The same, saying what is wrong with how long the suspension is to be.
    pub fn refused(self, problem: &str) -> Self {
        Self { span: Field { value: String::new(), errors: vec![problem.to_owned()] }, ..self }
    }
}

impl SuspendPage {
    fn new(app: &App, shell: Shell, key: AskedKey, form: &SuspendForm, again: PasswordAgain) -> Self {
        Self { shell, key, choices: SuspensionChoices::new(app, form), again }
    }

    /// The same page, saying what is wrong with how long the suspension is to be.
    fn refused(self, problem: &str) -> Self {
        Self { choices: self.choices.refused(problem), ..self }
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[("for", &self.choices.span), ("password", &self.again.field)])
    }

    fn shown(&self, status: StatusCode) -> Result<HttpResponse, AppError> {
        page(status, self)
    }
}

impl ResumePage {
    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[("password", &self.again.field)])
    }

    fn shown(&self, status: StatusCode) -> Result<HttpResponse, AppError> {
        page(status, self)
    }
}
