//! The life of a key, whoever asks for what happens to it: a page, a program or the command line.

mod activity;
mod end_of_day;
mod expiry;
mod last_client;
mod leaked;
mod networks;
mod rotation;
mod settings;
mod suspended;
mod suspended_model;
mod switch_user;
mod unused;
mod verdict;

use latchkey::models::ids::{KeyId, UserId};
use latchkey::models::keys::key::Key as OwnedKey;
use latchkey::models::keys::key_request::Grace;
use latchkey::models::people::user::User;

use crate::support::*;

const ADDRESS: &str = "/users/current.json";

/// Gives a key of a person another secret.
async fn rotate(site: &Site, user: &User, key: &Key, grace: Grace) -> Key {
    let id = (UserId(user.id), KeyId(key.id));
    let (rotated, secret) = site.write(move |tx| OwnedKey::rotate(tx, id, grace)).await;
    log::note_secret(secret.expose());
    Key { id: rotated.id, secret: secret.expose().to_owned() }
}

/// The key as its owner has it; `None`: it is gone.
fn owned(site: &Site, user: &User, key: &Key) -> Option<OwnedKey> {
    site.app.database.read_now(|connection| OwnedKey::find(connection, user.id, key.id)).expect("a query")
}

async fn status(site: &Site, key: &Key) -> u16 {
    site.get_with_key(ADDRESS, key).await.status
}

/// What stands in a person's activity about keys, latest first, with what is said beside it.
fn told(site: &Site, user: &User) -> Vec<(String, String)> {
    use latchkey::models::event::Event;
    let events = site.app.database.read_now(|connection| Event::latest(connection, user.id, 0, 1000)).expect("events");
    let events = events.into_iter().filter(|event| event.token_action.is_some());
    events.map(|event| (event.headline(), event.detail.unwrap_or_default())).collect()
}
