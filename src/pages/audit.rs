//! `/admin/audit`: what happened to anybody's keys and account, and to services, with a search.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::form::{DateField, Field, SelectOption};
use super::moment::Moment;
use super::paging::Pager;
use super::shell::{Shell, page};
use crate::app::App;
use crate::auth::credentials::parameter;
use crate::callers::session_user::AdminSession;
use crate::clock::Timestamp;
use crate::documents::audit_export;
use crate::documents::export::ExportFormat;
use crate::http::error::AppError;
use crate::models::audit::{AuditEntry, Doer};
use crate::models::audit_search::{AuditField, AuditPage, AuditPlace, AuditSearch, by_id};
use crate::models::cursor::{Place, WrongCursor};
use crate::models::event::EventAction;
use crate::models::keys::token::TokenAction;

/// The number of entries on a page.
const PER_PAGE: usize = 50;
/// Where the page is.
const PATH: &str = "/admin/audit";
/// The parameters that say which page it is: what comes after an entry, and what comes before one.
const OLDER: &str = "cursor";
const NEWER: &str = "newer";

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditLogPage {
    shell: Shell,
    /// What is wrong with the search, with the id of the field; empty: nothing.
    refused: Vec<(&'static str, String)>,
    user: String,
    actor: String,
    /// Who did something without being a person, to choose from.
    others: [&'static str; 3],
    actions: Vec<SelectOption>,
    key_id: String,
    address: String,
    since: DateField,
    until: DateField,
    entries: Vec<Row>,
    /// Whether the search leaves anything out.
    is_search: bool,
    /// Where the same search is as a file.
    csv: String,
    ndjson: String,
    pager: Pager,
}

struct Row {
    what: String,
    hint: Option<Link>,
    remark: String,
    /// A class in the stylesheet.
    tone: &'static str,
    times: i64,
    user: Option<Link>,
    actor: Link,
    acting_as: Option<String>,
    credential: String,
    at: Moment,
    address: Option<Link>,
    agent: String,
}

/// A link to the entries that have this in common.
struct Link {
    text: String,
    address: String,
}

/// `GET /admin/audit`, with the fields of a search, and `cursor` or `newer` for the page.
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, or an error if a query fails. A search that cannot be understood
/// is told on the page: the whole log would be taken for its answer.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    _: AdminSession,
) -> Result<HttpResponse, AppError> {
    let query = request.query_string();
    let asked = asked(query);
    let found = match asked.clone() {
        Ok((search, place)) => {
            app.database.read(move |connection| search.turned_page(connection, place, PER_PAGE)).await?
        }
        Err(_) => AuditPage::default(),
    };
    let shell = Shell::of(&app, &request, &session)?;
    let status = if asked.is_ok() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let said = |field: AuditField| parameter(query, field.as_str()).unwrap_or_default().trim().to_owned();
    let day = |field: AuditField| DateField::from(Field { value: said(field), errors: Vec::new() });
    let (search, refused) = match asked {
        Ok((search, _)) => (search, Vec::new()),
        Err(refused) => (AuditSearch::default(), refused),
    };
    let at = |name: &str, value: &str| shell.path(&format!("{PATH}?{}", with(&search.query(), name, value)));
    let file = |format: ExportFormat| {
        let query = if search.query().is_empty() { String::new() } else { format!("?{}", search.query()) };
        shell.path(&format!("{PATH}/export.{}{query}", format.extension()))
    };
    let list = search.list();
    let shown = AuditLogPage {
        user: said(AuditField::User),
        actor: said(AuditField::Actor),
        others: Doer::OTHERS,
        actions: action_choices(&said(AuditField::Action)),
        key_id: said(AuditField::Key),
        address: said(AuditField::Address),
        since: day(AuditField::Since),
        until: day(AuditField::Until),
        is_search: !search.query().is_empty(),
        csv: file(ExportFormat::Csv),
        ndjson: file(ExportFormat::Ndjson),
        pager: Pager {
            previous: found.newer.map(|first| at(NEWER, &first.cursor(&list))),
            next: found.older.map(|last| at(OLDER, &last.cursor(&list))),
            ..Pager::default()
        },
        entries: found.entries.into_iter().map(|entry| Row::new(&shell, entry, app.clock.now())).collect(),
        refused,
        shell,
    };
    page(status, &shown)
}

/// `GET /admin/audit/export.csv`, with the fields of a search.
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 422 for a search that cannot be understood, or an error if a query
/// fails.
pub async fn csv(app: web::Data<App>, request: HttpRequest, _: AdminSession) -> Result<HttpResponse, AppError> {
    export(&app, &request, ExportFormat::Csv).await
}

/// `GET /admin/audit/export.ndjson`, with the fields of a search.
///
/// # Errors
/// As [`csv`].
pub async fn ndjson(app: web::Data<App>, request: HttpRequest, _: AdminSession) -> Result<HttpResponse, AppError> {
    export(&app, &request, ExportFormat::Ndjson).await
}

async fn export(app: &web::Data<App>, request: &HttpRequest, format: ExportFormat) -> Result<HttpResponse, AppError> {
    let search = search(request.query_string()).map_err(|refused| {
        let sentences: Vec<String> = refused.into_iter().map(|(_, sentence)| sentence).collect();
        AppError::Invalid(sentences)
    })?;
    audit_export::respond(app, request, search, format).await
}

/// What is wrong with a search, with the id of the field.
type Refused = Vec<(&'static str, String)>;

/// The search and the page of it that an address asks for.
fn asked(query: &str) -> Result<(AuditSearch, AuditPlace), Refused> {
    let search = search(query)?;
    let wrong = |wrong: WrongCursor| vec![("search", format!("{wrong}."))];
    let place = |name| parameter(query, name).map(|cursor| Place::of_cursor(&cursor, &search.list()));
    let place = match (place(OLDER), place(NEWER)) {
        (Some(older), _) => AuditPlace::OlderThan(older.map_err(wrong)?),
        (None, Some(newer)) => AuditPlace::NewerThan(newer.map_err(wrong)?),
        (None, None) => AuditPlace::Latest,
    };
    Ok((search, place))
}

fn search(query: &str) -> Result<AuditSearch, Refused> {
    let search = AuditSearch::read(|field| parameter(query, field.as_str()));
    search.map_err(|wrong| {
        wrong.iter().map(|wrong| (wrong.field.as_str(), wrong.sentence(wrong.field.label()))).collect()
    })
}

/// `query` with one more parameter.
fn with(query: &str, name: &str, value: &str) -> String {
    form_urlencoded::Serializer::for_suffix(query.to_owned(), 0).append_pair(name, value).finish()
}

fn action_choices(chosen: &str) -> Vec<SelectOption> {
    let known = EventAction::ALL.into_iter().filter(|action| *action != EventAction::Unknown);
    let choice =
        |action: EventAction| SelectOption::new(action.as_str(), action.words().replace("{key}", "Key"), chosen);
    known.map(choice).collect()
}

impl Row {
    fn new(shell: &Shell, entry: AuditEntry, now: Timestamp) -> Self {
        let link = |text: &str, field: AuditField, value: &str| Link {
            text: text.to_owned(),
            address: shell.path(&format!("{PATH}?{}", with("", field.as_str(), value))),
        };
        let person = |login: &str, id: Option<i64>, field: AuditField| {
            link(login, field, &id.map_or_else(|| login.to_owned(), by_id))
        };
        let key = entry.token_id.zip(entry.token_hint.as_deref());
        let user = entry.user_login.clone().or_else(|| entry.user_id.map(|id| format!("person {id}")));
        Self {
            what: what(&entry),
            hint: key.map(|(id, hint)| link(&format!("····{hint}"), AuditField::Key, &id.to_string())),
            remark: entry.detail.clone().unwrap_or_default(),
            tone: if entry.is_refused() || entry.action == EventAction::KeyLeaked.as_str() { "warning" } else { "" },
            times: entry.times,
            user: user.map(|login| person(&login, entry.user_id, AuditField::User)),
            actor: person(&entry.actor, entry.actor_id, AuditField::Actor),
            acting_as: entry.acting_as.clone(),
            credential: entry.credential.clone().unwrap_or_default(),
            at: Moment::new(entry.created_on, now),
            address: match entry.address.as_str() {
                "" => None,
                address => Some(link(address, AuditField::Address, address)),
            },
            agent: entry.agent,
        }
    }
}

/// What happened, in a few words.
fn what(entry: &AuditEntry) -> String {
    let kind = entry.token_action.as_deref().and_then(TokenAction::of_text);
    let label = kind.map_or("Key", TokenAction::label);
    let key = entry.token_name.as_ref().map_or_else(|| label.to_owned(), |name| format!("{label} “{name}”"));
    match EventAction::of_text(&entry.action) {
        Some(action) => action.words().replace("{key}", &key),
        None => format!("{} ({})", EventAction::Unknown.words(), entry.action),
    }
}
