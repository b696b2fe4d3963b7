//! `/my/tokens`: the list of a person's access tokens, with a search, a filter and an order.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::shown::ShownToken;
use crate::app::App;
use crate::auth::credentials::parameter;
use crate::callers::service_account::AboutServiceAccount;
use crate::callers::session_user::SessionUser;
use crate::http::error::AppError;
use crate::models::keys::account_lookup::{AccountLookup, AccountSeen};
use crate::models::keys::key::Key;
use crate::models::keys::key_request::KeyPolicy;
use crate::models::keys::key_search::{KeyOrder, KeySearch, Standing};
use crate::models::keys::token::{Token, TokenAction};
use crate::models::people::search::FewTexts;
use crate::pages::ending::EndingKey;
use crate::pages::form::{Field, SelectOption, error_summary};
use crate::pages::notices::Banner;
use crate::pages::paging::{OrderChoice, Pager, Paging};
use crate::pages::shell::{Flash, Shell, page};

/// The number of tokens on a page: by default as many as one person may have.
const PER_PAGE: i64 = 100;
/// Among so many tokens, people find one without a search.
const FEW: usize = 5;

#[derive(Template)]
#[template(path = "tokens/list.html")]
struct ListPage {
    shell: Shell,
    /// What the owners of a service account have not yet seen; of a person, *My account* shows it.
    banners: Vec<Banner>,
    /// The tokens of a service account that will be suspended because nobody uses them.
    ending: Vec<EndingKey>,
    /// Whether there are any tokens.
    has_any: bool,
    /// The tokens that were found, on this page.
    tokens: Vec<ShownToken>,
    /// How many tokens were found, and which of them are shown.
    count: String,
    /// Whether the form is shown that searches.
    is_searched: bool,
    search: Field,
    /// The errors about the state.
    state: Field,
    states: Vec<SelectOption>,
    /// The errors about the order.
    sort: Field,
    /// The order, if it is not the usual one.
    sorted: Option<&'static str>,
    orders: Vec<OrderChoice>,
    /// How many tokens are safe to end, in words; empty if none are.
    safe: String,
    /// The path that shows only these; empty if it is this page.
    safe_path: String,
    /// Why no more tokens can be created; empty if they can.
    full: String,
    pager: Pager,
}

/// What the address asks for.
struct Asked {
    /// What was typed, and what is wrong with it.
    search: Field,
    words: Option<FewTexts>,
    /// What is wrong with the state.
    state: Field,
    standing: Option<Standing>,
    /// What is wrong with the order.
    sort: Field,
    order: KeyOrder,
}

impl Asked {
    fn of(query: &str) -> Self {
        let given = |name: &str| parameter(query, name).unwrap_or_default().trim().to_owned();
        let (search, state, sort) = (given("search"), given("state"), given("sort"));
        let (words, of_words) = match FewTexts::words(&search) {
            Ok(words) => (words, Vec::new()),
            Err(too_long) => (None, vec![format!("The search {too_long}")]),
        };
        let (standing, order) = (Standing::of_text(&state), KeyOrder::of_text(&sort));
        let unless = |is_fine: bool, error: &str| if is_fine { Vec::new() } else { vec![error.to_owned()] };
        Self {
            search: Field { value: search, errors: of_words },
            words,
            state: Field {
                errors: unless(standing.is_some() || state.is_empty(), "Choose a state from the list"),
                value: state,
            },
            standing,
            sort: Field {
                errors: unless(order.is_some() || sort.is_empty(), "Choose an order from the list"),
                value: sort,
            },
            order: order.unwrap_or_default(),
        }
    }

    fn is_wrong(&self) -> bool {
        [&self.search, &self.state, &self.sort].iter().any(|field| !field.errors.is_empty())
    }

    fn is_filtered(&self) -> bool {
        !self.search.value.is_empty() || !self.state.value.is_empty()
    }

    /// The search; `None` if something is wrong with it. Nothing is listed then: all tokens would be taken for those that
    /// were found.
    fn search(&self) -> Option<KeySearch> {
        let search = KeySearch { words: self.words.clone(), standing: self.standing, order: self.order };
        (!self.is_wrong()).then_some(search)
    }

