//! `/my/tokens`: the list of a person's access tokens.

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
use crate::models::keys::key_request::KeyPolicy;
use crate::models::keys::token::TokenAction;
use crate::models::text_enum::text_enum;
use crate::pages::paging::{Pager, Paging};
use crate::pages::shell::{Flash, Shell, page};

/// The number of tokens on a page: by default as many as one person may have.
const PER_PAGE: i64 = 100;

#[derive(Template)]
#[template(path = "tokens/list.html")]
struct ListPage {
    shell: Shell,
    tokens: Vec<ShownToken>,
    /// How many tokens there are, and which of them are shown.
    count: String,
    orders: Vec<OrderChoice>,
    /// How many tokens look unused, in words; empty if none do.
    idle: String,
    /// Why no more tokens can be created; empty if they can.
    full: String,
    pager: Pager,
}

struct OrderChoice {
    address: String,
    label: &'static str,
    is_chosen: bool,
}

text_enum! {
    /// The order of the list.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Order(as_str, label) {
        Newest = ("newest", "Newest first"),
        LastUsed = ("last_used", "Last used first"),
    }
}

impl Order {
    fn sort(self, app: &App, keys: &mut [Key]) {
        let last_use = |key: &Key| key.last_use(|token| app.recorder.last_use.of(token)).map(|last_use| last_use.on);
        match self {
            Self::Newest => keys.sort_by_key(|key| Reverse((key.created_on, key.id))),
            Self::LastUsed => keys.sort_by_cached_key(|key| Reverse((last_use(key), key.created_on, key.id))),
        }
    }
}

/// `GET /my/tokens`, with the parameters `sort` and `page`.
///
/// # Errors
/// Returns an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SessionUser,
) -> Result<HttpResponse, AppError> {
    let query = request.query_string();
    let order = parameter(query, "sort").and_then(|sort| Order::of_text(&sort)).unwrap_or(Order::Newest);
    let user_id = me.user.id;
    let mut keys =
        app.database.lookup(move |connection| Key::of_user(connection, user_id, &[TokenAction::Access])).await?;
    order.sort(&app, &mut keys);

    let shell = Shell::of(&app, &request, &session)?;
    let all: Vec<ShownToken> = keys.iter().map(|key| ShownToken::new(&app, key)).collect();
    let total = i64::try_from(all.len()).unwrap_or(i64::MAX);
    let paging = Paging::asked_of(query, PER_PAGE, total);
    let address = |order: Order, number| match number {
        1 => shell.path(&format!("/my/tokens?sort={}", order.as_str())),
        number => shell.path(&format!("/my/tokens?sort={}&page={number}", order.as_str())),
    };
    let notices = [Flash::TokenRevoked, Flash::TokenGone];
    let shown = ListPage {
        count: paging.count(total, ("access token", "access tokens")),
        orders: Order::ALL.map(|it| OrderChoice::new(address(it, 1), it, order)).into(),
        idle: idle(all.iter().filter(|token| token.is_idle).count()),
        full: full(&app, all.len()),
        pager: paging.pager_of(total, |number| address(order, number)),
        tokens: paging.rows(all),
        shell: shell.saying(&request, &notices),
    };
    page(StatusCode::OK, &shown)
}

impl OrderChoice {
    fn new(address: String, order: Order, chosen: Order) -> Self {
        Self { address, label: order.label(), is_chosen: order == chosen }
    }
}

fn idle(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "1 token looks unused".to_owned(),
        several => format!("{several} tokens look unused"),
    }
}

/// Why somebody who has `held` tokens can create no more; empty if they can.
pub(super) fn full(app: &App, held: usize) -> String {
    match KeyPolicy::of(&app.config).most_per_user {
        0 => "Access tokens are turned off on this server.".to_owned(),
        most if held >= most => {
            format!("You have {held} access tokens, the most that one person may have. Revoke one to create another.")
        }
        _ => String::new(),
    }
}
