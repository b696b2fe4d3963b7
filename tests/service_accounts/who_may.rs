//! Nobody gets by a service account what they may not do themselves, and nobody signs in to one.

use latchkey::models::services::admitted::Admitted;
use latchkey::models::services::settings::ServiceSettings;
use rstest::rstest;
use serde_json::json;

use super::*;

#[rstest]
#[tokio::test]
async fn nobody_but_its_owners_reaches_it(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, backup) = with_backup(db).await;
    site.add_user("bob").await;
    let (bob, root) = (site.signed_in("bob").await, site.signed_in("root").await);
    let key = site.add_access_token(&backup, "account:read tokens:read", "30d").await;
    let path = tokens_of(&backup);
    for stranger in [&bob, &root] {
        for end in ["", "/new", &format!("/{}", key.id), &format!("/{}/rotate", key.id)] {
            assert_eq!(stranger.get(&format!("{path}{end}")).await.status, 404, "{end}");
        }
        assert_eq!(stranger.post(&format!("{path}/{}/revoke", key.id), &[]).await.status, 404);
    }
    // A person is no service account, not even to themselves.
    let own = site.signed_in("alice").await;
    assert_eq!(own.get(&tokens_of(&alice)).await.status, 404);
    assert_eq!(own.get("/my/service-accounts/x/tokens").await.status, 404);
    assert_eq!(site.visitor().get(&path).await.status, 302);
    // Its own key reads its keys where everybody's does, and is no owner.
    assert_eq!(site.get_with_key("/my/tokens.json", &key).await.json()["total_count"], 1);
    assert_eq!(site.get_with_key(&format!("{path}.json"), &key).await.status, 404);
    let root_key = site.add_access_token(&site.user("root"), "users:write tokens:read", "30d").await;
    let switched = site.get(&format!("{path}.json")).bearer_auth(&root_key.secret);
    let switched = Answer::of(switched.header("X-Redmine-Switch-User", "alice")).await;
    assert_eq!(switched.status, 403, "{}", switched.text);
    // Locked, it is nobody's.
    site.set_user(&backup, "status = 'locked'");
    assert_eq!(own.get(&path).await.status, 404);
    assert!(own.get("/my/service-accounts").await.shows("Locked"));
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 401);
    site.set_user(&backup, "status = 'active'");
    // Whoever is no owner any more is none at the next request.
    site.database.execute("DELETE FROM account_owners");
    assert_eq!(own.get(&path).await.status, 404);
    assert_eq!(own.post(&format!("{path}/{}/revoke", key.id), &[]).await.status, 404);
    site.database.execute(&format!("INSERT INTO account_owners VALUES ({}, {})", backup.id, alice.id));
}

#[rstest]
#[tokio::test]
async fn nobody_signs_in_to_one(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, backup) = with_backup(db).await;
    let calls = |before: u64| site.app.passwords.hash_calls() - before;
    let before = site.app.passwords.hash_calls();
    assert_eq!(site.visitor().try_sign_in("nobody-at-all", "wrong-password").await.status, 422);
    let of_nobody = calls(before);
    // Not even by a password that another release has set.
    let hash = site::quick_hash(PASSWORD);
    site.set_user(&backup, &format!("password_hash = '{hash}'"));
    let before = site.app.passwords.hash_calls();
    let refused = site.visitor().try_sign_in("backup", PASSWORD).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert_eq!(calls(before), of_nobody, "it costs the same work");
    let basic = Answer::of(site.get("/users/current.json").basic_auth("backup", Some(PASSWORD))).await;
    assert_eq!(basic.status, 401, "{}", basic.text);
}

