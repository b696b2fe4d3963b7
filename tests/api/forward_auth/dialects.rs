//! Each dialect reads its own headers and no others, each exactly once.

use reqwest::Method;
use reqwest::header::HeaderValue;
use rstest::rstest;

use super::*;

/// A question of a dialect: its address, method, and headers.
#[derive(Clone)]
struct Asked {
    method: Method,
    address: String,
    headers: Vec<(&'static str, HeaderValue)>,
}

const DIALECTS: [&str; 3] = ["nginx", "forwarded", "envoy"];

/// What asks about `method` at `host` and `address` in `dialect`.
fn question(dialect: &str, method: &str, host: &str, address: &str) -> Asked {
    let header = |name, value: &str| (name, HeaderValue::from_bytes(value.as_bytes()).expect("a header"));
    match dialect {
        "nginx" => Asked {
            method: Method::GET,
            address: "/auth/nginx".into(),
            headers: vec![header("Host", host), header("X-Original-URI", address), header("X-Original-Method", method)],
        },
        "forwarded" => Asked {
            method: Method::GET,
            address: "/auth/forwarded".into(),
            headers: vec![
                header("X-Forwarded-Method", method),
                header("X-Forwarded-Proto", "https"),
                header("X-Forwarded-Host", host),
                header("X-Forwarded-Uri", address),
            ],
        },
        _ => Asked {
            method: method.parse().expect("a method"),
            address: format!("/auth/envoy{address}"),
            headers: vec![header("Host", host)],
        },
    }
}

impl Asked {
    fn by(&self, site: &Site, key: Option<&Key>) -> RequestBuilder {
        let headers = self.headers.iter().map(|(name, value)| {
            (reqwest::header::HeaderName::from_bytes(name.as_bytes()).expect("a name"), value.clone())
        });
        let request = site.request(self.method.clone(), &self.address).headers(headers.collect());
        match key {
            Some(key) => request.bearer_auth(&key.secret),
            None => request,
        }
    }
}

#[rstest]
#[tokio::test]
async fn every_dialect_asks_the_same_of_a_request(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, writes) = with_a_wiki(db).await;
    let reads = site.add_access_token(&alice, "service:wiki:read", "30d").await;
    for dialect in DIALECTS {
        for host in ["wiki.example.org", "WIKI.example.org", "wiki.example.org:8443", "wiki.example.org."] {
            let ask = async |method, key| Answer::of(question(dialect, method, host, "/a?b=c").by(&site, key)).await;
            let answer = ask("POST", Some(&writes)).await;
            assert_eq!((answer.status, identity(&answer).0), (200, "alice"), "{dialect} {host}: {}", answer.text);
            assert_eq!(answer.header("Cache-Control"), Some("no-store"));
            assert_eq!(ask("GET", Some(&reads)).await.status, 200, "{dialect}");
            let refused = ask("DELETE", Some(&reads)).await;
            assert_eq!((refused.status, status(&refused)), (403, 403), "{dialect}");
            let stranger = ask("GET", None).await;
            assert_eq!((stranger.status, status(&stranger)), (401, 401), "{dialect}");
            assert_eq!(stranger.header("Content-Type").map(|it| it.contains("problem")), Some(true), "{dialect}");
        }
        for host in ["files.example.org", "example.org", "wiki.example.org.evil.org", "[::1]", "127.0.0.1"] {
            let answer = Answer::of(question(dialect, "GET", host, "/").by(&site, Some(&writes))).await;
            assert_eq!(status(&answer), 403, "{dialect} {host}: no such service");
        }
        for host in
            ["", "wiki.example.org,evil.org", "wiki example.org", "wiki.example.org:x", "a@wiki.example.org", "[wiki]"]
        {
            let answer = question(dialect, "GET", host, "/").by(&site, Some(&writes)).send().await.expect("an answer");
            // What is no Host at all, the server refuses before.
            assert!(
                answer.status() == 400 || answer.headers().get("X-Latchkey-Status").is_some_and(|it| it == "400"),
                "{dialect} {host}"
            );
        }
    }
}

