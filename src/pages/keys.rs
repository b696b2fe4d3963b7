//! The API access key and the Atom access key: a person creates and resets them, and sees a secret once.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::form::PasswordAgain;
use super::moment::Moment;
use super::networks::shown::ShownNetworks;
use super::shell::{Shell, page, see_other};
use super::suspension::shown::ShownSuspension;
use super::verdict::{ShownVerdict, used_by};
use crate::app::App;
use crate::callers::confirmation::{Sensitive, asks_again};
use crate::callers::session_user::SessionUser;
use crate::db::DbError;
use crate::http::error::AppError;
use crate::models::event::{EventAction, NewEvent};
use crate::models::keys::key::Key;
use crate::models::keys::token::{Token, TokenAction};
use crate::models::people::user::User;

/// The path of the page that shows where the API access key is used.
pub const SERVICES_OF_API_KEY: &str = "/my/api_key/services";

/// What pages show about one of these two kinds of key.
pub struct KeyPanel {
    /// The name of this kind of key.
    pub name: &'static str,
    /// The path where it is created and reset; `/revoke` follows where it is revoked.
    pub path: &'static str,
    /// What the key is for.
    pub purpose: &'static str,
    /// The path of the page that shows which services it is used on; `None` if this kind opens no service.
    pub services: Option<&'static str>,
    /// The key; `None` if there is none.
    pub key: Option<ShownKey>,
    /// Whether keys of this kind are switched on.
    pub is_on: bool,
    /// Whether another page asks for the password before a key is created.
    pub asks_first: bool,
}

/// A key that exists.
pub struct ShownKey {
    /// The id.
    pub id: i64,
    /// The last four characters of the secret.
    pub hint: String,
    /// When the key was created.
    pub created: Moment,
    /// When the key was last used; `None` if no use is recorded.
    pub last_used: Option<Moment>,
    /// Where the last use came from, in words; `None`: nobody knows.
    pub used_by: Option<String>,
    /// Since when uses have been recorded, if that is later than the creation of the key (as it is for an imported
    /// key).
    pub recorded_since: Option<Moment>,
    /// Whether anybody still uses the key. There always is a verdict; of an access token, too, unless it has expired.
    pub verdict: Option<ShownVerdict>,
    /// Its suspension; `None`: it is not suspended.
    pub suspension: Option<ShownSuspension>,
    /// Where the key may be used from; `None`: anywhere.
    pub networks: Option<ShownNetworks>,
    /// Whether programs can use the key now.
    pub works: bool,
}

impl KeyPanel {
    /// The panel for the kind `action`, with the key of this kind among the `keys` of `owner`, as other people see it.
    pub fn new(app: &App, action: TokenAction, keys: &[Key], owner: &User) -> Self {
        let (path, purpose) = match action {
            TokenAction::Feeds => ("/my/atom_key", "Lets a feed reader follow your activity."),
            _ => ("/my/api_key", "Lets programs call the API as you."),
        };
        let key = keys.iter().find(|key| key.action == action).map(|key| ShownKey::new(app, key, owner));
        let services = action.opens_services().then_some(SERVICES_OF_API_KEY);
        Self { name: action.label(), path, purpose, services, key, is_on: is_on(app, action), asks_first: true }
    }

    /// The panel as the owner `me` sees it in `session`; `None` if there is nothing to show.
    pub fn of_owner(app: &App, action: TokenAction, keys: &[Key], me: &User, session: &Token) -> Option<Self> {
        let panel = Self { asks_first: asks_again(app, session), ..Self::new(app, action, keys, me) };
        (panel.is_on || panel.key.is_some()).then_some(panel)
    }

    /// The text that is shown if there is no key.
    pub fn missing(&self) -> String {
        format!("Missing an {}", self.name)
    }
}

