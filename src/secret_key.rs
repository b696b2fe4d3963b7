//! The key that cookies are encrypted with: given, or kept in a file beside the SQLite database.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::app::StartError;
use crate::auth::secret::random_base62;
use crate::config::{Config, DatabaseUrl, SecretKey};

/// The key that `config` gives; else the one beside the database, which is made now if it is not there.
///
/// # Errors
/// [`StartError`] if there is none and none can be kept.
pub fn load(config: &Config) -> Result<SecretKey, StartError> {
    if let Some(key) = &config.secret_key {
        return Ok(key.clone());
    }
    let DatabaseUrl::Sqlite(database) = &config.database_url else {
        let how = "with PostgreSQL, set LATCHKEY_SECRET_KEY to the same value for every process: openssl rand -hex 32";
        return Err(StartError(how.to_owned()));
    };
    let file = file_beside(database);
    let cannot = |what: &str, error: &dyn std::fmt::Display| {
        StartError(format!("cannot {what} the secret key {}: {error}; or set LATCHKEY_SECRET_KEY", file.display()))
    };
    let kept = match fs::read_to_string(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make(&file).map_err(|error| cannot("make", &error))?;
            fs::read_to_string(&file)
        }
        kept => kept,
    };
    kept.map_err(|error| cannot("read", &error))?.parse().map_err(|error: String| cannot("use", &error))
}

/// `latchkey.db` has `latchkey.key`.
fn file_beside(database: &Path) -> PathBuf {
    let file = database.with_extension("key");
    if file == database { database.with_extension("key.key") } else { file }
}

/// Appears whole or not at all, readable by its owner only. Of two processes that make it at once, one wins.
fn make(file: &Path) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut unnamed = tempfile::Builder::new().permissions(Permissions::from_mode(0o600)).tempfile_in(folder)?;
    writeln!(unnamed, "{}", random_base62(64))?;
    unnamed.as_file().sync_all()?;
    match unnamed.persist_noclobber(file) {
        Err(lost) if lost.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        done => done.map(|_| ()).map_err(|error| error.error),
    }
}
