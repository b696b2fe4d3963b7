//! The two keys that a person has: made, reset, and their secret shown the one time.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::form::PasswordAgain;
use super::moment::Moment;
use super::shell::{Shell, page, see_other};
use crate::app::App;
use crate::callers::confirmation::{Sensitive, asks_again};
use crate::callers::session_user::SessionUser;
use crate::db::DbError;
use crate::http::error::AppError;
use crate::models::event::{EventAction, NewEvent};
use crate::models::keys::token::{Token, TokenAction};

/// The path that shows where the API access key is used.
pub const SERVICES_OF_API_KEY: &str = "/my/api_key/services";

/// What pages show about one kind of key.
pub struct KeyPanel {
    /// What people call it.
    pub name: &'static str,
    /// Where it is made and reset.
    pub path: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Where it is shown what it is used on; `None`: it opens no service.
    pub services: Option<&'static str>,
    /// The key, if there is one.
    pub key: Option<ShownKey>,
    /// Whether keys of this kind work at all.
    pub is_on: bool,
    /// Whether another page asks for the password before one is made.
    pub asks_first: bool,
}

/// A key that there is.
pub struct ShownKey {
    id: i64,
    /// The last four characters of its secret.
    pub hint: String,
    /// When it was made.
    pub created: Moment,
    /// When it was last used; `None`: never, as far as is known.
    pub last_used: Option<Moment>,
    /// Since when that is known, where it is not since the key was made.
    pub recorded_since: Option<Moment>,
}

impl KeyPanel {
    /// The panel of `action`, with the one of `keys` that is of this kind, as others see it.
    pub fn new(app: &App, action: TokenAction, keys: &[Token]) -> Self {
        let (path, purpose) = match action {
            TokenAction::Feeds => ("/my/atom_key", "Lets a feed reader follow your activity."),
            _ => ("/my/api_key", "Lets programs call the API as you."),
        };
        let key = keys.iter().find(|token| token.action == action).map(|token| ShownKey::new(app, token));
        let services = (action == TokenAction::Api).then_some(SERVICES_OF_API_KEY);
        Self { name: action.label(), path, purpose, services, key, is_on: is_on(app, action), asks_first: true }
    }

    /// The same for its owner, in `session`; `None`: there is nothing to be said about it.
    pub fn of_owner(app: &App, action: TokenAction, keys: &[Token], session: &Token) -> Option<Self> {
        let panel = Self { asks_first: asks_again(app, session), ..Self::new(app, action, keys) };
        (panel.is_on || panel.key.is_some()).then_some(panel)
    }

    /// What is said where there is none.
    pub fn missing(&self) -> String {
        format!("Missing an {}", self.name)
    }
}

impl ShownKey {
    fn new(app: &App, token: &Token) -> Self {
        let moment = |time| Moment::new(time, app.clock.now());
        Self {
            id: token.id,
            hint: token.hint.clone(),
            created: moment(token.created_on),
            last_used: app.recorder.last_use.of(token).map(moment),
            recorded_since: token.recorded_since.map(moment),
        }
    }
}

/// Whether keys of this kind work here.
fn is_on(app: &App, action: TokenAction) -> bool {
    action != TokenAction::Api || app.config.api_access_keys
}

/// Asks before a key is reset, or for the password before one is made.
#[derive(Template)]
#[template(path = "key_reset.html")]
struct ResetPage {
    shell: Shell,
    panel: KeyPanel,
    replaces: String,
    password: PasswordAgain,
}

impl ResetPage {
    fn error_summary(&self) -> Vec<(&'static str, String)> {
        self.password.field.errors.iter().map(|error| ("password", error.clone())).collect()
    }
}

const SWITCHED_OFF: AppError =
    AppError::Forbidden("API access keys are switched off here. Make an access token instead, on My account.");

#[derive(Template)]
#[template(path = "key_made.html")]
struct MadePage {
    shell: Shell,
    name: &'static str,
    replaced: bool,
    secret: String,
    /// A command to try the key with.
    curl: Option<String>,
    /// Where a feed reader finds the feed, without the key.
    feed: Option<String>,
}

#[derive(Template)]
#[template(path = "key_unchanged.html")]
struct UnchangedPage {
    shell: Shell,
    panel: KeyPanel,
}

/// Names the key that is to be replaced; empty: there is none yet.
#[derive(Deserialize)]
pub struct KeyForm {
    replaces: String,
}

/// `GET /my/api_key`: asks before a reset.
///
/// # Errors
/// 403 if these keys are switched off; those of the database.
pub async fn ask_api(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SessionUser,
) -> Result<HttpResponse, AppError> {
    ask(&app, &request, &session, &me, TokenAction::Api).await
}

