//! "No bytes in a header, a query, a body or a cookie ever give a 5xx."
//!
//! Not from strangers, not from people who are signed in: each property sends hundreds of requests, anything and almost
//! right ones, as bytes on the wire. No answer at all, as after a panic, fails too.

mod generators;

use std::collections::BTreeMap;
use std::sync::Mutex;

use latchkey::models::keys::token::TokenAction;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestError, TestRunner};
use rstest::rstest;

use crate::support::wire::{Body, RawAnswer, RawRequest};
use crate::support::*;
use generators::*;

/// Headers that something of ours reads.
const HEADERS: &[&str] = &[
    "Authorization",
    "X-Redmine-API-Key",
    "X-Redmine-Switch-User",
    "Cookie",
    "Content-Type",
    "X-Forwarded-For",
    "User-Agent",
    "Sec-Fetch-Site",
    "Origin",
    "If-None-Match",
    "Accept",
];
const PAGES: &[&str] = &["/", "/login", "/my/account", "/my/password", "/my/api_key", "/my/atom_key", "/activity"];
const API: &[&str] = &["/users/current.json", "/users/current.xml", "/my/account.json", "/my/account.xml"];
const OTHERS: &[&str] = &["/activity.atom", "/healthz", "/readyz", "/static/latchkey.css", "/nothing", "/nothing.json"];

fn addresses() -> impl Strategy<Value = &'static str> {
    select([PAGES, API, OTHERS].concat())
}

/// A site where alice is an admin with a key, bob is signed in, and proxies on this machine are believed.
struct Stormed {
    site: Site,
    key: Key,
    cookie: String,
    seen: Mutex<BTreeMap<u16, u32>>,
}

impl Stormed {
    async fn start(db: Db) -> Self {
        let site = Site::start_with(db, &["--trusted-proxies=127.0.0.1"]).await;
        let alice = site.add_admin("alice").await;
        site.add_user("bob").await;
        let key = site.add_key(&alice, TokenAction::Api).await;
        let mut this = Self { site, key, cookie: String::new(), seen: Mutex::default() };
        this.cookie = this.sign_in();
        this
    }

    /// The cookie of a new session of bob's.
    fn sign_in(&self) -> String {
        let form = format!("username=bob&password={PASSWORD}");
        let answer = self.post("/login", form.into_bytes()).send(&self.site.url).expect("an answer");
        assert_eq!(answer.status, 303, "{}", answer.text);
        let cookie = answer.text.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
        let cookie = cookie.split(';').next().expect("its value").to_owned();
        log::note_secret(cookie.split_once('=').expect("its value").1);
        cookie
    }

    fn post(&self, path: &str, body: Vec<u8>) -> RawRequest {
        let request = RawRequest::get(path).with("Sec-Fetch-Site", "same-origin");
        request.with("Content-Type", "application/x-www-form-urlencoded").sending("POST", body)
    }

    fn signed_in(&self, request: RawRequest) -> RawRequest {
        request.with("Cookie", self.cookie.as_str())
    }

    fn with_key(&self, request: RawRequest) -> RawRequest {
        request.with("X-Redmine-API-Key", self.key.secret.as_str())
    }

    /// Sends requests of a kind; fails with the smallest that is not answered, or by a 5xx. Goes on until each of the
    /// `wanted` statuses has been among the answers: otherwise the requests were not those that were meant.
    fn withstands<S: Strategy>(&self, wanted: &[u16], cases: u32, kind: S, request: impl Fn(S::Value) -> RawRequest) {
        self.withstands_and(wanted, cases, kind, request, |_, _| Ok(()));
    }

    fn withstands_and<S: Strategy>(
        &self,
        wanted: &[u16],
        cases: u32,
        kind: S,
        request: impl Fn(S::Value) -> RawRequest,
        then: impl Fn(&RawRequest, &RawAnswer) -> Result<(), TestCaseError>,
    ) {
        let seen = || self.seen.lock().expect("a count").clone();
        for _ in 0..20 {
            self.withstand(cases, &kind, &request, &then);
            if wanted.iter().all(|status| seen().contains_key(status)) {
                return;
            }
        }
        panic!("{wanted:?} are not all in {:?}", seen());
    }

