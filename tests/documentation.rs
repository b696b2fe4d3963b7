//! What the documents name is there: files, tests, and each other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Everything that is written for whoever works on Latchkey or runs it.
fn documents() -> Vec<PathBuf> {
    let in_folder = |folder: &str| {
        let files = std::fs::read_dir(root().join(folder)).expect("a folder").map(|file| file.expect("a file").path());
        files.filter(|file| file.extension().is_some_and(|it| it == "md")).collect::<Vec<_>>()
    };
    ["", "docs", "docs/decisions", "migrations"].into_iter().flat_map(in_folder).collect()
}

fn decisions() -> Vec<PathBuf> {
    let numbered = |file: &PathBuf| name_of(file).starts_with(|c: char| c.is_ascii_digit());
    let decisions: Vec<_> = documents().into_iter().filter(numbered).collect();
    assert!(decisions.len() > 20, "{decisions:?}");
    decisions
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn name_of(file: &Path) -> String {
    file.file_name().expect("a name").to_string_lossy().into_owned()
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// What stands in a document as `code` within a line, blocks left out.
fn code(text: &str) -> Vec<String> {
    let mut is_block = false;
    let lines = text.lines().filter(|line| {
        is_block ^= line.trim_start().starts_with("```");
        !is_block && !line.starts_with("    ")
    });
    lines.collect::<Vec<_>>().join("\n").split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether `text` is the name of a test: several words with underscores between them.
fn is_test_name(text: &str) -> bool {
    text.matches('_').count() >= 2 && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn each_decision_names_tests_that_are_there() {
    for decision in decisions() {
        let (file, text) = (name_of(&decision), read(&decision));
        for part in ["## Context", "## Decision", "## What it costs", "## Which test holds it"] {
            assert!(text.contains(&format!("\n{part}\n")), "{file} has no {part}");
        }
        let (_, held_by) = text.split_once("## Which test holds it").expect("a part");
        assert_tests_are_there(&file, held_by);
    }
}

#[test]
fn each_attack_names_tests_that_are_there() {
    let text = read(&root().join("docs/security.md"));
    let attacks = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Attack |"));
    let attacks: Vec<_> = attacks.collect();
    assert!(attacks.len() > 20, "{attacks:?}");
    for attack in attacks {
        let tested = attack.trim_end_matches('|').rsplit('|').next().expect("a column");
        assert_tests_are_there(attack, tested);
    }
}

/// `held_by` names at least one file, and after each file only tests that are in it.
fn assert_tests_are_there(what: &str, held_by: &str) {
    let mut place = None;
    for name in code(held_by) {
        if name.ends_with(".rs") {
            place = Some((name.clone(), read(&root().join(&name))));
        } else if let Some((path, source)) = place.as_ref().filter(|_| is_test_name(&name)) {
            assert!(source.contains(&format!("fn {name}(")), "{what}: {path} has no {name}");
        }
    }
    assert!(place.is_some(), "{what} names no test");
}

#[test]
fn the_index_has_every_decision_by_its_title() {
    let index = read(&root().join("docs/decisions/README.md"));
    for decision in decisions() {
        let (file, text) = (name_of(&decision), read(&decision));
        let (number, title) =
            text.lines().next().and_then(|line| line.strip_prefix("# ")?.split_once(". ")).expect("a title");
        assert!(file.starts_with(&format!("{number}-")), "{file} is called {number}");
        assert!(index.contains(&format!("[{number}]({file}) {title}")), "{file}: {title}");
    }
}

/// A file of ours, as documents name it: no pattern, no placeholder, and nothing that is made later.
fn is_our_file(text: &str) -> bool {
    let folders = ["src/", "tests/", "docs/", "templates/", "static/", "migrations/", "bench/", "examples/", "bin/"];
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    folders.iter().any(|folder| text.starts_with(folder)) && is_plain && !text.contains("NAME")
}

#[test]
fn of_every_table_the_operators_are_told_what_bounds_it() {
    let schema = read(&root().join("src/db/schema.rs"));
    let tables: Vec<&str> =
        schema.split("diesel::table! {").skip(1).map(|rest| rest.split('(').next().expect("a name").trim()).collect();
    assert!(tables.len() > 10, "{tables:?}");
    let operations = read(&root().join("docs/operations.md"));
    let (_, bounds) = operations.split_once("## What bounds the database").expect("the part");
    let bounds = bounds.split("\n## ").next().expect("the part");
    let rows: Vec<&str> = bounds.lines().filter(|line| line.starts_with("| `")).collect();
    for table in tables {
        let first_cell = |row: &&&str| row.split('|').nth(1).is_some_and(|cell| cell.contains(&format!("`{table}`")));
        let row = rows.iter().find(first_cell).unwrap_or_else(|| panic!("nothing is said of {table}"));
        assert!(row.split('|').nth(3).is_some_and(|bound| bound.trim().len() > 3), "{row}");
    }
}

#[test]
fn what_is_named_is_there() {
    let mut missing = BTreeSet::new();
    for document in documents() {
        for text in code(&read(&document)) {
            // A command with its arguments is a file, too.
            let path = text.split(' ').next().unwrap_or_default();
            if is_our_file(path) && !root().join(path).exists() {
                missing.insert(format!("{} names {path}", name_of(&document)));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_link_leads_somewhere() {
    let anchor = |heading: &str| {
        let kept = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
        heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
    };
    for document in documents() {
        let text = read(&document);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.starts_with("http") {
                continue;
            }
            let (path, part) = target.split_once('#').unwrap_or((target, ""));
            let file = if path.is_empty() { document.clone() } else { document.parent().expect("a folder").join(path) };
            assert!(file.exists(), "{} links to {target}", document.display());
            if !part.is_empty() {
                let headings = read(&file);
                let mut headings = headings.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
                assert!(headings.any(|it| anchor(it.trim()) == part), "{} links to {target}", document.display());
            }
        }
    }
}