/// `GET /my/atom_key`: asks before a reset.
///
/// # Errors
/// Those of the database.
pub async fn ask_atom(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SessionUser,
) -> Result<HttpResponse, AppError> {
    ask(&app, &request, &session, &me, TokenAction::Feeds).await
}

/// `POST /my/api_key`: makes or resets it, and shows the secret.
///
/// # Errors
/// 403 if these keys are switched off; those of the database; too many wrong passwords, or too many that wait to be
/// hashed.
pub async fn make_api(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<KeyForm>,
) -> Result<HttpResponse, AppError> {
    make(&app, &request, &session, &sensitive, TokenAction::Api).await
}

/// `POST /my/atom_key`: makes or resets it, and shows the secret.
///
/// # Errors
/// Those of the database; too many wrong passwords, or too many that wait to be hashed.
pub async fn make_atom(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<KeyForm>,
) -> Result<HttpResponse, AppError> {
    make(&app, &request, &session, &sensitive, TokenAction::Feeds).await
}

async fn ask(
    app: &App,
    request: &HttpRequest,
    session: &Session,
    me: &SessionUser,
    action: TokenAction,
) -> Result<HttpResponse, AppError> {
    if !is_on(app, action) {
        return Err(SWITCHED_OFF);
    }
    let panel = panel_of(app, me.user.id, action, &me.token).await?;
    let password = PasswordAgain::of(app, &me.token);
    let replaces = panel.key.as_ref().map(|key| key.id.to_string());
    // One is made on the sidebar itself, unless something has to be asked for.
    if replaces.is_none() && !password.is_asked {
        return Ok(see_other(&app.url.path("/my/account")));
    }
    let (shell, replaces) = (Shell::of(app, request, session)?, replaces.unwrap_or_default());
    page(StatusCode::OK, &ResetPage { shell, panel, replaces, password })
}

async fn make(
    app: &App,
    request: &HttpRequest,
    session: &Session,
    sensitive: &Sensitive<KeyForm>,
    action: TokenAction,
) -> Result<HttpResponse, AppError> {
    if !is_on(app, action) {
        return Err(SWITCHED_OFF);
    }
    let Sensitive { user, session: token, form, .. } = sensitive;
    let replaces = match form.replaces.as_str() {
        "" => None,
        id => Some(id.parse().map_err(|_| AppError::BadRequest("The form names no key of yours.".into()))?),
    };
    let user_id = user.id;
    let confirmed = match sensitive.confirm(app, request).await? {
        Ok(confirmed) => confirmed,
        Err(why) => {
            let panel = panel_of(app, user_id, action, token).await?;
            let (shell, replaces) = (Shell::of(app, request, session)?, form.replaces.clone());
            let again = ResetPage { shell, panel, replaces, password: PasswordAgain::refused(why) };
            return page(StatusCode::UNPROCESSABLE_ENTITY, &again);
        }
    };
    let made = confirmed.write(move |tx| {
        let made = Token::issue_in_place_of(tx.connection, user_id, action, replaces, tx.now)?;
        if let Some((token, _)) = &made {
            let what = if replaces.is_some() { EventAction::KeyReset } else { EventAction::KeyCreated };
            NewEvent::of_key(token, what).record(tx)?;
        }
        Ok::<_, DbError>(made)
    });
    let made = made.await??;
    let shell = Shell::of(app, request, session)?;
    let Some((_, secret)) = made else {
        let panel = panel_of(app, user_id, action, token).await?;
        return page(StatusCode::CONFLICT, &UnchangedPage { shell, panel });
    };
    let secret = secret.expose();
    let try_it = || format!("curl -H 'X-Redmine-API-Key: {secret}' {}", app.url.join("/users/current.json"));
    let shown = MadePage {
        shell,
        name: action.label(),
        replaced: replaces.is_some(),
        secret: secret.to_owned(),
        curl: (action == TokenAction::Api).then(try_it),
        feed: (action == TokenAction::Feeds).then(|| app.url.join("/activity.atom?key=KEY")),
    };
    page(StatusCode::OK, &shown)
}

async fn panel_of(app: &App, user_id: i64, action: TokenAction, session: &Token) -> Result<KeyPanel, AppError> {
    let keys = app.database.lookup(move |connection| Token::of_user(connection, user_id, &[action])).await?;
    Ok(KeyPanel { asks_first: asks_again(app, session), ..KeyPanel::new(app, action, &keys) })
}
