//! `/healthz` and `/readyz`, for load balancers and service managers.

use reqwest::Method;
use rstest::rstest;

use crate::support::*;

const NEWEST: &str = "SELECT max(CAST(version AS BIGINT)) AS number FROM __diesel_schema_migrations";

async fn ask(site: &Site, address: &str) -> (u16, String) {
    let answer = Answer::of(site.get(address)).await;
    (answer.status, answer.text)
}

/// "`/healthz` (process) and `/readyz` (database and migrations)": for anybody, whatever they present.
#[rstest]
#[tokio::test]
async fn a_site_that_serves_is_healthy_and_ready(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    assert_eq!(ask(&site, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(ask(&site, "/readyz").await, (200, "ready\n".to_owned()));
    for address in ["/healthz", "/readyz"] {
        let head = Answer::of(site.request(Method::HEAD, address)).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{address}");
        assert_eq!(head.header("Cache-Control"), Some("no-store"), "{address}");
        let wrong = Answer::of(site.get(address).header("X-Redmine-API-Key", "wrong")).await;
        assert_eq!((wrong.status, wrong.header("Set-Cookie")), (200, None), "{address}");
    }
}

/// "`/readyz` fails for missing migrations"
#[rstest]
#[tokio::test]
async fn a_site_whose_database_lacks_a_migration_is_not_ready(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let newest = site.database.number(NEWEST);
    site.database.execute(&format!("DELETE FROM __diesel_schema_migrations WHERE version = '{newest}'"));
    let (status, text) = ask(&site, "/readyz").await;
    assert_eq!((status, text.as_str()), (503, "the database does not fit this release: see latchkey migrate status\n"));
    assert_eq!(ask(&site, "/healthz").await.0, 200, "the process is well");
    site.database.execute(&format!("INSERT INTO __diesel_schema_migrations (version) VALUES ('{newest}')"));
    assert_eq!(ask(&site, "/readyz").await.0, 200);
    site.database.execute("DROP TABLE __diesel_schema_migrations");
    assert_eq!(ask(&site, "/readyz").await.0, 503, "no migration at all");
}

/// "Not for newer ones": so that the release before keeps running beside the new one, until the database says that it
/// is too old for it.
#[rstest]
#[tokio::test]
async fn a_site_beside_a_newer_release_stays_ready(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000001')");
    assert_eq!(ask(&site, "/readyz").await, (200, "ready\n".to_owned()));
    site.database.execute("UPDATE compatibility SET needs_migration = '20990101000001'");
    assert_eq!(ask(&site, "/readyz").await.0, 503, "too old for the database");
    assert_eq!(ask(&site, "/healthz").await.0, 200);
}

/// "`/readyz` (database […])": it fails while the database is away, and programs are told when to come back. A file
/// does not go away, so that this is about PostgreSQL.
#[tokio::test]
async fn a_site_whose_database_is_away_is_healthy_but_not_ready() {
    let site = Site::start(Postgres).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, latchkey::models::keys::token::TokenAction::Api).await;
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200);
    site.database.drop_postgres();
    assert_eq!(ask(&site, "/readyz").await, (503, "the database does not answer\n".to_owned()));
    assert_eq!(ask(&site, "/healthz").await, (200, "ok\n".to_owned()));
    let told = "The database is not available at the moment. Try again in a few seconds.";
    let answer = site.get_with_key("/users/current.json", &key).await;
    assert_eq!((answer.status, answer.text.as_str()), (503, format!(r#"{{"errors":["{told}"]}}"#).as_str()));
    assert_eq!(answer.header("Retry-After"), Some("5"));
}
