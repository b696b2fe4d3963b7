//! Prometheus' metrics, on an address of their own.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use latchkey::models::keys::key::Key as OwnedKey;
use latchkey::models::keys::token::{Token, TokenAction};
use latchkey::models::keys::verdict::Verdict;
use latchkey::secret::Secret;
use reqwest::Client;
use rstest::rstest;

use crate::support::database::TestDatabase;
use crate::support::*;

#[rstest]
#[tokio::test]
async fn requests_authentications_and_writes_are_counted(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    latchkey.add_user("alice", PASSWORD);
    let secret = latchkey.add_key("alice");
    let process = Process::serve(&latchkey, &["--metrics-bind=127.0.0.1:0"]);
    process.get_with_key("/users/current.json", &secret).await;
    process.get_with_key("/users/current.json", &secret).await;
    process.get_with_key("/users/current.json", "wrong").await;
    process.get_with_key("/no/such/page", "").await;
    let alice = process.visitor();
    alice.try_sign_in("alice", "a wrong password").await;
    alice.sign_in("alice", PASSWORD).await;
    alice.get("/my/account").await;

    let address = process.metrics.as_ref().expect("an address of the metrics");
    let http = Client::builder().no_proxy().build().expect("an HTTP client");
    let metrics = Answer::of(http.get(format!("http://{address}/metrics"))).await;
    assert_eq!(metrics.status, 200);
    for line in [
        "# TYPE latchkey_requests_total counter",
        "# TYPE latchkey_request_duration_seconds histogram",
        "latchkey_request_duration_seconds_count{route=\"/users/current.{format:json|xml}\",status_class=\"2xx\"} 2",
        "latchkey_request_duration_seconds_count{route=\"/users/current.{format:json|xml}\",status_class=\"4xx\"} 1",
        concat!("latchkey_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        "latchkey_requests_total{route=\"/users/current.{format:json|xml}\",status=\"200\"} 2",
        "latchkey_requests_total{route=\"/users/current.{format:json|xml}\",status=\"401\"} 1",
        "latchkey_requests_total{route=\"/my/account\",status=\"200\"} 1",
        "latchkey_authentications_total{method=\"key\",outcome=\"accepted\"} 2",
        "latchkey_authentications_total{method=\"key\",outcome=\"refused\"} 1",
        "latchkey_authentications_total{method=\"sign_in\",outcome=\"refused\"} 1",
        "latchkey_authentications_total{method=\"sign_in\",outcome=\"accepted\"} 1",
        "latchkey_authentications_total{method=\"session\",outcome=\"accepted\"} 1",
        "latchkey_first_uses_answered_unwritten_total 0",
        "latchkey_flush_failures_total 0",
        // The second use of the key waits for its minute.
        "latchkey_pending_uses 1",
        "latchkey_pending_service_uses 0",
        "latchkey_service_uses_dropped_total 0",
    ] {
        assert!(metrics.text.lines().any(|it| it == line), "{line} in\n{}", metrics.text);
    }
    for name in [
        "latchkey_flush_duration_seconds_count",
        "latchkey_pool_connections",
        "latchkey_pool_idle_connections",
        "process_cpu_seconds_total ",
        "process_start_time_seconds ",
        "process_resident_memory_bytes ",
        "process_open_fds ",
        "process_max_fds ",
        "process_threads ",
    ] {
        assert!(metrics.text.lines().any(|line| line.starts_with(name)), "{name} in\n{}", metrics.text);
    }
    assert!(!metrics.text.contains("/no/such"), "labels are patterns");
    assert_eq!(process.get_with_key("/metrics", "").await.status, 404, "not where everybody can see them");
}

/// Prometheus, and whoever looks by hand, get the format that they ask for.
#[tokio::test]
async fn metrics_come_in_the_format_that_is_asked_for() {
    let database = TestDatabase::migrated(Sqlite);
    let process = Process::serve(&CommandLine::on(&database), &["--metrics-bind=localhost:0"]);
    let address = process.metrics.as_ref().expect("an address of the metrics");
    let http = Client::builder().no_proxy().build().expect("an HTTP client");
    let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                      application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    let text = "text/plain; version=0.0.4; charset=utf-8";
    let open = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    for (accept, content_type) in [
        (None, text),
        (Some(prometheus), open),
        (Some("application/openmetrics-text"), open),
        (Some("text/plain"), text),
        (Some("*/*"), text),
        (Some("text/html,application/xhtml+xml,*/*;q=0.8"), text),
        (Some("text/plain;q=0.9, application/openmetrics-text;version=1.0.0;q=0.1"), text),
        (Some("application/openmetrics-text;q=0, text/plain;q=0.1"), text),
        (Some("application/openmetrics-text;version=9.9.9"), text),
        (Some("application/json"), text),
        (Some("\u{e9}"), text),
    ] {
        let mut request = http.get(format!("http://{address}/metrics"));
        if let Some(accept) = accept {
            request = request.header("Accept", accept);
        }
        let answer = Answer::of(request).await;
        assert_eq!((answer.status, answer.header("Content-Type")), (200, Some(content_type)), "{accept:?}");
        assert_eq!(answer.header("Vary"), Some("Accept"));
        let is_open = content_type == open;
        assert_eq!(answer.text.ends_with("# EOF\n"), is_open, "{accept:?}");
        let counter =
            if is_open { "# TYPE process_cpu_seconds counter" } else { "# TYPE process_cpu_seconds_total counter" };
        assert!(answer.text.lines().any(|line| line == counter), "{counter}: {}", answer.text);
    }
}

/// Every mixture of when a key was created, since when it is recorded, and when each of its secrets was used: days ago.
fn insert_keys(site: &Site, user_id: i64) {
    let now = site.clock.now();
    let time = |days: Option<i64>| days.map_or("NULL".to_owned(), |days| format!("'{}'", now - TimeDelta::days(days)));
    let (mut rows, mut id) = (Vec::new(), 1000);
    let mut add = |action: &str, created: i64, recorded: Option<i64>, used: Option<i64>, key_id: Option<i64>| {
        id += 1;
        let digest: String = Secret::generate().digest().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let digest = if site.database.url.file().is_some() { format!("x'{digest}'") } else { format!("'\\x{digest}'") };
        let (key_id, times) = (key_id.map_or("NULL".to_owned(), |id| id.to_string()), [Some(created), recorded, used]);
        let [created, recorded, used] = times.map(time);
        rows.push(format!("({id}, {user_id}, '{action}', {digest}, 'wxyz', {created}, {recorded}, {used}, {key_id})"));
        id
    };
    for created in [0, 10, 30, 100, 200] {
        for recorded in [None, Some(5), Some(30), Some(90)] {
            for used in [None, Some(1), Some(90), Some(91)] {
                for action in ["api", "feeds"] {
                    add(action, created, recorded, used, None);
                }
                for used_later in [None, Some(2), Some(90)] {
                    let first = add("access", created, None, used, None);
                    add("access", created.min(8), recorded, used_later, Some(first));
                }
            }
        }
    }
    let columns = "id, user_id, action, digest, hint, created_on, recorded_since, updated_on, key_id";
    site.database.execute(&format!("INSERT INTO tokens ({columns}) VALUES {}", rows.join(", ")));
}

/// What the database counts is what the verdict of each key is; and it counts once a minute, however often it is asked.
#[rstest]
#[tokio::test]
async fn keys_are_counted_by_kind_and_verdict_once_a_minute(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--access-tokens-per-user=1000"]).await;
    let alice = site.add_user("alice").await;
    insert_keys(&site, alice.id);
    for expiry in ["6d", "7d", "8d", "30d", "31d"] {
        site.add_access_token(&alice, "account:read", expiry).await;
    }
    let expired = site.add_access_token(&alice, "account:read", "1d").await;
    site.database.execute(&format!("UPDATE tokens SET expires_on = '{}' WHERE id = {}", site.clock.now(), expired.id));

    let now = site.clock.now();
    let all = site.app.database.read_now(|connection| OwnedKey::of_user(connection, alice.id, &TokenAction::KEYS));
    let mut expected: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for key in all.expect("keys").into_iter().filter(|key| !key.is_expired(now)) {
        let verdict = key.evidence(key.last_use(Token::recorded_use)).verdict(now);
        *expected.entry((key.action.as_str(), verdict.as_str())).or_default() += 1;
    }
    assert_eq!(expected.len(), 12, "every verdict of every kind: {expected:?}");
    let line = |kind: &str, verdict: &str, number: i64| {
        format!("latchkey_keys{{kind=\"{kind}\",verdict=\"{verdict}\"}} {number}")
    };
    let counted = site.metrics().await;
    let has = |text: &str, line: &str| assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
    for ((kind, verdict), number) in &expected {
        has(&counted, &line(kind, verdict, *number));
    }
    has(&counted, "latchkey_keys_expiring{within_days=\"7\"} 2");
    has(&counted, "latchkey_keys_expiring{within_days=\"30\"} 4");

    site.database.execute("DELETE FROM tokens");
    site.later(TimeDelta::seconds(59));
    let again = site.metrics().await;
    let of_keys = |text: &str| {
        text.lines().filter(|line| line.starts_with("latchkey_keys")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of_keys(&again), of_keys(&counted), "it is not counted again");
    site.later(TimeDelta::seconds(1));
    let later = site.metrics().await;
    for kind in ["api", "feeds", "access"] {
        for verdict in Verdict::ALL {
            has(&later, &line(kind, verdict.as_str(), 0));
        }
    }
}
