//! Whatever a request decides the depth, the length or the number of: however much it is, the process answers, and
//! nothing that waits to be written goes with it. The process has a part of the stack that it usually has, and a debug
//! build needs more of it than a release.

use latchkey::models::keys::token::Token;
use latchkey::server::routes;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::database::TestDatabase;
use crate::support::wire::RawRequest;
use crate::support::*;

/// A half of what threads have.
const STACK: &str = "1048576";
/// Nearly as much as a body may have, and a request's line with its headers.
const MUCH: usize = 60_000;

/// A process, and the administrator who sends requests to it.
struct Attacked {
    process: Process,
    key: String,
    cookie: String,
    /// A key of somebody else.
    others: String,
}

impl Attacked {
    async fn start(latchkey: CommandLine) -> Self {
        log::note_secret(PASSWORD);
        let root = ["user", "add", "root", "--mail=root@example.org", "--admin", "--password-stdin"];
        latchkey.run_with_input(&root, PASSWORD).done();
        // What the addresses are about: the person and the access token with the id 2.
        latchkey.add_user("alice", PASSWORD);
        // And the service account with the id 3.
        latchkey.run(&["user", "add-service", "account", "--owner=root"]).done();
        let key = latchkey.add_key("root");
        let access = ["key", "add", "root", "--action=access", "--name=deploy", "--scope=account:read"];
        log::note_secret(latchkey.run(&access).done().stdout.trim_end());
        let others = latchkey.add_key("alice");
        let latchkey = latchkey.with("LATCHKEY_SECRET_KEY", &"k".repeat(64)).with("RUST_MIN_STACK", STACK);
        let process = Process::serve(&latchkey, &["--trusted-proxies=127.0.0.1"]);
        let form = format!("username=root&password={PASSWORD}");
        let sign_in = RawRequest::get("/login").with("Sec-Fetch-Site", "same-origin");
        let sign_in = sign_in.with("Content-Type", FORM).sending("POST", form).send(&process.url).expect("an answer");
        let cookie = sign_in.text.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
        let cookie = cookie.split(';').next().expect("its value").to_owned();
        log::note_secret(cookie.split_once('=').expect("its value").1);
        Self { process, key, cookie, others }
    }

    /// Sends `request` as the administrator: to the API with the key, to pages with the session.
    fn withstands(&self, what: &str, request: RawRequest) {
        let request = request.with("X-Redmine-API-Key", self.key.as_str()).with("Cookie", self.cookie.as_str());
        let answer = request.send(&self.process.url).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!((200..500).contains(&answer.status), "{what}: {}", answer.text);
    }
}

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const XML: &str = "application/xml";

/// `part` as often as there is room for it.
fn repeated(part: &str) -> String {
    part.repeat(MUCH / part.len())
}

/// `part` with another number each time.
fn numbered(part: impl Fn(usize) -> String) -> Vec<String> {
    let longest = part(99_999).len() + 3;
    (0..MUCH / longest).map(part).collect()
}

fn queries() -> Vec<(&'static str, String)> {
    vec![
        ("8,200 words", format!("name={}", "a+".repeat(8200))),
        ("2,000 words", format!("name={}", "a+".repeat(2000))),
        ("words for tokens", format!("search={}&state=safe_to_end", "a+".repeat(8200))),
        ("words of all kinds of blanks", format!("name={}", repeated("a%E3%80%80"))),
        ("one long word", format!("name={}", repeated("a"))),
        ("wildcards", format!("name={}", repeated("%25_"))),
        ("parameters", repeated("a=b&")),
        ("one parameter, often", repeated("status=1&")),
        ("brackets", format!("name{}=a", repeated("[a]"))),
        ("a long number", format!("page={0}&offset={0}&limit={0}", "9".repeat(MUCH / 4))),
        ("a long key", format!("key={}", repeated("%41"))),
        ("a long way back", format!("back_url=/{}", repeated("%2e%2e/"))),
        ("a long date", format!("unused_since=2026-12-31T10:00:00.{}Z", "1".repeat(MUCH))),
    ]
}