/// Neither missing nor twice, and not with the headers of another dialect.
#[rstest]
#[tokio::test]
async fn each_header_of_a_dialect_is_there_once(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_a_wiki(db).await;
    for dialect in ["nginx", "forwarded"] {
        let whole = question(dialect, "GET", "wiki.example.org", "/");
        for (at, (name, value)) in whole.headers.iter().enumerate().filter(|(_, (name, _))| *name != "Host") {
            let mut missing = whole.clone();
            missing.headers.remove(at);
            for other in DIALECTS.into_iter().filter(|other| *other != dialect) {
                missing.headers.extend(
                    question(other, "GET", "wiki.example.org", "/")
                        .headers
                        .into_iter()
                        .filter(|(name, _)| *name != "Host"),
                );
            }
            let answer = Answer::of(missing.by(&site, Some(&key))).await;
            assert_eq!(status(&answer), 400, "{dialect} without {name}: {}", answer.text);
            let twice = whole.by(&site, Some(&key)).header(*name, value.clone());
            assert_eq!(status(&Answer::of(twice).await), 400, "{dialect} with {name} twice");
            let mut unreadable = whole.clone();
            unreadable.headers[at].1 = HeaderValue::from_bytes(b"\xff").expect("a header");
            assert_eq!(status(&Answer::of(unreadable.by(&site, Some(&key))).await), 400, "{dialect}: {name}");
        }
        let mut spoofed = whole.by(&site, Some(&key));
        for other in DIALECTS.into_iter().filter(|other| *other != dialect) {
            for (name, value) in question(other, "POST", "files.example.org", "/evil").headers {
                spoofed = if name == "Host" { spoofed } else { spoofed.header(name, value) };
            }
        }
        assert_eq!(status(&Answer::of(spoofed).await), 200, "{dialect} with the headers of the others");
    }
}

/// "Only proxies at trusted addresses are believed; anybody else's question is refused."
#[rstest]
#[tokio::test]
async fn nobody_else_is_answered(#[values(Sqlite, Postgres)] db: Db) {
    for flags in [&[][..], &["--trusted-proxies=10.0.0.0/8,::1"]] {
        let site = Site::start_with(db, flags).await;
        let alice = site.add_user("alice").await;
        add_service(&site, "wiki", "wiki.example.org/", &[("anonymous_reads", "TRUE")]).await;
        let key = site.add_access_token(&alice, "service:wiki:write", "30d").await;
        for dialect in DIALECTS {
            for key in [Some(&key), None] {
                let question = question(dialect, "GET", "wiki.example.org", "/").by(&site, key);
                let answer = Answer::of(question.header("X-Forwarded-For", "10.0.0.1")).await;
                assert_eq!(answer.status, 403, "{dialect}");
                assert!(answer.text.contains("Only proxies that LATCHKEY_TRUSTED_PROXIES names"), "{}", answer.text);
                assert_eq!(answer.header("X-Latchkey-User"), None);
            }
        }
        assert_eq!(site.recorded_use(&key), None);
    }
}

/// A proxy that is trusted to ask also passes on visitors of Latchkey's own pages, with headers of their choice. They
/// come by Latchkey's host, and questions by that of a service.
#[rstest]
#[tokio::test]
async fn a_visitor_who_comes_through_the_proxy_is_not_answered(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &[TRUSTING[0], "--url=https://keys.example.org:8443/keys"]).await;
    let alice = site.add_user("alice").await;
    add_service(&site, "wiki", "wiki.example.org/", &[("anonymous_reads", "TRUE")]).await;
    // Not even if somebody added a service there.
    add_service(&site, "own", "keys.example.org/", &[("anonymous_reads", "TRUE")]).await;
    let key = site.add_access_token(&alice, "service:wiki:write", "30d").await;
    for dialect in DIALECTS {
        for host in
            ["keys.example.org", "KEYS.example.org", "keys.example.org:8443", "keys.example.org.", "keys.example.org:1"]
        {
            for key in [Some(&key), None] {
                let mut asked = question(dialect, "GET", "wiki.example.org", "/");
                asked.address = format!("/keys{}", asked.address);
                asked.headers.retain(|(name, _)| *name != "Host");
                let answer = Answer::of(asked.by(&site, key).header("Host", host)).await;
                assert_eq!((answer.status, answer.header("X-Latchkey-User")), (403, None), "{dialect} {host}");
                assert!(answer.text.contains("as visitors do"), "{dialect} {host}: {}", answer.text);
            }
        }
    }
    assert_eq!(site.recorded_use(&key), None);
}

