//! No table grows without end because of what one person does. `docs/operations.md` lists what bounds each.

use chrono::TimeDelta;
use latchkey::db::url::DatabaseUrl;
use latchkey::models::event::MOST_OF_A_KIND;
use latchkey::models::keys::token::TokenAction;
use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use super::*;

/// So many rows, by a statement that has a number `n` for each.
fn insert(site: &Site, rows: i64, statement: &str) {
    let numbers =
        format!("WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows})");
    let (into, select) = statement.split_once("SELECT").expect("a SELECT");
    site.database.execute(&format!("{into} {numbers} SELECT {select} FROM numbers"));
}

fn count(site: &Site, table_where: &str) -> i64 {
    site.database.number(&format!("SELECT count(*) AS number FROM {table_where}"))
}

async fn post(site: &Site, key: &Key, address: &str, body: serde_json::Value) -> Answer {
    let request = site.request(Method::POST, address).header("X-Redmine-API-Key", &key.secret).json(&body);
    Answer::of(request).await.noted()
}

/// A flood of one kind hides nothing of the others, and its latest can still be seen.
#[rstest]
#[tokio::test]
async fn a_person_has_so_many_events_of_a_kind(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (alice, bob) = (site.add_user("alice").await, site.add_user("bob").await);
    let key = site.add_key(&alice, TokenAction::Api).await;
    for (person, action, rows) in [
        (&alice, "key_created", MOST_OF_A_KIND + 20),
        (&alice, "sign_in_refused", MOST_OF_A_KIND),
        (&alice, "password_changed", 3),
        (&bob, "key_created", MOST_OF_A_KIND),
    ] {
        let values = format!("{}, '{action}', 'a' || n, '', '2026-11-24 09:00:00', '2026-11-24 09:00:00'", person.id);
        let columns = "user_id, action, address, agent, created_on, updated_on";
        insert(&site, rows, &format!("INSERT INTO events ({columns}) SELECT {values}"));
    }
    let body = json!({"name": "the latest", "scopes": ["account:read"]});
    assert_eq!(post(&site, &key, "/my/tokens.json", body).await.status, 201);
    site.visitor().try_sign_in("alice", "a-wrong-password").await;
    site.flush().await;
    let of =
        |person: i64, action: &str| count(&site, &format!("events WHERE user_id = {person} AND action = '{action}'"));
    assert_eq!(of(alice.id, "key_created"), MOST_OF_A_KIND);
    assert_eq!(of(alice.id, "sign_in_refused"), MOST_OF_A_KIND);
    assert_eq!(of(alice.id, "password_changed"), 3);
    assert_eq!(of(bob.id, "key_created"), MOST_OF_A_KIND, "somebody else's stay");
    let oldest = count(&site, "events WHERE action = 'key_created' AND address IN ('a1', 'a21')");
    assert_eq!(oldest, 2, "bob's: hers were the oldest");
    let page = site.signed_in("alice").await.get("/activity").await;
    assert!(page.shows("Access token “the latest” created") && page.shows("Wrong password"), "{}", page.text());
}

#[rstest]
#[tokio::test]
async fn so_many_idempotent_requests_of_a_person_are_remembered(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let digest = match site.database.url {
        DatabaseUrl::Sqlite(_) => "CAST('digest' || n AS BLOB)",
        DatabaseUrl::Postgres(_) => "CAST('digest' || n AS BYTEA)",
    };
    let values = format!("{digest}, {}, {digest}, n, '2026-11-24 09:00:00'", alice.id);
    let columns = "digest, user_id, request, token_id, created_on";
    insert(&site, 1000, &format!("INSERT INTO idempotency_keys ({columns}) SELECT {values}"));
    let ask = async || {
        let request = site.request(Method::POST, "/my/tokens.json").header("X-Redmine-API-Key", &key.secret);
        let body = json!({"name": "once", "scopes": ["account:read"]});
        Answer::of(request.header("Idempotency-Key", "the-latest").json(&body)).await.noted()
    };
    assert_eq!((ask().await.status, count(&site, "idempotency_keys")), (201, 1000));
    let again = ask().await;
    assert_eq!((again.status, again.header("Idempotency-Replayed")), (201, Some("true")), "the latest is remembered");
}

#[rstest]
#[tokio::test]
async fn a_key_that_is_rotated_in_a_loop_keeps_so_many_secrets(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let token = site.add_access_token(&alice, "account:read", "never").await;
    let address = format!("/my/tokens/{}/rotate.json", token.id);
    let rotate = async || post(&site, &key, &address, json!({"grace": "0"})).await;
    for _ in 1..30 {
        assert_eq!(rotate().await.status, 200);
    }
    let refused = rotate().await;
    assert_eq!(refused.status, 422);
    let told = "This access token has been rotated too often within a day: wait until tomorrow, or make a new one";
    assert_eq!(refused.json()["errors"][0], told);
    assert_eq!(count(&site, "tokens WHERE action = 'access'"), 30);
    site.later(TimeDelta::days(1));
    assert_eq!(rotate().await.status, 200);
    assert!(count(&site, "tokens WHERE action = 'access'") < 30);
}

#[rstest]
#[tokio::test]
async fn so_many_notices_wait_for_a_person(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let columns = "user_id, action, token_action, token_hint, address, agent, created_on, updated_on";
    let values =
        format!("{}, 'key_leaked', 'api', 'abcd', '', '', '2026-11-24 09:00:00', '2026-11-24 09:00:00'", alice.id);
    insert(&site, 100, &format!("INSERT INTO events ({columns}) SELECT {values}"));
    site.database.execute("INSERT INTO notices (user_id, event_id) SELECT user_id, id FROM events");
    let key = site.add_key(&alice, TokenAction::Api).await;
    assert_eq!(post(&site, &key, "/revoke.json", json!({"secret": key.secret})).await.status, 204);
    assert_eq!(count(&site, "notices"), 100);
    assert_eq!(count(&site, "events WHERE action = 'key_leaked'"), 101, "the activity still tells all of them");
    assert_eq!(count(&site, "notices WHERE event_id = (SELECT max(id) FROM events WHERE action = 'key_leaked')"), 1);
}

#[rstest]
#[tokio::test]
async fn administrators_add_so_many_accounts_and_services(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--most-accounts=2"]).await;
    let root = site.add_admin("root").await;
    let key = site.add_key(&root, TokenAction::Api).await;
    let add = async |login: &str| {
        let user = json!({"login": login, "firstname": "A", "lastname": "B", "mail": format!("{login}@example.org")});
        post(&site, &key, "/users.json", json!({ "user": user })).await
    };
    assert_eq!(add("first").await.status, 201);
    let refused = add("second").await;
    let told = "Login cannot be added: there are as many accounts as LATCHKEY_MOST_ACCOUNTS allows";
    assert_eq!((refused.status, refused.json()["errors"][0].as_str()), (422, Some(told)));

    let columns = "name, title, host, path, reading_methods, created_on, updated_on";
    let values = "'s' || n, 'S', 's' || n || '.example.org', '/', 'GET', '2026-11-24 09:00:00', '2026-11-24 09:00:00'";
    insert(&site, 999, &format!("INSERT INTO services ({columns}) SELECT {values}"));
    let add = async |name: &str| {
        let service = json!({"name": name, "title": "T", "host": format!("{name}.example.org")});
        post(&site, &key, "/admin/services.json", service).await
    };
    assert_eq!(add("last").await.status, 201);
    let refused = add("one-more").await;
    let told = "Name cannot be added: there are 1000 services, the most there may be";
    assert_eq!((refused.status, refused.json()["errors"][0].as_str()), (422, Some(told)));
}
