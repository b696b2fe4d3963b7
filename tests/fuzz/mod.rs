//! "Run through a schema-based fuzzer": Schemathesis sends what `/openapi.json` allows, and what it does not, and holds
//! every answer to it. `schemathesis.toml` says how, and which checks are switched off, each with its reason.

use std::path::PathBuf;
use std::process::Command;

use latchkey::models::keys::token::TokenAction;
use latchkey::models::services::admitted::Admitted;
use latchkey::models::services::settings::ServiceSettings;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::site::UNREACHABLE_MAIL;
use crate::support::*;

/// A site whose administrator `root` lends the fuzzer her keys, with people for it to try things on.
struct Target {
    site: Site,
    root: i64,
    api: Key,
    atom: Key,
    /// Keys that may end.
    spare: Vec<String>,
    /// A service account of the administrator's, and its keys.
    account: i64,
    accounts_keys: Vec<String>,
}

/// How a run ended.
struct Run {
    passed: bool,
    told: String,
}

impl Target {
    async fn start(db: Db) -> Self {
        // Every request comes from an address of its own: hooks.py.
        let flags = ["--trusted-proxies=127.0.0.1", "--access-tokens-per-user=9999", "--api-requests-per-minute=off"];
        let site = Site::start_with(db, &[&flags[..], &UNREACHABLE_MAIL].concat()).await;
        let root = site.add_admin("root").await;
        site.add_admin("admin").await;
        site.add_user("alice").await;
        site.database.execute(
            "WITH RECURSIVE numbers (n) AS (SELECT 4 UNION ALL SELECT n + 1 FROM numbers WHERE n < 30)
             INSERT INTO users (login, firstname, lastname, mail, created_on, updated_on)
             SELECT 'user' || n, 'F', 'L', 'user' || n || '@example.org', created_on, updated_on
             FROM numbers, (SELECT created_on, updated_on FROM users WHERE login = 'root') AS root",
        );
        let (api, atom) = (site.add_key(&root, TokenAction::Api).await, site.add_key(&root, TokenAction::Feeds).await);
        // Keys for it to try things on, too: their ids are those of people.
        for _ in 0..28 {
            site.add_access_token(&root, "account:read users:write", "30d").await;
        }
        for number in 0..28 {
            let settings = ServiceSettings::new("Service", format!("service{number}.example.org"));
            site.add_service(&format!("service-{number}"), settings).await;
        }
        for number in 0..28 {
            site.add_group(&format!("group-{number}"), &["admin"]).await;
        }
        let open = ServiceSettings::new("Open", "open.example.org");
        site.add_service("open", ServiceSettings { readers: Admitted::Everyone, ..open }).await;
        let mut spare = Vec::new();
        for _ in 0..60 {
            spare.push(site.add_access_token(&root, "account:read", "30d").await.secret);
        }
        let account = site.add_service_account("account", &root).await;
        let mut accounts_keys = Vec::new();
        for _ in 0..40 {
            accounts_keys.push(site.add_access_token(&account, "account:read", "30d").await.id.to_string());
        }
        Self { site, root: root.id, api, atom, spare, account: account.id, accounts_keys }
    }

    /// Sends what is made of `description`; ends by itself.
    fn fuzz(&self, description: &Value, options: &[&str]) -> Run {
        // In a folder of its own, as it leaves files where it runs.
        let folder = self.site.database.folder();
        std::fs::write(folder.join("openapi.json"), description.to_string()).expect("a file");
        let here = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz"));
        let installed = std::env::var("SCHEMATHESIS").expect("SCHEMATHESIS, which bin/test sets");
        let mut command = Command::new("python3");
        command.current_dir(folder);
        command.env("PYTHONPATH", format!("{installed}:{}", here.display())).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("API_KEY", &self.api.secret).env("ATOM_KEY", &self.atom.secret);
        command.env("OWN_ID", self.root.to_string()).env("OWN_KEYS", format!("{} {}", self.api.id, self.atom.id));
        command.env("SPARE_KEYS", self.spare.join(" "));
        command.env("ACCOUNT", self.account.to_string()).env("ACCOUNTS_KEYS", self.accounts_keys.join(" "));
        command.env("NO_PROXY", "*").env("NO_COLOR", "1");
        let configuration = here.join("schemathesis.toml");
        command.args(["-m", "schemathesis.cli", "--config-file"]).arg(configuration).args(["run", "openapi.json"]);
        let output = command.args(["--url", &self.site.url]).args(options).output().expect("python3");
        let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        Run { passed: output.status.success(), told: told.into_owned() }
    }

    async fn description(&self) -> Value {
        Answer::of(self.site.get("/openapi.json")).await.json()
    }
}

#[rstest]
#[tokio::test]
async fn what_is_answered_is_what_the_description_says(#[values(Sqlite, Postgres)] db: Db) {
    let target = Target::start(db).await;
    let description = target.description().await;
    let paths = description["paths"].as_object().expect("paths");
    let operations: usize = paths.values().map(|methods| methods.as_object().expect("methods").len()).sum();
    let run = target.fuzz(&description, &[]);
    assert!(run.passed, "{}", run.told);
    assert!(run.told.contains(&format!("  Tested: {operations}\n")), "all {operations} operations: {}", run.told);
    // On a connection of its own: the site's have been idle for too long.
    let list =
        target.site.visitor().request(Method::GET, "/users.json").header("X-Redmine-API-Key", &target.api.secret);
    assert_eq!(Answer::of(list).await.status, 200, "it had an administrator's key to the end");
    assert!(target.site.recorded_use(&target.atom).is_some());
}

/// Otherwise the test above would say nothing.
#[tokio::test]
async fn a_description_that_is_wrong_does_not_pass() {
    let target = Target::start(Sqlite).await;
    let mut description = target.description().await;
    let fuzz =
        |description: &Value| target.fuzz(description, &["--phases=coverage", "--include-path-regex=^/my/account"]);
    let as_it_is = fuzz(&description);
    assert!(as_it_is.passed, "{}", as_it_is.told);
    for (pointer, wrong) in [
        ("/components/schemas/Account/properties/id/type", json!("string")),
        ("/paths/~1my~1account.json/put/responses", json!({"200": {"description": ""}})),
        ("/paths/~1my~1account.xml/get/responses/200/content", json!({"text/html": {}})),
    ] {
        *description.pointer_mut(pointer).expect(pointer) = wrong;
    }
    let run = fuzz(&description);
    assert!(!run.passed);
    for told in ["Response violates schema", "Undocumented status code", "Undocumented Content-Type"] {
        assert!(run.told.contains(told), "{told}: {}", run.told);
    }
}
