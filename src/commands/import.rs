//! `latchkey import`

use std::path::PathBuf;

use chrono_tz::Tz;

use super::output::print;
use super::{Failure, cannot_open};
use crate::clock::Clock;
use crate::config::Config;
use crate::config::environment::empty_is_unset;
use crate::db::migrations::{self, MigrationError};
use crate::db::url::DatabaseUrl;
use crate::import::options::{Conflicts, Mode, Options, Passwords};
use crate::import::progress::Progress;
use crate::import::redmine::Redmine;
use crate::import::report::Report;
use crate::import::source::{Source, SourceUrl};
use crate::import::{self};

#[derive(clap::Subcommand)]
pub enum Command {
    /// Import people and their keys from Redmine's database, which is only read
    #[command(
        after_help = "Run it again to import what is new or has changed. docs/moving-from-redmine.md says what to \
                            do before and after."
    )]
    Redmine(FromRedmine),
}

/// The name of an argument whose value clap must not print, because it can contain a password.
pub const SOURCE: &str = "<SOURCE>";

#[derive(clap::Args)]
#[command(mut_args = empty_is_unset)]
pub struct FromRedmine {
    /// Redmine's database: the path of a SQLite file, postgres://USER:PASSWORD@HOST/NAME or
    /// mysql://USER:PASSWORD@HOST/NAME. Set it in the environment: others on the machine can read arguments
    #[arg(env = "LATCHKEY_SOURCE", hide_env_values = true)]
    source: SourceUrl,
    /// The time zone in which Redmine's server writes its times, such as Europe/Berlin or UTC
    #[arg(long, value_name = "NAME", value_parser = parse_zone)]
    source_time_zone: Tz,
    /// What to do with passwords
    #[arg(long, value_enum, default_value = "move")]
    passwords: Passwords,
    /// Overwrite what was changed in Latchkey since the last import
    #[arg(long)]
    overwrite: bool,
    /// Change nothing, and show what would happen
    #[arg(long)]
    dry_run: bool,
    /// Write a full report about every row to this file, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

fn parse_zone(text: &str) -> Result<Tz, String> {
    text.parse().map_err(|_| "use a name from the time zone database, such as Europe/Berlin or UTC".into())
}

pub fn run(config: &Config, command: Command) -> Result<(), Failure> {
    let Command::Redmine(arguments) = command;
    let source = &arguments.source;
    let cannot_read = |error: &dyn std::fmt::Display| Failure(format!("cannot read {source}: {error}"));
    let opened = Source::open(source).map_err(|error| cannot_read(&error))?;
    let redmine = Redmine::open(opened).map_err(|error| cannot_read(&error))?;
    let no_report = |error: std::io::Error| Failure(format!("cannot write the report: {error}"));
    let mut report = Report::new(arguments.report.as_deref()).map_err(no_report)?;

    let mode = if arguments.dry_run { Mode::DryRun } else { Mode::Real };
    let target = Target::of(config, mode)?;
    let options = Options {
        zone: arguments.source_time_zone,
        passwords: arguments.passwords,
        conflicts: if arguments.overwrite { Conflicts::Overwrite } else { Conflicts::Keep },
        mode,
        now: Clock::system().now(),
    };
    let moved = import::run(redmine, &target.url, options, &mut report, &mut Progress::on_stderr());
    moved.map_err(|error| Failure(format!("{error}; nothing was changed")))?;
    if let Mode::DryRun = mode {
        print("dry run: nothing was changed\n")?;
    }
    print(&report.text())?;
    report.keep().map_err(no_report)
}

/// The database that people are imported into.
struct Target {
    url: DatabaseUrl,
    /// The directory of a temporary database, which is deleted on drop.
    _folder: Option<tempfile::TempDir>,
}

impl Target {
    /// The database that `config` names. A dry run does not create or migrate it.
    fn of(config: &Config, mode: Mode) -> Result<Self, Failure> {
        let url = config.database_url.clone();
        let failed = |error: MigrationError| cannot_open(config, &error);
        match mode {
            Mode::DryRun if url.file().is_some_and(|file| !file.exists()) => {
                let cannot = |error: std::io::Error| Failure(format!("cannot create a temporary database: {error}"));
                let folder = tempfile::Builder::new().prefix("latchkey-dry-run-").tempdir().map_err(cannot)?;
                let url = DatabaseUrl::Sqlite(folder.path().join("latchkey.db"));
                migrations::run(&url).map_err(failed)?;
                Ok(Self { url, _folder: Some(folder) })
            }
            Mode::DryRun => {
                let states = migrations::states(&url).map_err(failed)?;
                if states.iter().all(|state| state.applied) {
                    return Ok(Self { url, _folder: None });
                }
                Err(Failure(
                    "the database lacks migrations, and a dry run changes nothing: latchkey migrate run first".into(),
                ))
            }
            Mode::Real => {
                migrations::run(&url).map_err(failed)?;
                Ok(Self { url, _folder: None })
            }
        }
    }
}
