//! "A stranger cannot, by any header or path of theirs, become somebody or reach another service."

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rstest::rstest;

use super::*;

/// What a stranger has a key for.
#[derive(Clone, Copy, Debug)]
enum Holds {
    Nothing,
    /// A service of another host.
    Board,
    /// Another service of the same host, which everybody may read without one.
    Blog,
}

/// A request of a stranger; a key of theirs stands in `key_header`.
#[derive(Clone, Debug)]
struct Attempt {
    method: &'static str,
    target: String,
    host: &'static str,
    /// What the handshake names.
    server: &'static str,
    headers: Vec<(String, &'static str)>,
    holds: Holds,
    key_header: &'static str,
}

const NAMES: [&str; 20] = [
    "X-Latchkey-User",
    "X-Latchkey-User-Id",
    "X-Latchkey-Token-Id",
    "X-Latchkey-Scopes",
    "X-Latchkey-Status",
    "Authorization",
    "X-API-Key",
    "X-Redmine-API-Key",
    "X-Redmine-Switch-User",
    "Cookie",
    "X-Original-URI",
    "X-Original-Method",
    "X-Forwarded-Uri",
    "X-Forwarded-Host",
    "X-Forwarded-Method",
    "X-Forwarded-Proto",
    "X-Forwarded-For",
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "X-Original-URL",
];

const VALUES: [&str; 14] = [
    "forged",
    "",
    "1",
    "alice",
    "200",
    "Bearer forged",
    "Basic Zm9yZ2VkOmZvcmdlZA==",
    "service:wiki:write",
    "/blog/forged",
    "/",
    "GET",
    WIKI,
    BOARD,
    "latchkey=forged; __Host-latchkey=forged",
];

const PIECES: [&str; 34] = [
    "/",
    "/",
    "/",
    "blog",
    "blog",
    "page",
    "/blog/",
    "/page",
    "..",
    ".",
    "/../",
    "%2e%2e",
    "%2E.",
    "%2f",
    "%2F..",
    "\\",
    "%5c",
    "%252e",
    "%252f",
    "//",
    ";",
    "..;",
    "%00",
    "%0a",
    "%",
    "?",
    "#",
    "&",
    "key=forged",
    "%62log",
    "BLOG",
    "@",
    ":",
    "%e2%80%a5",
];

const BEFORE: [&str; 11] = [
    "",
    "/auth/forwarded",
    "/%61uth/nginx",
    "/aut%68/forwarded",
    "/%61uth/envoy/page",
    "/",
    "/blog",
    "/blog/",
    "http://wiki.example.org",
    "https://board.example.org",
    "http://wiki.example.org/blog",
];

/// A header's name of `NAMES`, with each letter in either case, and one other character for the hyphens, or for some.
fn name() -> impl Strategy<Value = String> {
    let (choices, punctuation) =
        (proptest::collection::vec(any::<bool>(), 24), PUNCTUATION.chars().collect::<Vec<_>>());
    let between = prop_oneof![Just('-'), proptest::sample::select(punctuation)];
    (proptest::sample::select(&NAMES), choices, between).prop_map(|(name, choices, between)| {
        let letters = name.chars().zip(choices).map(|(c, choice)| match (c, choice) {
            ('-', true) => between,
            (c, true) => c.to_ascii_uppercase(),
            (c, false) => c.to_ascii_lowercase(),
        });
        letters.collect()
    })
}

fn attempts() -> impl Strategy<Value = Attempt> {
    use proptest::collection::vec;
    use proptest::sample::select;
    let pieces = vec(select(&PIECES), 0..7).prop_map(|pieces| pieces.concat());
    let target = (select(&BEFORE), pieces).prop_map(|(before, pieces)| format!("{before}{pieces}"));
    let method = select(&["GET", "GET", "GET", "HEAD", "OPTIONS", "POST", "DELETE", "PROPFIND", "get"]);
    let host = select(&[WIKI, WIKI, WIKI, BOARD, "WIKI.example.org:443", "keys.example.org", "127.0.0.1"]);
    let server = select(&[WIKI, WIKI, BOARD, KEYS]);
    let headers = vec((name(), select(&VALUES)), 0..8);
    let holds = prop_oneof![Just(Holds::Nothing), Just(Holds::Board), Just(Holds::Blog)];
    let key_header = select(&["X-API-Key", "X-Redmine-API-Key", "Authorization"]);
    let request = (method, target, host, server, headers);
    (request, holds, key_header).prop_map(|((method, target, host, server, headers), holds, key_header)| Attempt {
        method,
        target,
        host,
        server,
        headers,
        holds,
        key_header,
    })
}

#[rstest]
#[tokio::test]
async fn a_stranger_neither_becomes_somebody_nor_reaches_another_service(
    #[values(Nginx, Caddy, Traefik, Envoy)] via: Via,
) {
    let scene = Scene::start(Sqlite, via).await;
    let (board, blog) = (scene.key("service:board:write").await, scene.key("service:blog:read").await);
    // With a larger number it runs for as long as somebody has the patience.
    let cases = std::env::var("PROPTEST_CASES").map_or(96, |cases| cases.parse().expect("a number"));
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases) });
    let ran = runner.run(&attempts(), |attempt| {
        let key = match attempt.holds {
            Holds::Nothing => None,
            Holds::Board => Some(&board),
            Holds::Blog => Some(&blog),
        };
        let mut request = Request::get(attempt.host, &attempt.target).sending(attempt.method, "");
        if let Some(key) = key {
            let before = if attempt.key_header == "Authorization" { "Bearer " } else { "" };
            request = request.with(attempt.key_header, format!("{before}{}", key.secret));
        }
        request = attempt.headers.iter().fold(request, |request, (name, value)| request.with(name, *value));
        let reply = scene.front.try_send_to(attempt.server, &request);
        let told = reply.iter().flat_map(|reply| &reply.headers).find(|(name, _)| name.starts_with("x-latchkey-user"));
        prop_assert!(told.is_none(), "{told:?}");
        let at_wiki = scene.wiki.arrived();
        prop_assert!(at_wiki.is_empty(), "{at_wiki:?} {reply:?}");
        for arrival in scene.board.arrived() {
            let has_key = matches!(attempt.holds, Holds::Board) && identity(&arrival)[2] == board.id.to_string();
            prop_assert!(has_key && !arrival.shows(&board.secret), "{arrival:?} {reply:?}");
        }
        for arrival in scene.blog.arrived() {
            let told = identity(&arrival);
            let theirs = [scene.alice.login.clone(), scene.alice.id.to_string(), blog.id.to_string()];
            let is_theirs = told[..3] == theirs && told[3] == "service:blog:read";
            let may_be_theirs = matches!(attempt.holds, Holds::Blog);
            prop_assert!(told == anonymous() || (may_be_theirs && is_theirs), "{arrival:?}");
            prop_assert!(arrival.line.split(' ').next().is_some_and(|it| ["GET", "HEAD", "OPTIONS"].contains(&it)));
            let credentials = ["Authorization", "X-API-Key", "X-Redmine-API-Key", "X-Redmine-Switch-User"];
            for gone in credentials.into_iter().chain(OVERRIDES) {
                prop_assert!(arrival.values(gone).is_empty(), "{arrival:?}");
            }
            prop_assert!(!arrival.shows(&board.secret) && !arrival.shows(&blog.secret), "{arrival:?}");
            let cookies = arrival.values("Cookie").concat();
            prop_assert!(!cookies.contains("latchkey="), "{arrival:?}");
        }
        Ok(())
    });
    if let Err(error) = ran {
        panic!("{error}");
    }
    assert_eq!(scene.front.send(&with_key(get("/blog/post"), &blog)).status, 200, "it still works");
    assert_eq!(identity(&scene.blog.arrival())[0], "alice");
}
