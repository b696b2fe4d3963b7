//! *Access tokens*: named keys that can do only what their scopes allow, until they expire.

pub mod edit;
mod form;
pub mod list;
pub mod new;
pub mod revoke;
pub mod rotate;
pub mod shown;
pub mod token;

use actix_web::HttpRequest;

use crate::app::App;
use crate::http::address::id_of;
use crate::http::error::AppError;
use crate::models::keys::key::Key;
use crate::models::keys::scope::Scope;
use crate::models::keys::token::TokenAction;
use crate::secret::Secret;

/// Finds the person's access token whose id is in the address.
async fn token(app: &App, request: &HttpRequest, user_id: i64) -> Result<Key, AppError> {
    let id = id_of(request)?;
    let found = app.database.lookup(move |connection| Key::find(connection, user_id, id)).await?;
    found.filter(|key| key.action == TokenAction::Access).ok_or(AppError::NotFound)
}

/// The path of a token's page.
fn path_of(id: i64) -> String {
    format!("/my/tokens/{id}")
}

/// A command to try a new secret with. If the key may not read the account, the command asks about the key itself, which
/// needs no scope.
fn command_to_try(app: &App, key: &Key, secret: &Secret) -> String {
    let may_read_account = key.scopes.own.grants(Scope::AccountRead);
    let path = if may_read_account { "/users/current.json" } else { "/my/tokens/current.json" };
    format!("curl -H 'Authorization: Bearer {}' {}", secret.expose(), app.url.join(path))
}