fn bodies() -> Vec<(&'static str, &'static str, String)> {
    let json = |what, value: Value| (what, JSON, value.to_string());
    let nested = |open: &str, close: &str, depth: usize| format!("{}{}", open.repeat(depth), close.repeat(depth));
    let user = |inside: &str| format!("{{\"user\":{{\"firstname\":{inside}}}}}");
    let logins = numbered(|number| format!("p{number}"));
    let scopes = numbered(|number| format!("service:s{number}:read"));
    let methods = numbered(|number| format!("M{number}"));
    let service = json!({ "name": "wiki", "host": "wiki.example.org" });
    let with = |mut document: Value, name: &str, value: Value| {
        document[name] = value;
        document
    };
    let token = json!({ "name": "deploy", "scopes": ["account:read"] });
    vec![
        ("open arrays", JSON, repeated("[")),
        ("open objects", JSON, repeated("{\"user\":")),
        ("nested arrays", JSON, user(&nested("[", "]", MUCH / 2 - 100))),
        ("arrays as deep as can be read", JSON, user(&nested("[", "]", 120))),
        ("many members", JSON, format!("{{{}\"user\":{{}}}}", numbered(|n| format!("\"m{n}\":1,")).concat())),
        ("many fields", JSON, format!("{{\"user\":{{{}\"x\":1}}}}", numbered(|n| format!("\"m{n}\":1,")).concat())),
        json("a long name", json!({ "user": { "firstname": repeated("é"), "login": "a", "mail": "a@example.org" } })),
        json("a long token's name", with(token.clone(), "name", json!(repeated("a")))),
        json("a long note", with(token.clone(), "note", json!(repeated("\n")))),
        json("one scope, often", with(token.clone(), "scopes", json!(vec!["account:read"; MUCH / 16]))),
        json("many scopes", with(token.clone(), "scopes", json!(scopes))),
        json("a long time", with(token, "expires_on", json!(repeated("1")))),
        json("a long grace", json!({ "grace": repeated("1") })),
        json("many readers", with(service.clone(), "readers", json!(logins))),
        json("many writers", with(service.clone(), "writers", json!(logins))),
        json("many methods", with(service.clone(), "reading_methods", json!(methods))),
        json("a long path", with(service.clone(), "path", json!(repeated("/a")))),
        json("a long host", with(service.clone(), "host", json!(repeated("a.")))),
        json("a large number", json!({ "name": "wiki", "requests_per_minute": 1e300 })),
        json("a long secret", json!({ "secret": repeated("a") })),
        ("nested elements", XML, format!("<user>{}</user>", nested("<a>", "</a>", MUCH / 8))),
        ("a field with nested elements", XML, {
            format!("<user><firstname>{}</firstname></user>", nested("<a>", "</a>", MUCH / 8))
        }),
        ("open elements", XML, repeated("<user>")),
        ("many elements", XML, format!("<user>{}</user>", repeated("<x/>"))),
        ("many attributes", XML, format!("<user {}/>", numbered(|n| format!("a{n}=''")).join(" "))),
        ("entities", XML, format!("<user><firstname>{}</firstname></user>", repeated("&amp;"))),
        ("entities of entities", XML, {
            format!("<!DOCTYPE user [<!ENTITY a \"aa\">{}]><user/>", repeated("<!ENTITY b \"&a;&a;\">"))
        }),
        ("comments", XML, format!("{}<user/>", repeated("<!---->"))),
        ("many fields of a form", FORM, repeated("a=b&")),
        ("one field of a form, often", FORM, repeated("scopes=account:read&")),
        ("many scopes of a form", FORM, format!("name=a&expiry=7d&{}", scopes_of_form(&scopes))),
        ("a long field of a form", FORM, format!("username={0}&password={0}", "a".repeat(MUCH / 3))),
        ("a long date of a form", FORM, format!("name=a&scopes=account:read&expiry=date&date={}", repeated("1"))),
        ("many readers of a form", FORM, {
            let settings = "name=wiki&title=Wiki&host=wiki.example.org&path=/&may_write=people&reading_methods=GET";
            format!("{settings}&may_read=people&readers={}", logins.join("+"))
        }),
        ("brackets of a form", FORM, format!("user{}=a", repeated("[a]"))),
    ]
}

