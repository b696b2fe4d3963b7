//! `/my/service-accounts`: the service accounts that a person owns, each with its keys.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::app::App;
use crate::callers::service_account::path_of;
use crate::callers::session_user::SessionUser;
use crate::http::error::AppError;
use crate::models::keys::key::Key;
use crate::models::keys::token::TokenAction;
use crate::models::people::service_account::owned_by;
use crate::models::people::user::User;
use crate::pages::moment::Moment;
use crate::pages::shell::{Shell, page};

#[derive(Template)]
#[template(path = "service_accounts/own.html")]
struct OwnPage {
    shell: Shell,
    accounts: Vec<OwnAccount>,
}

/// A service account, as its owners see it.
struct OwnAccount {
    login: String,
    name: String,
    is_locked: bool,
    /// The path of its tokens.
    path: String,
    /// How many access tokens it has, in words.
    tokens: String,
    /// When any of them was last used.
    last_used: Option<Moment>,
}

impl OwnAccount {
    fn new(app: &App, account: &User, keys: &[Key]) -> Self {
        let uses = keys.iter().filter_map(|key| key.last_use(|token| app.recorder.last_use.of(token)));
        Self {
            login: account.login.clone(),
            name: account.lastname.clone(),
            is_locked: !account.is_active(),
            path: format!("{}/tokens", path_of(account.id)),
            tokens: match keys.len() {
                0 => "no access token".to_owned(),
                1 => "1 access token".to_owned(),
                several => format!("{several} access tokens"),
            },
            last_used: uses.map(|last_use| last_use.on).max().map(|time| Moment::new(time, app.clock.now())),
        }
    }
}

/// `GET /my/service-accounts`
///
/// # Errors
/// Returns an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SessionUser,
) -> Result<HttpResponse, AppError> {
    let owner = me.user.id;
    let owned = app.database.read(move |connection| {
        let accounts = owned_by(connection, owner)?;
        let ids: Vec<i64> = accounts.iter().map(|account| account.id).collect();
        Ok((accounts, Key::of_users(connection, &ids, &[TokenAction::Access])?))
    });
    let (accounts, keys) = owned.await?;
    let keys_of = |account: &User| keys.iter().filter(|key| key.user_id == account.id).cloned().collect::<Vec<_>>();
    let shown = OwnPage {
        shell: Shell::of(&app, &request, &session)?,
        accounts: accounts.iter().map(|account| OwnAccount::new(&app, account, &keys_of(account))).collect(),
    };
    page(StatusCode::OK, &shown)
}
