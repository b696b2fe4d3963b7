//! A panic is a mistake of ours that costs one request, or one try to write, and nothing else: it is caught, told,
//! logged and counted, and what waits to be written is written afterwards.

use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, HttpServer, web};
use chrono::TimeDelta;
use latchkey::app::App;
use latchkey::auth::throttle::Lane;
use latchkey::callers::api_user::{AccountRead, ApiUser};
use latchkey::config::secret_key::SecretKey;
use latchkey::models::keys::token::TokenAction;
use latchkey::models::services::admitted::Admitted;
use latchkey::models::services::settings::ServiceSettings;
use latchkey::server;
use latchkey::server::request_log;
use latchkey::server::route::at;
use rstest::rstest;
use serde_json::Value;

use crate::support::panics::{Deadly, PanickingQueries, site_that_may_panic};
use crate::support::*;

const WRITTEN_IN_THE_CODE: &str = "a text that stands in the code";

/// Routes that panic, beside those of Latchkey.
fn serve(app: web::Data<App>, key: SecretKey, listener: TcpListener) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        let broken = web::scope("/broken")
            .wrap(from_fn(request_log::log))
            .service(at("/by_key.json").get(broken_for))
            .service(at("/at_once.xml").get(broken))
            .service(at("/problem").get(broken).with_problems())
            .service(at("/page").get(broken))
            .service(at("/{of_the_client}/repeated").get(broken_repeating))
            .service(at("/hashing.json").get(broken_hashing));
        actix_web::App::new().service(broken).configure(server::mount(&app, &key))
    });
    Ok(server.listen(listener)?.run())
}

async fn broken_for(_: ApiUser<AccountRead>) -> HttpResponse {
    panic!("a text that stands in the code")
}

async fn broken() -> HttpResponse {
    tokio::task::yield_now().await;
    panic!("a text that stands in the code")
}

async fn broken_repeating(of_the_client: web::Path<String>) -> HttpResponse {
    panic!("{of_the_client} is not what was expected")
}

async fn broken_hashing(app: web::Data<App>) -> HttpResponse {
    let broken: fn() = || panic!("a text that stands in the code");
    HttpResponse::Ok().json(app.passwords.threads().run(Lane::Known, broken).await)
}

/// The one line of the log that says why a request failed.
fn cause_of(answer: &Answer) -> Value {
    let id = answer.header("X-Request-Id").expect("a request id");
    let lines = log::lines_with(id);
    let causes: Vec<&Value> =
        lines.iter().filter(|line| line["fields"].get("cause").is_some()).map(|line| &line["fields"]).collect();
    let [cause] = causes[..] else { panic!("one line has the cause: {lines:?}") };
    assert_eq!(cause["message"], "internal error", "{cause}");
    assert!(cause["cause"].as_str().is_some_and(|cause| cause.starts_with("panicked at ")), "{cause}");
    cause.clone()
}

/// Adds a service that admits everyone; gives its id.
async fn add_wiki(site: &Site) -> i64 {
    let settings = ServiceSettings::new("The wiki", "wiki.example.org");
    let settings = ServiceSettings { readers: Admitted::Everyone, writers: Admitted::Everyone, ..settings };
    site.add_service("wiki", settings).await.id
}

/// A proxy asks whether the key may read the wiki: one use of it there.
async fn use_on_wiki(site: &Site, key: &Key) {
    let question = site.get("/auth/nginx").header("Host", "wiki.example.org").header("X-Original-URI", "/");
    let question = question.header("X-Original-Method", "GET").bearer_auth(&key.secret);
    assert_eq!(Answer::of(question).await.status, 200);
}

/// How often the database says that the service was used.
fn recorded_on(site: &Site, service_id: i64) -> i64 {
    site.database.number(&format!(
        "SELECT CAST(coalesce(sum(times), 0) AS BIGINT) AS number FROM service_use_counts
         WHERE service_id = {service_id}"
    ))
}

