//! *Activity*: the events of a person's account and keys.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::moment::Moment;
use super::paging::{Pager, Paging};
use super::shell::{Shell, page};
use crate::app::App;
use crate::callers::session_user::SessionUser;
use crate::http::error::AppError;
use crate::models::event::{Event, EventAction};

/// The number of events on a page.
const PER_PAGE: i64 = 50;
/// The events that stand out because something may be wrong.
const WARNINGS: [EventAction; 6] = [
    EventAction::SignInRefused,
    EventAction::ExpiredKeyRefused,
    EventAction::SuspendedKeyRefused,
    EventAction::ElsewhereKeyRefused,
    EventAction::ScopeRefused,
    EventAction::KeyLeaked,
];
/// The last page that can be opened: nobody reads so far back, and skipping more rows would only burden the database.
const LAST_PAGE: i64 = 1000;

#[derive(Template)]
#[template(path = "activity.html")]
struct ActivityPage {
    shell: Shell,
    /// Whose activity an administrator or owner looks at; `None`: their own.
    whose: Option<Whose>,
    events: Vec<Row>,
    pager: Pager,
}

/// A person or service account whose activity somebody else looks at.
pub struct Whose {
    /// The path of this page.
    pub path: String,
    /// The path of the page about them.
    pub back: String,
    /// Their name.
    pub name: String,
}

struct Row {
    what: String,
    hint: String,
    remark: String,
    /// A class in the stylesheet.
    tone: &'static str,
    times: i64,
    at: Moment,
    address: String,
    agent: String,
}

/// `GET /activity`
///
/// # Errors
/// Returns an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SessionUser,
) -> Result<HttpResponse, AppError> {
    let shell = Shell::of(&app, &request, &session)?;
    page_of(&app, &request, shell, me.user.id, None).await
}

/// The page with the activity of the person with this id.
///
/// # Errors
/// Returns an error if a query fails.
pub async fn page_of(
    app: &App,
    request: &HttpRequest,
    shell: Shell,
    user_id: i64,
    whose: Option<Whose>,
) -> Result<HttpResponse, AppError> {
    let paging = Paging::asked(request.query_string(), PER_PAGE, LAST_PAGE);
    let skip = paging.skip();
    // Query one event more than the page shows, to know whether there are older ones.
    let events = app.database.read(move |connection| Event::latest(connection, user_id, skip, PER_PAGE + 1)).await?;
    let has_older = events.len() > usize::try_from(PER_PAGE).unwrap_or(usize::MAX);
    let now = app.clock.now();
    let rows = events.into_iter().zip(0..PER_PAGE).map(|(event, _)| Row {
        what: event.headline(),
        hint: event.key_hint(),
        remark: event.remark(),
        tone: if WARNINGS.contains(&event.action) { "warning" } else { "" },
        times: event.times,
        at: Moment::new(event.updated_on, now),
        address: event.place().to_string(),
        agent: event.agent,
    });
    let path = whose.as_ref().map_or_else(|| "/activity".to_owned(), |whose| whose.path.clone());
    let pager = paging.pager(has_older, |number| shell.path(&format!("{path}?page={number}")));
    let shown = ActivityPage { events: rows.collect(), pager, whose, shell };
    page(StatusCode::OK, &shown)
}
