//! `/admin/keys/revoke`: the keys that were ticked in the list are revoked, after a question that shows which they are.

use std::cmp::Reverse;

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::Row;
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::models::keys::key::Key;
use crate::models::keys::list::ListedKey;
use crate::models::keys::revocation::FewKeys;
use crate::pages::count;
use crate::pages::form::{PasswordAgain, error_summary};
use crate::pages::shell::{Shell, page};

#[derive(Template)]
#[template(path = "everybodys_keys/revoke.html")]
struct RevokePage {
    shell: Shell,
    /// How many keys there are to revoke: `3 keys`; empty if there are none.
    number: String,
    /// The ids of the keys, with blanks between.
    revokes: String,
    /// The keys that were used in the last 30 days, the latest use first.
    recent: Vec<Row>,
    /// All others.
    others: Vec<Row>,
    /// How many of those that were chosen are gone already, as a sentence; empty if none are.
    gone: String,
    again: PasswordAgain,
}

#[derive(Template)]
#[template(path = "everybodys_keys/revoked.html")]
struct RevokedPage {
    shell: Shell,
    /// What was done, in a sentence.
    result: String,
    /// The keys that were revoked.
    keys: Vec<RevokedKey>,
}

struct RevokedKey {
    title: String,
    hint: String,
}

/// The form of the question.
#[derive(Deserialize)]
pub struct RevokeForm {
    #[serde(default)]
    revokes: String,
}

impl RevokePage {
    async fn new(app: &web::Data<App>, shell: Shell, keys: &FewKeys, again: PasswordAgain) -> Result<Self, AppError> {
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
            shell,
            number: if found.is_empty() { String::new() } else { count(found.len(), "key") },
            revokes: keys.ids().iter().map(i64::to_string).collect::<Vec<_>>().join(" "),
            recent,
            others,
            gone: gone(keys.ids().len() - found.len()),
            again,
        })
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[("password", &self.again.field)])
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

/// The keys that the texts name.
fn few_keys<'a>(ids: impl Iterator<Item = &'a str>) -> Result<FewKeys, AppError> {
    let ids: Result<Vec<i64>, _> = ids.map(str::parse).collect();
    let ids = ids.map_err(|_| AppError::BadRequest("The form is incomplete: a key has no valid id.".into()))?;
    FewKeys::of(ids).map_err(|too_many| AppError::Invalid(vec![format!("{too_many}.")]))
}

/// `GET /admin/keys/revoke`, with a parameter `ids` for each key.
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 422 if there are too many keys, or an error if a query fails.
pub async fn ask(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let ids: Vec<String> = form_urlencoded::parse(request.query_string().as_bytes())
        .filter(|(name, _)| name == "ids")
        .map(|(_, id)| id.into_owned())
        .collect();
    let keys = few_keys(ids.iter().map(String::as_str))?;
    let (shell, again) = (Shell::of(&app, &request, &session)?, PasswordAgain::of(&app, &me.token));
    page(StatusCode::OK, &RevokePage::new(&app, shell, &keys, again).await?)
}

/// `POST /admin/keys/revoke`: all of them at once. Sending the form again changes nothing, and says so.
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 422 if there are too many keys, 429 after too many wrong passwords,
/// 503 if the hashing queue is full, or an error if a query fails.
pub async fn revoke(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, RevokeForm>,
) -> Result<HttpResponse, AppError> {
    let keys = few_keys(sensitive.form.revokes.split_whitespace())?;
    let mandate = match sensitive.confirm(&app, &request).await? {
        Ok(mandate) => mandate,
        Err(why) => {
            let shell = Shell::of(&app, &request, &session)?;
            let again = RevokePage::new(&app, shell, &keys, PasswordAgain::refused(why)).await?;
            return page(StatusCode::UNPROCESSABLE_ENTITY, &again);
        }
    };
    let these = keys.clone();
    let owners = app.database.read(move |connection| these.owners(connection)).await?;
    let revoked = mandate.write_about_keys_of(&owners, move |tx| keys.revoke(tx)).await??;
    let done = match revoked.keys.len() {
        0 => "No key has been revoked.".to_owned(),
        1 => "1 key has been revoked. No program can use it any more.".to_owned(),
        several => format!("{several} keys have been revoked. No program can use them any more."),
    };
    let result = format!("{done} {}", gone(revoked.gone.len()));
    let key = |key: &Key| RevokedKey { title: key.title(), hint: key.current.hint.clone() };
    let shown = RevokedPage {
        shell: Shell::of(&app, &request, &session)?,
        result: result.trim_end().to_owned(),
        keys: revoked.keys.iter().map(key).collect(),
    };
    page(StatusCode::OK, &shown)
}
