//! Everybody's keys, for administrators: the list on the page, in the API and on the command line, its files, and several
//! keys suspended, limited or revoked at once.

mod exported;
mod limited;
mod listed;
mod page;
mod plans;
mod revoked;
mod suspended;
mod verdicts;

use latchkey::models::keys::token::TokenAction;
use latchkey::models::people::user::User;

use crate::support::database::TestDatabase;
use crate::support::*;

/// Sets columns of each secret of a key, as SQL.
fn set_key(site: &Site, key: &Key, set: &str) {
    site.database.execute(&format!("UPDATE tokens SET {set} WHERE id = {0} OR key_id = {0}", key.id));
}

/// Adds an access token of a person with this name.
async fn named(site: &Site, user: &User, name: &str, scopes: &str, expiry: &str) -> Key {
    let key = site.add_access_token(user, scopes, expiry).await;
    set_key(site, &key, &format!("name = '{name}'"));
    key
}

/// Adds many access tokens of a person at once. The first is called `key 1`, the others have higher numbers.
fn add_many(database: &TestDatabase, user: &User, count: usize, note: &str) {
    let digest = match database.url.file() {
        Some(_) => "CAST('digest ' || i AS BLOB)",
        None => "convert_to('digest ' || i, 'UTF8')",
    };
    database.execute(&format!(
        "INSERT INTO tokens (user_id, action, digest, hint, created_on, name, note, scopes)
         WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {count})
         SELECT {}, 'access', {digest}, 'wxyz', '2026-01-01 00:00:00', 'key ' || i, '{note}', 'account:read' FROM numbers",
        user.id
    ));
}

async fn works(site: &Site, key: &Key) -> bool {
    site.get_with_key("/my/tokens/current.json", key).await.status == 200
}

/// An administrator with a key that may see everybody's keys, and revoke them as far as they may do no more.
async fn administrator(site: &Site) -> (User, Key) {
    let root = site.add_admin("root").await;
    let key = site.add_key(&root, TokenAction::Api).await;
    (root, key)
}