#[rstest]
#[tokio::test]
async fn an_owner_gives_its_tokens_no_more_than_they_may_do_themselves(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, backup) = with_backup(db).await;
    let mut settings = ServiceSettings::new("Wiki", "wiki.example.org");
    settings.readers = Admitted::people(["alice", "backup"]);
    settings.writers = Admitted::people(["backup"]);
    site.add_service("wiki", settings).await;
    let (alice, path) = (site.signed_in("alice").await, tokens_of(&backup));
    // An administrator made it an administrator, and a token with more than alice may do.
    site.set_user(&backup, "admin = true");
    let strong = site.add_access_token(&backup, "users:write service:wiki:write", "30d").await;
    let new = alice.get(&format!("{path}/new")).await;
    for (scope, is_offered) in
        [("account:read", true), ("service:wiki:read", true), ("service:wiki:write", false), ("users:read", false)]
    {
        assert_eq!(new.html.contains(&format!("value=\"{scope}\"")), is_offered, "{scope}: {}", new.html);
    }
    let before = site.database.dump("tokens");
    let after = new.value_of("after");
    for scope in ["users:read", "service:wiki:write"] {
        let fields = [("name", "more"), ("scopes", scope), ("expiry", "30d"), ("after", after.as_str())];
        let refused = alice.post(&path, &fields).await;
        assert_eq!(refused.status, 422, "{}", refused.text());
        let told = "The keys of a service account can do no more than you may yourself";
        assert!(refused.shows(told), "{}", refused.text());
    }
    // Nor does she get a secret of the one that may do more, or changes it.
    let strong_at = format!("{path}/{}", strong.id);
    let current = site.database.number(&format!("SELECT max(id) AS number FROM tokens WHERE id = {}", strong.id));
    let rotation = [("replaces", current.to_string()), ("grace", "1d".to_owned())];
    let rotation: Vec<_> = rotation.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let change = [("name", "mine"), ("scopes", "users:write"), ("expiry", "keep")];
    for refused in [
        alice.post(&format!("{strong_at}/rotate"), &rotation).await,
        alice.post(&format!("{strong_at}/edit"), &change).await,
    ] {
        assert_eq!(refused.status, 403, "{}", refused.text());
        assert!(refused.shows("can do more than you may do yourself"), "{}", refused.text());
    }
    assert_eq!(site.database.dump("tokens"), before);
    // But she may take it away: it is hers to look after.
    assert_eq!(alice.post(&format!("{strong_at}/suspend"), &[("for", "7d"), ("then", "resume")]).await.status, 303);
    let resumed = alice.post(&format!("{strong_at}/resume"), &[]).await;
    assert_eq!(resumed.status, 403, "{}", resumed.text());
    assert_eq!(alice.post(&format!("{strong_at}/revoke"), &[]).await.status, 303);
    assert_eq!(site.get_with_key("/users/current.json", &strong).await.status, 401);
    // An owner who is an administrator may give what the account itself may do.
    site.database.execute("UPDATE users SET admin = true WHERE login = 'alice'");
    let after = alice.get(&format!("{path}/new")).await.value_of("after");
    let fields = [("name", "more"), ("scopes", "users:read"), ("expiry", "30d"), ("after", after.as_str())];
    let made = alice.post(&path, &fields).await;
    assert_eq!(made.status, 200, "{}", made.text());
    made.secret();
}

#[rstest]
#[tokio::test]
async fn an_owners_key_is_a_limit_too(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, backup) = with_backup(db).await;
    let key = site.add_access_token(&alice, "tokens:write", "30d").await;
    let path = format!("{}.json", tokens_of(&backup));
    let make = async |scope: &str, expiry: &str| {
        let wish = json!({ "name": "made", "scopes": [scope], "expires_on": expiry });
        Answer::of(site.request(reqwest::Method::POST, &path).bearer_auth(&key.secret).json(&wish)).await.noted()
    };
    let refused = make("account:read", "7d").await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert_eq!(make("tokens:read", "90d").await.status, 422);
    let made = make("tokens:read", "7d").await;
    assert_eq!(made.status, 201, "{}", made.text);
    // A service account is not the last administrator.
    site.set_user(&backup, "admin = true");
    let root = site.user("root");
    let refused = site.try_write(move |tx| latchkey::models::people::administration::delete(tx, root.id)).await;
    assert!(refused.is_err_and(|refusal| refusal.to_string().contains("only active administrator")));
}
