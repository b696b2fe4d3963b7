//! `GET /admin/keys.json`: what is told of each key, the filters, the orders and the cursors.

use chrono::TimeDelta;
use latchkey::models::ids::{KeyId, UserId};
use latchkey::models::keys::key::Key as OwnedKey;
use latchkey::models::keys::key_request::Grace;
use latchkey::models::services::admitted::Admitted;
use latchkey::models::services::settings::ServiceSettings;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;

const LIST: &str = "/admin/keys.json";

async fn list(site: &Site, key: &Key, query: &str) -> Value {
    let answer = site.get_with_key(&format!("{LIST}?{query}"), key).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text);
    answer.json()
}

/// The names of access tokens, and the kinds of other keys, in their order.
fn names(list: &Value) -> Vec<String> {
    let keys = list["keys"].as_array().expect("keys");
    let name = |key: &Value| key["name"].as_str().or(key["action"].as_str()).expect("a name").to_owned();
    keys.iter().map(name).collect()
}

/// Gives a key another secret, a minute later.
async fn rotate(site: &Site, user: &User, key: &Key) -> Key {
    site.later(TimeDelta::minutes(1));
    let id = (UserId(user.id), KeyId(key.id));
    let (rotated, secret) = site.write(move |tx| OwnedKey::rotate(tx, id, Grace::Week)).await;
    log::note_secret(secret.expose());
    Key { id: rotated.current.id, secret: secret.expose().to_owned() }
}

#[rstest]
#[tokio::test]
async fn a_key_is_listed_with_all_that_is_known_of_it(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--trusted-proxies=127.0.0.1"]).await;
    let (_, admin) = administrator(&site).await;
    let alice = site.add_user("alice").await;
    let settings = ServiceSettings::new("Team wiki", "wiki.example.org");
    site.add_service("wiki", ServiceSettings { readers: Admitted::Everyone, ..settings }).await;
    let key = named(&site, &alice, "deploy", "service:wiki:read", "30d").await;
    assert_eq!(list(&site, &admin, "owner=alice").await["keys"][0]["services"], json!([]));
    site.later(TimeDelta::minutes(5));
    let new = rotate(&site, &alice, &key).await;
    // The first use is written before the answer; the second, by the earlier secret and on a service, is in memory only.
    assert_eq!(site.get_with_key("/my/tokens/current.json", &new).await.status, 200);
    assert_eq!(site.get_with_key("/my/tokens/current.json", &key).await.status, 200);
    site.later(TimeDelta::seconds(30));
    let question = site.get("/auth/nginx").header("Host", "wiki.example.org").bearer_auth(&key.secret);
    let question = question.header("X-Original-URI", "/page").header("X-Original-Method", "GET");
    let question = Answer::of(question).await;
    assert_eq!(question.status, 200, "{}", question.text);

    let found = list(&site, &admin, "owner=alice").await;
    let document = json!({
        "id": key.id,
        "user_id": alice.id,
        "login": "alice",
        "action": "access",
        "name": "deploy",
        "note": "",
        "hint": &new.secret[45..],
        "scopes": ["service:wiki:read"],
        "created_on": "2026-11-24T09:30:00Z",
        "expires_on": "2026-12-24T09:30:00Z",
        "state": "active",
        "networks": null,
        "suspended_until": null,
        "last_used_on": "2026-11-24T09:36:30Z",
        "last_used_by": "earlier",
        "services": [{ "service": "wiki", "last_used_on": "2026-11-24T09:36:30Z" }],
    });
    assert_eq!(found["next_cursor"], Value::Null);
    for (member, value) in document.as_object().expect("an object") {
        assert_eq!(&found["keys"][0][member], value, "{member} in {found}");
    }
    assert_eq!(found["keys"][0]["earlier_secrets"][0]["hint"], key.secret[45..]);
    assert_eq!(found["keys"].as_array().expect("keys").len(), 1, "a key with two secrets is one key");
    site.flush().await;
    assert_eq!(list(&site, &admin, "owner=ALICE").await, found, "written or not");
}

#[rstest]
#[tokio::test]
async fn only_administrators_see_it(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    for address in ["/admin/keys.json", "/admin/keys.csv", "/admin/keys.ndjson"] {
        let answer = site.get_with_key(address, &key).await;
        assert_eq!(answer.status, 403, "{}", answer.text);
        assert_eq!(answer.json()["detail"], "This is for administrators only.");
    }
}

