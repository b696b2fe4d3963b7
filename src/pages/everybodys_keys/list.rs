//! `/admin/keys`: the list of everybody's keys, and the same as a file.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::{LIST, Row};
use crate::app::App;
use crate::auth::credentials::parameter;
use crate::callers::session_user::AdminSession;
use crate::documents::export::ExportFormat;
use crate::documents::key_export;
use crate::http::error::AppError;
use crate::models::cursor::Place;
use crate::models::keys::list::{KeyList, KeyPage};
use crate::models::keys::list_query::{KeyQuery, ListErrors, ListField, ListedState};
use crate::models::keys::token::TokenAction;
use crate::models::keys::verdict::Verdict;
use crate::models::rules::messages;
use crate::pages::form::{DateField, Field, SelectOption};
use crate::pages::paging::OrderChoice;
use crate::pages::shell::{Shell, page};

/// The orders to choose from, in the words of the API.
const ORDERS: [(&str, &str); 6] = [
    ("created_on:desc", "Newest first"),
    ("created_on", "Oldest first"),
    ("last_used_on:desc", "Last used first"),
    ("last_used_on", "Longest unused first"),
    ("expires_on", "Expires first"),
    ("expires_on:desc", "Expires last"),
];
/// The filters that are folded away while nobody uses them.
const MORE: [ListField; 5] =
    [ListField::Scope, ListField::Service, ListField::UnusedSince, ListField::NeverUsed, ListField::ExpiresBefore];

#[derive(Template)]
#[template(path = "everybodys_keys/list.html")]
struct ListPage {
    shell: Shell,
    search: Field,
    owner: Field,
    kinds: Vec<SelectOption>,
    states: Vec<SelectOption>,
    verdicts: Vec<SelectOption>,
    /// Nothing, or what is wrong with the verdict.
    verdict: Field,
    scope: Field,
    service: Field,
    unused_since: DateField,
    expires_before: DateField,
    is_never_used: bool,
    /// Whether the filters that are folded away are shown.
    is_more_shown: bool,
    /// The order that was chosen; empty for the usual one.
    sort: String,
    orders: Vec<OrderChoice>,
    /// Everything that is wrong, with the ids of the fields.
    refused: Vec<(&'static str, String)>,
    rows: Vec<Row>,
    /// Whether some keys are left out.
    is_filtered: bool,
    csv: String,
    ndjson: String,
    /// The address of the first page; `None`: this is it.
    first: Option<String>,
    next: Option<String>,
}

/// What an address asks for, as it was typed, and what is wrong with it.
struct Asked<'a> {
    query: &'a str,
    errors: ListErrors,
}

impl Asked<'_> {
    fn text(&self, field: ListField) -> String {
        given(self.query, field).unwrap_or_default().trim().to_owned()
    }

    fn field(&self, field: ListField) -> Field {
        Field::new(self.text(field), field, &self.errors)
    }

    fn options<const N: usize>(&self, field: ListField, all: [(&'static str, &'static str); N]) -> Vec<SelectOption> {
        let chosen = self.text(field);
        let option = |(value, label)| SelectOption::new(value, label, &chosen);
        std::iter::once(("", "All")).chain(all).map(option).collect()
    }

    /// The address of this list with `changed` in place of what it says of these fields, from its first page on.
    fn address(&self, path: &str, changed: &[(ListField, &str)]) -> String {
        let mut address = form_urlencoded::Serializer::new(String::new());
        for field in ListField::ALL.into_iter().filter(|field| *field != ListField::Cursor) {
            let text = self.text(field);
            let text = changed.iter().find(|(it, _)| *it == field).map_or(text.as_str(), |(_, text)| text);
            if !text.is_empty() {
                address.append_pair(field.as_str(), text);
            }
        }
        if let Some((field, cursor)) = changed.iter().find(|(field, _)| *field == ListField::Cursor) {
            address.append_pair(field.as_str(), cursor);
        }
        match address.finish() {
            query if query.is_empty() => path.to_owned(),
            query => format!("{path}?{query}"),
        }
    }
}

/// The id of what an error is about: its field, or the whole page where nobody can type it.
fn place_of(field: ListField) -> &'static str {
    match field {
        ListField::Sort | ListField::Limit | ListField::Cursor => "content",
        _ => field.as_str(),
    }
}

fn given(query: &str, field: ListField) -> Option<String> {
    parameter(query, field.as_str())
}

