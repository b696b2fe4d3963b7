//! `/users` for administrators, "in JSON and XML as Redmine's REST API has it where it concerns accounts".

mod changed;
mod created;
mod deleted;
mod listed;
mod not_allowed;
mod shown;

use latchkey::models::keys::token::TokenAction;
use reqwest::{Method, RequestBuilder};

use crate::support::*;

/// A site with the administrator `root`, and her key.
async fn with_admin(db: Db) -> (Site, Key) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let key = site.add_key(&root, TokenAction::Api).await;
    (site, key)
}

/// A request with a body in the format that the address ends in.
fn send(site: &Site, key: &Key, method: Method, address: &str, body: &str) -> RequestBuilder {
    let request = site.request(method, address).header("X-Redmine-API-Key", &key.secret);
    let media_type = if address.ends_with(".xml") { "application/xml" } else { "application/json" };
    request.header("Content-Type", media_type).body(body.to_owned())
}

async fn put(site: &Site, key: &Key, address: &str, body: &str) -> Answer {
    Answer::of(send(site, key, Method::PUT, address, body)).await
}

async fn post(site: &Site, key: &Key, address: &str, body: &str) -> Answer {
    Answer::of(send(site, key, Method::POST, address, body)).await
}

async fn delete(site: &Site, key: &Key, address: &str) -> Answer {
    Answer::of(site.request(Method::DELETE, address).header("X-Redmine-API-Key", &key.secret)).await
}

/// What stands in the activity of somebody who can sign in, latest first, without what signing in and keys add.
async fn activity(site: &Site, login: &str) -> Vec<String> {
    activity_of(&site.signed_in(login).await).await
}

async fn activity_of(visitor: &Visitor) -> Vec<String> {
    let page = visitor.get("/activity").await;
    let heads = page.html.split("<td role=\"cell\" class=\"what\"><strong>").skip(1);
    let heads = heads.map(|rest| rest.split_once("</strong>").expect("an end").0.to_owned());
    heads.filter(|head| head != "Signed in" && !head.ends_with("first used")).collect()
}