#[rstest]
#[tokio::test]
async fn a_filter_finds_the_keys_for_which_all_of_it_holds(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (_, admin) = administrator(&site).await;
    let (alice, bob) = (site.add_user("alice").await, site.add_user("bob").await);
    let wiki = site.add_service("wiki", ServiceSettings::new("Wiki", "wiki.example.org")).await;
    let git = site.add_service("git", ServiceSettings::new("Git", "git.example.org")).await;
    let reads = named(&site, &alice, "reads", "account:read", "never").await;
    let writes = named(&site, &bob, "writes", "account:write", "30d").await;
    let old = named(&site, &bob, "old", "account:read tokens:read", "1d").await;
    let on_wiki = named(&site, &alice, "on wiki", "tokens:write", "90d").await;
    site.add_key(&bob, TokenAction::Feeds).await;
    set_key(&site, &reads, "note = 'Nightly BUILD of 100%', updated_on = '2026-11-25 10:00:00'");
    set_key(&site, &writes, "updated_on = '2026-11-24 12:00:00'");
    set_key(&site, &old, "expires_on = '2026-11-01 00:00:00'");
    site.database.execute(&format!(
        "INSERT INTO token_services VALUES ({}, {}, 'write');
         INSERT INTO service_uses VALUES ({}, {}, '2026-11-25 10:00:00', '192.0.2.1', 'curl')",
        on_wiki.id, wiki.id, writes.id, git.id
    ));
    // Rotated: used lately by the earlier secret only.
    rotate(&site, &alice, &on_wiki).await;
    site.database.execute(&format!("UPDATE tokens SET updated_on = '2026-11-25 11:00:00' WHERE id = {}", on_wiki.id));
    for (query, expected) in [
        ("", "on wiki|old|writes|reads|feeds|api"),
        ("owner=alice", "on wiki|reads"),
        ("owner=BOB&action=access", "old|writes"),
        ("action=api", "api"),
        ("state=expired", "old"),
        ("state=active&owner=bob", "writes|feeds"),
        ("scope=account:read", "old|writes|reads|api"),
        ("scope=tokens:read&action=access", "on wiki|old"),
        ("scope=account:write&action=access", "writes"),
        ("scope=service:wiki:read", "on wiki"),
        ("scope=service:git:read", ""),
        ("service=wiki", "on wiki"),
        ("service=git", "writes"),
        ("scope=account:read&service=git", "writes"),
        ("never_used=true&owner=bob", "old|feeds"),
        ("never_used=true&owner=alice", ""),
        ("unused_since=2026-11-25&action=access", "old|writes"),
        ("unused_since=2026-11-25T10:30:00Z&action=access", "old|writes|reads"),
        ("unused_since=2026-11-25T10:30:00Z&action=access&sort=last_used_on", "old|writes|reads"),
        ("unused_since=2026-11-25T12:00:00Z&action=access", "on wiki|old|writes|reads"),
        ("expires_before=2026-12-31", "old|writes"),
        ("expires_before=2026-12-31&sort=expires_on", "old|writes"),
        ("expires_before=9999-12-31T23:59:59.999999Z", "on wiki|old|writes"),
        ("search=build", "reads"),
        ("search=nightly+100%25", "reads"),
        ("search=%25", "reads"),
        ("search=_", ""),
        ("search=%22of+100%22", "reads"),
        ("search=WIKI", "on wiki"),
    ] {
        let mut found = names(&list(&site, &admin, query).await);
        // Those that were made at the same time stand by their ids, which the order of the test does not say.
        if !query.contains("sort=") {
            let place = |name: &String| "on wiki|old|writes|reads|feeds|api".split('|').position(|it| it == name);
            found.sort_by_key(place);
        }
        assert_eq!(found.join("|"), expected, "{query}");
    }
}

