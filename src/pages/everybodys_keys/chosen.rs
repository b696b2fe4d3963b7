//! The keys that were ticked in a list: a question that shows which they are, and what became of them.

use std::cmp::Reverse;

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::Row;
use crate::app::App;
use crate::http::error::AppError;
use crate::models::keys::few_keys::{FewKeys, Outcome};
use crate::models::keys::key::Key;
use crate::models::keys::list::ListedKey;
use crate::pages::count;
use crate::pages::form::{PasswordAgain, error_summary};
use crate::pages::shell::{Shell, page};
use crate::pages::suspension::SuspensionChoices;

/// The question whether the chosen keys are to be suspended or revoked.
#[derive(Template)]
#[template(path = "everybodys_keys/question.html")]
pub struct Question {
    shell: Shell,
    chosen: ChosenKeys,
    /// How long they can be suspended; `None`: they are revoked.
    choices: Option<SuspensionChoices>,
    again: PasswordAgain,
}

/// The chosen keys, as the question shows them.
struct ChosenKeys {
    /// How many there are: `3 keys`; empty if there are none.
    number: String,
    /// Their ids, with blanks between.
    ids: String,
    /// Those that were used in the last 30 days, the latest use first.
    recent: Vec<Row>,
    /// All others.
    others: Vec<Row>,
    /// How many are gone already, as a sentence; empty if none are.
    gone: String,
}

#[derive(Template)]
#[template(path = "everybodys_keys/done.html")]
struct DonePage {
    shell: Shell,
    title: &'static str,
    /// What was done, in a few sentences.
    result: String,
    /// The keys that were changed.
    keys: Vec<DoneKey>,
}

struct DoneKey {
    title: String,
    hint: String,
}

impl Question {
    /// The question about `keys` as they are now.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub async fn about(
        app: &web::Data<App>,
        (request, session): (&HttpRequest, &Session),
        keys: &FewKeys,
        (choices, again): (Option<SuspensionChoices>, PasswordAgain),
    ) -> Result<Self, AppError> {
        let (shell, chosen) = (Shell::of(app, request, session)?, ChosenKeys::of(app, keys).await?);
        Ok(Self { shell, chosen, choices, again })
    }

    fn verb(&self) -> &'static str {
        if self.choices.is_some() { "Suspend" } else { "Revoke" }
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        let of_span = self.choices.iter().flat_map(|choices| error_summary(&[("for", &choices.span)]));
        self.again.error_summary_after(&of_span.collect::<Vec<_>>())
    }
}

impl ChosenKeys {
    /// The keys as they are now.
    async fn of(app: &web::Data<App>, keys: &FewKeys) -> Result<Self, AppError> {
        let (ids, this, now) = (keys.ids().to_vec(), app.clone(), app.clock.now());
        let read = app.database.read(move |connection| ListedKey::with_ids(connection, &ids, &this.recorder, now));
        let found: Vec<ListedKey> = read.await?.into_values().collect();
        let last_use = |listed: &ListedKey| listed.key.last_use(|secret| app.recorder.last_use.of(secret));
        let mut latest_first: Vec<_> = found.iter().map(|listed| (last_use(listed).map(|it| it.on), listed)).collect();
        latest_first.sort_by_key(|(on, _)| Reverse(*on));
        let rows = latest_first.into_iter().map(|(_, listed)| Row::new(app, listed));
        let is_recent = |row: &Row| row.key.last_used.as_ref().is_some_and(|used| used.is_recent);
        let (recent, others) = rows.partition(is_recent);
        Ok(Self {
            number: if found.is_empty() { String::new() } else { count(found.len(), "key") },
            ids: keys.ids().iter().map(i64::to_string).collect::<Vec<_>>().join(" "),
            recent,
            others,
            gone: gone(keys.ids().len() - found.len()),
        })
    }
}

/// How many of the chosen keys are gone, as a sentence; empty if none are.
fn gone(number: usize) -> String {
    match number {
        0 => String::new(),
        1 => "1 key that you chose is gone already.".to_owned(),
        several => format!("{several} keys that you chose are gone already."),
    }
}

/// The keys that an address names with a parameter `ids` for each, as the boxes of a list do.
///
/// # Errors
/// Returns 400 for an id that is none, or 422 if there are too many.
pub fn asked_for(request: &HttpRequest) -> Result<FewKeys, AppError> {
    let parameters = form_urlencoded::parse(request.query_string().as_bytes());
    let ids: Vec<String> = parameters.filter(|(name, _)| name == "ids").map(|(_, id)| id.into_owned()).collect();
    few_keys(ids.iter().map(String::as_str))
}

/// The keys that the field of a question names.
///
/// # Errors
/// As [`asked_for`].
pub fn answered(ids: &str) -> Result<FewKeys, AppError> {
    few_keys(ids.split_whitespace())
}

fn few_keys<'a>(ids: impl Iterator<Item = &'a str>) -> Result<FewKeys, AppError> {
    let ids: Result<Vec<i64>, _> = ids.map(str::parse).collect();
    let ids = ids.map_err(|_| AppError::BadRequest("The form is incomplete: a key has no valid id.".into()))?;
    FewKeys::of(ids).map_err(|too_many| AppError::Invalid(vec![format!("{too_many}.")]))
}

/// The page that says what became of the keys. `done` says what was done to those that were changed, `unchanged` what is
/// with those that were not.
///
/// # Errors
/// Returns an error if the page cannot be made.
pub fn done(
    shell: Shell,
    title: &'static str,
    outcome: &Outcome,
    [done, unchanged]: [String; 2],
) -> Result<HttpResponse, AppError> {
    let sentences = [done, unchanged, gone(outcome.gone.len())];
    let result: Vec<_> = sentences.into_iter().filter(|sentence| !sentence.is_empty()).collect();
    let key = |key: &Key| DoneKey { title: key.title(), hint: key.current.hint.clone() };
    let keys = outcome.done.iter().map(key).collect();
    page(StatusCode::OK, &DonePage { shell, title, result: result.join(" "), keys })
}
