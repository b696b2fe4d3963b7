//! `/admin/users`: the list of people, with a search by name, a filter by status and several orders.

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
use crate::models::people::order::{Order, OrderBy};
use crate::models::people::search::{Criterion, People, PeopleSearch};
use crate::models::people::service_account::without_owner;
use crate::models::people::status_filter::statuses_of_text;
use crate::models::people::user::{AccountKind, User, UserStatus};
use crate::pages::count;
use crate::pages::form::SelectOption;
use crate::pages::moment::Moment;
use crate::pages::paging::{OrderChoice, Pager, Paging};
use crate::pages::shell::{Flash, Shell, page};

/// The number of people on a page.
const PER_PAGE: i64 = 50;
/// The last page that can be opened: nobody turns more pages than this.
const LAST_PAGE: i64 = 1_000_000;

/// The status of those who are listed if the address names none, as in Redmine and its API.
const USUAL_STATUS: &str = "active";
/// The orders to choose from, in the words of the API. Others work too.
const ORDERS: [(&str, &str); 4] = [
    ("login", "Login"),
    ("lastname,firstname", "Last name"),
    ("created_on:desc", "Newest first"),
    ("last_login_on:desc", "Last sign-in first"),
];

#[derive(Template)]
#[template(path = "people/list.html")]
struct ListPage {
    shell: Shell,
    name: String,
    sort: String,
    kinds: Vec<SelectOption>,
    statuses: Vec<StatusChoice>,
    /// How many people were found, and which of them are shown.
    count: String,
    orders: Vec<OrderChoice>,
    people: Vec<Row>,
    /// Why the list is empty, if it is.
    empty: &'static str,
    /// What is wrong with the search, with the id of the field; empty: nothing.
    refused: Vec<(&'static str, String)>,
    /// Where the same search finds people of every status; `None` if it does already.
    wider: Option<String>,
    pager: Pager,
}

struct StatusChoice {
    value: String,
    label: String,
    is_chosen: bool,
}

struct Row {
    path: String,
    name: String,
    login: String,
    mail: String,
    is_admin: bool,
    is_service_account: bool,
    /// Whether it is a service account that nobody who is active owns.
    has_no_owner: bool,
    status: Option<&'static str>,
    keys: String,
    has_keys: bool,
    /// The latest use of any of the person's keys, including a use that is not yet written to the database.
    latest_use: Option<Moment>,
    /// What the list is ordered by, if no other column shows it.
    also: Option<Also>,
}

struct Also {
    what: &'static str,
    /// `None`: never.
    at: Option<Moment>,
}

/// What an address asks for.
#[derive(Clone)]
struct Asked {
    name: String,
    /// As it stands in the address.
    status: String,
    /// As it stands in the address; empty for the usual order.
    sort: String,
    /// Whom the accounts are for; `None`: people and programs.
    kind: Option<AccountKind>,
}

/// `GET /admin/users`, with the parameters `name`, `status`, `kind`, `sort` and `page`.
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, or an error if a query fails. A search that cannot be understood
/// is told on the page: a list of everybody would be taken for its answer.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    _: AdminSession,
) -> Result<HttpResponse, AppError> {
    let asked = Asked::of(request.query_string());
    let paging = Paging::asked(request.query_string(), PER_PAGE, LAST_PAGE);
    let search = asked.search();
    let refused = search.as_ref().err().cloned();
    let (users, total, keys, without_owner) = match search {
        Err(_) => Default::default(),
        Ok(search) => {
            let found = app.database.read(move |connection| {
                let People { users, total } = search.find(connection, paging.skip(), PER_PAGE)?;
                let ids: Vec<i64> = users.iter().map(|user| user.id).collect();
                let services = users.iter().filter(|user| user.is_service_account()).map(|user| user.id);
                let without_owner = without_owner(connection, &services.collect::<Vec<_>>())?;
                Ok((users, total, Token::keys_of(connection, &ids)?, without_owner))
            });
            found.await?
        }
    };
    let mut keys_by_owner: HashMap<i64, Vec<Token>> = HashMap::new();
    for key in keys {
        keys_by_owner.entry(key.user_id).or_default().push(key);
    }

    let shell = Shell::of(&app, &request, &session)?.saying(&request, &[Flash::PersonDeleted]);
    let status = if refused.is_none() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let order = Order::of_text(&asked.sort).next().and_then(Result::ok).map(|order| order.by);
    let everybody = Asked { status: String::new(), ..asked.clone() };
    let shown = ListPage {
        count: if refused.is_none() { paging.count(total, asked.counted()) } else { String::new() },
        empty: empty(total, &asked),
        refused: refused
            .map(|why| (if asked.status().is_err() { "status" } else { "name" }, why))
            .into_iter()
            .collect(),
        wider: (asked.status() != Ok(UserStatus::ALL.to_vec())).then(|| everybody.address(&shell, 1)),
        pager: paging.pager_of(total, |number| asked.address(&shell, number)),
        people: users
            .into_iter()
            .map(|user| {
                let has_no_owner = without_owner.contains(&user.id);
                Row { has_no_owner, ..Row::new(&app, &keys_by_owner, user, order) }
            })
            .collect(),
        kinds: asked.kind_choices(),
        statuses: asked.status_choices(),
        orders: asked.order_choices(&shell),
        name: asked.name,
        sort: asked.sort,
        shell,
    };
    page(status, &shown)
}