    fn withstand<S: Strategy>(
        &self,
        cases: u32,
        kind: &S,
        request: impl Fn(S::Value) -> RawRequest,
        then: impl Fn(&RawRequest, &RawAnswer) -> Result<(), TestCaseError>,
    ) {
        let config = Config { cases, failure_persistence: None, max_shrink_iters: 500, ..Config::default() };
        let done = TestRunner::new(config).run(kind, |value| {
            let request = request(value);
            let answer = match (request.send(&self.site.url), &request.body) {
                (Ok(answer), _) => answer,
                // Who hangs up in the middle of a request need not be answered.
                (Err(_), Body::BrokenOff(_)) => return Ok(()),
                (Err(error), _) => return Err(TestCaseError::fail(error)),
            };
            prop_assert!((200..500).contains(&answer.status), "{}", answer.text);
            *self.seen.lock().expect("a count").entry(answer.status).or_default() += 1;
            then(&request, &answer)
        });
        match done {
            Ok(()) => {}
            Err(TestError::Fail(reason, value)) => panic!("{reason}\nto {:?}", request(value)),
            Err(error) => panic!("{error}"),
        }
    }

    /// Nothing is broken, and nothing is left that cannot be written.
    async fn is_well(&self) {
        assert_eq!(self.site.get_with_key("/users/current.json", &self.key).await.status, 200);
        assert_eq!(Answer::of(self.site.get("/readyz")).await.status, 200);
        self.site.flush().await;
        assert_eq!(self.site.app.recorder.last_use.pending_uses(), 0);
    }
}

#[rstest]
#[tokio::test]
async fn no_bytes_in_a_header_give_a_5xx(#[values(Sqlite, Postgres)] db: Db) {
    let stormed = Stormed::start(db).await;
    let headers = || vec((select(HEADERS.to_vec()), header_value()), 0..5);
    let add = |request: RawRequest, headers: Vec<(&str, Vec<u8>)>| {
        headers.into_iter().fold(request, |request, (name, value)| request.with(name, value))
    };
    let method = || select(vec!["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"]);
    stormed.withstands(&[200, 401, 405], 200, (method(), addresses(), headers()), |(method, address, headers)| {
        add(RawRequest { method, ..RawRequest::get(address) }, headers)
    });
    // Behind what is right, so that they come further.
    stormed.withstands(&[200, 412], 100, (select(API.to_vec()), headers()), |(address, headers)| {
        add(stormed.with_key(RawRequest::get(address)), headers)
    });
    stormed.withstands(&[], 100, (select(PAGES.to_vec()), headers()), |(address, headers)| {
        add(stormed.signed_in(RawRequest::get(address)), headers)
    });
    stormed.is_well().await;
}

#[rstest]
#[tokio::test]
async fn no_almost_valid_credentials_give_a_5xx(#[values(Sqlite, Postgres)] db: Db) {
    let stormed = Stormed::start(db).await;
    let key = stormed.key.secret.clone();
    let username = prop_oneof![
        almost(Just(key.clone().into_bytes())),
        Just(b"alice".to_vec()),
        odd_text(20).prop_map(String::into_bytes)
    ];
    let password = prop_oneof![Just(PASSWORD.as_bytes().to_vec()), odd_text(20).prop_map(String::into_bytes)];
    let encoded = (username, password).prop_map(|(username, password)| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode([username, password].join(&b':')).into_bytes()
    });
    let scheme = select(vec![
        "Basic ",
        "Basic ",
        "Basic ",
        "basic\t",
        "BASIC  ",
        "Bearer ",
        "Basic",
        "Digest ",
        "Basic Basic ",
        "",
    ]);
    let value = (scheme, almost(encoded)).prop_map(|(scheme, rest)| {
        let mut value = [scheme.as_bytes(), &rest].concat();
        value.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n')).for_each(|byte| *byte = b' ');
        value
    });
    stormed.withstands(&[401], 100, value, |value| RawRequest::get("/users/current.json").with("Authorization", value));
    let switched = almost(select(vec![b"bob".to_vec(), b"alice".to_vec(), b"nobody".to_vec()]));
    let switched = switched.prop_filter("a line end", |value| !value.iter().any(|byte| matches!(byte, b'\r' | b'\n')));
    stormed.withstands(&[200, 401, 412], 80, switched, |value| {
        stormed.with_key(RawRequest::get("/my/account.xml")).with("X-Redmine-Switch-User", value)
    });
    stormed.is_well().await;
}

