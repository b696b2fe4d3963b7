//! Redmine clients that people use, as they come from their registries, against a running Latchkey: "authenticate, read
//! the current user, read and change the own account", and look after people.

use std::path::PathBuf;
use std::process::Command;

use latchkey::models::keys::token::TokenAction;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::*;

/// A client, pinned in this folder and installed by `bin/test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    /// For Python.
    PythonRedmine,
    /// For Node.js.
    RedmineTs,
}

use Client::{PythonRedmine, RedmineTs};

/// Who the client says it is.
#[derive(Clone, Copy)]
enum As<'a> {
    Key(&'a str),
    /// A login, with [`PASSWORD`].
    Login(&'a str),
    /// An administrator's key, for somebody else.
    Switched(&'a str, &'a str),
}

impl Client {
    /// Has the client make one call, and gives what it made of the answer.
    fn call(self, site: &Site, who: As<'_>, action: &str, argument: Value) -> Result<Value, String> {
        let here = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients"));
        let installed = std::env::var("CLIENTS").expect("CLIENTS, which bin/test sets");
        let mut command = match self {
            PythonRedmine => {
                let mut command = Command::new("python3");
                command.arg(here.join("python_redmine.py")).env("PYTHONPATH", format!("{installed}/python"));
                command
            }
            RedmineTs => {
                let mut command = Command::new(std::env::var("NODE").expect("NODE, which bin/test sets"));
                command.arg(here.join("redmine_ts.js")).env("NODE_PATH", format!("{installed}/node_modules"));
                command
            }
        };
        command.args([&site.url, action, &argument.to_string()]).env("NO_PROXY", "*");
        match who {
            As::Key(key) => command.env("REDMINE_KEY", key),
            As::Login(login) => command.env("REDMINE_LOGIN", login).env("REDMINE_PASSWORD", PASSWORD),
            As::Switched(key, login) => command.env("REDMINE_KEY", key).env("REDMINE_SWITCH_USER", login),
        };
        let output = command.output().unwrap_or_else(|error| panic!("{self:?}: {error}"));
        let text = String::from_utf8_lossy(&output.stdout);
        let answer: Value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error} in {text}{}", String::from_utf8_lossy(&output.stderr)));
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer),
        }
    }
}

fn logins(list: &Value) -> Vec<String> {
    let users = list["users"].as_array().expect("users").iter();
    users.map(|user| user["login"].as_str().expect("a login").to_owned()).collect()
}

#[rstest]
#[tokio::test]
async fn keys_of_both_forms_and_a_password_say_who_it_is(
    #[values(Sqlite, Postgres)] db: Db,
    #[values(PythonRedmine, RedmineTs)] client: Client,
) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let bob = site.add_user("bob").await;
    let ours = site.add_key(&alice, TokenAction::Api).await;
    let moved_in = "0123456789abcdef0123456789abcdef01234567";
    log::note_secret(moved_in);
    let old = site.add_foreign_key(&bob, TokenAction::Api, moved_in).await;
    site.later(chrono::TimeDelta::minutes(1));
    for (who, login, id) in [
        (As::Key(&ours.secret), "alice", alice.id),
        (As::Key(&old.secret), "bob", bob.id),
        (As::Login("alice"), "alice", alice.id),
        (As::Login("Bob"), "bob", bob.id),
    ] {
        let user = client.call(&site, who, "current", Value::Null).expect(login);
        assert_eq!((&user["login"], &user["id"]), (&json!(login), &json!(id)));
        assert_eq!(user["mail"], json!(format!("{login}@example.org")));
    }
    for key in [ours, old] {
        assert_eq!(site.recorded_use(&key), Some(site.clock.now()), "the use is recorded");
    }
}

#[rstest]
#[tokio::test]
async fn what_is_refused_reads_as_the_client_has_it(
    #[values(Sqlite, Postgres)] db: Db,
    #[values(PythonRedmine, RedmineTs)] client: Client,
) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let told = |who, action, argument| client.call(&site, who, action, argument).expect_err("a refusal");
    let by_client = |python: &str, node: &str| match client {
        PythonRedmine => python.to_owned(),
        RedmineTs => node.to_owned(),
    };
    let refused = [
        (told(As::Key("wrong"), "current", Value::Null), by_client("AuthError", "401 Unauthorized")),
        (told(As::Login("nobody"), "current", Value::Null), by_client("AuthError", "401 Unauthorized")),
        (told(As::Key(&key.secret), "list", Value::Null), by_client("ForbiddenError", "403 Forbidden")),
        (
            told(As::Key(&key.secret), "change account", json!({"mail": "x", "firstname": ""})),
            by_client("ValidationError: First name cannot be blank, Email is invalid", "Email is invalid"),
        ),
    ];
    for (told, expected) in refused {
        assert!(told.contains(&expected), "{expected} is not in {told}");
    }
    site.set_user(&alice, "status = 'locked'");
    assert!(told(As::Key(&key.secret), "current", Value::Null).contains(&by_client("AuthError", "401")));
}