#[rstest]
#[tokio::test]
async fn a_suspended_key_is_neither_active_nor_expired(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (_, admin) = administrator(&site).await;
    let alice = site.add_user("alice").await;
    // The recorder ends suspensions whose time is over once a minute: it has just looked.
    site.flush().await;
    for (name, set) in [
        ("works", "suspended_on = NULL"),
        ("until switched on", "suspended_on = '2026-11-24 09:00:00'"),
        ("until tomorrow", "suspended_on = '2026-11-24 09:00:00', suspended_until = '2026-11-25 09:30:00'"),
        ("until now", "suspended_on = '2026-11-24 09:00:00', suspended_until = '2026-11-24 09:30:00'"),
        (
            "to be revoked",
            "suspended_on = '2026-11-24 09:00:00', suspended_until = '2026-11-24 09:30:00', revoked_then = TRUE",
        ),
        ("expired", "suspended_on = '2026-11-24 09:00:00', expires_on = '2026-11-24 09:30:00'"),
    ] {
        let key = named(&site, &alice, name, "account:read", "30d").await;
        set_key(&site, &key, set);
    }
    for (state, expected) in [
        ("active", ["until now", "works"].as_slice()),
        ("suspended", &["to be revoked", "until switched on", "until tomorrow"]),
        ("expired", &["expired"]),
    ] {
        let found = list(&site, &admin, &format!("owner=alice&state={state}")).await;
        let mut sorted = names(&found);
        sorted.sort();
        assert_eq!(sorted, expected, "{state}");
        assert!(found["keys"].as_array().expect("keys").iter().all(|key| key["state"] == state), "{found}");
    }
    let root = site.signed_in("root").await;
    let page = root.get("/admin/keys?state=suspended&search=tomorrow").await;
    assert!(page.shows("Suspended works again in"), "{}", page.text());
}

/// The last use of a key, its creation or its expiry, as the order compares them, and what is missing as it says.
fn sorted_by(key: &Value, order: &str) -> String {
    let missing = if order == "expires_on" { "9999" } else { "0000" };
    key[order].as_str().unwrap_or(missing).to_owned()
}

