//! `/my/tokens`: every access token that one has.

use std::cmp::Reverse;

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::shown::ShownToken;
use crate::app::App;
use crate::auth::credentials::parameter;
use crate::callers::session_user::SessionUser;
use crate::http::error::AppError;
use crate::models::keys::key::Key;
use crate::models::keys::key_wish::KeyPolicy;
use crate::models::keys::token::TokenAction;
use crate::pages::shell::{Notice, Shell, page};

/// Rows on a page: as many as one person may have, unless a setting lets them have more.
const PER_PAGE: usize = 100;

#[derive(Template)]
#[template(path = "tokens/list.html")]
struct ListPage {
    shell: Shell,
    tokens: Vec<ShownToken>,
    /// How many there are, and which of them are shown.
    count: String,
    orders: Vec<OrderChoice>,
    /// How many seem to be needed no more, in words; empty: none.
    idle: String,
    /// Why no more can be made; empty: they can.
    full: String,
    previous: Option<String>,
    next: Option<String>,
}

struct OrderChoice {
    address: String,
    label: &'static str,
    is_chosen: bool,
}

/// What comes first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Newest,
    LastUsed,
}

impl Order {
    const ALL: [Self; 2] = [Self::Newest, Self::LastUsed];

    fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::LastUsed => "last_used",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Newest => "Newest first",
            Self::LastUsed => "Last used first",
        }
    }

    fn sort(self, app: &App, keys: &mut [Key]) {
        let last_use = |key: &Key| key.last_use(|token| app.recorder.last_use.of(token)).map(|last_use| last_use.on);
        match self {
            Self::Newest => keys.sort_by_key(|key| Reverse((key.created_on, key.id))),
            Self::LastUsed => keys.sort_by_cached_key(|key| Reverse((last_use(key), key.created_on, key.id))),
        }
    }
}

/// `GET /my/tokens`: `sort`, `page`.
///
/// # Errors
/// Those of the database.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SessionUser,
) -> Result<HttpResponse, AppError> {
    let query = request.query_string();
    let sort = parameter(query, "sort");
    let order = Order::ALL.into_iter().find(|order| sort.as_deref() == Some(order.as_str())).unwrap_or(Order::Newest);
    let wanted = parameter(query, "page").and_then(|page| page.parse::<usize>().ok());
    let user_id = me.user.id;
    let mut keys =
        app.database.lookup(move |connection| Key::of_user(connection, user_id, &[TokenAction::Access])).await?;
    order.sort(&app, &mut keys);

    let shell = Shell::of(&app, &request, &session)?;
    let all: Vec<ShownToken> = keys.iter().map(|key| ShownToken::new(&app, key)).collect();
    let (total, pages) = (all.len(), all.len().div_ceil(PER_PAGE).max(1));
    let number = wanted.unwrap_or(1).clamp(1, pages);
    let address = |order: Order, number| match number {
        1 => shell.path(&format!("/my/tokens?sort={}", order.as_str())),
        number => shell.path(&format!("/my/tokens?sort={}&page={number}", order.as_str())),
    };
    let notices = [Notice::TokenRevoked, Notice::TokenGone];
    let shown = ListPage {
        count: count(total, number),
        orders: Order::ALL.map(|it| OrderChoice::new(address(it, 1), it, order)).into(),
        idle: idle(all.iter().filter(|token| token.is_idle).count()),
        full: full(&app, total),
        previous: (number > 1).then(|| address(order, number - 1)),
        next: (number < pages).then(|| address(order, number + 1)),
        tokens: all.into_iter().skip((number - 1) * PER_PAGE).take(PER_PAGE).collect(),
        shell: shell.saying(&request, &notices),
    };
    page(StatusCode::OK, &shown)
}

impl OrderChoice {
    fn new(address: String, order: Order, chosen: Order) -> Self {
        Self { address, label: order.label(), is_chosen: order == chosen }
    }
}

fn count(total: usize, number: usize) -> String {
    let (first, last) = ((number - 1) * PER_PAGE + 1, (number * PER_PAGE).min(total));
    match total {
        1 => "1 access token".to_owned(),
        total if total <= PER_PAGE => format!("{total} access tokens"),
        total => format!("{total} access tokens, {first} to {last} shown"),
    }
}

fn idle(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "1 of them seems to be needed no more".to_owned(),
        several => format!("{several} of them seem to be needed no more"),
    }
}

/// Why somebody who has `held` tokens can make no more; empty: they can.
pub(super) fn full(app: &App, held: usize) -> String {
    match KeyPolicy::of(&app.config).most_per_user {
        0 => "Access tokens are switched off here.".to_owned(),
        most if held >= most => {
            format!("You have {held} access tokens, as many as one person may have. Revoke one to make another.")
        }
        _ => String::new(),
    }
}
