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
    assert!(metrics.header("Content-Type").is_some_and(|it| it.starts_with("application/openmetrics-text")));
    for line in [
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
    for name in ["latchkey_flush_duration_seconds_count", "latchkey_pool_connections", "latchkey_pool_idle_connections"]
    {
        assert!(metrics.text.lines().any(|line| line.starts_with(name)), "{name} in\n{}", metrics.text);
    }
    assert!(!metrics.text.contains("/no/such"), "labels are patterns");
    assert_eq!(process.get_with_key("/metrics", "").await.status, 404, "not where everybody can see them");
}
