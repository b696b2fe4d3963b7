//! Run after everything else (`bin/test` does): no secret that the tests made stands in the log of the whole run.

use std::path::PathBuf;
use std::{env, fs};

use aho_corasick::AhoCorasick;

#[test]
fn no_secret_that_the_tests_made_stands_in_their_log() {
    let folder = env::var_os("LATCHKEY_TEST_LOGS").map(PathBuf::from).expect("LATCHKEY_TEST_LOGS, which bin/test sets");
    let read = |path: PathBuf| String::from_utf8_lossy(&fs::read(path).expect("a readable file")).into_owned();
    let secrets = read(folder.join("secrets.txt"));
    let secrets: std::collections::BTreeSet<&str> = secrets.lines().collect();
    let files = fs::read_dir(&folder).expect("the folder of logs").map(|entry| entry.expect("an entry").path());
    let logs: Vec<_> = files.filter(|path| path.extension().is_some_and(|it| it == "log")).map(read).collect();
    let lines: usize = logs.iter().map(|log| log.lines().count()).sum();
    assert!(secrets.len() > 100, "only {} secrets were noted: did the spec run?", secrets.len());
    assert!(lines > 1000, "only {lines} lines were logged: did the spec run?");
    let found = AhoCorasick::new(secrets).expect("a search");
    for log in logs {
        let secret = found.find(&log).map(|it| &log[it.range()]);
        assert!(secret.is_none(), "a secret was logged that begins with {:.6}", secret.unwrap_or_default());
    }
}