    /// The path of a page of the same search in another order.
    fn path(&self, order: KeyOrder, number: i64) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !self.search.value.is_empty() {
            query.append_pair("search", &self.search.value);
        }
        if let Some(standing) = self.standing {
            query.append_pair("state", standing.as_str());
        }
        query.append_pair("sort", order.as_str());
        if number > 1 {
            query.append_pair("page", &number.to_string());
        }
        format!("/my/tokens?{}", query.finish())
    }
}

impl ListPage {
    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[("search", &self.search), ("state", &self.state), ("sort", &self.sort)])
    }

    fn is_wrong(&self) -> bool {
        !self.error_summary().is_empty()
    }
}

/// `GET /my/tokens`, with the parameters `search`, `state`, `sort` and `page`.
///
/// # Errors
/// Returns an error if a query fails. A parameter that is wrong is told on the page, with 422.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SessionUser,
) -> Result<HttpResponse, AppError> {
    let asked = Asked::of(request.query_string());
    let user_id = me.user.id;
    let AccountSeen { keys, unseen, .. } = app.accounts.look_up(AccountLookup { user_id }).await?;
    let keys: Vec<Key> = keys.into_iter().filter(|key| key.action == TokenAction::Access).collect();
    let (held, now) = (keys.len(), app.clock.now());
    // Uses that are still to be written count as well.
    let last_use = |token: &Token| app.recorder.last_use.of(token);
    let is_safe = |key: &&Key| Standing::SafeToEnd.is_of(key, key.last_use(last_use), now);
    let safe_count = keys.iter().filter(is_safe).count();
    let ending = match AboutServiceAccount::of(&request) {
        Some(_) => EndingKey::all_of(&app, &keys).await?,
        None => Vec::new(),
    };
    let found = asked.search().map_or_else(Vec::new, |search| search.find(keys, last_use, now));

    let shell = Shell::of(&app, &request, &session)?;
    let unseen = unseen.into_iter().filter(|_| shell.service_account.is_some());
    let total = i64::try_from(found.len()).unwrap_or(i64::MAX);
    let paging = Paging::asked_of(request.query_string(), PER_PAGE, total);
    let words = match asked.is_filtered() {
        true => ("access token found", "access tokens found"),
        false => ("access token", "access tokens"),
    };
    let address = |order, number| shell.path(&asked.path(order, number));
    let chosen = asked.order;
    let order = |it: KeyOrder| OrderChoice { address: address(it, 1), label: it.label(), is_chosen: it == chosen };
    let notices = [Flash::TokenRevoked, Flash::TokenGone];
    let shown = ListPage {
        banners: unseen.map(|notice| Banner::new(&app, notice)).collect(),
        ending,
        has_any: held > 0,
        count: paging.count(total, words),
        is_searched: held > FEW || asked.is_filtered(),
        states: states(asked.standing),
        sorted: Some(asked.order).filter(|order| *order != KeyOrder::default()).map(KeyOrder::as_str),
        orders: KeyOrder::ALL.map(order).into(),
        safe: safe_to_end(safe_count),
        safe_path: match asked.standing {
            Some(Standing::SafeToEnd) => String::new(),
            _ => format!("/my/tokens?state={}", Standing::SafeToEnd.as_str()),
        },
        full: full(&app, held),
        pager: paging.pager_of(total, |number| address(asked.order, number)),
        tokens: paging.rows(found).iter().map(|key| ShownToken::new(&app, key)).collect(),
        shell: shell.saying(&request, &notices),
        search: asked.search,
        state: asked.state,
        sort: asked.sort,
    };
    page(if shown.is_wrong() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }, &shown)
}

fn states(chosen: Option<Standing>) -> Vec<SelectOption> {
    let chosen = chosen.map(Standing::as_str).unwrap_or_default();
    let all = [("", "All")].into_iter().chain(Standing::ALL.map(|it| (it.as_str(), it.label())));
    all.map(|(value, label)| SelectOption::new(value, label, chosen)).collect()
}

fn safe_to_end(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "1 token is safe to end".to_owned(),
        several => format!("{several} tokens are safe to end"),
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
