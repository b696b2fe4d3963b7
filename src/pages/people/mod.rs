//! *People*, for administrators: the list of people, the use of their keys, and changes to their accounts.

pub mod activity;
pub mod add;
pub mod delete;
pub mod edit;
pub mod exempt;
pub mod key;
pub mod list;
pub mod password;
pub mod person;
pub mod status;

use actix_web::HttpRequest;

use super::keys::KeyPanel;
use super::moment::Moment;
use super::shell::{Flash, see_other_with};
use super::tokens::shown::ShownToken;
use crate::app::App;
use crate::callers::mandate::Mandate;
use crate::http::address::id_of;
use crate::http::error::AppError;
use crate::models::keys::key::Key;
use crate::models::keys::token::{Token, TokenAction};
use crate::models::people::administration::PersonChanges;
use crate::models::people::user::{User, UserStatus};

/// Finds the person whose id is in the address.
pub(super) async fn person(app: &App, request: &HttpRequest) -> Result<User, AppError> {
    let id = id_of(request)?;
    app.database.lookup(move |connection| User::find(connection, id)).await?.ok_or(AppError::NotFound)
}

/// The keys and sessions of a person.
struct Holdings {
    /// The API access key and the Atom access key.
    keys: [KeyPanel; 2],
    /// The access tokens, newest first.
    tokens: Vec<ShownToken>,
    /// The latest use of any of the keys, including a use that is not yet written to the database.
    latest_use: Option<Moment>,
    /// The number of sessions.
    sessions: usize,
}

async fn holdings(app: &App, user: &User) -> Result<Holdings, AppError> {
    let user_id = user.id;
    let found = app.database.read(move |connection| {
        let sessions = Token::of_user(connection, user_id, &[TokenAction::Session])?.len();
        Ok((Key::of_user(connection, user_id, &TokenAction::KEYS)?, sessions))
    });
    let (keys, sessions) = found.await?;
    let uses = keys.iter().filter_map(|key| key.last_use(|token| app.recorder.last_use.of(token)));
    let latest_use = uses.map(|last_use| last_use.on).max();
    let access = keys.iter().rev().filter(|key| key.action == TokenAction::Access);
    Ok(Holdings {
        latest_use: latest_use.map(|time| Moment::new(time, app.clock.now())),
        keys: [TokenAction::Api, TokenAction::Feeds].map(|action| KeyPanel::new(app, action, &keys, user)),
        tokens: access.map(|key| ShownToken::of_owner(app, key, user)).collect(),
        sessions,
    })
}

/// Applies `changes` with the authority of `mandate`, and redirects to the person's page, which shows `notice`.
async fn change(
    app: &App,
    mandate: &Mandate,
    user_id: i64,
    changes: PersonChanges,
    notice: Flash,
) -> Result<actix_web::HttpResponse, AppError> {
    mandate.write_about(user_id, move |tx| changes.apply(tx, user_id)).await??;
    Ok(see_other_with(app, &path_of(user_id), notice))
}

/// The path of a person's page.
pub(super) fn path_of(user_id: i64) -> String {
    format!("/admin/users/{user_id}")
}

/// The path of the list of everybody's keys that shows those of the person with this login.
fn list_of_keys(login: &str) -> String {
    let owner = form_urlencoded::Serializer::new(String::new()).append_pair("owner", login).finish();
    format!("/admin/keys?{owner}")
}

/// What people call somebody. A service account has one name.
pub(super) fn full_name(user: &User) -> String {
    format!("{} {}", user.firstname, user.lastname).trim().to_owned()
}

/// The label beside a person's name; `None` for an active account, which needs no label.
pub(super) fn status_label(status: UserStatus) -> Option<&'static str> {
    match status {
        UserStatus::Active => None,
        UserStatus::Registered => Some("Not yet activated"),
        UserStatus::Locked => Some("Locked"),
    }
}
