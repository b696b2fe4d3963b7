//! `/admin/users/ID/keys/ID`: one key of a person, where it is used, and how an administrator revokes it.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::{path_of, person};
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::posted_form::NoFields;
use crate::callers::session_user::AdminSession;
use crate::http::address::id_named;
use crate::http::error::AppError;
use crate::models::ids::{KeyId, UserId};
use crate::models::keys::ending::Ending;
use crate::models::keys::key::{Key, KeyRefusal};
use crate::models::keys::list::Owner;
use crate::models::keys::token::TokenAction;
use crate::models::people::user::{User, UserStatus};
use crate::pages::ending::EndingKey;
use crate::pages::form::{PasswordAgain, error_summary};
use crate::pages::keys::is_on;
use crate::pages::service_uses::KeyUses;
use crate::pages::shell::{Flash, Shell, page, see_other_with};
use crate::pages::suspension::shown::Refusals;
use crate::pages::tokens::shown::{Rotation, ShownToken};

/// The results of an action that this page can announce.
const NOTICES: [Flash; 5] =
    [Flash::KeySuspended, Flash::KeyResumed, Flash::KeyLimited, Flash::KeyExempted, Flash::KeyNotExempted];

#[derive(Template)]
#[template(path = "people/key.html")]
struct KeyPage {
    shell: Shell,
    key: ShownToken,
    facts: Facts,
    rotation: Option<Rotation>,
    /// Where the key is used; `None` if keys of its kind open no service.
    uses: Option<KeyUses>,
    /// Who was refused while it was suspended.
    refusals: Refusals,
    /// What becomes of the key if nobody uses it; `None`: keys do not end for that.
    unused: Option<String>,
    /// When it will be suspended for that.
    ending: Option<EndingKey>,
}

#[derive(Template)]
#[template(path = "people/revoke_key.html")]
struct RevokePage {
    shell: Shell,
    key: ShownToken,
    facts: Facts,
    rotation: Option<Rotation>,
    again: PasswordAgain,
}

/// What an administrator is told about a key besides what its owner sees.
pub struct Facts {
    /// The path of the owner's page.
    pub owner_path: String,
    /// The owner's name.
    pub owner: String,
    /// The kind of key.
    pub kind: &'static str,
    /// Why the key does not work although it has not expired; `None` if it does.
    pub refused: Option<&'static str>,
}

impl Facts {
    /// What there is to say about `key` of `owner`.
    pub fn of(app: &App, key: &Key, owner: &Owner) -> Self {
        let refused = match (owner.status == UserStatus::Active, is_on(app, key.action)) {
            (false, _) => Some("Refused: the account is not active"),
            (_, false) => Some("Refused: keys of this kind are turned off on this server"),
            (true, true) => None,
        };
        Self { owner_path: path_of(owner.id), owner: owner.name.clone(), kind: key.action.label(), refused }
    }
}

/// `key` as an administrator sees it.
pub fn shown(app: &App, key: &Key, facts: &Facts) -> ShownToken {
    let shown = ShownToken::new(app, key);
    ShownToken {
        path: format!("{}/keys/{}", facts.owner_path, key.id),
        // Only access tokens have a name.
        name: key.name.clone().unwrap_or_else(|| facts.kind.to_owned()),
        scopes: match key.action {
            TokenAction::Access => shown.scopes,
            TokenAction::Feeds => "Read the activity feed".to_owned(),
            _ => "Everything that its owner may do on the API".to_owned(),
        },
        works: shown.works && facts.refused.is_none(),
        ..shown
    }
}

/// `key` of `owner` as an administrator sees it, and the owner's name.
pub fn shown_to_administrators(app: &App, key: &Key, owner: &User) -> (ShownToken, String) {
    let facts = Facts::of(app, key, &owner.into());
    (shown(app, key, &facts), facts.owner)
}

