//! Whatever bytes a stranger sends to a page, in a cookie, a query, a form or a header: never a 5xx.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::header::HeaderValue;
use rstest::rstest;
use tokio::runtime::Handle;

use super::*;

const PATHS: [&str; 7] =
    ["/login", "/logout", "/my/account", "/my/password", "/my/api_key", "/my/atom_key", "/activity"];
const HEADERS: [&str; 9] = [
    "Cookie",
    "X-Forwarded-For",
    "Origin",
    "Sec-Fetch-Site",
    "User-Agent",
    "Content-Type",
    "If-None-Match",
    "Referer",
    "Accept-Language",
];
/// What parsers stumble over: near to what is right, and far from it.
const PIECES: [&str; 18] = [
    "latchkey=",
    "form_token=",
    "back_url=/",
    "username=",
    "replaces=1",
    "page=",
    "key=",
    "%",
    "%00",
    "%ff",
    "&",
    "=",
    ";",
    "\"",
    "{\"user\":1}",
    "same-origin",
    "application/x-www-form-urlencoded",
    "\u{1F600}",
];

/// Bytes at random, and pieces that look like something.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(&PIECES[..]).prop_map(|piece| piece.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn no_bytes_make_a_page_fail(#[values(Sqlite, Postgres)] db: Db) {
    let site = site_behind_proxy(db).await;
    site.add_user("alice").await;
    let (alice, stranger) = (site.signed_in("alice").await, site.visitor());
    let input = (
        prop::sample::select(&PATHS[..]),
        prop::option::of(prop::sample::select(&["GET", "POST", "PUT"][..])),
        bytes(),
        prop::collection::vec((prop::sample::select(&HEADERS[..]), bytes()), 0..3),
        bytes(),
        any::<bool>(),
    );
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let seen = std::cell::RefCell::new(std::collections::BTreeSet::new());
    let found = runner.run(&input, |(path, method, query, headers, body, signed_in)| {
        let query: String = percent_encoding::percent_encode(&query, percent_encoding::CONTROLS).to_string();
        let query = query.replace(['#', ' ', '"', '<', '>', '\\', '^', '`', '{', '|', '}'], "+");
        let method = Method::from_bytes(method.unwrap_or("POST").as_bytes()).expect("a method");
        let who = if signed_in { &alice } else { &stranger };
        let mut request = who.request(method, &format!("{path}?{query}"));
        request = request.header("Sec-Fetch-Site", "same-origin");
        for (name, value) in headers {
            let Ok(value) = HeaderValue::from_bytes(&value) else { continue };
            request = request.header(name, value);
        }
        if body.len().is_multiple_of(2) {
            request = request.header("Content-Type", "application/x-www-form-urlencoded");
        }
        let answer = tokio::task::block_in_place(|| Handle::current().block_on(page(request.body(body))));
        seen.borrow_mut().insert(answer.status);
        prop_assert!(answer.status < 500, "{}: {}", answer.status, answer.text());
        Ok(())
    });
    found.expect("no 5xx");
    let seen = seen.into_inner();
    assert!(seen.len() > 3, "only {seen:?} was to be seen");
    assert!(site.signed_in("alice").await.is_signed_in().await, "and all goes on");
}
