//! What every answer says to browsers, whatever went wrong.

use latchkey::auth::throttle::Lane;
use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;

const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action \
                              'self'; base-uri 'none'; frame-ancestors 'none'";

/// "`Referrer-Policy: same-origin`", and of the issue: a strict CSP without inline code, `no-store` where private.
#[rstest]
#[tokio::test]
async fn every_answer_has_the_headers_that_protect_it(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let key = site.add_key(&user, TokenAction::Api).await;
    let feeds = site.add_key(&user, TokenAction::Feeds).await;
    let alice = site.signed_in("alice").await;
    let tag = alice.get("/static/latchkey.css").await.header("ETag").expect("a tag").to_owned();
    let stranger = site.visitor();
    let get = |who: &Visitor, path: &str| who.request(Method::GET, path);
    let post = |who: &Visitor, path: &str| who.request(Method::POST, path).header("Sec-Fetch-Site", "same-origin");
    let mut held = HeldThreads::of(&site).await;
    held.fill_queue(Lane::Stranger);
    for (status, what, request) in [
        (200, "a page", get(&alice, "/my/account")),
        (200, "a page's head", alice.request(Method::HEAD, "/my/account")),
        (200, "the sign-in page", get(&stranger, "/login")),
        (200, "a file", get(&stranger, "/static/latchkey.js")),
        (200, "the API", site.get("/users/current.json").header("X-Redmine-API-Key", &key.secret)),
        (200, "the API in XML", site.get("/my/account.xml").header("X-Redmine-API-Key", &key.secret)),
        (200, "a feed", site.get(&format!("/activity.atom?key={}", feeds.secret))),
        (200, "health", site.get("/healthz")),
        (200, "readiness", site.get("/readyz")),
        (
            204,
            "an update",
            site.request(Method::PUT, "/my/account.json").header("X-Redmine-API-Key", &key.secret).body("{}"),
        ),
        (302, "sign in first", get(&stranger, "/my/account")),
        (303, "a redirect", get(&alice, "/")),
        (304, "a file that is known", get(&stranger, "/static/latchkey.css").header("If-None-Match", tag)),
        (400, "a bad form", post(&alice, "/my/api_key").form(&[("x", "y")])),
        (
            400,
            "bad JSON",
            site.request(Method::PUT, "/my/account.json").header("X-Redmine-API-Key", &key.secret).body("{"),
        ),
        (401, "no key", site.get("/users/current.json")),
        (401, "no feed", site.get("/activity.atom")),
        (403, "a form from elsewhere", alice.request(Method::POST, "/logout").header("Origin", "http://evil.example")),
        (404, "nothing", get(&alice, "/nothing-here")),
        (404, "no file", get(&stranger, "/static/nothing-here")),
        (405, "another method", alice.request(Method::DELETE, "/my/account")),
        (405, "another method of the API", site.request(Method::POST, "/users/current.json")),
        (405, "another method on health", site.request(Method::POST, "/healthz")),
        (409, "nothing made", post(&alice, "/my/api_key").form(&[("replaces", "")])),
        (413, "too much", post(&alice, "/my/account").form(&[("firstname", "x".repeat(70_000))])),
        (422, "a broken rule", post(&alice, "/my/account").form(&[("firstname", "")])),
        (503, "no time to hash", post(&stranger, "/login").form(&[("username", "a"), ("password", "bcdefghi")])),
    ] {
        let answer = page(request).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        assert_eq!(answer.header("Referrer-Policy"), Some("same-origin"), "{what}");
        assert_eq!(answer.header("Content-Security-Policy"), Some(CONTENT_POLICY), "{what}");
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"), "{what}");
        assert_eq!(answer.header("X-Frame-Options"), Some("DENY"), "{what}");
        assert_eq!(answer.header("X-Request-Id").map(str::len), Some(17), "{what}");
        let is_file = what.starts_with("a file");
        assert_eq!(answer.header("Cache-Control"), Some(if is_file { "no-cache" } else { "no-store" }), "{what}");
        assert!(answer.header("Server").is_none() && answer.header("X-Powered-By").is_none(), "{what}");
        let typed = answer.header("Content-Type").is_some();
        assert!(typed || answer.html.is_empty(), "{what} has a body of no type");
        assert!(answer.html.is_empty() || answer.header("Content-Length").is_some(), "{what}");
    }
    held.release().await;
}

/// Once seen by https, a browser comes by https only; by http it must still be let in.
#[rstest]
#[tokio::test]
async fn with_https_every_answer_asks_for_https_from_then_on(#[values(Sqlite, Postgres)] db: Db) {
    let paths =
        ["/login", "/my/account", "/healthz", "/users/current.json", "/static/latchkey.css", "/nothing", "/auth/nginx"];
    for (url, policy) in [("https://keys.example.org", Some("max-age=31536000")), ("http://keys.example.org", None)] {
        let site = Site::start_with(db, &[&format!("--url={url}")]).await;
        for path in paths {
            let answer = site.visitor().get(path).await;
            assert_eq!(answer.header("Strict-Transport-Security"), policy, "{url}{path}");
        }
    }
}

/// Every request has an id of its own.
#[rstest]
#[tokio::test]
async fn no_two_answers_have_the_same_id(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let visitor = site.visitor();
    let mut ids = std::collections::HashSet::new();
    for _ in 0..20 {
        // What a client calls its request is not taken over.
        let request = visitor.request(Method::GET, "/login").header("X-Request-Id", "mine");
        ids.insert(page(request).await.header("X-Request-Id").expect("an id").to_owned());
    }
    assert_eq!(ids.len(), 20);
    assert!(!ids.contains("mine"));
}

/// "strict CSP without inline code": nothing on a page depends on what the policy forbids.
#[rstest]
#[tokio::test]
async fn no_page_has_code_or_style_inside(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let stranger = site.visitor();
    let made = alice.post("/my/api_key", &[("replaces", "")]).await;
    made.secret();
    let id = alice.get("/my/api_key").await.value_of("replaces");
    for (what, page) in [
        ("sign in", stranger.get("/login").await),
        ("a slip", stranger.try_sign_in("alice", "a-wrong-password").await),
        ("account", alice.get("/my/account").await),
        ("errors", alice.post("/my/account", &[]).await),
        ("made", made),
        ("asks", alice.get("/my/api_key").await),
        ("asks before the end", alice.get("/my/api_key/revoke").await),
        ("asks how long", alice.get(&format!("/my/tokens/{id}/suspend")).await),
        ("networks", alice.get(&format!("/my/tokens/{id}/networks")).await),
        ("nothing made", alice.post("/my/api_key", &[("replaces", "")]).await),
        ("password", alice.get("/my/password").await),
        ("activity", alice.get("/activity").await),
        ("sign out", alice.get("/logout").await),
        ("not found", alice.get("/nothing-here").await),
    ] {
        assert!(page.html.contains("</html>"), "{what}");
        for tag in page.html.split('<').skip(1).filter_map(|it| it.split('>').next()) {
            let words = tag.split_whitespace();
            let inline = words.clone().any(|word| word.starts_with("on") || word.starts_with("style="));
            assert!(!inline && !tag.starts_with("style") && !tag.contains("javascript:"), "{what}: <{tag}>");
            assert!(!tag.starts_with("script") || tag.contains(" src=\"/static/"), "{what}: <{tag}>");
            assert!(!tag.contains("src=\"http") && !tag.contains("href=\"http"), "{what}: <{tag}>");
        }
    }
}