impl RevokePage {
    fn new(app: &App, shell: Shell, (key, owner): (&Key, &User), again: PasswordAgain) -> Self {
        let facts = Facts::of(app, key, &owner.into());
        Self { shell, key: shown(app, key, &facts), facts, rotation: Rotation::of(app, key), again }
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[("password", &self.again.field)])
    }
}

/// Finds the key whose id is in the address, and its owner.
///
/// # Errors
/// Returns 404 if there is no such person or key, or an error if a query fails.
pub async fn key_of(app: &App, request: &HttpRequest) -> Result<(Key, User), AppError> {
    let (owner, id) = (person(app, request).await?, id_named(request, "key_id")?);
    let user_id = owner.id;
    let key = app.database.lookup(move |connection| Key::find(connection, user_id, id)).await?;
    Ok((key.ok_or(AppError::NotFound)?, owner))
}

/// What becomes of the key with this id if nobody uses it; `None`: keys do not end for that.
async fn unused(app: &App, key_id: i64) -> Result<Option<String>, AppError> {
    let Some(after) = app.config.unused_keys.limit() else { return Ok(None) };
    let ending = app.database.lookup(move |connection| Ending::of_key(connection, key_id)).await?;
    let ends = || format!("Suspended after {} days without a use", after.num_days());
    Ok(Some(ending.exempt_because.map_or_else(ends, |because| format!("Kept: {because}"))))
}

/// `GET /admin/users/ID/keys/ID`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if the person has no such key, or an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    _: AdminSession,
) -> Result<HttpResponse, AppError> {
    let (key, owner) = key_of(&app, &request).await?;
    let facts = Facts::of(&app, &key, &(&owner).into());
    let shown = shown(&app, &key, &facts);
    let shown = KeyPage {
        shell: Shell::of(&app, &request, &session)?.saying(&request, &NOTICES),
        unused: unused(&app, key.id).await?,
        ending: EndingKey::of(&app, &key).await?,
        refusals: Refusals::of(&app, key.id, key.suspension(app.clock.now()).as_ref()).await?,
        uses: KeyUses::of_kind(&app, (key.action, key.id), shown.works, shown.last_used.clone()).await?,
        rotation: Rotation::of(&app, &key),
        key: shown,
        facts,
    };
    page(StatusCode::OK, &shown)
}

/// `GET /admin/users/ID/keys/ID/revoke`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if the person has no such key, or an error if a query fails.
pub async fn ask(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let (key, owner) = key_of(&app, &request).await?;
    let (shell, again) = (Shell::of(&app, &request, &session)?, PasswordAgain::of(&app, &me.token));
    page(StatusCode::OK, &RevokePage::new(&app, shell, (&key, &owner), again))
}

/// `POST /admin/users/ID/keys/ID/revoke`. It asks for the password again as locking does: a browser that an
/// administrator left open must not stop other people's programs.
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if nobody has this id, 429 after too many wrong passwords,
/// 503 if the hashing queue is full, or an error if a query fails.
pub async fn revoke(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, NoFields>,
) -> Result<HttpResponse, AppError> {
    let (owner, id) = (person(&app, &request).await?, id_named(&request, "key_id")?);
    let mandate = match sensitive.confirm(&app, &request).await? {
        Ok(mandate) => mandate,
        Err(why) => {
            let (key, owner) = key_of(&app, &request).await?;
            let shell = Shell::of(&app, &request, &session)?;
            let again = RevokePage::new(&app, shell, (&key, &owner), PasswordAgain::refused(why));
            return page(StatusCode::UNPROCESSABLE_ENTITY, &again);
        }
    };
    let ids = (UserId(owner.id), KeyId(id));
    match mandate.write_about(owner.id, move |tx| Key::revoke(tx, ids)).await? {
        Ok(_) => Ok(see_other_with(&app, &path_of(owner.id), Flash::PersonKeyRevoked)),
        Err(KeyRefusal::Gone) => Ok(see_other_with(&app, &path_of(owner.id), Flash::PersonKeyGone)),
        Err(refusal) => Err(refusal.into()),
    }
}
