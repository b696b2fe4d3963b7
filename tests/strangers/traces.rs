//! "No secret is logged, printed (bar the one time it is made), put in a URL by us, in a redirect …, a feed's links or
//! an error." What is logged, `tests/leaks.rs` looks at.

use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef01234567";

/// Whatever stands where a secret may stand, an error does not repeat it.
#[rstest]
#[tokio::test]
async fn no_error_repeats_what_was_presented(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    log::note_secret(SECRET);
    let alice = site.signed_in("alice").await;
    let post = |path: &str| alice.request(Method::POST, path).header("Sec-Fetch-Site", "same-origin");
    let put = |path: &str| site.request(Method::PUT, path).header("X-Redmine-API-Key", SECRET);
    for (what, request) in [
        ("a wrong key in the query", site.get(&format!("/users/current.json?key={SECRET}"))),
        ("in XML", site.get(&format!("/users/current.xml?key={SECRET}"))),
        ("in a header", site.get("/users/current.json").header("X-Redmine-API-Key", SECRET)),
        ("as Bearer", site.get("/users/current.json").bearer_auth(SECRET)),
        ("as Basic's user name", site.get("/users/current.json").basic_auth(SECRET, Some("x"))),
        ("as Basic's password", site.get("/users/current.json").basic_auth("alice", Some(SECRET))),
        ("as an unknown scheme", site.get("/users/current.json").header("Authorization", SECRET)),
        ("as base64 that is not", site.get("/users/current.json").header("Authorization", format!("Basic {SECRET}!"))),
        ("for a feed", site.get(&format!("/activity.atom?key={SECRET}"))),
        ("with an update", put("/my/account.json").body(format!("{{\"user\":\"{SECRET}"))),
        ("for nothing", alice.request(Method::GET, &format!("/nothing-here?key={SECRET}"))),
        ("below nothing", alice.request(Method::GET, &format!("/nothing/{SECRET}"))),
        ("for another method", alice.request(Method::DELETE, &format!("/my/account?key={SECRET}"))),
        ("as a form that is not", post("/my/account").body(SECRET)),
        ("as another key's form", post("/my/api_key").form(&[("replaces", SECRET)])),
        ("as a field too many", post("/my/api_key").form(&[(SECRET, SECRET)])),
        ("as a field twice", post("/my/password").form(&[("password", SECRET), ("password", SECRET)])),
        ("as the form's token", alice.request(Method::POST, "/logout").form(&[("form_token", SECRET)])),
        ("as a wrong password", post("/login").form(&[("username", "alice"), ("password", SECRET)])),
        ("as a new password", post("/my/password").form(&[("password", SECRET), ("new_password", SECRET)])),
    ] {
        let answer = page(request).await;
        assert!((400..500).contains(&answer.status), "{what}: {}", answer.status);
        assert!(!answer.html.contains(SECRET), "{what}: {}", answer.html);
        for (name, value) in &answer.headers {
            assert!(!String::from_utf8_lossy(value.as_bytes()).contains(SECRET), "{what}, in {name}");
        }
    }
}

/// "… a feed's links": what a reader shows and shares of a feed is not secret.
#[rstest]
#[tokio::test]
async fn a_feed_holds_its_key_in_its_own_address_only(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let visitor = site.signed_in("alice").await;
    let secret = visitor.make_key("/my/atom_key", "").await;
    let foreign = site.add_foreign_key(&alice, TokenAction::Feeds, SECRET).await.secret;
    for key in [&secret, &foreign] {
        for _ in 0..2 {
            let feed = Answer::of(site.get(&format!("/activity.atom?key={key}"))).await;
            assert_eq!(feed.status, 200);
            assert!(feed.text.contains("<link"), "{}", feed.text);
            let (before, own) = feed.text.split_once(" href=\"").expect("the link that leads to the feed itself");
            let (own, after) = own.split_once('"').expect("its end");
            assert!(
                before.ends_with("<link rel=\"self\" type=\"application/atom+xml\"") && own.contains("key="),
                "{own}"
            );
            assert!(!before.contains("key=") && !after.contains("key="), "{}", feed.text);
            assert!(!before.contains(key.as_str()) && !after.contains(key.as_str()), "{}", feed.text);
        }
    }
}

/// A page does not hand a key on that stood in its own address: not in a link, a form, or a picture.
#[rstest]
#[tokio::test]
async fn no_page_repeats_the_query_that_it_was_asked_with(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    log::note_secret(SECRET);
    let alice = site.signed_in("alice").await;
    for path in ["/my/account", "/my/password", "/activity", "/nothing-here"] {
        let answer = alice.get(&format!("{path}?key={SECRET}&page=1&notice={SECRET}")).await;
        assert!(!answer.html.contains(SECRET), "{path}");
    }
    let sign_in = site.visitor().get(&format!("/login?key={SECRET}&username={SECRET}&password={SECRET}")).await;
    assert!(!sign_in.html.contains(SECRET));
}
