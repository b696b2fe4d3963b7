//! Another application that has Latchkey inside: `examples/embed.rs`, as it stands.

use latchkey::secret::Secret;
use rstest::rstest;

use crate::support::*;

#[path = "../examples/embed.rs"]
mod embed;

#[rstest]
#[tokio::test]
async fn a_service_with_latchkey_inside_is_opened_by_its_keys(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_embedded(db, embed::serve).await;
    let alice = site.add_user("alice").await;
    let may = site.add_access_token(&alice, "account:read", "30d").await;
    let may_not = site.add_access_token(&alice, "tokens:read", "30d").await;
    let report = async |secret: &str| {
        Answer::of(site.get("/report.json").header("Authorization", format!("Bearer {secret}"))).await
    };
    let answer = report(&may.secret).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "\"alice's report\""));
    assert_eq!(answer.header("X-Latchkey-Token-Expires"), Some("2026-12-24T09:30:00Z"));
    let refused = report(&may_not.secret).await;
    let challenge = r#"Bearer error="insufficient_scope", scope="account:read""#;
    assert_eq!((refused.status, refused.header("WWW-Authenticate")), (403, Some(challenge)));
    let unknown = report(Secret::generate().expose()).await;
    assert_eq!((unknown.status, unknown.json()["errors"].as_array().map(Vec::len)), (401, Some(1)));
    site.flush().await;
    assert!(site.recorded_use(&may).is_some(), "its use is recorded");
}

#[rstest]
#[tokio::test]
async fn its_pages_are_below_the_path_that_they_were_given(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_embedded(db, embed::serve).await;
    site.add_user("alice").await;
    let alice = site.visitor();
    let asked = alice.get("/keys/my/account").await;
    assert_eq!((asked.status, asked.location()), (302, "/keys/login?back_url=%2Fkeys%2Fmy%2Faccount"));
    let signed_in = alice.post("/keys/login", &[("username", "alice"), ("password", PASSWORD)]).await;
    assert_eq!((signed_in.status, signed_in.location()), (303, "/keys/my/account"));
    let page = alice.get("/keys/my/account").await;
    assert!(page.shows("Missing an API access key"), "{}", page.text());
    assert!(page.header("Content-Security-Policy").is_some() && page.header("X-Request-Id").is_some());
    assert_eq!(Answer::of(site.get("/keys/nothing")).await.status, 404);
    assert_eq!(Answer::of(site.get("/my/account")).await.status, 404, "what is not below it is the service's");
}
