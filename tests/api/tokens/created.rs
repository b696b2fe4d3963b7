//! `POST /my/tokens.json`

use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn a_key_is_made_and_its_secret_told_this_once(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, key) = with_alice(db).await;
    let wish = json!({
        "name": "  deploy ", "note": "on build-3,\nsince May", "scopes": ["tokens:read", "account:read"],
        "expires_on": "2026-12-31",
    });
    let made = post(&site, &key, LIST, wish).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let new = issued(&made);
    assert_eq!(made.header("Location"), Some(format!("{}/my/tokens/{}.json", site.url, new.id).as_str()));
    assert_eq!(made.header("Content-Type"), Some("application/json; charset=utf-8"));
    assert_eq!(made.header("Cache-Control"), Some("no-store"));
    assert_eq!(made.header("Idempotency-Replayed"), None);
    let mut expected = json!({
        "id": new.id, "login": "alice", "action": "access", "name": "deploy", "note": "on build-3,\nsince May",
        "hint": hint(&new), "scopes": ["account:read", "tokens:read"], "created_on": "2026-11-24T09:30:00Z",
        "expires_on": "2027-01-01T00:00:00Z", "networks": null, "state": "active", "suspended_until": null, "suspended_then": null,
        "last_used_on": null, "last_used_by": null, "last_address": null, "last_agent": null,
        "recorded_since": "2026-11-24T09:30:00Z", "verdict": "too_early", "earlier_secrets": [], "secret": new.secret,
    });
    assert_eq!(made.json(), expected);
    expected.as_object_mut().expect("an object").remove("secret");
    assert_eq!(site.get_with_key(&address(&new), &key).await.json(), expected, "and is nowhere kept");
    assert!(works(&site, &new).await);
    site.flush().await;
    let by = format!("API access key ····{}", hint(&key));
    let told_of = |number: i64| {
        site.database.number(&format!(
        "SELECT count(*) AS number FROM events WHERE user_id = {} AND action = 'key_created' AND token_id = {number}
         AND token_name = 'deploy' AND credential = '{by}'
         AND detail = 'may do account:read tokens:read, expires at the end of 2026-12-31 (UTC)'",
        alice.id
    ))
    };
    assert_eq!(told_of(new.id), 1);
}

#[rstest]
#[tokio::test]
async fn a_key_expires_as_it_is_said_and_else_as_is_usual(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_alice(db).await;
    for (member, expires_on) in [
        (json!({}), json!("2026-12-24T09:30:00Z")),
        (json!({ "expires_on": null }), json!(null)),
        (json!({ "expires_on": "never" }), json!(null)),
        (json!({ "expires_on": "7d" }), json!("2026-12-01T09:30:00Z")),
        (json!({ "expires_on": "2026-11-24" }), json!("2026-11-25T00:00:00Z")),
        (json!({ "expires_on": "2026-12-24T12:00:00+02:00" }), json!("2026-12-24T10:00:00Z")),
    ] {
        let mut wish = json!({ "name": "deploy", "scopes": ["account:read"] });
        wish.as_object_mut().expect("an object").extend(member.as_object().expect("an object").clone());
        let made = post(&site, &key, LIST, wish).await;
        assert_eq!((made.status, &made.json()["expires_on"]), (201, &expires_on), "{member}: {}", made.text);
    }
}