/// PHP and others take a dot in a header's name for a hyphen, so the service could read it as ours.
#[rstest]
#[tokio::test]
async fn a_header_that_folds_into_one_of_ours_is_refused(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_a_wiki(db).await;
    for dialect in DIALECTS {
        let ask = async |name: &str| {
            let asked = question(dialect, "GET", "wiki.example.org", "/").by(&site, Some(&key));
            Answer::of(asked.header(name, "root")).await
        };
        for between in "!#$%&'*+.^_`|~".chars() {
            for name in ["X?Latchkey?User", "x-latchkey-user?id", "X-LATCHKEY?SCOPES", "X?Latchkey-Token-Id"] {
                let name = name.replace('?', &between.to_string());
                let answer = ask(&name).await;
                assert_eq!((status(&answer), answer.header("X-Latchkey-User")), (400, None), "{dialect} {name}");
            }
        }
        for name in ["X-Latchkey-User", "X.Other", "X-Latchkeys.User"] {
            let answer = ask(name).await;
            assert_eq!((status(&answer), answer.header("X-Latchkey-User")), (200, Some("alice")), "{dialect} {name}");
        }
    }
}

/// "for nginx, which knows only 401 and 403, status and reason in headers that the documented file maps back"
#[rstest]
#[tokio::test]
async fn nginx_is_told_in_headers_what_it_cannot_pass_on(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_a_wiki(db).await;
    let answer = by_key(&site, "GET", "wiki.example.org/a/../b", &key).await;
    assert_eq!((answer.status, answer.header("X-Latchkey-Status")), (403, Some("400")));
    assert_eq!(answer.header("X-Latchkey-Reason"), Some("The path of the request is refused: it has dot segments."));
    let answer = Answer::of(asked(&site, "GET", "wiki.example.org/")).await;
    assert_eq!((answer.status, answer.header("X-Latchkey-Status")), (401, Some("401")));
    assert_eq!(answer.header("X-Latchkey-User"), None, "no identity where nobody is let in");
    site.database.execute("ALTER TABLE services RENAME TO away");
    let answer = by_key(&site, "GET", "wiki.example.org/", &key).await;
    assert_eq!((answer.status, answer.header("X-Latchkey-Status")), (403, Some("503")));
    site.database.execute("ALTER TABLE away RENAME TO services");
}

/// Where Latchkey has a path of its own, the questions are below it.
#[rstest]
#[tokio::test]
async fn questions_are_asked_below_the_base_path(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &[TRUSTING[0], "--url=http://keys.example.org/keys"]).await;
    let alice = site.add_user("alice").await;
    add_service(&site, "wiki", "wiki.example.org/docs", &[]).await;
    let key = site.add_access_token(&alice, "service:wiki:read", "30d").await;
    for (address, expected) in [("/docs/a", 200), ("/a", 403), ("/docs%2Fa", 400)] {
        for dialect in DIALECTS {
            let mut asked = question(dialect, "GET", "wiki.example.org", address);
            asked.address = format!("/keys{}", asked.address);
            assert_eq!(status(&Answer::of(asked.by(&site, Some(&key))).await), expected, "{dialect} {address}");
        }
    }
}
