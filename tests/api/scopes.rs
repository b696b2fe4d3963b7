//! "The whole matrix of scope × route × method is tested from the table of routes, not from a list by hand."

use latchkey::http::asks::Asks;
use latchkey::models::keys::scope::{Scope, Scopes};
use latchkey::models::keys::token::TokenAction;
use latchkey::models::people::user::User;
use latchkey::server;
use latchkey::server::route::{Answered, At};
use reqwest::{Method, RequestBuilder};
use rstest::rstest;

use crate::support::*;

/// What answers anybody.
const PUBLIC: [&str; 4] = ["/healthz", "/readyz", "/openapi.json", "/revoke.json"];
/// Pages that anybody may open.
const PUBLIC_PAGES: [&str; 14] = [
    "/",
    "/login",
    "/logout",
    "/lost-password",
    "/lost-password/choose",
    "/my",
    "/my/page",
    "/new-address",
    "/revoke",
    "/users",
    "/users/current",
    "/users/new",
    "/users/{id:[0-9]+}",
    "/users/{id:[0-9]+}/edit",
];

/// The addresses that a pattern of the table stands for, with `id` where it has one.
pub fn addresses(pattern: &str, id: i64) -> Vec<String> {
    let with_key = pattern.replace("{key_id:[0-9]+}", "{id}").replace("{service_account}", "{id}");
    let with_id = with_key.replace("{id:[0-9]+}", "{id}").replace("{id}", &id.to_string());
    match with_id.split_once("{format:") {
        Some((before, rest)) => {
            let (formats, after) = rest.split_once('}').expect("the end of the formats");
            formats.split('|').map(|format| format!("{before}{format}{after}")).collect()
        }
        None => vec![with_id],
    }
}

pub fn answered(table: &[At]) -> impl Iterator<Item = (&str, &Answered)> {
    table.iter().flat_map(|at| at.answers().iter().map(move |answered| (at.path(), answered)))
}

/// "every API handler states its scope in its signature"
#[test]
fn every_address_of_the_api_asks_for_a_key_unless_it_is_for_everybody() {
    for (path, Answered { method, asks }) in answered(&server::routes::api()) {
        assert_eq!(*asks == Asks::Nothing, PUBLIC.contains(&path), "{method} {path} asks for {asks:?}");
        let reads = [Method::GET, Method::HEAD].map(|it| it.to_string()).contains(&method.to_string());
        if let Asks::Scope(scope) = asks {
            assert_eq!(scope.as_str().ends_with(":read"), reads, "{method} {path} asks for {scope}");
        }
    }
    for (path, Answered { method, asks }) in answered(&server::routes::questions()) {
        assert_eq!(*asks, Asks::TrustedProxy, "{method} {path}");
    }
}

#[test]
fn every_page_asks_for_a_session_unless_it_is_for_everybody() {
    for (path, Answered { method, asks }) in answered(&server::routes::pages()) {
        let is_expected = match asks {
            Asks::Nothing => PUBLIC_PAGES.contains(&path),
            Asks::Session => !PUBLIC_PAGES.contains(&path),
            // tests/pages/left_open.rs says which.
            Asks::RecentPassword => *method == actix_web::http::Method::POST,
            _ => false,
        };
        assert!(is_expected, "{method} {path} asks for {asks:?}");
    }
}

async fn ask(site: &Site, method: &Method, address: &str, secret: Option<&str>) -> Answer {
    let request = site.request(method.clone(), address).header("Content-Type", "application/json").body("{}");
    let with_key = |request: RequestBuilder, secret| request.header("Authorization", format!("Bearer {secret}"));
    Answer::of(match secret {
        Some(secret) => with_key(request, secret),
        None => request,
    })
    .await
}

/// Whom the request is about: somebody new each time, as some requests delete them.
async fn somebody(site: &Site, number: &mut u32) -> User {
    *number += 1;
    site.add_passwordless_user(&format!("somebody{number}")).await
}

const _: () = assert!(Scope::ALL.len() == 11, "a scope has come or gone: the values below are their numbers");