impl ShownKey {
    fn new(app: &App, key: &Key, owner: &User) -> Self {
        let now = app.clock.now();
        let moment = |time| Moment::new(time, now);
        let last_use = key.last_use(|token| app.recorder.last_use.of(token));
        let (evidence, suspension) = (key.evidence(last_use), key.suspension(now));
        Self {
            id: key.id,
            hint: key.current.hint.clone(),
            created: moment(key.created_on),
            last_used: last_use.map(|last_use| moment(last_use.on)),
            used_by: used_by(app, key, last_use),
            recorded_since: evidence.recorded_later().map(moment),
            verdict: Some(ShownVerdict::of(&evidence, now)),
            networks: ShownNetworks::of(key),
            works: is_on(app, key.action) && owner.is_active() && suspension.is_none(),
            suspension: suspension.map(|suspension| ShownSuspension::new(&suspension, now)),
        }
    }
}

/// Whether keys of this kind are switched on.
pub fn is_on(app: &App, action: TokenAction) -> bool {
    action != TokenAction::Api || app.config.api_access_keys
}

/// The page that asks before a key is reset, or for the password before one is created.
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
    AppError::Forbidden("API access keys are turned off on this server. Create an access token on My account instead.");

#[derive(Template)]
#[template(path = "key_made.html")]
struct MadePage {
    shell: Shell,
    name: &'static str,
    replaced: bool,
    secret: String,
    /// A command to try the key with.
    curl: Option<String>,
    /// The address of the feed, with the key.
    feed: Option<String>,
}

#[derive(Template)]
#[template(path = "key_unchanged.html")]
struct UnchangedPage {
    shell: Shell,
    panel: KeyPanel,
}

/// The key to replace; empty if there is none yet. Works as an optimistic lock: a form that is sent twice makes one
/// key.
#[derive(Deserialize)]
pub struct KeyForm {
    replaces: String,
}

/// `GET /my/api_key`: asks before a reset.
///
/// # Errors
/// Returns 403 if API access keys are switched off, or an error if a query fails.
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
/// Returns an error if a query fails.
pub async fn ask_atom(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SessionUser,
) -> Result<HttpResponse, AppError> {
    ask(&app, &request, &session, &me, TokenAction::Feeds).await
}

/// `POST /my/api_key`: creates or resets the key, and shows the secret.
///
/// # Errors
/// Returns 403 if API access keys are switched off, 429 after too many wrong passwords, 503 if the hashing queue is
/// full, or an error if a query fails.
pub async fn make_api(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<SessionUser, KeyForm>,
) -> Result<HttpResponse, AppError> {
    make(&app, &request, &session, &sensitive, TokenAction::Api).await
}

/// `POST /my/atom_key`: creates or resets the key, and shows the secret.
///
/// # Errors
/// Returns 429 after too many wrong passwords, 503 if the hashing queue is full, or an error if a query fails.
pub async fn make_atom(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<SessionUser, KeyForm>,
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
    let panel = panel_of(app, &me.user, action, &me.token).await?;
    let password = PasswordAgain::of(app, &me.token);
    let replaces = panel.key.as_ref().map(|key| key.id.to_string());
    // The sidebar itself creates a first key, unless the password is needed.
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
    sensitive: &Sensitive<SessionUser, KeyForm>,
    action: TokenAction,
) -> Result<HttpResponse, AppError> {
    if !is_on(app, action) {
        return Err(SWITCHED_OFF);
    }
    let Sensitive { user, session: token, form, .. } = sensitive;
    let replaces = match form.replaces.as_str() {
        "" => None,
        id => Some(id.parse().map_err(|_| AppError::BadRequest("The form does not name one of your keys.".into()))?),
    };
    let user_id = user.id;
    let confirmed = match sensitive.confirm(app, request).await? {
        Ok(confirmed) => confirmed,
        Err(why) => {
            let panel = panel_of(app, user, action, token).await?;
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
        let panel = panel_of(app, user, action, token).await?;
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
        feed: (action == TokenAction::Feeds).then(|| app.url.join(&format!("/activity.atom?key={secret}"))),
    };
    page(StatusCode::OK, &shown)
}

/// The panel of one kind, as its owner `me` sees it in `session`.
///
/// # Errors
/// Returns an error if the query fails.
pub(super) async fn panel_of(app: &App, me: &User, action: TokenAction, session: &Token) -> Result<KeyPanel, AppError> {
    let user_id = me.id;
    let keys = app.database.lookup(move |connection| Key::of_user(connection, user_id, &[action])).await?;
    Ok(KeyPanel { asks_first: asks_again(app, session), ..KeyPanel::new(app, action, &keys, me) })
}
