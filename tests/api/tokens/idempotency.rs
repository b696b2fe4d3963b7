//! "`Idempotency-Key` on create and rotate (per user and credential, a day; another body: 422) so that a retried call
//! does not make two: the repeated answer comes without the secret, which is nowhere kept."

use chrono::TimeDelta;
use futures_util::future::join_all;
use rstest::rstest;

use super::*;

fn wish() -> Value {
    json!({ "name": "deploy", "scopes": ["account:read"], "expires_on": "30d" })
}

async fn post_once(site: &Site, by: &Key, address: &str, body: &Value, name: &str) -> Answer {
    let request = send(site, by, Method::POST, address, body).header("Idempotency-Key", name);
    Answer::of(request).await.noted()
}

fn keys(site: &Site) -> i64 {
    site.database.number("SELECT count(*) AS number FROM tokens WHERE action = 'access' AND key_id IS NULL")
}

#[rstest]
#[tokio::test]
async fn a_key_that_is_asked_for_again_is_not_made_again(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, api) = with_alice(db).await;
    let first = post_once(&site, &api, LIST, &wish(), "one").await;
    assert_eq!((first.status, first.header("Idempotency-Replayed")), (201, None));
    let made = issued(&first);
    site.later(TimeDelta::hours(23));
    assert!(works(&site, &made).await);
    assert_eq!(patch(&site, &api, &made, json!({ "name": "ci" })).await.status, 200);
    let before = state(&site);
    let again = post_once(&site, &api, LIST, &wish(), "one").await;
    assert_eq!((again.status, again.header("Idempotency-Replayed")), (201, Some("true")));
    assert_eq!(again.header("Location"), first.header("Location"));
    assert_eq!(again.json(), site.get_with_key(&address(&made), &api).await.json(), "as it is now, without its secret");
    assert_eq!(again.json()["name"], "ci");
    assert_eq!(state(&site), before);
    assert_eq!(post_once(&site, &api, LIST, &wish(), "two").await.header("Idempotency-Replayed"), None);
    assert_eq!(keys(&site), 2);
}

#[rstest]
#[tokio::test]
async fn a_rotation_that_is_asked_for_again_is_not_done_again(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    let first = post_once(&site, &api, &rotation(&key), &Value::Null, "one").await;
    assert_eq!((first.status, first.header("Idempotency-Replayed")), (200, None));
    let before = state(&site);
    let again = post_once(&site, &api, &rotation(&key), &Value::Null, "one").await;
    assert_eq!((again.status, again.header("Idempotency-Replayed")), (200, Some("true")));
    assert_eq!(again.json(), site.get_with_key(&address(&key), &api).await.json());
    assert_eq!(state(&site), before);
    assert!(works(&site, &key).await && works(&site, &issued(&first)).await);
}

#[rstest]
#[tokio::test]
async fn another_request_by_the_same_name_is_refused(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    assert_eq!(post_once(&site, &api, LIST, &wish(), "one").await.status, 201);
    let before = state(&site);
    let mut other = wish();
    other["expires_on"] = json!(null);
    for (address, body) in [(LIST, &other), (&*rotation(&key), &Value::Null)] {
        let answer = post_once(&site, &api, address, body, "one").await;
        let text = "This Idempotency-Key was used for another request: use a new one for each request";
        assert_eq!(problem(&answer), refused(422, text), "{address}");
    }
    assert_eq!(state(&site), before);
}

#[rstest]
#[tokio::test]
async fn people_and_credentials_each_have_names_of_their_own(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let bob = site.add_user("bob").await;
    let bobs = site.add_key(&bob, TokenAction::Api).await;
    let program = site.add_access_token(&alice, "account:read tokens:write", "30d").await;
    let wish = json!({ "name": "deploy", "scopes": ["account:read"], "expires_on": "1d" });
    for by in [&api, &bobs, &program] {
        let made = post_once(&site, by, LIST, &wish, "one").await;
        assert_eq!((made.status, made.header("Idempotency-Replayed")), (201, None), "{}", made.text);
    }
    let by_password = async || {
        let request = site.request(Method::POST, LIST).basic_auth("alice", Some(PASSWORD)).json(&wish);
        Answer::of(request.header("Idempotency-Key", "one")).await.noted()
    };
    assert_eq!(by_password().await.header("Idempotency-Replayed"), None);
    assert_eq!(by_password().await.header("Idempotency-Replayed"), Some("true"));
    // By either secret it is the same program.
    let rotated = issued(&post(&site, &program, &rotation(&program), json!({})).await);
    for by in [&program, &rotated] {
        assert_eq!(post_once(&site, by, LIST, &wish, "one").await.header("Idempotency-Replayed"), Some("true"));
    }
    assert_eq!(keys(&site), 5);
}