#[rstest]
#[tokio::test]
async fn a_key_may_do_what_its_scope_says_and_nothing_else(
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)] which: usize,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let scope = Scope::ALL[which];
    // Root gets a key for each operation.
    let site = Site::start_with(db, &["--access-tokens-per-user=1000"]).await;
    let root = site.add_admin("root").await;
    let (mut number, mut refused, mut let_in) = (0, 0, 0);
    let account = site.add_service_account("account", &root).await.id.to_string();
    for (path, Answered { method, asks }) in answered(&server::routes::api()).collect::<Vec<_>>() {
        let method: Method = method.as_str().parse().expect("a method");
        for address in addresses(&path.replace("{service_account}", &account), somebody(&site, &mut number).await.id) {
            // A new one each time: there are requests that end the key that they come with.
            let key = site.add_access_token(&root, scope.as_str(), "30d").await;
            let case = format!("{method} {address} with {scope}");
            let answer = ask(&site, &method, &address, Some(&key.secret)).await;
            match asks {
                Asks::Scope(asked) if Scopes::from(scope).grants(*asked) => {
                    assert!(![401, 403].contains(&answer.status) && answer.status < 500, "{case}: {}", answer.status);
                    assert_eq!(answer.header("X-Latchkey-Token-Expires"), Some("2026-12-24T09:30:00Z"), "{case}");
                    let_in += 1;
                }
                Asks::Scope(asked) => {
                    let challenge = format!(r#"Bearer error="insufficient_scope", scope="{asked}""#);
                    assert_eq!(answer.status, 403, "{case}");
                    assert_eq!(answer.header("WWW-Authenticate"), Some(&*challenge), "{case}");
                    if method != Method::HEAD {
                        assert!(
                            answer.text.contains(&format!("does not have the scope {asked}")),
                            "{case}: {}",
                            answer.text
                        );
                    }
                    refused += 1;
                }
                Asks::AnyKey => assert!([200, 204].contains(&answer.status), "{case}: {}", answer.status),
                Asks::FeedsKey => assert_eq!(answer.status, 401, "{case}"),
                Asks::Nothing | Asks::Session | Asks::RecentPassword | Asks::TrustedProxy => {
                    let stranger = ask(&site, &method, &address, None).await;
                    assert_eq!(answer.status, stranger.status, "{case}");
                }
            }
        }
    }
    let asked_for = |asks| matches!(asks, Asks::Scope(asked) if Scopes::from(scope).grants(asked));
    let opens_some = answered(&server::routes::api()).any(|(_, answered)| asked_for(answered.asks));
    assert!(refused > 0 && (let_in > 0) == opens_some, "{scope}: {refused} refused, {let_in} let in");
}

/// A key opens no page, whatever it may do.
#[rstest]
#[tokio::test]
async fn a_page_asks_who_comes_with_a_key_to_sign_in(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let access = site.add_access_token(&root, &Scopes::ALL.to_string(), "30d").await;
    let api = site.add_key(&root, TokenAction::Api).await;
    for (path, Answered { method, .. }) in answered(&server::routes::pages()).collect::<Vec<_>>() {
        let method: Method = method.as_str().parse().expect("a method");
        for address in addresses(path, root.id) {
            let stranger = ask(&site, &method, &address, None).await;
            for key in [&access, &api] {
                let answer = ask(&site, &method, &address, Some(&key.secret)).await;
                let location = |answer: &Answer| answer.header("Location").map(str::to_owned);
                let case = format!("{method} {address}");
                assert_eq!((answer.status, location(&answer)), (stranger.status, location(&stranger)), "{case}");
            }
        }
    }
}

/// What is classic stays what it was: everything that its owner may do.
#[rstest]
#[tokio::test]
async fn an_api_access_key_and_a_password_have_every_scope(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let mut number = 0;
    for (path, Answered { method, asks }) in answered(&server::routes::api()).collect::<Vec<_>>() {
        let (method, Asks::Scope(_)) = (method.as_str().parse::<Method>().expect("a method"), asks) else { continue };
        let somebody = somebody(&site, &mut number).await;
        for address in addresses(path, somebody.id) {
            let key = site.add_key(&root, TokenAction::Api).await;
            let by_key = ask(&site, &method, &address, Some(&key.secret)).await;
            assert!(![401, 403].contains(&by_key.status), "{method} {address}: {}", by_key.text);
            assert_eq!(by_key.header("X-Latchkey-Token-Expires"), None, "it does not expire");
            let by_password = site.request(method.clone(), &address).basic_auth("root", Some(PASSWORD)).body("{}");
            let by_password = Answer::of(by_password).await;
            assert!(![401, 403].contains(&by_password.status), "{method} {address}: {}", by_password.text);
        }
    }
}