/// `GET /admin/keys`, with the parameters of the API.
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, or an error if a query fails. A parameter that is wrong is told on
/// the page, with 422.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    _: AdminSession,
) -> Result<HttpResponse, AppError> {
    let found = match KeyQuery::read(|field| given(request.query_string(), field)) {
        Ok(query) => {
            let (asked, this, now) = (query.clone(), app.clone(), app.clock.now());
            let found = app.database.read(move |connection| KeyPage::of(connection, &asked, &this.recorder, now));
            found.await?.map(|page| (query, page))
        }
        Err(errors) => Err(errors),
    };
    let shell = Shell::of(&app, &request, &session)?;
    let status = if found.is_ok() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    page(status, &ListPage::new(&app, shell, request.query_string(), found))
}

impl ListPage {
    fn new(app: &App, shell: Shell, query: &str, found: Result<(KeyQuery, KeyPage), ListErrors>) -> Self {
        let errors = found.as_ref().err().cloned().unwrap_or_default();
        let asked = Asked { query, errors };
        let cursor = |(query, page): &(KeyQuery, KeyPage)| page.next.map(|place: Place| query.cursor(place));
        let next = found.as_ref().ok().and_then(cursor);
        let sort = asked.text(ListField::Sort);
        let chosen = if sort.is_empty() { ORDERS[0].0 } else { &sort };
        let order = |(value, label): (&str, &'static str)| OrderChoice {
            address: shell.path(&asked.address(LIST, &[(ListField::Sort, value)])),
            label,
            is_chosen: chosen == value,
        };
        let whole = |path: &str| shell.path(&asked.address(path, &[(ListField::Limit, "")]));
        Self {
            search: asked.field(ListField::Search),
            owner: asked.field(ListField::Owner),
            kinds: asked.options(ListField::Action, TokenAction::KEYS.map(|it| (it.as_str(), it.label()))),
            states: asked.options(ListField::State, ListedState::ALL.map(|it| (it.as_str(), it.label()))),
            verdicts: asked.options(ListField::Verdict, Verdict::ALL.map(|it| (it.as_str(), it.choice()))),
            verdict: asked.field(ListField::Verdict),
            scope: asked.field(ListField::Scope),
            service: asked.field(ListField::Service),
            unused_since: DateField::from(asked.field(ListField::UnusedSince)),
            expires_before: DateField::from(asked.field(ListField::ExpiresBefore)),
            is_never_used: !asked.text(ListField::NeverUsed).is_empty(),
            is_more_shown: MORE.into_iter().any(|field| !asked.text(field).is_empty()),
            orders: ORDERS.map(order).into(),
            refused: asked.errors.iter().map(|error| (place_of(error.field), error.message())).collect(),
            rows: found.iter().flat_map(|(_, page)| &page.keys).map(|listed| Row::new(app, listed)).collect(),
            is_filtered: found.as_ref().map_or(true, |(query, _)| !query.is_of_all()),
            csv: whole("/admin/keys/export.csv"),
            ndjson: whole("/admin/keys/export.ndjson"),
            first: given(query, ListField::Cursor).map(|_| shell.path(&asked.address(LIST, &[]))),
            next: next.map(|cursor| shell.path(&asked.address(LIST, &[(ListField::Cursor, &cursor)]))),
            sort,
            shell,
        }
    }
}

/// `GET /admin/keys/export.csv`, with the parameters of the list: every key that it finds, for a spreadsheet.
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 422 if a parameter is wrong, or an error if a query fails.
pub async fn csv(app: web::Data<App>, request: HttpRequest, _: AdminSession) -> Result<HttpResponse, AppError> {
    export(&app, &request, ExportFormat::Csv).await
}

/// `GET /admin/keys/export.ndjson`, the same for programs.
///
/// # Errors
/// As [`csv`].
pub async fn ndjson(app: web::Data<App>, request: HttpRequest, _: AdminSession) -> Result<HttpResponse, AppError> {
    export(&app, &request, ExportFormat::Ndjson).await
}

async fn export(app: &web::Data<App>, request: &HttpRequest, format: ExportFormat) -> Result<HttpResponse, AppError> {
    let refused = |errors: ListErrors| AppError::Invalid(messages(&errors));
    let query = KeyQuery::read(|field| given(request.query_string(), field)).map_err(refused)?;
    let list = app.database.read(move |connection| KeyList::of(connection, &query)).await?.map_err(refused)?;
    key_export::respond(app, request, list, format).await
}
