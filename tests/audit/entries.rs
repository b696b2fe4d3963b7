//! What is told, of whom, and that it cannot be untold.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::TimeDelta;
use latchkey::models::services::settings::ServiceSettings;
use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use super::*;

/// The operating system's user, as a command says it.
fn system_user(told: &[String]) -> String {
    let by_command = told.iter().find(|line| line.contains("| command line |")).expect("a command");
    by_command.rsplit(" | ").next().expect("who ran it").to_owned()
}

#[rstest]
#[tokio::test]
async fn everything_that_happens_is_told_with_who_did_it_and_how(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root, key) = with_root(db).await;
    site.add_user("alice").await;
    site.database.execute("DELETE FROM audit_entries");
    let roots = site.add_key(&root, TokenAction::Api).await;
    let second = || site.later(TimeDelta::seconds(1));
    let send = async |method: Method, path: &str, as_whom: &str, body: serde_json::Value| {
        second();
        let request = site.request(method, path).header("X-Redmine-API-Key", &roots.secret);
        let request = if as_whom.is_empty() { request } else { request.header("X-Redmine-Switch-User", as_whom) };
        let answer = Answer::of(request.header("User-Agent", "script").json(&body)).await;
        assert!((200..300).contains(&answer.status), "{path}: {}", answer.text);
        answer
    };
    let alice = site.visitor_at("127.0.0.9");
    assert_eq!(alice.try_sign_in("alice", "a-wrong-password").await.status, 422);
    site.flush().await;
    second();
    alice.sign_in("alice", PASSWORD).await;
    second();
    let made = alice.make_key("/my/api_key", "").await;
    let bob = json!({"login": "bob", "firstname": "B", "lastname": "B", "mail": "b@example.org", "password": PASSWORD});
    let bob = send(Method::POST, "/users.json", "", json!({ "user": bob })).await.json()["user"]["id"].clone();
    send(Method::PUT, "/my/account.json", "alice", json!({"user": {"lastname": "Other"}})).await;
    let wiki = send(Method::POST, "/admin/services.json", "", json!({"name": "wiki", "host": "a.example"})).await;
    let wiki = format!("/admin/services/{}.json", wiki.json()["id"]);
    send(Method::PATCH, &wiki, "", json!({"title": "Team wiki"})).await;
    send(Method::DELETE, &wiki, "", json!({})).await;
    send(Method::DELETE, &format!("/users/{bob}.json"), "", json!({})).await;
    second();
    assert_eq!(site.get_with_key("/users.json", &key).await.status, 403, "its scope is another");
    site.flush().await;
    second();
    let report = site.request(Method::POST, "/revoke.json").json(&json!({ "secret": made }));
    assert_eq!(Answer::of(report).await.status, 204);
    second();
    let service = ServiceSettings::new("Files", "b.example");
    site.add_service("files", service).await;

    let told = told(&entries(&site, &key, "limit=100").await);
    let system_user = system_user(&told);
    assert!(system_user.starts_with("system user "), "{system_user}");
    let expected = [
        "sign_in_refused | alice | not signed in | - | 127.0.0.9 | -",
        "signed_in | alice | alice | - | 127.0.0.9 | password",
        "key_created | alice | alice | - | 127.0.0.9 | session",
        "key_first_used | root | root | - | 127.0.0.1 | -",
        "account_created | bob | root | - | 127.0.0.1 | API access key",
        "account_changed | alice | root | alice | 127.0.0.1 | API access key",
        "service_added | - | root | - | 127.0.0.1 | API access key",
        "service_changed | - | root | - | 127.0.0.1 | API access key",
        "service_removed | - | root | - | 127.0.0.1 | API access key",
        "account_deleted | bob | root | - | 127.0.0.1 | API access key",
        "key_first_used | root | root | - | 127.0.0.1 | -",
        "scope_refused | root | root | - | 127.0.0.1 | Access token “deploy”",
        "key_leaked | alice | not signed in | - | 127.0.0.1 | -",
        &format!("service_added | - | command line | - | - | {system_user}"),
    ];
    assert_eq!(told, expected);
    let of_bob = entries(&site, &key, &format!("user=id:{bob}")).await;
    assert_eq!(
        super::told(&of_bob),
        [expected[9], expected[4]].map(str::to_owned).into_iter().rev().collect::<Vec<_>>()
    );
    let refused = entries(&site, &key, "action=scope_refused").await.remove(0);
    assert_eq!((&refused["refused"], &refused["detail"]), (&json!(true), &json!("needs users:read")));
    assert_eq!((&refused["key_id"], &refused["key_name"]), (&json!(key.id), &json!("deploy")));
    let removed = entries(&site, &key, "action=service_removed").await.remove(0);
    assert_eq!((&removed["refused"], &removed["detail"]), (&json!(false), &json!("wiki, at a.example")));
}

