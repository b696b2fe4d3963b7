//! "Secrets and strangers": what the design promises about those who have no business here, line by line.

mod any_bytes;
mod back_url;
mod client_address;
mod connections;
mod cookies;
mod forms;
mod guessing;
mod guests;
mod hashing_threads;
mod headers;
mod invisible;
mod new_passwords;
mod overlaps;
mod passwords;
mod remembered_passwords;
mod secrets;
mod secrets_shown_once;
mod spelled_addresses;
mod throttling;
mod traces;

use reqwest::Method;

use crate::support::visitor::page;
use crate::support::*;

/// A site that trusts its proxy, this machine: `X-Forwarded-For` says where a request is from.
async fn site_behind_proxy(db: Db) -> Site {
    Site::start_with(db, &["--trusted-proxies=127.0.0.1"]).await
}

/// Tries to sign in on the page, from `address`.
async fn sign_in_from(site: &Site, address: &str, login: &str, password: &str) -> Page {
    log::note_secret(password);
    let request = site.visitor().request(Method::POST, "/login").header("X-Forwarded-For", address);
    let form = [("username", login), ("password", password)];
    page(request.header("Sec-Fetch-Site", "same-origin").form(&form)).await
}

/// Calls the API with login and password, from `address`.
async fn basic_from(site: &Site, address: &str, login: &str, password: &str) -> Answer {
    log::note_secret(password);
    let request = site.get("/users/current.json").header("X-Forwarded-For", address);
    Answer::of(request.basic_auth(login, Some(password))).await
}