#[rstest]
#[tokio::test]
async fn no_bytes_in_an_address_give_a_5xx(#[values(Sqlite, Postgres)] db: Db) {
    let stormed = Stormed::start(db).await;
    let parameter = select(vec!["", "key=", "back_url=", "back_url=/", "page=", "notice=", "key%5B%5D=", "key=lk_"]);
    let queries = || (addresses(), parameter.clone(), target_part());
    let with_query =
        |(address, name, value): (&str, &str, Vec<u8>)| [address.as_bytes(), b"?", name.as_bytes(), &value].concat();
    stormed.withstands(&[], 150, queries(), |parts| RawRequest::get(with_query(parts)));
    stormed.withstands(&[200, 302, 303, 401], 100, queries(), |parts| {
        stormed.signed_in(RawRequest::get(with_query(parts)))
    });
    let beginning =
        || select(vec!["/", "/my/", "/users/current.", "/static/", "/static/latchkey.css", "", "*", "http://x/"]);
    let paths = || (beginning(), target_part());
    let path = |(beginning, rest): (&str, Vec<u8>)| [beginning.as_bytes(), &rest].concat();
    stormed.withstands(&[], 150, paths(), |parts| RawRequest::get(path(parts)));
    stormed.withstands(&[400, 404], 100, paths(), |parts| stormed.signed_in(RawRequest::get(path(parts))));
    stormed.is_well().await;
}

#[rstest]
#[tokio::test]
async fn no_json_gives_a_5xx(#[values(Sqlite, Postgres)] db: Db) {
    let stormed = Stormed::start(db).await;
    saves_what_it_takes(&stormed, json(), "/my/account.json", None);
    stormed.is_well().await;
}

#[rstest]
#[tokio::test]
async fn no_xml_gives_a_5xx(#[values(Sqlite, Postgres)] db: Db) {
    let stormed = Stormed::start(db).await;
    saves_what_it_takes(&stormed, xml(), "/my/account.xml", None);
    stormed.is_well().await;
}

/// Nor in another encoding than UTF-8.
#[rstest]
#[tokio::test]
async fn no_form_of_redmines_and_no_encoding_gives_a_5xx(#[values(Sqlite, Postgres)] db: Db) {
    let stormed = Stormed::start(db).await;
    // Any document that claims to be a form, too: curl says so of everything.
    let form = Some("application/x-www-form-urlencoded");
    saves_what_it_takes(&stormed, prop_oneof![redmine_form(), encoded(json())], "/my/account.json", form);
    saves_what_it_takes(&stormed, encoded(json()), "/my/account.json", None);
    saves_what_it_takes(&stormed, encoded(xml()), "/my/account.xml", None);
    let list = select(vec!["/users.json", "/users.xml", "/users/current.json", "/users/2.xml", "/users"]);
    stormed.withstands(&[200, 400, 422], 300, (list, redmine_form()), |(address, query)| {
        let target = [address.as_bytes(), b"?", &query].concat();
        stormed.with_key(stormed.signed_in(RawRequest::get(target)))
    });
    stormed.is_well().await;
}

