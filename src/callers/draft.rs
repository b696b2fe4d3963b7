//! Drafts: what somebody typed into a form whose session had ended when they sent it. The draft waits in the session
//! cookie, which is encrypted, until the same person has signed in again; then the page shows it in its form. Passwords
//! are never part of it. Nothing is stored on the server, so nobody can fill it with drafts.

use actix_session::{Session, SessionExt};
use actix_web::{HttpMessage, HttpRequest};
use chrono::{DateTime, TimeDelta};
use serde::{Deserialize, Serialize};

use super::verify::Authenticated;
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::error::AppError;

/// The fields of a form, in the order in which they were sent.
type Fields = Vec<(String, String)>;

/// The field in which every form says where it was opened, and by whom.
pub const OPENED: &str = "opened";
/// The entry of the session cookie.
const DRAFT: &str = "draft";
/// How long a draft is kept.
const KEPT: TimeDelta = TimeDelta::hours(1);
/// The most bytes of a draft. nginx reads the head of an answer into 4,096 bytes unless it is told otherwise, and answers
/// 502 if there are more: a draft, encrypted and encoded, takes 2,500 of them, and other cookies and headers the rest.
const MOST_BYTES: usize = 1700;
/// The most bytes of the path of a page with a form. Those of the table of routes are much shorter.
const MOST_BYTES_OF_PAGE: usize = 100;
/// The fields that nobody types: what a form is about, replaces or revokes, and what its page has seen.
const HIDDEN: [&str; 5] = ["after", "chosen", "replaces", "revokes", "seen"];

/// Where a form was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The id of the person who was signed in; `None`: nobody was.
    pub by: Option<i64>,
    /// The path of the page.
    pub page: String,
}

impl Opened {
    /// Reads the field of the form. Without a person and a path, nobody opened it.
    fn of_field(text: &str) -> Self {
        let (by, page) = text.split_once(' ').unwrap_or_default();
        let page = if page.len() <= MOST_BYTES_OF_PAGE { page } else { "" };
        Self { by: by.parse().ok(), page: page.to_owned() }
    }

    /// The page that answers `request`. A page that shows a refused form again stands for the one where it was opened.
    pub fn here(request: &HttpRequest) -> Self {
        let by = request.extensions().get::<Authenticated>().map(|who| who.user_id);
        let posted = request.extensions().get::<PostedForm>().map(|form| form.opened.page.clone());
        let page = posted.filter(|page| !page.is_empty()).unwrap_or_else(|| request.path().to_owned());
        Self { by, page }
    }

    /// The field for the form.
    pub fn field(&self) -> String {
        format!("{} {}", self.by.map(|id| id.to_string()).unwrap_or_default(), self.page)
    }
}

/// The form that came with a request, without its secrets.
struct PostedForm {
    opened: Opened,
    fields: Fields,
}

impl PostedForm {
    /// Whether anybody has typed or chosen anything in it.
    fn is_typed(&self) -> bool {
        self.fields.iter().any(|(name, _)| !HIDDEN.contains(&name.as_str()))
    }
}

/// What is kept in the cookie.
#[derive(Serialize, Deserialize)]
struct Draft {
    /// The id of the person who typed it.
    by: i64,
    page: String,
    /// When it was kept, in seconds since 1970.
    at: i64,
    /// `None`: it is too long for the cookie.
    fields: Option<Fields>,
}

/// What the sign-in page can say about a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// The draft is kept.
    Kept,
    /// The draft was too long to be kept.
    TooLong,
}

/// What was typed before the session ended.
pub struct Typed(Fields);

impl Typed {
    /// What was typed into the field.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Whether this choice was made.
    pub fn has(&self, name: &str, value: &str) -> bool {
        self.0.iter().any(|(field, chosen)| field == name && chosen == value)
    }
}

/// Whether a field must not be kept.
fn is_secret(name: &str) -> bool {
    name.contains("password") || ["form_token", "key", "secret"].contains(&name)
}

/// Leaves the form with its request, in case that its sender has to sign in first. Removes the field that says where it
/// was opened.
pub(super) fn leave(request: &HttpRequest, fields: &mut Fields) {
    let opened = fields.iter().position(|(name, _)| name == OPENED).map(|at| fields.remove(at).1);
    let opened = Opened::of_field(&opened.unwrap_or_default());
    let fields = fields.iter().filter(|(name, _)| !is_secret(name)).cloned().collect();
    request.extensions_mut().insert(PostedForm { opened, fields });
}

