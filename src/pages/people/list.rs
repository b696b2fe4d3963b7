//! `/admin/users`: the list of people, with a search by name and a filter by status.

use std::collections::{BTreeSet, HashMap};

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::{full_name, path_of, status_label};
use crate::app::App;
use crate::auth::credentials::parameter;
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::models::keys::token::Token;
use crate::models::people::search::{People, PeopleSearch};
use crate::models::people::user::{User, UserStatus};
use crate::pages::moment::Moment;
use crate::pages::paging::{Pager, Paging};
use crate::pages::shell::{Shell, page};

/// The number of people on a page.
const PER_PAGE: i64 = 50;
/// The last page that can be opened: nobody turns more pages than this.
const LAST_PAGE: i64 = 1_000_000;

#[derive(Template)]
#[template(path = "people/list.html")]
struct ListPage {
    shell: Shell,
    name: String,
    statuses: Vec<StatusChoice>,
    /// How many people were found, and which of them are shown.
    count: String,
    people: Vec<Row>,
    /// Why the list is empty, if it is.
    empty: String,
    is_filtered: bool,
    pager: Pager,
}

struct StatusChoice {
    value: &'static str,
    label: &'static str,
    is_chosen: bool,
}

struct Row {
    path: String,
    name: String,
    login: String,
    mail: String,
    is_admin: bool,
    status: Option<&'static str>,
    keys: String,
    has_keys: bool,
    /// The latest use of any of the person's keys, including a use that is not yet written to the database.
    latest_use: Option<Moment>,
}

/// `GET /admin/users`, with the parameters `name`, `status` and `page`.
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, or an error if a query fails. A search that is too long is told
/// on the page.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    _: AdminSession,
) -> Result<HttpResponse, AppError> {
    let query = request.query_string();
    let name = parameter(query, "name").unwrap_or_default().trim().to_owned();
    // Addresses from Redmine have the number.
    let status = |text: String| UserStatus::of_text(&text).or_else(|| UserStatus::numbered(&text));
    let status = parameter(query, "status").and_then(status);
    let paging = Paging::asked(query, PER_PAGE, LAST_PAGE);

    let statuses = status.map_or(UserStatus::ALL.to_vec(), |status| vec![status]);
    let search = PeopleSearch::new(statuses, &name);
    let too_long = search.as_ref().err().copied();
    let (users, total, keys) = match search {
        Err(_) => Default::default(),
        Ok(search) => {
            let found = app.database.read(move |connection| {
                let People { users, total } = search.find(connection, paging.skip(), PER_PAGE)?;
                let ids: Vec<i64> = users.iter().map(|user| user.id).collect();
                Ok((users, total, Token::keys_of(connection, &ids)?))
            });
            found.await?
        }
    };
    let mut keys_by_owner: HashMap<i64, Vec<Token>> = HashMap::new();
    for key in keys {
        keys_by_owner.entry(key.user_id).or_default().push(key);
    }

    let shell = Shell::of(&app, &request, &session)?;
    let address = |number| shell.path(&format!("/admin/users?{}", query_of(&name, status, number)));
    let shown = ListPage {
        count: paging.count(total, ("person", "people")),
        empty: too_long.map_or_else(|| empty(total, &name).to_owned(), |too_long| format!("The search {too_long}.")),
        is_filtered: !name.is_empty() || status.is_some(),
        pager: paging.pager_of(total, address),
        people: users.into_iter().map(|user| Row::new(&app, &keys_by_owner, user)).collect(),
        statuses: choices(status),
        name,
        shell,
    };
    page(if too_long.is_none() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }, &shown)
}

impl Row {
    fn new(app: &App, keys_by_owner: &HashMap<i64, Vec<Token>>, user: User) -> Self {
        let keys = keys_by_owner.get(&user.id).map_or(&[][..], Vec::as_slice);
        let latest_use = keys.iter().filter_map(|key| app.recorder.last_use.of(key)).max();
        Self {
            path: path_of(user.id),
            name: full_name(&user),
            is_admin: user.admin,
            status: status_label(user.status),
            keys: match keys.iter().map(Token::key).collect::<BTreeSet<_>>().len() {
                0 => "No key".to_owned(),
                1 => "1 key".to_owned(),
                several => format!("{several} keys"),
            },
            has_keys: !keys.is_empty(),
            latest_use: latest_use.map(|time| Moment::new(time, app.clock.now())),
            login: user.login,
            mail: user.mail,
        }
    }
}

fn choices(chosen: Option<UserStatus>) -> Vec<StatusChoice> {
    let everybody = StatusChoice { value: "", label: "All", is_chosen: chosen.is_none() };
    let of = |status: UserStatus| {
        let label = status_label(status).unwrap_or("Active");
        StatusChoice { value: status.as_str(), label, is_chosen: chosen == Some(status) }
    };
    std::iter::once(everybody).chain(UserStatus::ALL.map(of)).collect()
}

fn query_of(name: &str, status: Option<UserStatus>, number: i64) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if !name.is_empty() {
        query.append_pair("name", name);
    }
    if let Some(status) = status {
        query.append_pair("status", status.as_str());
    }
    query.append_pair("page", &number.to_string()).finish()
}

fn empty(total: i64, name: &str) -> &'static str {
    if total > 0 {
        "This page is empty: the list ends before it."
    } else if !name.is_empty() {
        "No name, login or email matches."
    } else {
        // The administrator who looks is in the list, so it is empty only if it is filtered.
        "No account has this status."
    }
}