#[rstest]
#[tokio::test]
async fn nothing_about_people_gives_a_5xx(#[values(Sqlite, Postgres)] db: Db) {
    let stormed = Stormed::start(db).await;
    let bob = stormed.site.user("bob");
    stormed.site.set_user(&bob, "admin = true");
    let put = |ending: &'static str, body| {
        stormed.with_key(RawRequest::get(format!("/users/{}.{ending}", bob.id))).sending("PUT", body)
    };
    stormed.withstands(&[], 100, json(), |body| put("json", body));
    stormed.withstands(&[204, 400, 422], 100, xml(), |body| put("xml", body));
    stormed.site.set_user(&bob, "admin = true");
    let parameter =
        select(vec!["", "name=", "status=", "offset=", "limit=", "page=", "offset=1&limit=-", "name=%25&page="]);
    let list = select(vec!["/users.json", "/users.xml", "/users/1.json", "/admin/users", "/admin/users/new"]);
    let queries = (list, parameter, target_part());
    stormed.withstands(&[200], 250, queries, |(address, name, value)| {
        let request = RawRequest::get([address.as_bytes(), b"?", name.as_bytes(), &value].concat());
        stormed.with_key(stormed.signed_in(request))
    });
    let path = select(vec!["/admin/users/new", "/admin/users/1/password", "/admin/users/1/unlock"]);
    stormed.withstands(&[303], 100, (path, form()), |(path, body)| stormed.signed_in(stormed.post(path, body)));
    stormed.is_well().await;
}

/// And what is taken can be shown.
#[rstest]
#[tokio::test]
async fn nothing_about_keys_gives_a_5xx(#[values(Sqlite, Postgres)] db: Db) {
    let stormed = Stormed::start(db).await;
    let alice = stormed.site.user("alice");
    let key = stormed.site.add_access_token(&alice, "tokens:write", "30d").await;
    let operations = select(vec![
        ("POST", "/my/tokens.json".to_owned()),
        ("PATCH", format!("/my/tokens/{}.json", key.id)),
        ("POST", format!("/my/tokens/{}/rotate.json", key.id)),
        ("POST", format!("/my/tokens/{}/suspend.json", key.id)),
    ]);
    let name = prop_oneof![2 => Just(None), 1 => "[ab]".prop_map(|it| Some(it.into_bytes())), 1 => header_value().prop_map(Some)];
    stormed.withstands_and(
        &[200, 201, 400, 422],
        400,
        (operations, name, key_json()),
        |((method, address), name, body)| {
            let request = stormed.with_key(RawRequest::get(address)).with("Content-Type", "application/json");
            let request = name.into_iter().fold(request, |request, name| request.with("Idempotency-Key", name));
            request.sending(method, body)
        },
        |_, answer| {
            if answer.text.contains("\"secret\":") {
                let body = answer.text.split_once("\r\n\r\n").expect("a body").1;
                let made: serde_json::Value = serde_json::from_str(body).expect("JSON");
                log::note_secret(made["secret"].as_str().expect("a secret"));
            }
            if answer.status < 300 {
                let list = stormed.with_key(RawRequest::get("/my/tokens.json?limit=100")).send(&stormed.site.url);
                prop_assert_eq!(list.map_err(TestCaseError::fail)?.status, 200);
            }
            Ok(())
        },
    );
    let parameter =
        select(vec!["", "action=", "unused_since=2026-", "expires_before=", "offset=", "limit=", "offset=1&limit="]);
    stormed.withstands(&[], 200, (parameter, target_part()), |(name, value)| {
        stormed.with_key(RawRequest::get([b"/my/tokens.json?", name.as_bytes(), &value].concat()))
    });
    stormed.withstands(&[404], 100, target_part(), |part| {
        stormed.with_key(RawRequest::get([b"/my/tokens/", part.as_slice()].concat()))
    });
    stormed.is_well().await;
}

