//! The key that encrypts cookies: configured, or kept in a file beside the SQLite database.

use std::fmt;
use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};

use super::start_error::StartError;
use crate::db::url::DatabaseUrl;
use crate::secret::random_base62;

/// The text from which the cookies' key is derived. It is never printed.
#[derive(Clone)]
pub struct SecretKey(SecretString);

impl SecretKey {
    /// The bytes to derive the key from.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

impl FromStr for SecretKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() < 64 {
            return Err("at least 64 characters are needed; `openssl rand -hex 32` makes some".into());
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// Returns the key that is `given`, or the one in the file beside `database`, which is created if it does not exist.
///
/// # Errors
/// Returns [`StartError`] if no key is given and none can be read or created.
pub fn load(given: Option<&SecretKey>, database: &DatabaseUrl) -> Result<SecretKey, StartError> {
    if let Some(key) = given {
        return Ok(key.clone());
    }
    let DatabaseUrl::Sqlite(database) = database else {
        let how = "with PostgreSQL, set LATCHKEY_SECRET_KEY to the same value for every process: openssl rand -hex 32";
        return Err(StartError(how.to_owned()));
    };
    let file = file_beside(database);
    let cannot = |what: &str, error: &dyn std::fmt::Display| {
        StartError(format!(
            "cannot {what} the secret key {}: {error}; you can also set LATCHKEY_SECRET_KEY",
            file.display()
        ))
    };
    let kept = match fs::read_to_string(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make(&file).map_err(|error| cannot("create", &error))?;
            fs::read_to_string(&file)
        }
        kept => kept,
    };
    kept.map_err(|error| cannot("read", &error))?.parse().map_err(|error: String| cannot("use", &error))
}

/// The name of the key file: `latchkey.key` for `latchkey.db`.
fn file_beside(database: &Path) -> PathBuf {
    let file = database.with_extension("key");
    if file == database { database.with_extension("key.key") } else { file }
}

/// Creates the key file atomically, readable by its owner only. If two processes create it at once, the first one wins.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_secret_key_is_long_and_never_printed() {
        assert!("0".repeat(63).parse::<SecretKey>().is_err());
        let key: SecretKey = format!(" {}\n", "0".repeat(64)).parse().expect("a key");
        assert_eq!((key.as_bytes(), format!("{key:?}").as_str()), ("0".repeat(64).as_bytes(), "SecretKey(…)"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*|[0-9a-z:/.@?#%\\[\\]]*") {
            let _ = text.parse::<SecretKey>();
        }
    }
}
