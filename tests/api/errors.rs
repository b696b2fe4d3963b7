//! What a program is told when something is wrong, in its own format.

use latchkey::models::keys::token::TokenAction;
use reqwest::Method;
use rstest::rstest;

use crate::support::*;

/// "The right error format for the client": the ending of the address says it.
#[rstest]
#[tokio::test]
async fn an_error_comes_in_the_format_of_the_address(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let xml =
        |text| format!(r#"<?xml version="1.0" encoding="UTF-8"?><errors type="array"><error>{text}</error></errors>"#);
    let json = |text| format!(r#"{{"errors":["{text}"]}}"#);
    let needed = "Send an API access key, or a login and password.";
    let wrong = "The key is missing, wrong or no longer valid.";
    let nothing = "This address does not exist.";
    for (address, status, media_type, body) in [
        ("/users/current.json", 401, "application/json; charset=utf-8", json(needed)),
        ("/users/current.xml", 401, "application/xml; charset=utf-8", xml(needed)),
        ("/my/account.json?key=wrong", 401, "application/json; charset=utf-8", json(wrong)),
        ("/my/account.xml?key=wrong", 401, "application/xml; charset=utf-8", xml(wrong)),
        ("/activity.atom", 401, "text/plain; charset=utf-8", wrong.to_owned()),
        ("/nothing.json", 404, "application/json; charset=utf-8", json(nothing)),
        ("/nothing/here.xml", 404, "application/xml; charset=utf-8", xml(nothing)),
        ("/nothing%0Ahere.json", 404, "application/json; charset=utf-8", json(nothing)),
        ("/users/current.json/", 401, "application/json; charset=utf-8", json(needed)),
        ("/users/current.txt", 404, "text/html; charset=utf-8", String::new()),
        ("/users/nobody.json", 404, "application/json; charset=utf-8", json(nothing)),
    ] {
        let answer = Answer::of(site.get(address)).await;
        assert_eq!(answer.status, status, "{address}");
        assert_eq!(answer.header("Content-Type"), Some(media_type), "{address}");
        if media_type.starts_with("text/html") {
            assert!(answer.text.contains(nothing), "{address}: {}", answer.text);
        } else {
            assert_eq!(answer.text, body, "{address}");
        }
    }
    let bearer = Answer::of(site.get("/users/current.json").bearer_auth("wrong")).await;
    assert_eq!(bearer.text, json("The token is wrong or no longer valid."));
}

/// Other methods: 405, which names those that are answered.
#[rstest]
#[tokio::test]
async fn other_methods_are_refused_with_those_that_are_allowed(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let told = r#"{"errors":["This address does not support this method."]}"#;
    for (address, allowed) in [
        ("/users/current.json", "GET, HEAD"),
        ("/users/current.xml", "GET, HEAD"),
        ("/my/account.json", "GET, HEAD, PUT"),
        ("/my/account.xml", "GET, HEAD, PUT"),
        ("/activity.atom", "GET, HEAD"),
        ("/healthz", "GET, HEAD"),
        ("/readyz", "GET, HEAD"),
    ] {
        for method in ["POST", "PATCH", "DELETE", "OPTIONS", "PUT", "BREW"] {
            if allowed.contains(method) {
                continue;
            }
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let request = site.request(method.clone(), address).header("X-Redmine-API-Key", &key.secret);
            let answer = Answer::of(request.body("{}")).await;
            assert_eq!((answer.status, answer.header("Allow")), (405, Some(allowed)), "{method} {address}");
            if address.ends_with(".json") {
                assert_eq!(answer.text, told, "{method} {address}");
            }
        }
    }
    assert_eq!(site.recorded_use(&key), None, "nothing was authenticated");
}

/// "Body […] limits": 413 for what is larger than anything that is accepted here.
#[rstest]
#[tokio::test]
async fn a_body_that_is_too_large_is_refused(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let put = |address: &str| site.request(Method::PUT, address).header("X-Redmine-API-Key", &key.secret);
    let fits = format!(r#"{{"user":{{"firstname":"Ann"}}}}{}"#, " ".repeat(60_000));
    assert_eq!(Answer::of(put("/my/account.json").body(fits)).await.status, 204);
    let large = format!(r#"{{"user":{{"firstname":"Eve"}}}}{}"#, " ".repeat(64 * 1024));
    let told = "The request is too large.";
    let json = Answer::of(put("/my/account.json").body(large.clone())).await;
    assert_eq!((json.status, json.text.as_str()), (413, format!(r#"{{"errors":["{told}"]}}"#).as_str()));
    let xml = Answer::of(put("/my/account.xml").body(large)).await;
    assert_eq!(xml.status, 413);
    let errors = format!(r#"<errors type="array"><error>{told}</error></errors>"#);
    assert_eq!(xml.text, format!(r#"<?xml version="1.0" encoding="UTF-8"?>{errors}"#));
    assert_eq!(site.user("alice").firstname, "Ann");
}

/// Who asks comes first: a stranger is told nothing else, and a key that sends too much has been used.
#[rstest]
#[tokio::test]
async fn a_body_that_is_too_large_is_looked_at_after_the_key(#[values(Sqlite, Postgres)] db: Db) {
    for (body, status) in [("x".repeat(70_000), 413), ("{".to_owned(), 400)] {
        let site = Site::start(db).await;
        let alice = site.add_user("alice").await;
        let key = site.add_key(&alice, TokenAction::Api).await;
        let put = || site.request(Method::PUT, "/my/account.json").body(body.clone());
        assert_eq!(Answer::of(put()).await.status, 401, "a stranger, before {status}");
        assert_eq!(Answer::of(put().header("X-Redmine-API-Key", "wrong")).await.status, 401, "before {status}");
        assert_eq!(Answer::of(put().header("X-Redmine-API-Key", &key.secret)).await.status, status);
        assert!(site.recorded_use(&key).is_some(), "a first use is durable before the answer, {status} or not");
    }
}
