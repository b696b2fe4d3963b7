//! `latchkey migrate`

use super::output::print;
use super::{Failure, cannot_open};
use crate::config::Config;
use crate::db::migrations;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Apply every pending migration; `serve` does so by itself
    Run,
    /// Revert the newest migration and delete the data that it stored
    Revert,
    /// List the migrations and whether they are applied
    Status,
}

pub fn run(config: &Config, command: &Command) -> Result<(), Failure> {
    let url = &config.database_url;
    let failed = |error| cannot_open(config, &error);
    match command {
        Command::Run => match migrations::run(url).map_err(failed)?.as_slice() {
            [] => print("nothing to do: every migration is applied\n"),
            names => names.iter().try_for_each(|name| print(&format!("applied {name}\n"))),
        },
        Command::Revert => match migrations::revert(url).map_err(failed)? {
            Some(name) => print(&format!("reverted {name}\n")),
            None => print("nothing to do: no migration is applied\n"),
        },
        Command::Status => {
            let states = migrations::states(url).map_err(failed)?;
            states.iter().try_for_each(|state| {
                let mark = if state.applied { "applied" } else { "pending" };
                print(&format!("{mark}  {}\n", state.name))
            })
        }
    }
}
