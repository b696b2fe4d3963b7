//! Settings: each is refused at the start, or everything works with it; an empty variable is an unset one.

use std::process::Stdio;

use clap::{Arg, Args, Command};
use latchkey::config::Config;
use latchkey::models::keys::authority::Authority;
use latchkey::models::keys::key_request::KeyPolicy;
use latchkey::models::keys::token::TokenAction;
use latchkey::server::routes;
use proptest::prelude::*;
use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use crate::support::database::TestDatabase;
use crate::support::site::try_settings;
use crate::support::visitor::page;
use crate::support::*;

/// Every setting, as the command line knows it.
fn settings() -> Vec<Arg> {
    Config::augment_args(Command::new("latchkey")).get_arguments().cloned().collect()
}

fn variable(setting: &Arg) -> String {
    setting.get_env().expect("a variable").to_string_lossy().into_owned()
}

/// What is far out for a setting: the least and the most that it takes, and beyond. A new setting has to say it, too.
fn extremes(setting: &Arg) -> Vec<String> {
    let long = |start: &str, number: usize| format!("{start}{}", "a".repeat(number));
    let spans = ["0", "1ms", "59s", "1m", "36525d", "36526d", "4294967295d", "4294967296d", "-1d", ""];
    let addresses = ["0.0.0.0:0", "[::]:65535", "localhost:1", "localhost:65536", ":3000", "256.0.0.1:80", ""];
    let values: &[&str] = match setting.get_id().as_str() {
        // The tests bring these.
        "database_url" | "secret_key" => &[],
        "bind" | "metrics_bind" => &addresses,
        "url" => &[
            "http://a",
            "http://127.0.0.1:65535",
            "http://[::1]:1/a/b~c/d_e",
            "https://keys.example.org",
            "https://keys.example.org/keys",
            "http://a:0",
            "http://a:65536",
            "http://a//evil.example",
            "http://a/..",
            "",
        ],
        "session_lifetime" | "session_timeout" | "access_token_lifetime" | "access_token_longest_lifetime" => &spans,
        "audit_kept" => &["0", "1ms", "29d", "30d", "36525d", "36526d", "4294967296d", "-1d", ""],
        "activity_retention" | "expired_retention" | "idempotency_retention" | "keep_alive" => &spans,
        "unused_keys" => &["off", "OFF", "0", "1m", "29d", "30d", "36525d", "36526d", "-1d", ""],
        "api_requests_per_minute" => &["0", "off", "4294967295", "4294967296", "-1", ""],
        "most_accounts" => &["0", "4294967295", "4294967296", "-1", ""],
        "first_use_patience" => &["0", "1ms", "20s", "21s", "4294967295d", ""],
        "trusted_proxies" => &["0.0.0.0/0", "0.0.0.0/0,::/0", "127.0.0.1", "::1/128", "0.0.0.0/33", ",", ""],
        "api_access_keys" => &["on", "off", "OFF", "maybe", ""],
        "access_tokens_per_user" => &["1", "65535", "65536", "-1", ""],
        "services" => &["/dev/null", "/nowhere/services.toml"],
        "state_dir" => &["/nowhere", "/dev/null", ""],
        "realm" => &["a", "\"", "\u{e9}"],
        "security_contact" => &["a@b", "tel:1", "https://example.org/security", "nobody", "a@b\nExpires: never", ""],
        "smtp_url" => &[
            "smtp://127.0.0.1:9?tls=off",
            "smtps://a:b@127.0.0.1:9",
            "smtp://a:b@[::1]:9",
            "smtp://127.0.0.1:65536",
            "smtp://a@127.0.0.1",
            "http://127.0.0.1",
            "smtps://127.0.0.1?tls=off",
            "",
        ],
        "mail_from" => &["a@b.example", "A <a@b.example>", "a", "a@b.example\nBcc: c@d.example", "@", ""],
        "log" => &["off", "trace", "latchkey=debug", "shout", "loud=noise", ","],
        other => panic!("say what the extremes of {other} are"),
    };
    let long_ones = match setting.get_id().as_str() {
        "url" => vec![long("http://a/", 491), long("http://a/", 492)],
        "realm" => vec![long("", 200), long("", 201)],
        "security_contact" => vec![long("https://", 492), long("https://", 493)],
        _ => Vec::new(),
    };
    values.iter().map(ToString::to_string).chain(long_ones).collect()
}

fn flag(setting: &Arg, value: &str) -> String {
    format!("--{}={value}", setting.get_long().expect("a flag"))
}

/// The extremes of every setting that a server starts with, as flags.
fn accepted_extremes() -> Vec<Vec<String>> {
    let of_each = settings().into_iter().map(|setting| {
        let flags = extremes(&setting).into_iter().map(|value| flag(&setting, &value));
        // A mail server needs a sender.
        let with_sender = |flag: &String| ["--mail-from=a@b.example".to_owned(), flag.clone()];
        let (accepted, refused): (Vec<_>, Vec<_>) = flags.partition(|flag| try_settings(&with_sender(flag)).is_ok());
        for flag in refused {
            let told = try_settings(std::slice::from_ref(&flag)).expect_err("it is refused");
            assert!(told.len() > flag.len() + 40 && !told.contains("panicked"), "{flag}: {told}");
        }
        accepted
    });
    of_each.filter(|accepted| !accepted.is_empty()).collect()
}

