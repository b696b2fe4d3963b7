//! "`docs/api.md` with a curl line each": each is tried as it stands there.

use std::collections::BTreeSet;
use std::process::Command;

use latchkey::server;
use rstest::rstest;

use super::*;

/// The commands of the section about keys.
fn commands() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md");
    let document = std::fs::read_to_string(path).expect("the documentation");
    let (_, section) = document.split_once("\n## Access tokens and other keys\n").expect("the section");
    let section = section.split("\n## ").next().expect("its text").replace("\\\n", "");
    section
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|it| it.starts_with("curl "))
        .map(str::to_owned)
        .collect()
}

/// What a command calls: the method, and the pattern of the table of routes.
fn operation(command: &str) -> (String, String) {
    let method = command.split_once("-X ").map(|(_, rest)| rest.split(' ').next().expect("a method"));
    let method = method.unwrap_or(if command.contains(" -d ") { "POST" } else { "GET" });
    let path = command.split_once("$URL").expect("an address").1;
    let path = path.split(['"', '?']).next().expect("a path").replace("$ID", "{id}");
    (method.to_owned(), path)
}

#[test]
fn every_operation_about_keys_has_its_line() {
    let described: BTreeSet<_> = commands().iter().map(|command| operation(command)).collect();
    let table = server::routes::api();
    let about_keys = table.iter().filter(|at| at.path().starts_with("/my/tokens"));
    let answered = about_keys.flat_map(|at| {
        let methods = at.answers().iter().map(|answered| answered.method.to_string());
        methods.filter(|method| method != "HEAD").map(|method| (method, at.path().to_owned()))
    });
    assert_eq!(described, answered.collect());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn every_line_does_what_it_says(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let folder = tempfile::tempdir().expect("a folder");
    let settings = "silent\nshow-error\nfail-with-body\nnoproxy = *\nwrite-out = \"\\n%{http_code}\"\n";
    std::fs::write(folder.path().join(".curlrc"), settings).expect("curl's settings");
    for command in commands() {
        let key = site.add_key(&alice, TokenAction::Api).await;
        let access = site.add_access_token(&alice, "account:read", "30d").await;
        let mut shell = Command::new("sh");
        shell.args(["-c", &command]).env("CURL_HOME", folder.path()).env_remove("HOME");
        shell.env("URL", &site.url).env("KEY", &key.secret).env("ID", access.id.to_string());
        let output = tokio::task::spawn_blocking(move || shell.output().expect("a shell")).await.expect("its end");
        let said = String::from_utf8(output.stdout).expect("text");
        let (body, status) = said.rsplit_once('\n').expect("a status");
        let (method, path) = operation(&command);
        let expected = match (method.as_str(), path.as_str()) {
            ("DELETE", _) => "204",
            ("POST", LIST) => "201",
            _ => "200",
        };
        assert_eq!(status, expected, "{command}: {body}{}", String::from_utf8_lossy(&output.stderr));
        if expected != "204" {
            let body: Value = serde_json::from_str(body).expect("JSON");
            assert_eq!(body.get("secret").is_some(), method == "POST", "{command}");
            if let Some(secret) = body["secret"].as_str() {
                log::note_secret(secret);
            }
        }
    }
}
