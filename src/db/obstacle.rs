//! Why a SQLite file cannot be opened. SQLite itself says only that it cannot.

use std::fs::{self, OpenOptions};
use std::io::{Error, ErrorKind};
use std::path::Path;

/// What SQLite has `said` about the file at `path`, and what stands in the way and what to do about it, as far as the
/// file system tells.
pub fn explained(path: &Path, said: &str) -> String {
    match of(path) {
        Some(obstacle) => format!("{said}: {obstacle}"),
        None if said.contains("not a database") => format!("{said}: name another file, this one is left as it is"),
        None => said.to_owned(),
    }
}

fn of(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (file, folder_name) = (path.display(), folder.display());
    if let Err(error) = fs::read_dir(folder) {
        return Some(match error.kind() {
            ErrorKind::NotFound => format!("there is no folder {folder_name}; create it, or name another file"),
            ErrorKind::NotADirectory => format!("{folder_name} is no folder; name another file"),
            _ => reason(&format!("the folder {folder_name}"), &error),
        });
    }
    if path.is_dir() {
        return Some(format!("{file} is a folder; name a file in it"));
    }
    match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Some(reason(&format!("the file {file}"), &error)),
        _ => {}
    }
    // SQLite makes files beside the database. This one has no name, and is gone at once.
    let what = format!("the folder {folder_name}");
    tempfile::tempfile_in(folder).err().map(|error| reason(&what, &error))
}

fn reason(what: &str, error: &Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => {
            format!("this process may not read and write {what}; give its user that right, or name another file")
        }
        ErrorKind::ReadOnlyFilesystem => format!("{what} is on a disk that is mounted read-only; mount it writable"),
        ErrorKind::StorageFull => format!("the disk of {what} is full; make room"),
        _ => format!("{what} cannot be opened: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_way_of_a_file_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("letter"), "Dear Sir").expect("a file");
        for (path, says) in [
            (at("missing/latchkey.db"), "there is no folder"),
            (at("letter/latchkey.db"), "is no folder; name another file"),
            (folder.path().to_owned(), "is a folder; name a file in it"),
            (at(&"a".repeat(300)), "File name too long"),
        ] {
            let told = of(&path).unwrap_or_default();
            assert!(told.contains(says) && told.contains(&folder.path().display().to_string()), "{told}");
        }
        assert_eq!(of(&at("latchkey.db")), None);
        assert_eq!(of(&at("letter")), None);
    }
}