fn scopes_of_form(scopes: &[String]) -> String {
    let fields = scopes.iter().map(|scope| format!("scopes={scope}"));
    fields.collect::<Vec<_>>().join("&").chars().take(MUCH).collect()
}

fn headers() -> Vec<(&'static str, String)> {
    vec![
        ("X-Forwarded-For", repeated("127.0.0.1, ")),
        ("X-Forwarded-For", repeated("[")),
        ("Authorization", format!("Basic {}", repeated("YTpi"))),
        ("Authorization", format!("Bearer {}", repeated("a"))),
        ("X-Redmine-Switch-User", repeated("a")),
        ("Cookie", repeated("a=b; ")),
        ("User-Agent", repeated("a ")),
        ("Accept", repeated("text/html;q=0.1,")),
        ("Accept-Language", repeated("de,")),
        ("If-None-Match", repeated("\"a\", ")),
        ("Idempotency-Key", repeated("a")),
        ("Content-Type", repeated("a/b;")),
        ("Origin", repeated("http://")),
        ("Sec-Fetch-Site", repeated("same-origin,")),
        ("X-Original-URI", repeated("/a")),
        ("X-Original-URI", format!("/?{}", repeated("key&"))),
        ("X-Forwarded-Uri", repeated("/;a")),
        ("X-Forwarded-Uri", repeated("/%61")),
        ("X-Forwarded-Host", repeated("a.")),
        ("X-Original-Method", repeated("GET")),
    ]
}

/// Every address by every method, but for what would end the administrator's own session, key or account, or delete the
/// person whom the other addresses are about.
fn addresses() -> Vec<(&'static str, String)> {
    let table = [routes::api(), routes::questions(), routes::pages()].into_iter().flatten();
    let address = |pattern: &str| {
        let with_key = pattern.replace("{key_id:[0-9]+}", "2").replace("{service_account}", "3");
        let with_id = with_key.replace("{id:[0-9]+}", "{id}").replace("{id}", "2").replace("{rest:.*}", "/wiki");
        with_id.replace("{format:json|xml}", "json")
    };
    let mut all = Vec::new();
    for at in table.filter(|at| !at.path().contains("logout") && !at.path().ends_with("/delete")) {
        for answered in at.answers() {
            let method: &'static str = answered.method.as_str().to_owned().leak();
            if method != "DELETE" {
                all.push((method, address(at.path())));
            }
        }
    }
    all
}

#[rstest]
#[tokio::test]
async fn however_much_is_sent_the_process_answers_and_loses_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let attacked = Attacked::start(CommandLine::on(&database)).await;
    let used = attacked.others.clone();
    let used_id = database.number("SELECT id AS number FROM tokens WHERE action = 'api' AND user_id = 2");
    // The first use is written before the answer; the second waits for the end of its minute.
    assert_eq!(attacked.process.get_with_key("/users/current.json", &used).await.status, 200);
    let second = chrono::Utc::now().naive_utc();
    assert_eq!(attacked.process.get_with_key("/users/current.json", &used).await.status, 200);

    for (method, address) in addresses() {
        if method == "GET" {
            for (what, query) in queries() {
                attacked.withstands(&format!("{what} to {address}"), RawRequest::get(format!("{address}?{query}")));
            }
            continue;
        }
        for (what, media_type, body) in bodies() {
            let request = RawRequest::get(address.as_str()).with("Sec-Fetch-Site", "same-origin");
            let request = request.with("Content-Type", media_type).sending(method, body);
            attacked.withstands(&format!("{what} to {method} {address}"), request);
        }
    }
    for (name, value) in headers() {
        for address in ["/users/current.json", "/my/tokens.json", "/my/account", "/login", "/auth/nginx", "/nothing"] {
            let request = RawRequest::get(address).with(name, value.as_str());
            attacked.withstands(&format!("{name} to {address}"), request);
        }
    }
    for path in [repeated("/a"), repeated("/.."), repeated("/%2e"), format!("/users/{}.json", "1".repeat(MUCH))] {
        attacked.withstands("a long path", RawRequest::get(path));
    }

    attacked.process.terminate();
    assert_eq!(attacked.process.ended(), Some(0));
    let row = Token::find(&mut database.connect(), used_id).expect("a query").expect("a key");
    assert!(row.recorded_use() >= Some(second), "{:?} is not {second} or later", row.recorded_use());
}