impl Asked {
    fn of(query: &str) -> Self {
        let text = |name| parameter(query, name).map(|text| text.trim().to_owned());
        Self {
            name: text("name").unwrap_or_default(),
            status: text("status").unwrap_or_else(|| USUAL_STATUS.to_owned()),
            sort: text("sort").unwrap_or_default(),
            kind: text("kind").and_then(|kind| AccountKind::of_text(&kind)),
        }
    }

    /// The search, or in a sentence why there is none.
    fn search(&self) -> Result<PeopleSearch, String> {
        let statuses = self.status()?;
        let order = Order::of_text(&self.sort).collect::<Result<Vec<_>, _>>();
        let order = order.map_err(|_| format!("People cannot be sorted by “{}”.", self.sort))?;
        let mut search =
            PeopleSearch::new(statuses, &self.name).map_err(|too_long| format!("The search {too_long}."))?;
        search.criteria.extend(self.kind.and_then(|kind| Criterion::of_kind(kind.as_str())));
        Ok(PeopleSearch { order, ..search })
    }

    /// The statuses: one by its name, or what the API understands.
    fn status(&self) -> Result<Vec<UserStatus>, String> {
        let named = UserStatus::of_text(&self.status).map(|status| vec![status]);
        let statuses = named.or_else(|| statuses_of_text(&self.status).ok()).filter(|statuses| !statuses.is_empty());
        statuses.ok_or_else(|| format!("There is no status “{}”. Choose one from the list.", self.status))
    }

    fn address(&self, shell: &Shell, number: i64) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !self.name.is_empty() {
            query.append_pair("name", &self.name);
        }
        query.append_pair("status", &self.status);
        if let Some(kind) = self.kind {
            query.append_pair("kind", kind.as_str());
        }
        if !self.sort.is_empty() {
            query.append_pair("sort", &self.sort);
        }
        if number > 1 {
            query.append_pair("page", &number.to_string());
        }
        shell.path(&format!("/admin/users?{}", query.finish()))
    }

    /// What is counted: one, and several.
    fn counted(&self) -> (&'static str, &'static str) {
        match self.kind {
            None => ("account", "accounts"),
            Some(AccountKind::Person) => ("person", "people"),
            Some(AccountKind::Service) => ("service account", "service accounts"),
        }
    }

    fn kind_choices(&self) -> Vec<SelectOption> {
        let chosen = self.kind.map_or("", AccountKind::as_str);
        let all = [("", "All"), ("person", "People"), ("service", "Service accounts")];
        all.map(|(value, label)| SelectOption::new(value, label, chosen)).into()
    }

    fn status_choices(&self) -> Vec<StatusChoice> {
        let chosen = self.status().unwrap_or_else(|_| vec![UserStatus::Active]);
        let label = |status: &UserStatus| status_label(*status).unwrap_or("Active").to_owned();
        let choice = |value: &str, label: String, statuses: &[UserStatus]| {
            let value = value.to_owned();
            StatusChoice { value, label, is_chosen: chosen == statuses }
        };
        let all = choice("", "All".to_owned(), &UserStatus::ALL);
        let each = UserStatus::ALL.iter().map(|status| choice(status.as_str(), label(status), &[*status]));
        let mut choices: Vec<StatusChoice> = std::iter::once(all).chain(each).collect();
        if !choices.iter().any(|choice| choice.is_chosen) {
            let labels: Vec<String> = chosen.iter().map(label).collect();
            choices.push(choice(&self.status, labels.join(" or "), &chosen));
        }
        choices
    }

    fn order_choices(&self, shell: &Shell) -> Vec<OrderChoice> {
        let sort = if self.sort.is_empty() { ORDERS[0].0 } else { &self.sort };
        let choice = |(value, label): (&str, &'static str)| {
            let ordered = Self { sort: value.to_owned(), ..self.clone() };
            OrderChoice { address: ordered.address(shell, 1), label, is_chosen: sort == value }
        };
        ORDERS.map(choice).into()
    }
}

impl Row {
    fn new(app: &App, keys_by_owner: &HashMap<i64, Vec<Token>>, user: User, order: Option<OrderBy>) -> Self {
        let moment = |time| Moment::new(time, app.clock.now());
        let keys = keys_by_owner.get(&user.id).map_or(&[][..], Vec::as_slice);
        let latest_use = keys.iter().filter_map(|key| app.recorder.last_use.of(key)).max();
        Self {
            path: path_of(user.id),
            name: full_name(&user),
            is_admin: user.admin,
            is_service_account: user.is_service_account(),
            has_no_owner: false,
            status: status_label(user.status),
            keys: match keys.iter().map(Token::key).collect::<BTreeSet<_>>().len() {
                0 => "No key".to_owned(),
                some => count(some, "key"),
            },
            has_keys: !keys.is_empty(),
            latest_use: latest_use.map(moment),
            also: match order {
                Some(OrderBy::Created) => Some(Also { what: "created", at: Some(moment(user.created_on)) }),
                Some(OrderBy::LastLogin) => Some(Also { what: "signed in", at: user.last_login_on.map(moment) }),
                _ => None,
            },
            login: user.login,
            mail: user.mail,
        }
    }
}

fn empty(total: i64, asked: &Asked) -> &'static str {
    let is_of_all = asked.status() == Ok(UserStatus::ALL.to_vec());
    match (total, asked.name.is_empty(), is_of_all) {
        (1.., _, _) => "This page is empty: the list ends before it.",
        (_, true, _) => "No account has this status.",
        (_, false, true) => "No name, login or email matches.",
        (_, false, false) => "No name, login or email of people with this status matches.",
    }
}