#[rstest]
#[tokio::test]
async fn broken_rules_are_told_and_nothing_is_made(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_alice(db).await;
    let before = state(&site);
    let scopes = "account:read account:write tokens:read tokens:write users:read users:write services:read \
                  services:write keys:read keys:write audit:read, and service:NAME:read and service:NAME:write";
    let expiry = "must be never, a number of days such as 30d, a date such as 2027-01-31 or an RFC 3339 time";
    for (wish, text) in [
        (json!({}), "Name cannot be blank; Choose at least one scope".to_owned()),
        (json!({ "name": " ", "scopes": ["account:read"] }), "Name cannot be blank".into()),
        (json!({ "name": null, "scopes": ["account:read"] }), "Name must be a string".into()),
        (
            json!({ "name": "n".repeat(101), "note": "n".repeat(501), "scopes": [], "expires_on": "0d" }),
            "Name is too long (maximum is 100 characters); Note is too long (maximum is 500 characters); \
             Choose at least one scope; Expiration must be in the future"
                .into(),
        ),
        (
            json!({ "name": "a\u{0}b", "scopes": ["account:read"] }),
            "Name contains an invisible character (U+0000)".into(),
        ),
        (
            json!({ "name": "a", "note": "\u{202E}", "scopes": ["account:read"] }),
            "Note contains an invisible character (U+202E)".into(),
        ),
        (json!({ "name": "a", "scopes": "account:read" }), "Scopes must be an array of strings".into()),
        (json!({ "name": "a", "scopes": null }), "Scopes must be an array of strings".into()),
        (json!({ "name": "a", "scopes": ["account:read", 1] }), "Scopes must be an array of strings".into()),
        (
            json!({ "name": "a", "scopes": ["account:read", "admin"] }),
            format!("Unknown scope: admin. The scopes are {scopes}"),
        ),
        (
            json!({ "name": "a", "scopes": ["users:read"] }),
            "Only administrators can use the scopes of users and services".into(),
        ),
        (json!({ "name": "a", "scopes": ["account:read"], "expires_on": 30 }), "Expiration must be a string".into()),
        (json!({ "name": "a", "scopes": ["account:read"], "expires_on": "" }), format!("Expiration {expiry}")),
        (json!({ "name": "a", "scopes": ["account:read"], "expires_on": "30 days" }), format!("Expiration {expiry}")),
        (
            json!({ "name": "a", "scopes": ["account:read"], "expires_on": "2026-11-23" }),
            "Expiration must be in the future".into(),
        ),
        // Who mistypes must not get what was not meant.
        (
            json!({ "name": "a", "scopes": ["account:read"], "expires": "7d" }),
            r#"Unknown field "expires": use name, note, scopes, expires_on, networks, confirm_networks"#.into(),
        ),
        (
            json!({ "name": 1, "scope": ["account:read"] }),
            r#"Name must be a string; Unknown field "scope": use name, note, scopes, expires_on, networks, confirm_networks"#.into(),
        ),
    ] {
        assert_eq!(problem(&post(&site, &key, LIST, wish.clone()).await), (422, text), "{wish}");
    }
    assert_eq!(state(&site), before);
}

#[rstest]
#[tokio::test]
async fn there_are_as_many_as_the_setting_says_and_none_lives_longer(#[values(Sqlite, Postgres)] db: Db) {
    let flags = ["--access-tokens-per-user=2", "--access-token-longest-lifetime=90d"];
    let site = Site::start_with(db, &flags).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let make = async |expires_on: Value| {
        post(&site, &key, LIST, json!({ "name": "a", "scopes": ["account:read"], "expires_on": expires_on })).await
    };
    let too_long = refused(422, "Expiration cannot be more than 90 days away");
    assert_eq!(problem(&make(json!(null)).await), too_long);
    assert_eq!(problem(&make(json!("92d")).await), too_long);
    assert_eq!([make(json!("90d")).await.status, make(json!("1d")).await.status], [201, 201]);
    let too_many = "There are already 2 access tokens, the most that one person may have: revoke one first";
    assert_eq!(problem(&make(json!("1d")).await), refused(422, too_many));
}

#[rstest]
#[tokio::test]
async fn an_administrator_gives_a_key_what_only_administrators_may(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let by_password = site.request(Method::POST, LIST).basic_auth("root", Some(PASSWORD));
    let made = Answer::of(by_password.json(&json!({ "name": "a", "scopes": ["users:write"] }))).await.noted();
    assert_eq!(made.status, 201, "{}", made.text);
    let list = Answer::of(site.get("/users.json").bearer_auth(issued(&made).secret)).await;
    assert_eq!(list.status, 200, "{}", list.text);
    assert_eq!(told(&site, &root).0, "Access token “a” first used");
    let by_password =
        "SELECT count(*) AS number FROM events WHERE action = 'key_created' AND lower(credential) = 'password'";
    assert_eq!(site.database.number(by_password), 1);
}

#[rstest]
#[tokio::test]
async fn nobody_makes_a_key_for_somebody_else(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, _) = with_alice(db).await;
    let root = site.add_admin("root").await;
    let key = site.add_access_token(&root, "tokens:write users:write", "30d").await;
    let before = state(&site);
    let wish = json!({ "name": "a", "scopes": ["tokens:read"], "expires_on": "1d" });
    let request = send(&site, &key, Method::POST, LIST, &wish).header("X-Redmine-Switch-User", &alice.login);
    let text = "You cannot create, change or rotate keys with X-Redmine-Switch-User.";
    assert_eq!(problem(&Answer::of(request).await), refused(403, text));
    let (keys, _, idempotency_keys) = state(&site);
    assert_eq!((keys, idempotency_keys), (before.0, before.2));
}