#[rstest]
#[tokio::test]
async fn of_many_at_once_one_is_done(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    for (address, body, status) in [(LIST.to_owned(), wish(), 201), (rotation(&key), json!({ "grace": "1h" }), 200)] {
        let all = join_all((0..8).map(|_| post_once(&site, &api, &address, &body, &address))).await;
        let statuses: Vec<_> = all.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [status; 8], "{}", all[0].text);
        let (first, repeated): (Vec<_>, Vec<_>) = all.iter().partition(|it| it.json().get("secret").is_some());
        assert!(repeated.iter().all(|answer| answer.header("Idempotency-Replayed") == Some("true")));
        assert_eq!((first.len(), first[0].header("Idempotency-Replayed")), (1, None));
    }
    assert_eq!((keys(&site), state(&site).0), (2, 4), "with the classic one, and with the other secret");
}

#[rstest]
#[tokio::test]
async fn after_a_day_a_name_is_free_again_and_forgotten(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, api) = with_alice(db).await;
    let remembered = || site.database.number("SELECT count(*) AS number FROM idempotency_keys");
    let replayed = async |name| {
        let answer = post_once(&site, &api, LIST, &wish(), name).await;
        assert_eq!(answer.status, 201);
        answer.header("Idempotency-Replayed").is_some()
    };
    assert!(!replayed("one").await && !replayed("two").await);
    site.later(TimeDelta::days(1) - TimeDelta::microseconds(1));
    site.flush().await;
    assert!(replayed("one").await);
    assert_eq!(remembered(), 2);
    site.later(TimeDelta::microseconds(1));
    // Whether it has been cleared away by then or not.
    assert!(!replayed("one").await);
    assert!(replayed("one").await);
    assert_eq!(remembered(), 2);
    site.flush().await;
    assert_eq!(remembered(), 1, "the other is cleared away");
    assert!(!replayed("two").await);
    assert_eq!(keys(&site), 4);
}

#[rstest]
#[tokio::test]
async fn what_was_refused_may_be_asked_for_again(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--access-tokens-per-user=1"]).await;
    let alice = site.add_user("alice").await;
    let api = site.add_key(&alice, TokenAction::Api).await;
    let first = site.add_access_token(&alice, "account:read", "30d").await;
    assert_eq!(post_once(&site, &api, LIST, &wish(), "one").await.status, 422);
    assert_eq!(delete(&site, &api, &address(&first)).await.status, 204);
    let made = post_once(&site, &api, LIST, &wish(), "one").await;
    assert_eq!((made.status, made.header("Idempotency-Replayed")), (201, None));
}

#[rstest]
#[tokio::test]
async fn a_key_that_was_revoked_since_is_told_to_be_gone(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, api) = with_alice(db).await;
    let made = issued(&post_once(&site, &api, LIST, &wish(), "one").await);
    assert_eq!(delete(&site, &api, &address(&made)).await.status, 204);
    let text =
        "This request was already done, and its key has been revoked since: to repeat it, use another Idempotency-Key.";
    assert_eq!(problem(&post_once(&site, &api, LIST, &wish(), "one").await), refused(410, text));
    assert_eq!(keys(&site), 0);
    let root = site.add_admin("root").await;
    let by = site.add_key(&root, TokenAction::Api).await;
    let alice = site.user("alice");
    assert_eq!(delete(&site, &by, &format!("/users/{}.json", alice.id)).await.status, 204);
    assert_eq!(state(&site).2, 0, "with somebody goes what they asked for");
}

#[rstest]
#[tokio::test]
async fn a_name_is_1_to_255_visible_ascii_characters(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    let before = state(&site);
    let text = "Idempotency-Key must be 1 to 255 visible ASCII characters.";
    for name in ["", "a b", "é", &"x".repeat(256)] {
        for address in [LIST, &*rotation(&key)] {
            let body = if address == LIST { wish() } else { json!({}) };
            assert_eq!(problem(&post_once(&site, &api, address, &body, name).await), refused(400, text), "{name}");
        }
    }
    let twice = send(&site, &api, Method::POST, LIST, &wish()).header("Idempotency-Key", "a");
    assert_eq!(problem(&Answer::of(twice.header("Idempotency-Key", "b")).await), refused(400, text));
    assert_eq!(state(&site), before);
    for name in ["!", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", &"~".repeat(255)] {
        assert_eq!(post_once(&site, &api, LIST, &wish(), name).await.status, 201, "{name}");
    }
}

#[rstest]
#[tokio::test]
async fn neither_the_name_nor_the_request_nor_the_secret_is_kept(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, api) = with_alice(db).await;
    let wish = json!({ "name": "seen-name", "scopes": ["account:read"], "expires_on": "4321d" });
    let made = post_once(&site, &api, LIST, &wish, "unseen-idempotency-name").await;
    log::note_secret("unseen-idempotency-name");
    let secret = issued(&made).secret;
    let contents = site.database.contents();
    let holds = |text: &str| contents.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("seen-name"), "what is looked at is the database");
    for text in ["unseen-idempotency-name", "4321d", &secret] {
        assert!(!holds(text), "{text}");
    }
}