/// Goes through every page and every address of the API that needs no id, as an administrator.
async fn everything_works(site: &Site, what: &[String]) {
    let root = site.add_admin("root").await;
    let base = site.app.url.base_path().to_owned();
    let form = [("username", "root"), ("password", PASSWORD)];
    let signed_in = site.visitor().post(&format!("{base}/login"), &form).await;
    assert_eq!(signed_in.status, 303, "{what:?}: {}", signed_in.text());
    // However it came: a browser that comes by https keeps a cookie that is meant for https.
    let cookie = cookie::sent_back(&cookie::set_by(&signed_in.headers).expect("a cookie"));
    let see = async |path: &str| page(site.visitor().request(Method::GET, path).header("Cookie", &cookie)).await;
    let key = site.add_key(&root, TokenAction::Api).await;
    let feeds = site.add_key(&root, TokenAction::Feeds).await;
    let plain = |path: &str| path.replace("{format:json|xml}", "json");
    for at in routes::pages().into_iter().chain(routes::well_known()).chain(routes::api()) {
        let path = format!("{base}{}", plain(at.path()));
        if path.contains('{') || !at.answers().iter().any(|answered| answered.method.as_str() == "GET") {
            continue;
        }
        let by_session = see(&path).await;
        let by_key = site.get_with_key(&path, &key).await;
        let with_password = Answer::of(site.get(&path).basic_auth("root", Some(PASSWORD))).await;
        for (status, text) in [
            (by_session.status, by_session.html),
            (by_key.status, by_key.text),
            (with_password.status, with_password.text),
        ] {
            assert!(status < 500, "{what:?}: {path}: {status}: {text}");
        }
    }
    assert_eq!(see(&format!("{base}/my/tokens/new")).await.status, 200, "{what:?}: she is still signed in");
    let feed = Answer::of(site.get(&format!("{base}/activity.atom?key={}", feeds.secret))).await;
    assert_eq!(feed.status, 200, "{what:?}: {}", feed.text);
    let made = site.request(Method::POST, &format!("{base}/my/tokens.json")).basic_auth("root", Some(PASSWORD));
    let made = Answer::of(made.json(&json!({"name": "deploy", "scopes": ["account:read"]}))).await.noted();
    assert_eq!(made.status, 201, "{what:?}: {}", made.text);
    let secret = made.json()["secret"].as_str().expect("a secret").to_owned();
    let used = site.get_with_key(&format!("{base}/users/current.json"), &Key { id: 0, secret }).await;
    assert_eq!(used.status, 200, "{what:?}: {}", used.text);
    let caught = site.metrics().await;
    assert!(caught.lines().any(|line| line == "latchkey_panics_total{thread=\"worker\"} 0"), "{what:?}");
}

