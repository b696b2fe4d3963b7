//! Reads a new password from the terminal or standard input. It is never an argument: other users of the machine could
//! see those.

use std::io::{IsTerminal, Read};

use super::Failure;
use crate::auth::credentials::Password;
use crate::auth::passwords::new_password::{NewPassword, Owner};

/// More bytes than any accepted password has.
const MOST_BYTES: u64 = 64 * 1024;

/// Reads a new password for `owner` and returns its hash.
pub fn read_hash(from_stdin: bool, owner: Owner<'_>) -> Result<String, Failure> {
    let password = if from_stdin { from_standard_input()? } else { from_terminal()? };
    let password = NewPassword::of(password, owner).map_err(|error| Failure(error.message()))?;
    Ok(password.hash())
}

fn from_standard_input() -> Result<Password, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().take(MOST_BYTES).read_to_string(&mut text);
    read.map_err(|error| Failure(format!("cannot read the password from standard input: {error}")))?;
    Ok(Password::new(text.trim_end_matches(['\r', '\n'])))
}

fn from_terminal() -> Result<Password, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure("there is no terminal to ask for the password: pipe it in with --password-stdin".into()));
    }
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt).map_err(|error| Failure(format!("cannot read the password: {error}")))
    };
    let password = ask("Password: ")?;
    if ask("Repeat the password: ")? != password {
        return Err(Failure("the passwords do not match; nothing was changed".into()));
    }
    Ok(Password::new(password))
}