/// "10,000 ticks: one clear sentence, the right status": actix-http reads no address as long as that, and says nothing.
#[rstest]
#[tokio::test]
async fn an_address_that_is_too_long_is_told_in_its_own_format(
    #[values(Sqlite, Postgres)] db: Db,
    #[values("", "/keys")] base: &str,
) {
    let site = Site::start_with(db, &[&format!("--url=http://127.0.0.1{base}")]).await;
    let ids: String = (0..10_000).map(|id| format!("&ids={}", 1_000_000 + id)).collect();
    let sentence = "The address of this request is too long. Send less at once.";
    for (path, told) in [
        ("/admin/keys/revoke", format!("<p class=\"lead\">{sentence}")),
        ("/nothing", format!("<p class=\"lead\">{sentence}")),
        ("/users.json", format!("{{\"errors\":[\"{sentence}\"]}}")),
        ("/users.xml", format!("<error>{sentence}</error>")),
    ] {
        let long = format!("{base}{path}?{ids}");
        for request in [RawRequest::get(long.as_str()), RawRequest::get(long.as_str()).sending("POST", "a body")] {
            let answer = request.send(&site.url).expect("an answer");
            assert_eq!(answer.status, 414, "{path}: {}", answer.text);
            assert!(answer.text.contains(&told), "{path}: {}", answer.text);
        }
    }
    assert_eq!(site.get(&format!("{base}/healthz")).send().await.expect("an answer").status(), 200, "the site goes on");
}

/// "People are found by a few words": more of them are told, and nobody is found instead of everybody.
#[rstest]
#[tokio::test]
async fn a_search_is_a_few_words(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let key = site.add_key(&root, latchkey::models::keys::token::TokenAction::Api).await;
    let visitor = site.signed_in("root").await;
    let words = |number: usize| "p+".repeat(number);
    for (name, told) in [
        (words(10), None),
        ("x".repeat(300), None),
        (words(11), Some("has too many words to search for (maximum is 10)")),
        (words(8200), Some("is too long to search for (maximum is 300 characters)")),
        ("x".repeat(301), Some("is too long to search for (maximum is 300 characters)")),
        ("%25".repeat(20_000), Some("is too long to search for (maximum is 300 characters)")),
    ] {
        for format in ["json", "xml"] {
            let answer = site.get_with_key(&format!("/users.{format}?name={name}"), &key).await;
            assert_eq!(answer.status, if told.is_some() { 422 } else { 200 }, "{}", answer.text);
            let message = told.map(|told| format!("name {told}")).unwrap_or_default();
            assert!(answer.text.contains(&message), "{}", answer.text);
        }
        let page = visitor.get(&format!("/admin/users?name={name}")).await;
        assert_eq!(page.status, if told.is_some() { 422 } else { 200 });
        let message = told.map(|told| format!("The search {told}.")).unwrap_or_default();
        assert!(page.shows(&message), "{}", page.text());
        assert!(told.is_none() || !page.shows("root@example.org"), "{}", page.text());
    }
}
