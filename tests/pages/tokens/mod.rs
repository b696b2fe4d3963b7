//! *My account → Access tokens*.

mod changed;
mod forms;
mod listed;
mod made;
mod password_again;
mod people;
mod revoked;
mod rotated;
mod searched;
mod shown;
mod summary;

use chrono::TimeDelta;
use latchkey::clock::Timestamp;
use latchkey::models::ids::{KeyId, UserId};
use latchkey::models::keys::key::Key as AccessToken;
use latchkey::models::keys::key_request::{Expiry, Grace, KeyPolicy, NewKey};
use latchkey::models::keys::scope::KeyScopes;
use latchkey::models::keys::token::TokenAction;
use latchkey::models::people::user::User;

use super::*;

/// An access token and its secret, or one of its secrets.
pub(crate) struct Made {
    pub id: i64,
    pub key: Key,
}

impl Made {
    fn of((token, secret): (AccessToken, latchkey::secret::Secret)) -> Self {
        log::note_secret(secret.expose());
        Self { id: token.id, key: Key { id: token.current.id, secret: secret.expose().to_owned() } }
    }

    pub fn path(&self) -> String {
        format!("/my/tokens/{}", self.id)
    }

    pub fn edit_path(&self) -> String {
        format!("{}/edit", self.path())
    }

    fn hint(&self) -> &str {
        &self.key.secret[45..]
    }
}

/// A token of a person, as some program of theirs may have made it, whatever the settings are.
pub(crate) async fn add(site: &Site, user: &User, name: &str, scopes: &str, expiry: Expiry) -> Made {
    let scopes = KeyScopes::of_words(scopes.split_whitespace()).expect("scopes");
    let new = NewKey { name: name.to_owned(), note: String::new(), scopes, expiry: Some(expiry), networks: None };
    let user_id = user.id;
    let policy = KeyPolicy { most_per_user: usize::MAX, usual_lifetime: None, longest_lifetime: None };
    Made::of(site.write(move |tx| AccessToken::make(tx, user_id, &new, &policy)).await)
}

/// The next secret of a token.
pub(crate) async fn rotate(site: &Site, user: &User, id: i64, grace: Grace) -> Made {
    let id = (UserId(user.id), KeyId(id));
    Made::of(site.write(move |tx| AccessToken::rotate(tx, id, grace)).await)
}

/// The tokens that a person has, oldest first.
fn all_of(site: &Site, user: &User) -> Vec<AccessToken> {
    let found =
        site.app.database.read_now(|connection| AccessToken::of_user(connection, user.id, &[TokenAction::Access]));
    found.expect("a query")
}

/// The rows of everybody's access tokens, to see whether anything in them has changed; sessions are used by looking.
fn rows_of_tokens(site: &Site) -> String {
    let all = site.database.dump("tokens");
    all.lines().filter(|line| line.contains(" access ")).map(|line| format!("{line}\n")).collect()
}

/// What a program gets with a secret.
async fn status(site: &Site, made: &Made) -> u16 {
    site.get_with_key("/users/current.json", &made.key).await.status
}

/// Fills in the form and sends it.
async fn create(visitor: &Visitor, fields: &[(&str, &str)]) -> Page {
    let form = visitor.get("/my/tokens/new").await;
    let after = form.value_of("after");
    visitor.post("/my/tokens", &[&[("after", after.as_str())], fields].concat()).await
}

/// The rows of the table, as they read.
fn rows(page: &Page) -> Vec<String> {
    let body = page.html.split_once("<tbody").and_then(|(_, rest)| rest.split_once("</tbody>")).map_or("", |it| it.0);
    let rows = body.split("<tr").skip(1);
    rows.map(|row| Page { status: 0, headers: page.headers.clone(), html: format!("<tr{row}") }.text()).collect()
}

/// Whether the box or disc with that value is there, and chosen.
fn choice(page: &Page, value: &str) -> Option<bool> {
    let inputs = page.html.split("<input").skip(1).filter_map(|input| input.split_once('>'));
    let mut found = inputs.filter(|(input, _)| input.contains(&format!("value=\"{value}\"")));
    found.next().map(|(input, _)| input.ends_with(" checked"))
}

/// What stands in the note.
fn note(page: &Page) -> &str {
    let area = page.html.split_once("<textarea").and_then(|(_, rest)| rest.split_once('>')).expect("a note").1;
    area.split_once("</textarea>").expect("its end").0.trim_start_matches('\n')
}

fn days(days: i64) -> TimeDelta {
    TimeDelta::days(days)
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}