async fn panics_of(site: &Site, thread: &str) -> u64 {
    let metrics = site.metrics().await;
    let name = format!("latchkey_panics_total{{thread=\"{thread}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().expect("a number")
}

#[rstest]
#[tokio::test]
async fn a_handler_that_panics_is_a_clear_error_in_the_format_of_the_address(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_embedded(db, serve).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let text = "Something went wrong here. It has been logged.";
    for (path, content_type, body) in [
        ("/by_key.json", "application/json; charset=utf-8", format!(r#"{{"errors":["{text}"]}}"#)),
        ("/at_once.xml", "application/xml; charset=utf-8", format!("<error>{text}</error>")),
        ("/problem", "application/problem+json", format!(r#""status":500,"detail":"{text}""#)),
        ("/page", "text/html; charset=utf-8", "<h1>Something went wrong</h1>".to_owned()),
        ("/hashing.json", "application/json; charset=utf-8", format!(r#"{{"errors":["{text}"]}}"#)),
    ] {
        let request = site.get(&format!("/broken{path}")).header("X-Redmine-API-Key", &key.secret);
        let answer = Answer::of(request).await;
        assert_eq!((answer.status, answer.header("Content-Type")), (500, Some(content_type)), "{path}");
        assert!(answer.text.contains(&body), "{path}: {}", answer.text);
        let line = cause_of(&answer);
        assert_eq!((&line["route"], &line["status"]), (&format!("/broken{path}").into(), &500.into()), "{line}");
        let cause = line["cause"].as_str().expect("a cause");
        assert!(cause.starts_with("panicked at tests/panics.rs:"), "{cause}");
        assert!(cause.ends_with(WRITTEN_IN_THE_CODE), "{cause}");
        let who = if path == "/by_key.json" { (Some(alice.id), Some(key.id)) } else { (None, None) };
        assert_eq!((line["user_id"].as_i64(), line["token_id"].as_i64()), who, "{path}");
    }
    assert_eq!(panics_of(&site, "worker").await, 5);
    assert_eq!(panics_of(&site, "hashing").await, 1, "the job that panicked is counted where it was done as well");
}

/// What a panic says may hold what a client has sent, a secret even: only what stands in the code is logged.
#[rstest]
#[tokio::test]
async fn what_the_client_sent_is_not_logged_with_a_panic(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_embedded(db, serve).await;
    let secret = latchkey::secret::Secret::generate();
    log::note_secret(secret.expose());
    let answer = Answer::of(site.get(&format!("/broken/{}/repeated", secret.expose()))).await;
    assert_eq!(answer.status, 500);
    assert!(!answer.text.contains(secret.expose()), "{}", answer.text);
    let line = cause_of(&answer);
    assert_eq!(line["route"], "/broken/{of_the_client}/repeated", "the pattern, never the path");
    assert!(log::lines_with(secret.expose()).is_empty());
}

/// Neither the other requests of the process, nor uses that are not written yet, go with it.
#[rstest]
#[tokio::test]
async fn a_handler_that_panics_takes_nothing_with_it(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_embedded(db, serve).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    assert_eq!(site.get_with_key("/keys/users/current.json", &key).await.status, 200);
    site.later(TimeDelta::seconds(30));
    assert_eq!(site.get_with_key("/keys/users/current.json", &key).await.status, 200);
    for _ in 0..20 {
        assert_eq!(site.get_with_key("/broken/by_key.json", &key).await.status, 500);
    }
    assert_eq!(site.app.recorder.last_use.pending_uses(), 1, "the use still waits for its minute");
    let used_on = site.clock.now();
    site.later(TimeDelta::seconds(31));
    site.flush().await;
    assert_eq!(site.recorded_use(&key), Some(used_on));
    assert_eq!(site.get_with_key("/keys/users/current.json", &key).await.status, 200);
}

/// A query of a handler runs on a thread where waiting is allowed, with a connection of the pool: both are there again
/// afterwards, and the request is told as if the handler had panicked itself.
#[rstest]
#[tokio::test]
async fn a_query_that_panics_is_told_the_same_and_costs_no_connection(#[values(Sqlite, Postgres)] db: Db) {
    let site = site_that_may_panic(db, &[]).await;
    let alice = site.add_user("alice").await;
    let visitor = site.signed_in("alice").await;
    assert!(visitor.is_signed_in().await);
    let panicking = PanickingQueries::on(&site, "", "events");
    for _ in 0..20 {
        let answer = Answer::of(visitor.request(reqwest::Method::GET, "/activity")).await;
        assert_eq!(answer.status, 500);
        assert!(answer.text.contains("<h1>Something went wrong</h1>"), "{}", answer.text);
        let line = cause_of(&answer);
        assert!(line["cause"].as_str().is_some_and(|cause| cause.ends_with(panicking.message)), "{line}");
        assert_eq!((&line["route"], &line["user_id"]), (&"/activity".into(), &alice.id.into()), "{line}");
    }
    let atom_keys = || site.database.number("SELECT count(*) AS number FROM tokens WHERE action = 'feeds'");
    for _ in 0..3 {
        assert_eq!(visitor.post("/my/atom_key", &[("replaces", "")]).await.status, 500, "one that writes");
    }
    drop(panicking);
    assert_eq!(atom_keys(), 0, "a transaction that panics changes nothing");
    assert_eq!(visitor.get("/activity").await.status, 200);
    visitor.make_key("/my/atom_key", "").await;
    assert_eq!(atom_keys(), 1);
    assert_eq!(panics_of(&site, "worker").await, 23);
}

/// On SQLite it is asked where the request is, on PostgreSQL on threads of its own, for several at once.
#[rstest]
#[tokio::test]
async fn a_lookup_that_panics_costs_those_who_wait_for_it_their_answer(#[values(Sqlite, Postgres)] db: Db) {
    let site = site_that_may_panic(db, &[]).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200);
    let panicking = PanickingQueries::on(&site, if db == Sqlite { "" } else { "lookups" }, "digest");
    for _ in 0..10 {
        let answer = site.get_with_key("/users/current.json", &key).await;
        assert_eq!(answer.status, 500, "{}", answer.text);
        let line = cause_of(&answer);
        assert!(line["cause"].as_str().is_some_and(|cause| cause.ends_with(panicking.message)), "{line}");
        assert_eq!(line["route"], "/users/current.{format:json|xml}");
    }
    let message = panicking.message;
    drop(panicking);
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200);
    assert_eq!(Answer::of(site.get("/readyz")).await.status, 200, "the threads are all there");
    assert_eq!(panics_of(&site, "worker").await, 10);
    if db == Postgres {
        assert_eq!(panics_of(&site, "lookups").await, 10);
        assert_survived("lookups", message);
    }
}

/// The thread has said that it goes on, and why that is worth a line.
fn assert_survived(thread: &str, message: &str) {
    let lines = log::lines_with(message);
    let survived = lines.iter().find(|line| line["fields"]["thread"] == thread);
    let survived = survived.unwrap_or_else(|| panic!("no line of {thread} in {lines:?}"));
    assert_eq!(survived["level"], "ERROR", "{survived}");
    assert!(survived["fields"]["cause"].as_str().is_some_and(|it| it.starts_with("panicked at ")), "{survived}");
}

#[rstest]
#[tokio::test]
async fn hashing_goes_on_after_a_panic(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let threads = site.app.passwords.threads();
    for _ in 0..threads.count() + 1 {
        let broken = threads.submit(Lane::Known, || -> () { panic!("a text that stands in the code") });
        let panic = broken.expect("room in the queue").await.expect("an answer").expect_err("a panic");
        assert!(panic.to_string().starts_with("panicked at tests/panics.rs:"), "{panic}");
    }
    assert_eq!(threads.waiting(), 0);
    assert_eq!(site.visitor().try_sign_in("alice", PASSWORD).await.status, 303);
    assert_eq!(Answer::of(site.get("/readyz")).await.status, 200, "the threads are all there");
    assert_eq!(panics_of(&site, "hashing").await, threads.count() as u64 + 1);
}

/// Uses that cannot be written are kept, whatever it is that keeps them from being written.
#[rstest]
#[tokio::test]
async fn what_the_recorder_could_not_write_is_written_after_the_panic(#[values(Sqlite, Postgres)] db: Db) {
    let flags = ["--trusted-proxies=127.0.0.1", "--first-use-patience=100ms"];
    let site = site_that_may_panic(db, &flags).await;
    let alice = site.add_user("alice").await;
    let wiki = add_wiki(&site).await;
    let key = site.add_access_token(&alice, "account:read service:wiki:read", "30d").await;
    let new_key = site.add_key(&alice, TokenAction::Feeds).await;
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200);
    let before = site.recorded_use(&key);
    site.later(TimeDelta::minutes(2));
    let used_on = site.clock.now();

    let panicking = PanickingQueries::on(&site, "recorder", "");
    assert_eq!(Answer::of(site.get(&format!("/activity.atom?key={}", new_key.secret))).await.status, 200);
    use_on_wiki(&site, &key).await;
    assert_eq!(site.visitor().try_sign_in("alice", "a-wrong-password").await.status, 422);
    for _ in 0..3 {
        site.flush().await;
    }
    assert_eq!((site.recorded_use(&key), site.recorded_use(&new_key)), (before, None));
    assert_eq!(Answer::of(site.get("/readyz")).await.status, 200, "the thread is there");
    let (counted, message) = (panics_of(&site, "recorder").await, panicking.message);
    assert!(counted >= 3, "{counted}");
    assert_survived("recorder", message);
    drop(panicking);

    site.flush().await;
    assert_eq!(site.recorded_use(&key), Some(used_on), "a use");
    assert_eq!(site.recorded_use(&new_key), Some(used_on), "a first use");
    assert_eq!(site.app.recorder.last_use.pending_uses(), 0);
    assert_eq!(recorded_on(&site, wiki), 1, "a use on a service, once");
    let refused = "SELECT count(*) AS number FROM events WHERE action = 'sign_in_refused'";
    assert_eq!(site.database.number(refused), 1, "a refused sign-in");
    assert!(site.app.recorder.stop(), "nothing is left to write");
}

/// What the panic interrupted is whole: what was committed before it is not written once more.
#[rstest]
#[tokio::test]
async fn what_the_recorder_had_written_before_a_panic_is_not_written_twice(#[values(Sqlite, Postgres)] db: Db) {
    let site = site_that_may_panic(db, &["--trusted-proxies=127.0.0.1"]).await;
    let alice = site.add_user("alice").await;
    let wiki = add_wiki(&site).await;
    let key = site.add_access_token(&alice, "service:wiki:read", "30d").await;
    let mut counted = 0;
    for query in ["service_use_counts", "service_uses", "COMMIT", "BEGIN", "tokens", ""] {
        let before = panics_of(&site, "recorder").await;
        let panicking = PanickingQueries::on(&site, "recorder", query);
        for _ in 0..2 {
            use_on_wiki(&site, &key).await;
            site.flush().await;
            counted += 1;
        }
        drop(panicking);
        assert!(panics_of(&site, "recorder").await > before, "{query:?} is one of its queries");
        use_on_wiki(&site, &key).await;
        counted += 1;
        site.flush().await;
        // PostgreSQL may not have noticed yet that the connection was given up, and then it is tried again.
        eventually("all is written", || site.app.recorder.service_uses.pending() == 0).await;
        assert_eq!(recorded_on(&site, wiki), counted, "after a panic in {query:?}");
    }
}

/// A stop while everything panics ends all the same, and says that something is lost.
#[rstest]
#[tokio::test]
async fn a_stop_does_not_wait_for_ever_for_what_panics(#[values(Sqlite, Postgres)] db: Db) {
    let site = site_that_may_panic(db, &["--first-use-patience=100ms"]).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let panicking = PanickingQueries::on(&site, "recorder", "");
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200);
    let app = site.app.clone();
    let stopped = tokio::task::spawn_blocking(move || app.recorder.stop()).await;
    assert!(!stopped.expect("a stop"), "not everything could be written");
    drop(panicking);
}

async fn readiness(site: &Site) -> (u16, String) {
    let answer = Answer::of(site.get("/readyz")).await;
    (answer.status, answer.text)
}

/// Whoever looks after the process starts it anew.
#[rstest]
#[tokio::test]
async fn a_process_that_has_lost_a_thread_is_not_ready(#[values(Sqlite, Postgres)] db: Db) {
    let gone = |names: &str| (503, format!("a thread is gone, and the process has to be restarted: {names}\n"));
    let site = site_that_may_panic(db, &["--first-use-patience=100ms"]).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    assert_eq!(readiness(&site).await, (200, "ready\n".to_owned()));
    if db == Postgres {
        let deadly = PanickingQueries::deadly(&site, "lookups", "digest");
        assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 503);
        eventually("a lookup thread is gone", || site.app.gone_threads() == ["lookups"]).await;
        drop(deadly);
        assert_eq!(readiness(&site).await, gone("lookups"));
        assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200, "the other one goes on");
    }
    let lookups = if db == Postgres { ", lookups" } else { "" };
    let broken = site.app.passwords.threads().submit(Lane::Known, || -> () { Deadly::panic() });
    assert!(broken.expect("room in the queue").await.is_err(), "nobody answers");
    eventually("a hashing thread is gone", || site.app.gone_threads().contains(&"hashing")).await;
    assert_eq!(readiness(&site).await, gone(&format!("hashing{lookups}")));
    let deadly = PanickingQueries::deadly(&site, "recorder", "");
    site.flush().await;
    eventually("the recorder is gone", || site.app.gone_threads().contains(&"recorder")).await;
    drop(deadly);
    let told = readiness(&site).await;
    assert_eq!(told, gone(&format!("recorder, hashing{lookups}")));
    assert_eq!(Answer::of(site.get("/healthz")).await.status, 200, "it still answers");
    assert!(!site.app.recorder.stop(), "it is gone without having written everything");
    let answer = Answer::of(site.get("/readyz")).await;
    let line = log::lines_with(answer.header("X-Request-Id").expect("a request id"));
    assert!(line.iter().any(|line| line["level"] == "ERROR" && line["fields"]["route"] == "/readyz"), "{line:?}");
}
