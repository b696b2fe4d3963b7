//! `/auth/…`: what reverse proxies are told of the requests that they ask about.

mod admission;
mod credentials;
mod dialects;
mod paths;
mod rates;

use latchkey::models::people::user::User;
use latchkey::models::services::admitted::Admitted;
use latchkey::models::services::settings::ServiceSettings;
use reqwest::RequestBuilder;

use crate::support::*;

/// The test's own address is that of the proxy.
const TRUSTING: &[&str] = &["--trusted-proxies=127.0.0.1"];

async fn trusting(db: Db) -> Site {
    Site::start_with(db, TRUSTING).await
}

/// Adds a service that admits everyone to write, at `place`, such as `wiki.example.org/docs`; `set` changes columns.
async fn add_service(site: &Site, name: &str, place: &str, set: &[(&str, &str)]) {
    let (host, path) = place.split_at(place.find('/').expect("a path"));
    let (readers, writers) = (Admitted::Everyone, Admitted::Everyone);
    let settings = ServiceSettings::new(format!("The {name}"), host);
    site.add_service(name, ServiceSettings { path: path.to_owned(), readers, writers, ..settings }).await;
    for (column, value) in set {
        site.database.execute(&format!("UPDATE services SET {column} = {value} WHERE name = '{name}'"));
    }
}

/// A request to `place` as nginx asks about it.
fn asked(site: &Site, method: &str, place: &str) -> RequestBuilder {
    let (host, path) = place.split_at(place.find('/').expect("a path"));
    let question = site.get("/auth/nginx").header("Host", host);
    question.header("X-Original-URI", path).header("X-Original-Method", method)
}

async fn by_key(site: &Site, method: &str, place: &str, key: &Key) -> Answer {
    Answer::of(asked(site, method, place).bearer_auth(&key.secret)).await
}

/// The status that the proxy is to answer with.
fn status(answer: &Answer) -> u16 {
    match answer.header("X-Latchkey-Status") {
        Some(status) => status.parse().expect("a status"),
        None => answer.status,
    }
}

/// The identity that the service is told: login, key and scopes.
fn identity(answer: &Answer) -> (&str, &str, &str) {
    let header = |name: &str| answer.header(name).expect("an identity header");
    (header("X-Latchkey-User"), header("X-Latchkey-Token-Id"), header("X-Latchkey-Scopes"))
}

/// Alice with a key that may write to the wiki.
async fn with_a_wiki(db: Db) -> (Site, User, Key) {
    let site = trusting(db).await;
    let alice = site.add_user("alice").await;
    add_service(&site, "wiki", "wiki.example.org/", &[]).await;
    let key = site.add_access_token(&alice, "service:wiki:write", "30d").await;
    (site, alice, key)
}
