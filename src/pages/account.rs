//! *My account*: a form for names and email, and the person's keys beside it.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::ending::EndingKey;
use super::form::{Field, PasswordAgain, error_summary};
use super::keys::KeyPanel;
use super::moment::Moment;
use super::notices::Banner;
use super::shell::{Flash, Shell, page, see_other_with};
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::SessionUser;
use crate::http::error::AppError;
use crate::models::keys::account_lookup::{AccountLookup, AccountSeen};
use crate::models::keys::key::Key;
use crate::models::keys::token::{Token, TokenAction};
use crate::models::people::user::{Profile, SaveError, User, UserField};
use crate::models::rules::FieldError;

#[derive(Template)]
#[template(path = "my_account.html")]
struct AccountPage {
    shell: Shell,
    firstname: Field,
    lastname: Field,
    mail: Field,
    password: PasswordAgain,
    sidebar: Sidebar,
    banners: Vec<Banner>,
    /// The mail address that the person has asked for, and the one that they have.
    new_address: Option<(String, String)>,
    /// The keys that will be suspended because nobody uses them.
    ending: Vec<EndingKey>,
}

struct Sidebar {
    login: String,
    created: Moment,
    tokens: TokensPanel,
    api: Option<KeyPanel>,
    atom: Option<KeyPanel>,
}

/// A summary of the person's access tokens.
struct TokensPanel {
    /// The number of access tokens, in words; empty if there are none.
    count: String,
    /// When an access token was last used, by any of its secrets.
    last_used: Option<Moment>,
    /// Whether that access token works.
    works: bool,
}

impl TokensPanel {
    /// Summarizes the access tokens among `keys`.
    fn new(app: &App, keys: &[Key]) -> Self {
        let now = app.clock.now();
        let tokens: Vec<&Key> = keys.iter().filter(|key| key.action == TokenAction::Access).collect();
        let expired = tokens.iter().filter(|key| key.is_expired(now)).count();
        let suspended = tokens.iter().filter(|key| !key.is_expired(now) && key.suspension(now).is_some()).count();
        let last_use = |key: &&Key| key.last_use(|secret| app.recorder.last_use.of(secret)).map(|last_use| last_use.on);
        let uses = tokens.iter().filter_map(|key| Some((last_use(key)?, *key)));
        let last_use = uses.max_by_key(|(on, key)| (*on, key.id));
        let works = last_use.is_some_and(|(_, key)| key.works(now));
        let count = match tokens.len() {
            0 => String::new(),
            1 => "1 access token".to_owned(),
            several => format!("{several} access tokens"),
        };
        let of_them = |some: usize, state: &str| match (some, tokens.len()) {
            (0, _) => String::new(),
            (all, keys) if all == keys => format!(", {state}"),
            (some, _) => format!(", {some} {state}"),
        };
        let count = count + &of_them(suspended, "suspended") + &of_them(expired, "expired");
        Self { count, last_used: last_use.map(|(time, _)| Moment::new(time, now)), works }
    }
}

impl AccountPage {
    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[
            ("firstname", &self.firstname),
            ("lastname", &self.lastname),
            ("mail", &self.mail),
            ("password", &self.password.field),
        ])
    }
}

/// The fields of the form.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct AccountForm {
    firstname: String,
    lastname: String,
    mail: String,
}

/// `GET /my/account`
///
/// # Errors
/// Returns an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SessionUser,
) -> Result<HttpResponse, AppError> {
    let shown = (me.user.profile(), PasswordAgain::default());
    let of_keys = [Flash::ApiKeyRevoked, Flash::AtomKeyRevoked, Flash::KeyGone, Flash::KeySuspended, Flash::KeyResumed];
    let of_address = [
        Flash::AddressConfirmed,
        Flash::AddressForgotten,
        Flash::AddressGone,
        Flash::AddressLinkSent,
        Flash::AddressLinksTooMany,
    ];
    let notices =
        [&[Flash::AccountSaved, Flash::PasswordChanged, Flash::KeyLimited][..], &of_address, &of_keys].concat();
    let shell = Shell::of(&app, &request, &session)?.saying(&request, &notices);
    answer(StatusCode::OK, &app, shell, (&me.user, &me.token), shown, &[]).await
}

/// `POST /my/account`. Only a new mail address asks for the password again.
///
/// # Errors
/// Returns 429 after too many wrong passwords, 503 if the hashing queue is full, or an error if a query fails.
pub async fn save(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<SessionUser, AccountForm>,
) -> Result<HttpResponse, AppError> {
    let AccountForm { firstname, lastname, mail } = sensitive.form.clone();
    let typed = Profile { firstname, lastname, mail }.normalized();
    let (id, before, new) = (sensitive.user.id, sensitive.user.profile(), typed.clone());
    let me: (&User, &Token) = (&sensitive.user, &sensitive.session);
    // Only what differs from `before` is saved.
    let confirmed = match new.mail == before.mail {
        true => Ok(sensitive.without_power()),
        false => sensitive.confirm(&app, &request).await?,
    };
    let mandate = match confirmed {
        Ok(mandate) => mandate,
        Err(why) => {
            let (shell, typed) = (Shell::of(&app, &request, &session)?, (typed, PasswordAgain::refused(why)));
            return answer(StatusCode::UNPROCESSABLE_ENTITY, &app, shell, me, typed, &[]).await;
        }
    };
    match mandate.write(move |tx| new.save(tx, id, &before)).await? {
        Ok(()) => Ok(see_other_with(&app, "/my/account", Flash::AccountSaved)),
        Err(SaveError::Invalid(errors)) => {
            let (shell, typed) = (Shell::of(&app, &request, &session)?, (typed, PasswordAgain::default()));
            answer(StatusCode::UNPROCESSABLE_ENTITY, &app, shell, me, typed, &errors).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn answer(
    status: StatusCode,
    app: &App,
    shell: Shell,
    (user, session): (&User, &Token),
    (profile, password): (Profile, PasswordAgain),
    errors: &[FieldError<UserField>],
) -> Result<HttpResponse, AppError> {
    let AccountSeen { keys, unseen, new_address } = app.accounts.look_up(AccountLookup { user_id: user.id }).await?;
    let sidebar = Sidebar {
        login: user.login.clone(),
        created: Moment::new(user.created_on, app.clock.now()),
        tokens: TokensPanel::new(app, &keys),
        api: KeyPanel::of_owner(app, TokenAction::Api, &keys, user, session),
        atom: KeyPanel::of_owner(app, TokenAction::Feeds, &keys, user, session),
    };
    let page_shown = AccountPage {
        shell,
        firstname: Field::new(profile.firstname, UserField::Firstname, errors),
        lastname: Field::new(profile.lastname, UserField::Lastname, errors),
        mail: Field::new(profile.mail, UserField::Mail, errors),
        password,
        sidebar,
        ending: EndingKey::all_of(app, &keys).await?,
        new_address: new_address.map(|new| (new.address, user.mail.clone())),
        banners: unseen.into_iter().map(|notice| Banner::new(app, notice)).collect(),
    };
    page(status, &page_shown)
}