#[rstest]
#[tokio::test]
async fn what_becomes_of_a_suspended_key_is_told_too(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_root(db).await;
    let alice = site.add_user("alice").await;
    let (api, missed) =
        (site.add_key(&alice, TokenAction::Api).await, site.add_access_token(&alice, "account:read", "30d").await);
    site.database.execute("DELETE FROM audit_entries");
    let send = async |end: &str, body: serde_json::Value| {
        site.later(TimeDelta::seconds(1));
        let request = site.request(Method::POST, &format!("/my/tokens/{}/{end}.json", missed.id)).json(&body);
        assert_eq!(Answer::of(request.header("X-Redmine-API-Key", &api.secret)).await.status, 200, "{end}");
    };
    send("suspend", json!({})).await;
    site.later(TimeDelta::seconds(1));
    assert_eq!(site.get_with_key("/users/current.json", &missed).await.status, 401);
    send("resume", json!({})).await;
    send("suspend", json!({"for": "1h", "then": "revoke"})).await;
    site.later(TimeDelta::hours(1));
    site.flush().await;
    let found = told(&entries(&site, &key, &format!("key_id={}", missed.id)).await);
    let expected = [
        "key_suspended | alice | alice | - | 127.0.0.1 | API access key",
        "suspended_key_refused | alice | alice | - | 127.0.0.1 | -",
        "key_resumed | alice | alice | - | 127.0.0.1 | API access key",
        "key_suspended | alice | alice | - | 127.0.0.1 | API access key",
        "suspended_key_revoked | alice | Latchkey itself | - | - | -",
    ];
    assert_eq!(found, expected);
}

/// "It outlives the people it is about": what they did, too.
#[rstest]
#[tokio::test]
async fn deleting_somebody_leaves_what_they_did(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root, key) = with_root(db).await;
    let (boss, alice) = (site.add_admin("boss").await, site.add_user("alice").await);
    let bosses = site.add_key(&boss, TokenAction::Api).await;
    let lock = site.request(Method::PUT, &format!("/users/{}.json", alice.id));
    let lock = lock.header("X-Redmine-API-Key", &bosses.secret).json(&json!({"user": {"status": 3}}));
    assert_eq!(Answer::of(lock).await.status, 204);
    site.flush().await;
    let roots = site.add_key(&root, TokenAction::Api).await;
    for gone in [&boss, &alice] {
        let delete = site.request(Method::DELETE, &format!("/users/{}.json", gone.id));
        assert_eq!(Answer::of(delete.header("X-Redmine-API-Key", &roots.secret)).await.status, 204);
    }
    for query in ["actor=boss&action=locked".to_owned(), format!("actor=id:{}&action=locked", boss.id)] {
        let found = entries(&site, &key, &query).await;
        let who = |member: &str| (found[0][member].clone(), found[0][format!("{member}_id")].clone());
        assert_eq!((who("user"), who("actor")), ((json!("alice"), json!(alice.id)), (json!("boss"), json!(boss.id))));
    }
    let of_alice = told(&entries(&site, &key, "user=Alice").await);
    let of_alice: Vec<_> = of_alice.iter().map(|line| line.split(" | ").next().expect("what")).collect();
    assert_eq!(of_alice, ["locked", "account_deleted"]);
}

/// Neither in the table nor in the log of the process.
#[rstest]
#[tokio::test]
async fn what_is_refused_halfway_is_not_told(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let refused = site.try_write(move |tx| {
        latchkey::models::event::NewEvent::of_person(alice.id, latchkey::models::event::EventAction::AdminGranted)
            .detail("halfway-and-back")
            .record(tx)?;
        Err::<(), _>(latchkey::db::DbError::Busy("the rest of it".into()))
    });
    assert!(refused.await.is_err());
    assert_eq!(site.database.number("SELECT count(*) AS number FROM audit_entries"), 0);
    assert!(log::lines_with("halfway-and-back").is_empty());
}