/// Keeps the form that was left with the request, because its sender is not signed in any more. Returns the path of the
/// page where it was opened; `None` if no form was left, or it does not say.
pub(super) fn keep(app: &App, request: &HttpRequest) -> Option<String> {
    let form = request.extensions_mut().remove::<PostedForm>()?;
    let is_typed = form.is_typed();
    let Opened { by: Some(by), page } = form.opened else { return None };
    if is_typed && !page.is_empty() {
        let at = app.clock.now().and_utc().timestamp();
        let draft = Draft { by, page: page.clone(), at, fields: Some(form.fields) };
        put(&request.get_session(), draft);
    }
    Some(page).filter(|page| !page.is_empty())
}

/// Puts the draft into the cookie, without its fields if they are too long.
fn put(session: &Session, draft: Draft) {
    // A draft that cannot be kept is not worth an error: the person has to sign in first anyway.
    let _ = session.insert(DRAFT, &draft);
    // The cookie holds it as a text in JSON.
    let length =
        session.entries().get(DRAFT).and_then(|entry| serde_json::to_string(entry).ok()).map_or(0, |it| it.len());
    if length > MOST_BYTES {
        let _ = session.insert(DRAFT, Draft { fields: None, ..draft });
    }
}

/// Refuses a form that somebody else opened than the person who is signed in now. The draft of a form is no longer needed
/// once the form is sent.
///
/// # Errors
/// Returns 403 if somebody else opened the form.
pub(super) fn sent(request: &HttpRequest) -> Result<(), AppError> {
    let who = request.extensions().get::<Authenticated>().map(|who| who.user_id);
    let form = request.extensions().get::<PostedForm>().map(|form| (form.opened.clone(), form.is_typed()));
    let Some((who, (Opened { by: Some(by), page }, is_typed))) = who.zip(form) else { return Ok(()) };
    if who != by {
        return Err(AppError::Forbidden("Somebody else is signed in now. Open the page again and fill in the form."));
    }
    let session = request.get_session();
    // A button beside the form is not the form.
    if is_typed && of(&session).is_some_and(|draft| draft.page == page) {
        session.remove(DRAFT);
    }
    Ok(())
}

fn of(session: &Session) -> Option<Draft> {
    session.get(DRAFT).ok().flatten()
}

fn is_fresh(draft: &Draft, now: Timestamp) -> bool {
    DateTime::from_timestamp(draft.at, 0).is_some_and(|at| now - at.naive_utc() < KEPT)
}

/// What the sign-in page can say about the draft in this browser; `None` if there is none.
pub fn waiting(app: &App, session: &Session) -> Option<Waiting> {
    let draft = of(session).filter(|draft| is_fresh(draft, app.clock.now()))?;
    Some(if draft.fields.is_some() { Waiting::Kept } else { Waiting::TooLong })
}

/// Does `renew`, which empties the session for the person with this id. Their draft stays; that of anybody else does not,
/// nor one that is too old.
pub(super) fn carried_over<E>(
    session: &Session,
    (user_id, now): (i64, Timestamp),
    renew: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    let own = of(session).filter(|draft| draft.by == user_id && is_fresh(draft, now));
    renew()?;
    if let Some(draft) = own {
        put(session, draft);
    }
    Ok(())
}

/// What the person who is signed in typed into the form of the page that answers `request`, before their session ended.
pub fn typed(app: &App, request: &HttpRequest, session: &Session) -> Option<Typed> {
    let who = request.extensions().get::<Authenticated>().map(|who| who.user_id)?;
    let draft = of(session).filter(|draft| draft.by == who && draft.page == request.path())?;
    if is_fresh(&draft, app.clock.now()) { draft.fields.map(Typed) } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(by in proptest::option::of(any::<i64>()), page in "/[a-z/0-9]{0,30}") {
            let opened = Opened { by, page };
            prop_assert_eq!(Opened::of_field(&opened.field()), opened);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,40}") {
            let _ = Opened::of_field(&text);
        }
    }
}