#[rstest]
#[tokio::test]
async fn a_setting_is_refused_at_the_start_or_everything_works_with_it(#[values(Sqlite, Postgres)] db: Db) {
    let of_each = accepted_extremes();
    let rounds = of_each.iter().map(Vec::len).max().expect("settings");
    for round in 0..rounds {
        // Each setting at one of its extremes, all at once. No two are in step.
        let flags = of_each.iter().enumerate().map(|(place, values)| values[(round + place) % values.len()].clone());
        let mut flags: Vec<_> = flags.collect();
        if try_settings(&flags).is_err() {
            // The usual lifetime is longer than the longest.
            flags.retain(|flag| !flag.starts_with("--access-token-longest-lifetime"));
        }
        let site = Site::start_with(db, &flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
        everything_works(&site, &flags).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// No lifetime that is taken leads out of the calendar, or to a token that has expired when it is made.
    #[test]
    fn an_access_token_s_lifetime_is_refused_or_can_be_lived(
        usual in prop::option::of("[0-9]{1,10}(ms|s|m|h|d)|0"),
        longest in prop::option::of("[0-9]{1,10}(ms|s|m|h|d)|0"),
    ) {
        let usual = usual.map(|span| format!("--access-token-lifetime={span}"));
        let longest = longest.map(|span| format!("--access-token-longest-lifetime={span}"));
        let flags: Vec<_> = usual.into_iter().chain(longest).collect();
        if let Ok(config) = try_settings(&flags) {
            let policy = KeyPolicy::of(&config);
            let now = site::start_time();
            let usual = policy.usual_expiry(&Authority::OWNER, now);
            prop_assert!(usual.is_none_or(|usual| usual > now));
            prop_assert!(policy.longest_lifetime.is_none_or(|longest| usual.is_some_and(|usual| usual <= now + longest)));
        }
    }
}

#[rstest]
#[case(&["--access-token-lifetime=60d", "--access-token-longest-lifetime=30d"], false)]
#[case(&["--access-token-lifetime=30d", "--access-token-longest-lifetime=30d"], true)]
#[case(&["--access-token-lifetime=0", "--access-token-longest-lifetime=30d"], true)]
#[case(&["--access-token-lifetime=60d", "--access-token-longest-lifetime=0"], true)]
#[case(&["--access-token-longest-lifetime=7d"], true)]
fn a_usual_lifetime_longer_than_the_longest_is_refused(#[case] flags: &[&str], #[case] is_taken: bool) {
    let database = TestDatabase::migrated(Sqlite);
    let latchkey = CommandLine::on(&database);
    let output = latchkey.run(&[&["migrate", "status"], flags].concat());
    if is_taken {
        output.done();
        return;
    }
    let line = output.refused(2);
    let says = "the default lifetime of an access token, 60d (LATCHKEY_ACCESS_TOKEN_LIFETIME), is longer than the longest, 30d";
    assert!(line.contains(says), "{line}");
}

/// Compose files and scripts set what nobody has chosen to nothing.
#[test]
fn an_empty_variable_is_an_unset_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |variables: &[(String, &str)], arguments: &[&str]| {
        let mut command = command_line::binary();
        command.args(arguments).current_dir(folder.path()).envs(variables.iter().map(|(name, value)| (name, value)));
        let output = command.stdin(Stdio::null()).output().expect("the binary");
        let words = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).expect("UTF-8");
            text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        (output.status.code(), words(output.stdout), words(output.stderr))
    };
    let all: Vec<_> = settings().iter().map(variable).chain(["LATCHKEY_SOURCE".to_owned()]).collect();
    assert_eq!(run(&[], &["migrate", "run"]).0, Some(0));
    let import = ["import", "redmine", "--source-time-zone", "UTC"];
    for arguments in [&["migrate", "status"][..], &["--help"], &import] {
        let unset = run(&[], arguments);
        for variable in &all {
            assert_eq!(run(&[(variable.clone(), "")], arguments), unset, "{variable} for {arguments:?}");
        }
        let blank: Vec<_> = all.iter().map(|variable| (variable.clone(), " ")).collect();
        assert_eq!(run(&blank, arguments), unset, "all of them for {arguments:?}");
    }
    assert!(folder.path().join("latchkey.db").exists(), "the database is the usual one");
}

#[tokio::test]
async fn a_server_whose_variables_are_all_empty_starts_as_if_none_were_set() {
    let database = TestDatabase::migrated(Sqlite);
    let others = settings().into_iter().filter(|setting| setting.get_id() != "database_url");
    let latchkey = others.fold(CommandLine::on(&database), |latchkey, it| latchkey.with(&variable(&it), ""));
    let mut command = latchkey.command(&["serve", "--bind=127.0.0.1:0"]);
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary");
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().expect("its log")));
    // It logs, as LATCHKEY_LOG is not set to nothing.
    let serving = lines.map_while(Result::ok).find(|line| line.contains("\"message\":\"serving\""));
    child.kill().expect("to kill it");
    child.wait().expect("its end");
    assert!(serving.is_some());
}

/// Nobody notices otherwise that a mistyped setting does nothing.
#[test]
fn a_variable_that_nothing_reads_is_warned_of_with_the_nearest_name() {
    let database = TestDatabase::migrated(Sqlite);
    let latchkey = CommandLine::on(&database)
        .with("LATCHKEY_TRUSTED_PROXY", "10.0.0.1")
        .with("LATCHKEY_QUOTA", "a-value-that-may-be-secret")
        .with("LATCHKEY_SERVICE_HOST", "10.0.0.2")
        .with("LATCHKEY_TEST_POSTGRES", "postgres://localhost")
        .with("LATCHKEY_EMPTY", "");
    let process = Process::serve(&latchkey, &[]);
    process.terminate();
    let log = process.log();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("is no setting")).collect();
    assert_eq!(warnings.len(), 2, "{log}");
    assert!(warnings[0].contains("LATCHKEY_QUOTA is no setting and has no effect; latchkey --help lists"), "{log}");
    assert!(warnings[1].contains("LATCHKEY_TRUSTED_PROXY is no setting and has no effect; did you mean"), "{log}");
    assert!(warnings[1].contains("LATCHKEY_TRUSTED_PROXIES?") && !log.contains("may-be-secret"), "{log}");
}

#[tokio::test]
async fn a_server_can_be_told_to_listen_on_a_name() {
    let database = TestDatabase::migrated(Sqlite);
    let latchkey = CommandLine::on(&database).with("LATCHKEY_BIND", "localhost:0");
    let mut command = latchkey.command(&["serve"]);
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary");
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().expect("its log")));
    let serving = lines.map_while(Result::ok).find(|line| line.contains("\"message\":\"serving\"")).expect("it serves");
    let serving: serde_json::Value = serde_json::from_str(&serving).expect("JSON");
    let address = serving["address"].as_str().expect("an address");
    let port = address.rsplit_once(':').expect("a port").1;
    assert_eq!(serving["url"], format!("http://localhost:{port}/"));
    assert_eq!(Visitor::new(&format!("http://{address}")).get("/healthz").await.status, 200);
    child.kill().expect("to kill it");
    child.wait().expect("its end");
}
