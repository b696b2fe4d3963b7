//! Prometheus' metrics, on an address of their own.

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