/// And what is saved can be shown, in both formats.
fn saves_what_it_takes(
    stormed: &Stormed,
    bodies: impl Strategy<Value = Vec<u8>>,
    address: &str,
    media_type: Option<&str>,
) {
    stormed.withstands_and(
        &[204, 400, 422],
        250,
        bodies,
        |body| {
            let request = stormed.with_key(RawRequest::get(address));
            let request = media_type.into_iter().fold(request, |it, media_type| it.with("Content-Type", media_type));
            request.sending("PUT", body)
        },
        |_, answer| {
            if answer.status == 204 {
                let shown = |ending: &str| {
                    let request = stormed.with_key(RawRequest::get(format!("/my/account.{ending}")));
                    let answer = request.send(&stormed.site.url).map_err(TestCaseError::fail)?;
                    prop_assert_eq!(answer.status, 200);
                    Ok(answer.text.split_once("\r\n\r\n").expect("a body").1.to_owned())
                };
                let json: serde_json::Value = serde_json::from_str(&shown("json")?).expect("JSON");
                let xml = xml::Element::parse(&shown("xml")?);
                for field in ["firstname", "lastname", "mail"] {
                    prop_assert_eq!(xml.text_of(field), json["user"][field].as_str().expect("a text"));
                }
            }
            Ok(())
        },
    );
}