/// "page 1 and page 10,000": each key once, whatever the length of a page, alike on both databases.
#[rstest]
#[tokio::test]
async fn pages_go_through_all_keys_in_each_order(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (_, admin) = administrator(&site).await;
    let alice = site.add_user("alice").await;
    for (number, expiry) in ["never", "30d", "1d", "never", "30d", "7d", "1d"].iter().enumerate() {
        let key = named(&site, &alice, &format!("key {number}"), "account:read", expiry).await;
        // Times that are the same, and fractions that are none, some or six digits.
        let used = ["NULL", "'2026-11-25 10:00:00'", "'2026-11-25 10:00:00.000001'", "created_on"][number % 4];
        set_key(&site, &key, &format!("updated_on = {used}"));
        if number % 3 == 0 {
            let later = rotate(&site, &alice, &key).await;
            let used = ["NULL", "'2026-11-25 09:00:00.500'", "'2026-11-26 10:00:00'"][number / 3];
            site.database.execute(&format!("UPDATE tokens SET updated_on = {used} WHERE id = {}", later.id));
        }
    }
    for order in ["created_on", "last_used_on", "expires_on"] {
        let whole = list(&site, &admin, &format!("sort={order}&limit=500")).await;
        let keys = whole["keys"].as_array().expect("keys").clone();
        assert_eq!(keys.len(), 8, "{whole}");
        assert!(keys.is_sorted_by_key(|key| sorted_by(key, order)), "{order}: {whole}");
        let ids = |keys: &[Value]| keys.iter().map(|key| key["id"].as_i64().expect("an id")).collect::<Vec<_>>();
        let ascending = ids(&keys);
        let descending: Vec<i64> = ascending.iter().rev().copied().collect();
        for (direction, expected) in [("asc", ascending), ("desc", descending)] {
            for limit in [1, 2, 3, 7, 8] {
                let (mut found, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
                loop {
                    let page = list(&site, &admin, &format!("sort={order}:{direction}&limit={limit}{cursor}")).await;
                    found.extend(ids(page["keys"].as_array().expect("keys")));
                    pages += 1;
                    match page["next_cursor"].as_str() {
                        Some(next) => cursor = format!("&cursor={next}"),
                        None => break,
                    }
                }
                assert_eq!(found, expected, "{order} {direction} by {limit}");
                assert_eq!(pages, 8_usize.div_ceil(limit), "{order} {direction} by {limit}");
            }
        }
    }
}

/// A page goes on where it ended, also if its last key is gone, and keys that come before it have come.
#[rstest]
#[tokio::test]
async fn a_page_goes_on_whatever_happens_meanwhile(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (_, admin) = administrator(&site).await;
    let alice = site.add_user("alice").await;
    let mut keys = Vec::new();
    for name in ["a", "b", "c", "d"] {
        site.later(TimeDelta::minutes(1));
        keys.push(named(&site, &alice, name, "account:read", "never").await);
    }
    let first = list(&site, &admin, "owner=alice&limit=2").await;
    assert_eq!(names(&first), ["d", "c"]);
    site.database.execute(&format!("DELETE FROM tokens WHERE id = {}", keys[2].id));
    site.later(TimeDelta::minutes(1));
    named(&site, &alice, "e", "account:read", "never").await;
    let cursor = first["next_cursor"].as_str().expect("a cursor");
    let second = list(&site, &admin, &format!("owner=alice&limit=3&cursor={cursor}")).await;
    assert_eq!(names(&second), ["b", "a"], "the length of a page may change");
}

#[rstest]
#[tokio::test]
async fn what_cannot_be_understood_is_told_in_a_sentence(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (_, admin) = administrator(&site).await;
    let alice = site.add_user("alice").await;
    for name in ["a", "b"] {
        named(&site, &alice, name, "account:read", "never").await;
    }
    let cursor = list(&site, &admin, "owner=alice&limit=1").await["next_cursor"].as_str().expect("it").to_owned();
    let mut changed = cursor.clone();
    changed.replace_range(9..10, if &cursor[9..10] == "A" { "B" } else { "A" });
    let wrong = "The cursor does not belong to this list: it, the filter or the order has been changed. Start without a \
                 cursor";
    for (query, told) in [
        (format!("owner=alice&cursor={changed}"), wrong),
        (format!("owner=alice&cursor={}", &cursor[1..]), wrong),
        (format!("owner=alice&cursor={cursor}A"), wrong),
        (format!("owner=alice&cursor={}", "A".repeat(5000)), wrong),
        (format!("owner=root&cursor={cursor}"), wrong),
        (format!("owner=alice&sort=expires_on&cursor={cursor}"), wrong),
        ("owner=nobody".to_owned(), "No account has the login nobody"),
        ("service=wiki".to_owned(), "No service has the name wiki"),
        ("scope=service:wiki:read".to_owned(), "No service has the name wiki"),
        (
            "never_used=true&unused_since=2026-01-01".to_owned(),
            "Ask either for keys without a recorded use, or for keys that were not used since a time",
        ),
        (
            "never_used=true&verdict=idle".to_owned(),
            "Ask either for keys without a recorded use, or for keys with a verdict that tells of one",
        ),
        ("verdict=dead".to_owned(), "verdict must be in_use, idle, unused or too_early"),
        ("never_used=perhaps".to_owned(), "never_used must be true or false"),
        ("state=broken".to_owned(), "state must be active, suspended or expired"),
        ("action=session".to_owned(), "action must be api, feeds or access"),
        (
            "unused_since=spring".to_owned(),
            "unused_since must be a date such as 2026-12-31 or an RFC 3339 time such as 2026-12-31T10:00:00Z",
        ),
        ("sort=name".to_owned(), "sort must be created_on, last_used_on or expires_on, with :asc or :desc after it"),
        ("limit=501".to_owned(), "limit must be a number from 1 to 500"),
        ("limit=0".to_owned(), "limit must be a number from 1 to 500"),
        ("owner=".to_owned(), "owner cannot be blank"),
        ("owner=alice&owner=bob".to_owned(), "owner appears twice"),
        (
            "unused_sinse=2026-01-01".to_owned(),
            "Unknown parameter unused_sinse: use owner, action, state, verdict, scope, service, never_used, unused_since, \
             expires_before, search, sort, limit, cursor",
        ),
    ] {
        let answer = site.get_with_key(&format!("{LIST}?{query}"), &admin).await;
        assert_eq!((answer.status, answer.json()["detail"].as_str()), (422, Some(told)), "{query}");
    }
    let unknown = site.get_with_key(&format!("{LIST}?scope=admin"), &admin).await;
    assert_eq!(unknown.status, 422);
    assert!(unknown.text.contains("Unknown scope: admin. The scopes are account:read"), "{}", unknown.text);
    let many = site.get_with_key(&format!("{LIST}?search={}", "p+".repeat(11)), &admin).await;
    assert_eq!(many.json()["detail"], "search has too many words to search for (maximum is 10)");
}

/// A use that is still in memory counts: who looks for unused keys does not find the key.
#[rstest]
#[tokio::test]
async fn a_use_in_memory_makes_a_key_a_used_one(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (_, admin) = administrator(&site).await;
    let alice = site.add_user("alice").await;
    let key = named(&site, &alice, "deploy", "account:read", "never").await;
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200);
    site.later(TimeDelta::seconds(40));
    let query = "owner=alice&unused_since=2026-11-24T09:30:20Z";
    assert_eq!(names(&list(&site, &admin, query).await), ["deploy"]);
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200);
    assert!(site.recorded_use(&key) < Some(site.clock.now()), "it is not written yet");
    assert!(names(&list(&site, &admin, query).await).is_empty());
}