#[rstest]
#[tokio::test]
async fn the_own_account_is_read_and_changed(
    #[values(Sqlite, Postgres)] db: Db,
    #[values(PythonRedmine, RedmineTs)] client: Client,
) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    for (who, name) in [(As::Key(&key.secret), "Zoë"), (As::Login("alice"), "O'Brien")] {
        client.call(&site, who, "change account", json!({"firstname": name})).expect("a change");
        let account = client.call(&site, who, "account", Value::Null).expect("an account");
        assert_eq!((&account["firstname"], &account["login"]), (&json!(name), &json!("alice")));
        assert_eq!(site.user("alice").firstname, name);
    }
    let root = site.add_admin("root").await;
    let roots = site.add_key(&root, TokenAction::Api).await;
    let switched = client.call(&site, As::Switched(&roots.secret, "alice"), "current", Value::Null).expect("a user");
    assert_eq!(switched["login"], json!("alice"));
}

#[rstest]
#[tokio::test]
async fn administrators_look_after_people(
    #[values(Sqlite, Postgres)] db: Db,
    #[values(PythonRedmine, RedmineTs)] client: Client,
) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let key = site.add_key(&root, TokenAction::Api).await;
    let call = |action, argument| client.call(&site, As::Key(&key.secret), action, argument);
    let new = json!({
        "login": "dora", "firstname": "Dora", "lastname": "Doe", "mail": "dora@example.org", "password": PASSWORD,
    });
    let made = call("create", new.clone()).expect("a person");
    let id = site.user("dora").id;
    assert_eq!((&made["id"], &made["login"]), (&json!(id), &json!("dora")));
    assert!(call("create", new).expect_err("a second one").contains("has already been taken"));
    let dora = client.call(&site, As::Login("dora"), "current", Value::Null).expect("the person");
    assert_eq!(dora["firstname"], json!("Dora"));

    call("change", json!({"id": id, "lastname": "Day", "status": 3})).expect("a change");
    let shown = call("show", json!(id)).expect("the person");
    assert_eq!((&shown["lastname"], &shown["status"]), (&json!("Day"), &json!(3)));
    assert!(client.call(&site, As::Login("dora"), "current", Value::Null).is_err(), "who is locked is let in");
    assert_eq!(logins(&call("list", json!({"status": 3})).expect("a list")), ["dora"]);
    assert_eq!(logins(&call("list", json!({"name": "day", "status": 3})).expect("a list")), ["dora"]);
    assert_eq!(logins(&call("list", json!({"name": "day"})).expect("a list")), [""; 0]);

    call("delete", json!(id)).expect("an end");
    assert!(call("show", json!(id)).is_err());
    assert_eq!(logins(&call("list", Value::Null).expect("a list")), ["root"]);
}

#[rstest]
#[tokio::test]
async fn long_lists_are_read_to_their_end(
    #[values(Sqlite, Postgres)] db: Db,
    #[values(PythonRedmine, RedmineTs)] client: Client,
) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let key = site.add_key(&root, TokenAction::Api).await;
    site.database.execute(
        "WITH RECURSIVE numbers (n) AS (SELECT 100 UNION ALL SELECT n + 1 FROM numbers WHERE n < 329)
         INSERT INTO users (login, firstname, lastname, mail, created_on, updated_on)
         SELECT 'user' || n, 'F', 'L', 'user' || n || '@example.org', created_on, updated_on
         FROM numbers, (SELECT created_on, updated_on FROM users) AS root",
    );
    let call = |argument| client.call(&site, As::Key(&key.secret), "list", argument).expect("a list");
    let found = match client {
        // It asks for page after page by itself.
        PythonRedmine => logins(&call(Value::Null)),
        RedmineTs => [0, 100, 200].map(|offset| logins(&call(json!({"offset": offset, "limit": 100})))).concat(),
    };
    let expected = std::iter::once("root".to_owned()).chain((100..330).map(|n| format!("user{n}")));
    assert_eq!(found, expected.collect::<Vec<_>>());
    assert_eq!(call(json!({"limit": 1}))["total_count"], json!(231));
}

/// Java's own client offers to upgrade the connection with each request, and tries none again that posts.
#[rstest]
#[tokio::test]
async fn each_of_a_hundred_posts_of_java_is_answered(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--access-tokens-per-user=200"]).await;
    let root = site.add_admin("root").await;
    let key = site.add_key(&root, TokenAction::Api).await;
    let mut java = Command::new("java");
    let java = java.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/Posts.java"));
    let java = java.args([&format!("{}/my/tokens.json", site.url), &key.secret, "100"]);
    let output = java.output().expect("java, which bin/test installs");
    let answers = String::from_utf8_lossy(&output.stdout);
    assert_eq!(answers.lines().collect::<Vec<_>>(), ["201"; 100], "{}", String::from_utf8_lossy(&output.stderr));
}