#[rstest]
#[tokio::test]
async fn no_bytes_in_a_body_or_its_type_give_a_5xx(#[values(Sqlite, Postgres)] db: Db) {
    let stormed = Stormed::start(db).await;
    let media_type = prop_oneof![
        select(vec![
            "application/json",
            "application/xml; charset=utf-16",
            "text/xml",
            "application/json;;;",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded; charset=shift_jis",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        header_value()
    ];
    let body = || prop_oneof![json(), xml(), form(), vec(any::<u8>(), 0..300)];
    let whole = body().prop_map(Body::Whole);
    let chunked = body().prop_map(|body| {
        let length = format!("{:x}\r\n", body.len()).into_bytes();
        Body::Chunked([length, body, b"\r\n0\r\n\r\n".to_vec()].concat())
    });
    let broken = body().prop_map(Body::BrokenOff);
    let bodies = prop_oneof![3 => whole, 2 => chunked, 1 => broken];
    let address = select(vec!["/my/account.json", "/my/account.xml", "/users/current.json", "/healthz"]);
    stormed.withstands(&[204, 400, 405], 200, (address, media_type, bodies), |(address, media_type, body)| {
        let request = stormed.with_key(RawRequest::get(address)).with("Content-Type", media_type);
        RawRequest { method: "PUT", body, ..request }
    });
    stormed.is_well().await;
}

#[rstest]
#[tokio::test]
async fn no_bytes_in_a_posted_form_give_a_5xx(#[values(Sqlite, Postgres)] db: Db) {
    let stormed = Stormed::start(db).await;
    let media_type = select(vec![
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/x-www-form-urlencoded; charset=nonsense",
        "text/plain",
        "",
    ]);
    let paths = || select(vec!["/my/account", "/my/password", "/my/api_key", "/my/atom_key", "/logout"]);
    stormed.withstands(&[303, 400, 422], 150, (paths(), form()), |(path, form)| {
        // Signing out is done once: with a session of its own.
        let cookie = if path == "/logout" { stormed.sign_in() } else { stormed.cookie.clone() };
        stormed.post(path, form).with("Cookie", cookie)
    });
    let anywhere =
        select(vec!["/login", "/my/account", "/my/password", "/my/api_key", "/logout", "/activity", "/nothing"]);
    stormed.withstands(&[302, 404, 405], 150, (anywhere, media_type, form()), |(path, media_type, form)| {
        let mut request = stormed.post(path, form);
        request.headers.retain(|(name, _)| name != "Content-Type");
        request.with("Content-Type", media_type)
    });
    assert_eq!(
        stormed.signed_in(RawRequest::get("/my/account")).send(&stormed.site.url).expect("an answer").status,
        200
    );
    stormed.is_well().await;
}

#[rstest]
#[tokio::test]
async fn no_bytes_in_a_cookie_give_a_5xx(#[values(Sqlite, Postgres)] db: Db) {
    let stormed = Stormed::start(db).await;
    let cookie = stormed.cookie.clone().into_bytes();
    let named = header_value().prop_map(|value| [b"latchkey=", value.as_slice()].concat());
    let cookies = prop_oneof![2 => almost(Just(cookie)), 1 => named, 1 => header_value()];
    let cookies = cookies.prop_filter("a line end", |value| !value.iter().any(|byte| matches!(byte, b'\r' | b'\n')));
    let pages = select([PAGES, API].concat());
    stormed.withstands(&[200, 302, 401], 200, (pages, cookies), |(page, cookie)| {
        RawRequest::get(page).with("Cookie", cookie)
    });
    stormed.is_well().await;
}

/// Nor many of them.
#[rstest]
#[tokio::test]
async fn no_length_of_anything_gives_a_5xx(#[values(Sqlite, Postgres)] db: Db) {
    let stormed = Stormed::start(db).await;
    let lengths = || select(vec![1_000_usize, 4_000, 8_000, 30_000, 100_000]);
    stormed.withstands(&[], 60, (select(HEADERS.to_vec()), addresses(), lengths()), |(name, address, length)| {
        RawRequest::get(address).with(name, "x".repeat(length))
    });
    stormed.withstands(&[], 20, (addresses(), 1..300_usize), |(address, number)| {
        (0..number).fold(RawRequest::get(address), |request, number| request.with(&format!("X-{number}"), "x"))
    });
    stormed.withstands(&[], 20, (addresses(), lengths()), |(address, length)| {
        RawRequest::get(format!("{address}?key={}", "%41".repeat(length / 3)))
    });
    let bodies = select(vec![65_535_usize, 65_536, 65_537, 200_000]);
    let paths = select(vec![
        ("PUT", "/my/account.json"),
        ("PUT", "/my/account.xml"),
        ("POST", "/login"),
        ("POST", "/my/account"),
    ]);
    stormed.withstands(&[200, 413, 414], 40, (paths, bodies), |((method, path), length)| {
        stormed.with_key(stormed.signed_in(stormed.post(path, Vec::new()))).sending(method, "x".repeat(length))
    });
    stormed.is_well().await;
}

/// Who a client says it is, and where it says it is from, is written down behind the request: with a key's first use,
/// and with refused sign-ins.
#[rstest]
#[tokio::test]
async fn nothing_that_clients_say_they_are_stops_the_recording(#[values(Sqlite, Postgres)] db: Db) {
    let stormed = Stormed::start(db).await;
    let place = prop_oneof![
        readable_header_value(),
        any::<std::net::IpAddr>().prop_map(|address| address.to_string().into_bytes()),
        any::<std::net::Ipv6Addr>().prop_map(|address| format!("junk, [{address}]:443").into_bytes()),
    ];
    let clients = (readable_header_value(), place);
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let user = stormed.site.user("bob");
    for number in 0..40 {
        let (agent, place) = clients.new_tree(&mut runner).expect("a value").current();
        let case = format!("{:?} from {:?}", String::from_utf8_lossy(&agent), String::from_utf8_lossy(&place));
        let key = stormed.site.add_key(&user, TokenAction::Api).await;
        let said = |request: RawRequest| {
            let request = request.with("User-Agent", agent.clone()).with("X-Forwarded-For", place.clone());
            request.send(&stormed.site.url).expect("an answer").status
        };
        let by_key = RawRequest::get("/users/current.json").with("X-Redmine-API-Key", key.secret.as_str());
        assert_eq!(said(by_key), 200, "{case}");
        assert!(stormed.site.recorded_use(&key).is_some(), "{case}");
        if number < 8 {
            let wrong = b"username=bob&password=wrong-password".to_vec();
            assert_eq!(said(stormed.post("/login", wrong)), 422, "{case}");
        }
    }
    stormed.site.flush().await;
    assert_eq!(stormed.site.app.recorder.last_use.pending_uses(), 0);
    let number = |query: &str| stormed.site.database.number(query);
    let events = "FROM events WHERE action =";
    assert_eq!(number(&format!("SELECT count(*) AS number {events} 'key_first_used'")), 40);
    assert_eq!(number(&format!("SELECT CAST(sum(times) AS BIGINT) AS number {events} 'sign_in_refused'")), 8);
    stormed.is_well().await;
}
