//! The examples of `docs/api.md` run as they stand there, from top to bottom in one shell, and every address has one.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use latchkey::server;
use rstest::rstest;

use crate::support::database::TestDatabase;
use crate::support::*;

/// Where the document says that the server is.
const URL: &str = "URL=http://127.0.0.1:3000";

/// The examples, in the order of the document: indented blocks, and the code in tables that calls curl. What is answered
/// is indented, too, and begins with a bracket.
fn examples() -> Vec<String> {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md")).expect("a file");
    let mut examples = Vec::new();
    for block in document.split("\n\n") {
        let lines: Vec<_> = block.lines().filter_map(|line| line.strip_prefix("    ")).collect();
        if lines.len() == block.lines().count() && !block.trim_start().starts_with(['{', '[']) {
            examples.push(lines.join("\n"));
        } else {
            let code = block.split('`').skip(1).step_by(2);
            examples.extend(code.filter(|code| code.starts_with("curl ")).map(str::to_owned));
        }
    }
    examples
}

/// The calls in an example: the method, and the pattern of the address in the table of routes.
fn operations(example: &str) -> Vec<(String, String)> {
    let calls = example.split("curl ").skip(1);
    let operation = |call: &str| {
        let method = call.split_once("-X ").map(|(_, rest)| rest.split(' ').next().expect("a method"));
        let method = method.unwrap_or(if call.contains("-d ") { "POST" } else { "GET" });
        let path = call.split_once("$URL").expect("an address").1;
        let path = path.split(['"', '?', ' ', '\n']).next().expect("a path");
        // The operations on the keys of a service account are those on one's own.
        (method.to_owned(), path.replace("/my/service-accounts/$ACCOUNT", "/my").replace("$ID", "{id}"))
    };
    calls.map(operation).collect()
}

#[test]
fn every_operation_of_the_api_has_an_example() {
    let shown: BTreeSet<_> = examples().iter().flat_map(|example| operations(example)).collect();
    let own = |path: &str| path.replace("/my/service-accounts/{service_account}", "/my");
    let pattern = |path: &str| own(path).replace("{format:json|xml}", "json").replace("{id:[0-9]+}", "{id}");
    let table = server::routes::api();
    let answered = table.iter().flat_map(|at| {
        let methods = at.answers().iter().map(|answered| answered.method.to_string());
        methods.filter(|method| method != "HEAD").map(|method| (method, pattern(at.path())))
    });
    assert_eq!(shown, answered.collect());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_examples_run_from_top_to_bottom(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    let process = Process::serve(&latchkey, &[]);
    let script = examples().join("\n");
    assert!(script.contains(URL), "{script}");
    let calls = operations(&script).len();
    let script = script.replace(URL, &format!("URL={}", process.url));
    let folder = tempfile::tempdir().expect("a folder");
    let settings = "silent\nshow-error\nfail-with-body\nnoproxy = *\nwrite-out = \"%{stderr}%{http_code} %{url}\\n\"\n";
    std::fs::write(folder.path().join(".curlrc"), settings).expect("curl's settings");
    let programs = Path::new(env!("CARGO_BIN_EXE_latchkey")).parent().expect("a folder");
    let path = std::env::var("PATH").expect("where programs are");
    let mut shell = Command::new("sh");
    shell.args(["-eu", "-c", &script]).current_dir(folder.path());
    shell.env("CURL_HOME", folder.path()).env_remove("HOME").env("PATH", format!("{}:{path}", programs.display()));
    shell.env("DATABASE_URL", database.setting());
    let output = tokio::task::spawn_blocking(move || shell.output().expect("a shell")).await.expect("its end");
    let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{told}");
    let is_answer = |line: &&str| line.split_once(' ').is_some_and(|(_, rest)| rest.starts_with("http"));
    let statuses: Vec<_> = told.lines().filter(is_answer).collect();
    assert!(statuses.iter().all(|status| status.starts_with('2')), "{said}{told}");
    assert_eq!(statuses.len(), calls, "{said}{told}");
}