/// The target, the message and the members are those that `docs/operations.md` promises collectors.
#[rstest]
#[tokio::test]
async fn each_entry_is_a_line_of_the_log_with_the_documented_members(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root, key) = with_root(db).await;
    let login = format!("someone-{db:?}-{}", std::process::id());
    let someone = site.add_user(&login).await;
    let roots = site.add_key(&root, TokenAction::Api).await;
    let token = site.add_access_token(&someone, "account:read", "30d").await;
    let revoke = site.request(Method::DELETE, &format!("/my/tokens/{}.json", token.id)).header("User-Agent", "script");
    let revoke = revoke.header("X-Redmine-API-Key", &roots.secret).header("X-Redmine-Switch-User", &login);
    assert_eq!(Answer::of(revoke).await.status, 204);

    let entry = entries(&site, &key, &format!("user={login}&action=key_revoked")).await.remove(0);
    let lines = log::lines_with(&login);
    let is_it = |line: &&Value| line["target"] == "latchkey::audit" && line["fields"]["id"] == entry["id"];
    let lines: Vec<_> = lines.iter().filter(is_it).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let mut logged = lines[0]["fields"].as_object().expect("members").clone();
    assert_eq!(logged.remove("message"), Some(json!("audit")));
    let mut expected = entry.as_object().expect("members").clone();
    expected.retain(|name, value| !value.is_null() && name != "created_on");
    assert_eq!(logged, expected, "as the API tells it");

    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).expect("a file");
    let example =
        document.split("\n\n").find(|block| block.contains("\"target\":\"latchkey::audit\"")).expect("a line");
    let example: Value = serde_json::from_str(example).expect("JSON");
    let documented: BTreeSet<_> = example.as_object().expect("members").keys().map(String::as_str).collect();
    let of_every_line = ["timestamp", "level", "message", "target"];
    let members = entry.as_object().expect("members").keys().map(String::as_str).filter(|name| *name != "created_on");
    assert_eq!(documented, members.chain(of_every_line).collect());
    assert_eq!(example["message"], "audit");
}

/// "The application can only add to it": but for what is too old.
#[rstest]
#[tokio::test]
async fn entries_are_never_changed(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    fill(&site, 1);
    let mut connection = site.database.connect();
    let changed = diesel::connection::SimpleConnection::batch_execute(
        &mut connection,
        "UPDATE audit_entries SET actor = 'somebody else'",
    );
    let refused = changed.expect_err("it is refused").to_string();
    assert!(refused.contains("entries of the audit log are never changed"), "{refused}");

    fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            match entry.is_dir() {
                true => sources(&entry, found),
                false => found.push((
                    entry.file_name().expect("a name").to_string_lossy().into_owned(),
                    std::fs::read_to_string(&entry).expect("a source file"),
                )),
            }
        }
    }
    let mut all = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    let naming = all.iter().filter(|(_, text)| text.contains("audit_entries")).map(|(name, _)| name.as_str());
    assert_eq!(naming.collect::<BTreeSet<_>>(), BTreeSet::from(["audit.rs", "audit_search.rs", "schema.rs"]));
    let code: String =
        all.iter().filter(|(name, _)| name.starts_with("audit")).map(|(_, text)| text.as_str()).collect();
    assert!(["diesel::update", "diesel::delete", "UPDATE", "DELETE"].iter().all(|verb| !code.contains(verb)));
    let removing =
        all.iter().filter(|(_, text)| text.contains("AuditEntry::PERISHABLE")).map(|(name, _)| name.as_str());
    assert_eq!(removing.collect::<Vec<_>>(), ["thread.rs"], "only what is too old is removed");
}

/// The release before knows nothing of the log, and runs beside this one during an upgrade.
#[rstest]
#[tokio::test]
async fn what_the_release_before_records_is_told_too(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_root(db).await;
    let alice = site.add_user("alice").await;
    site.database.execute("DELETE FROM audit_entries");
    let columns = "user_id, action, address, agent, created_on, updated_on, other_login";
    let at = "'2026-11-24 08:00:00', '2026-11-24 08:00:00'";
    for (action, address, other) in [
        ("signed_in", "192.0.2.1", "NULL"),
        ("sign_in_refused", "192.0.2.2", "NULL"),
        ("locked", "192.0.2.3", "'root'"),
        ("account_changed", "192.0.2.3", "'root as boss'"),
        ("key_expired", "Latchkey itself", "NULL"),
        ("unlocked", "", "NULL"),
        ("account_deleted", "192.0.2.4", "'bob'"),
        ("service_added", "192.0.2.5", "NULL"),
    ] {
        let id = alice.id;
        let values = format!("{id}, '{action}', '{address}', 'curl', {at}, {other}");
        site.database.execute(&format!("INSERT INTO events ({columns}) VALUES ({values})"));
    }
    let told = told(&entries(&site, &key, "until=2026-11-24T09:00:00Z").await);
    let expected = [
        "signed_in | alice | alice | - | 192.0.2.1 | -",
        "sign_in_refused | alice | not signed in | - | 192.0.2.2 | -",
        "locked | alice | root | - | 192.0.2.3 | -",
        "account_changed | alice | root | boss | 192.0.2.3 | -",
        "key_expired | alice | Latchkey itself | - | - | -",
        "unlocked | alice | command line | - | - | -",
        "account_deleted | bob | alice | - | 192.0.2.4 | -",
        "service_added | - | alice | - | 192.0.2.5 | -",
    ];
    assert_eq!(told, expected);
}
