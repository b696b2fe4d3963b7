//! The rules of `docs/architecture.md` about the sources themselves: ground lies below roof, no files import each other
//! in a circle, and a long file says why it is long.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The rooms of `src/`, each above those that it may use.
const ROOMS: &[&str] = &[
    "clock",
    "spans",
    "guessable",
    "secret",
    "panics",
    "threads",
    "logging",
    "db",
    "config",
    "models",
    "auth",
    "http",
    "metrics",
    "mail",
    "recorder",
    "app",
    "callers",
    "documents",
    "forward_auth",
    "api",
    "pages",
    "server",
    "import",
    "commands",
    "embed",
    "main",
];

/// Lines that a file may have without saying why.
const LONG: usize = 400;

/// Every source file, by its module path.
fn sources() -> BTreeMap<Vec<String>, String> {
    fn visit(folder: &Path, root: &Path, found: &mut BTreeMap<Vec<String>, String>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                visit(&path, root, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(root).expect("below src").with_extension("");
                let mut parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
                if parts.last().is_some_and(|last| last == "mod") {
                    parts.pop();
                }
                found.insert(parts, std::fs::read_to_string(&path).expect("a source file"));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    visit(&root, &root, &mut found);
    found.remove(&vec!["lib".to_owned()]);
    found
}

/// The code of a file without its comments and unit tests.
fn code(text: &str) -> String {
    let tested = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    text[..tested].lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules that the code of `module` names, by `crate::`, `super::` or `self::`.
fn imports(module: &[String], code: &str, all: &BTreeMap<Vec<String>, String>) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    for root in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back().unwrap_or(' ');
            if before.is_alphanumeric() || before == '_' || before == ':' {
                continue;
            }
            let path: String = code[at..].chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
            let rest = &code[at + path.len()..];
            let listed = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(listed, _)| listed);
            for name in listed.split(',').map(str::trim) {
                let whole = format!("{path}{name}");
                let parts = whole.split("::").map(|part| part.split(' ').next().unwrap_or_default());
                found.extend(target(module, parts.filter(|part| !part.is_empty()).collect(), all));
            }
        }
    }
    found.remove(module);
    found
}

/// The module that a path leads into, seen from `module`.
fn target(module: &[String], path: Vec<&str>, all: &BTreeMap<Vec<String>, String>) -> Option<Vec<String>> {
    let mut base: Vec<String> = if path.first() == Some(&"crate") { Vec::new() } else { module.to_vec() };
    for part in path {
        match part {
            "crate" | "self" => {}
            "super" => {
                base.pop();
            }
            name => base.push(name.to_owned()),
        }
    }
    while !base.is_empty() && !all.contains_key(&base) {
        base.pop();
    }
    (!base.is_empty()).then_some(base)
}

fn graph() -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let all = sources();
    all.iter().map(|(module, text)| (module.clone(), imports(module, &code(text), &all))).collect()
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut left = graph();
    // What imports nothing that is left is in no circle; neither is, then, what imports only such.
    loop {
        let ends: Vec<Vec<String>> =
            left.iter().filter(|(_, to)| to.is_empty()).map(|(from, _)| from.clone()).collect();
        if ends.is_empty() {
            break;
        }
        for end in ends {
            left.remove(&end);
            for imports in left.values_mut() {
                imports.remove(&end);
            }
        }
    }
    let circles: Vec<String> = left
        .iter()
        .map(|(from, to)| {
            let to: Vec<String> = to.iter().map(|to| to.join("::")).collect();
            format!("{} imports {}", from.join("::"), to.join(" and "))
        })
        .collect();
    assert!(circles.is_empty(), "in or before a circle:\n{}", circles.join("\n"));
}

#[test]
fn ground_lies_below_roof() {
    let level = |module: &[String]| {
        let room = ROOMS.iter().position(|room| *room == module[0]);
        room.unwrap_or_else(|| panic!("{} is in no room: name it in ROOMS, and in docs/architecture.md", module[0]))
    };
    for (from, to) in graph() {
        for to in to {
            assert!(level(&from) >= level(&to), "{} must not use {}", from.join("::"), to.join("::"));
        }
    }
}

#[test]
fn the_baselines_have_the_allocator_of_the_product() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in ["src/main.rs", "bench/baselines/src/lib.rs", "bench/baselines/src/bin/plain_route.rs"] {
        let text = std::fs::read_to_string(root.join(file)).expect("a source");
        assert!(text.contains("#[global_allocator]\nstatic ALLOCATOR: MiMalloc"), "{file}");
    }
}

#[test]
fn a_long_file_says_why_it_is_long() {
    for (module, text) in sources() {
        let lines = text.lines().count();
        let says_why = text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.contains("long file"));
        assert!(
            lines <= LONG || says_why,
            "{}: {lines} lines; split it, or say in its //! why it is a long file",
            module.join("::")
        );
    }
}
