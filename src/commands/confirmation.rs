//! Asks on the terminal before something is deleted for good.

use std::io::{IsTerminal, Write};

use super::Failure;

/// Whether to ask before something is deleted.
#[derive(clap::Args)]
pub struct Confirmation {
    /// Do not ask whether this is meant
    #[arg(long)]
    yes: bool,
}

impl Confirmation {
    /// Returns if whoever runs the command has said that they mean to delete `what`, which is called `name`.
    ///
    /// # Errors
    /// If they type another name, or cannot be asked and have not said so before.
    pub fn obtain(&self, what: &str, name: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            return Err(Failure(format!("to delete {what} for good, say --yes: there is no terminal to ask on")));
        }
        eprint!("This deletes {what} for good. Type {name} to confirm: ");
        let failed = |error| Failure(format!("cannot read the answer: {error}; nothing was deleted"));
        std::io::stderr().flush().map_err(failed)?;
        let mut typed = String::new();
        std::io::stdin().read_line(&mut typed).map_err(failed)?;
        if typed.trim() == name { Ok(()) } else { Err(Failure(format!("that is not {name}; nothing was deleted"))) }
    }
}
