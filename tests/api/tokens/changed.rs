//! `PATCH /my/tokens/ID.json`

use chrono::TimeDelta;
use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn what_is_named_is_changed_and_the_rest_stays(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    let mut expected = site.get_with_key(&address(&key), &api).await.json();
    for (changes, detail) in [
        (json!({ "name": "ci" }), "was called “deploy”"),
        (json!({ "note": "on build-3" }), "note"),
        (json!({ "scopes": ["tokens:read", "account:write"] }), "may do account:write tokens:read"),
        (json!({ "expires_on": null }), "does not expire"),
        (json!({ "expires_on": "2026-12-31T10:00:00Z" }), "expires 2026-12-31T10:00:00Z"),
        (json!({ "name": "both", "note": null }), "was called “ci”, note"),
    ] {
        let changed = patch(&site, &api, &key, changes.clone()).await;
        expected.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
        if let Some(note) = expected.get_mut("note").filter(|note| note.is_null()) {
            *note = json!("");
        }
        if changes.get("scopes").is_some() {
            expected["scopes"] = json!(["account:write", "tokens:read"]);
        }
        assert_eq!((changed.status, changed.json()), (200, expected.clone()), "{changes}");
        assert_eq!(site.get_with_key(&address(&key), &api).await.json(), expected);
        let by = format!("API access key ····{}", hint(&api));
        let name = expected["name"].as_str().expect("a name");
        assert_eq!(told(&site, &alice), (format!("Access token “{name}” changed"), detail.to_owned(), by));
    }
    let before = state(&site);
    for nothing in [json!({}), json!({ "name": "both", "scopes": ["account:write", "tokens:read"] })] {
        assert_eq!(patch(&site, &api, &key, nothing).await.json(), expected);
    }
    assert_eq!(state(&site), before, "where nothing changes, nothing is told");
}

/// At the next request, by each of its secrets.
#[rstest]
#[tokio::test]
async fn a_change_counts_at_once(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let old = site.add_access_token(&alice, "account:read", "30d").await;
    let new = issued(&post(&site, &api, &rotation(&old), json!({})).await);
    assert_eq!(patch(&site, &api, &new, json!({ "scopes": ["tokens:read"] })).await.status, 200);
    for key in [&old, &new] {
        assert_eq!(site.get_with_key(ME, key).await.status, 403);
        assert_eq!(site.get_with_key(LIST, key).await.status, 200);
    }
    assert_eq!(patch(&site, &api, &new, json!({ "expires_on": "2026-11-24T10:30:00Z" })).await.status, 200);
    site.later(TimeDelta::hours(1));
    for key in [&old, &new] {
        assert_eq!(site.get_with_key(LIST, key).await.status, 401);
    }
}

#[rstest]
#[tokio::test]
async fn broken_rules_are_told_and_nothing_is_changed(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    let (before, shown) = (state(&site), site.get_with_key(&address(&key), &api).await.json());
    for (changes, text) in [
        (json!({ "name": "" }), "Name cannot be blank"),
        (json!({ "name": null }), "Name must be a string"),
        (json!({ "note": "n".repeat(501) }), "Note is too long (maximum is 500 characters)"),
        (json!({ "scopes": [] }), "Choose at least one scope"),
        (json!({ "scopes": ["users:write"] }), "Only administrators can use the scopes of users and services"),
        (json!({ "name": "fine", "expires_on": "2026-11-24T09:30:00Z" }), "Expiration must be in the future"),
        (
            json!({ "name": "fine", "action": "api" }),
            r#"Unknown field "action": use name, note, scopes, expires_on, networks, confirm_networks"#,
        ),
    ] {
        assert_eq!(problem(&patch(&site, &api, &key, changes.clone()).await), refused(422, text), "{changes}");
    }
    let text = "This is not an access token: you can reset or revoke it, but not change or rotate it";
    assert_eq!(problem(&patch(&site, &api, &api, json!({ "name": "mine" })).await), refused(422, text));
    assert_eq!((state(&site), site.get_with_key(&address(&key), &api).await.json()), (before, shown));
    site.later(TimeDelta::days(30));
    let text = "This access token has expired: create a new one";
    assert_eq!(problem(&patch(&site, &api, &key, json!({ "expires_on": null })).await), refused(422, text));
}

#[rstest]
#[tokio::test]
async fn nobody_changes_the_key_of_whom_they_act_as(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let root = site.add_admin("root").await;
    let by = site.add_key(&root, TokenAction::Api).await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    let shown = site.get_with_key(&address(&key), &api).await.json();
    for (method, address, body) in [
        (Method::PATCH, address(&key), json!({ "name": "mine" })),
        (Method::POST, rotation(&key), json!({})),
        (Method::POST, LIST.to_owned(), json!({ "name": "a", "scopes": ["account:read"] })),
    ] {
        let request = send(&site, &by, method, &address, &body).header("X-Redmine-Switch-User", "alice");
        let text = "You cannot create, change or rotate keys with X-Redmine-Switch-User.";
        assert_eq!(problem(&Answer::of(request).await), refused(403, text));
    }
    assert_eq!(site.get_with_key(&address(&key), &api).await.json(), shown);
    let seen = send(&site, &by, Method::GET, &address(&key), &Value::Null).header("X-Redmine-Switch-User", "alice");
    assert_eq!(Answer::of(seen).await.json(), shown, "to look is something else");
}
