//! The command line: a file a subcommand.

mod audit;
mod confirmation;
mod demo;
mod group;
mod import;
mod key;
mod key_list;
mod mail;
mod migrate;
mod output;
mod password_input;
mod serve;
mod service;
mod services_file;
mod signals;
mod user;

use std::error::Error as _;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};
use diesel::result::Error as QueryError;

use crate::clock::Timestamp;
use crate::config::Config;
use crate::config::environment::{Unread, unread};
use crate::db::migrations::{self, MigrationError};
use crate::db::{Database, DbError, WriteError};
use crate::models::people::refusal::PersonRefusal;
use crate::models::people::user::{SaveError, User};
use crate::models::tx::Tx;

/// A self-hosted home for API keys that know when they were last used.
///
/// Try it with `latchkey demo`, which uses a temporary database. To run it for real: `latchkey user add LOGIN --mail
/// MAIL`, then `latchkey serve`.
#[derive(Parser)]
#[command(name = "latchkey", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    config: Config,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the pages and the API; applies pending migrations first
    Serve,
    /// Serve a temporary database with example people and keys
    Demo(demo::Arguments),
    /// Apply, revert or list database migrations
    #[command(subcommand)]
    Migrate(migrate::Command),
    /// Add, list, change, lock, unlock and delete people, and set their passwords
    #[command(subcommand)]
    User(user::Command),
    /// Import people, their keys and groups from Redmine
    #[command(subcommand)]
    Import(import::Command),
    /// Add, list, show, rotate and revoke keys
    #[command(subcommand)]
    Key(key::Command),
    /// Add, list, show, change and remove services, which are apps behind a reverse proxy
    #[command(subcommand)]
    Service(service::Command),
    /// Add, list, show, rename and delete groups, and say who is in them
    #[command(subcommand)]
    Group(group::Command),
    /// Find out whether mail can be sent
    #[command(subcommand)]
    Mail(mail::Command),
    /// Print what happened to anybody's keys and account, and to services
    Audit(audit::Arguments),
}

impl Cli {
    /// The same, unless something in it cannot go together.
    fn checked(self) -> Result<Self, clap::Error> {
        self.config.check().map_err(|wrong| clap::Error::raw(ErrorKind::ArgumentConflict, wrong))?;
        match &self.command {
            Command::Key(command) => command.check().map(|()| self),
            Command::Audit(arguments) => arguments.check().map(|()| self),
            _ => Ok(self),
        }
    }
}

/// Why a command failed, in one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failure(String);

/// Reads the command line, does what it says, and gives the exit code: 0 done, 1 failed, 2 misuse.
pub fn run() -> ExitCode {
    let Cli { command, config } = match Cli::try_parse().and_then(Cli::checked) {
        Ok(cli) => cli,
        Err(error) => return misuse(&error),
    };
    let done = match command {
        Command::Serve => serve::run(config),
        Command::Demo(arguments) => demo::run(config, &arguments),
        Command::Migrate(command) => migrate::run(&config, &command),
        Command::User(command) => user::run(&config, command),
        Command::Import(command) => import::run(&config, command),
        Command::Key(command) => key::run(&config, command),
        Command::Service(command) => service::run(&config, command),
        Command::Group(command) => group::run(&config, command),
        Command::Mail(command) => mail::run(&config, &command),
        Command::Audit(arguments) => audit::run(&config, &arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("latchkey: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Help and version are no errors; everything else is told in one line.
fn misuse(error: &clap::Error) -> ExitCode {
    let whole_text =
        [ErrorKind::DisplayHelp, ErrorKind::DisplayVersion, ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand];
    if whole_text.contains(&error.kind()) {
        // Nothing can be said if not even this can be printed.
        let _ = error.print();
    } else {
        eprintln!("latchkey: {}; see latchkey --help", line_of(error));
    }
    // Which database it is, is less how the command is used than where it runs.
    if wrong_value_of(error).is_some_and(|setting| setting.starts_with("--database-url")) {
        return ExitCode::FAILURE;
    }
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// What clap says in several, which would show the values of settings that are secret.
fn line_of(error: &clap::Error) -> String {
    let secret = ["--database-url", "--secret-key", "--smtp-url", import::SOURCE];
    let wrong = wrong_value_of(error);
    let text = match (wrong.filter(|it| secret.iter().any(|name| it.starts_with(name))), error.source()) {
        (Some(setting), Some(cause)) => format!("{setting} is wrong: {cause}"),
        _ => error.to_string(),
    };
    let first = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let line = first.split_whitespace().collect::<Vec<_>>().join(" ");
    match wrong.and_then(variable_of) {
        Some(variable) => format!("{line} ({variable})"),
        None => line,
    }
}

/// The variable that gives the value of `setting`, if it is set: whoever set that has never seen the flag.
fn variable_of(setting: &str) -> Option<String> {
    let (command, flag) = (Cli::command(), setting.split(' ').next()?.strip_prefix("--")?);
    let argument = command.get_arguments().find(|argument| argument.get_long() == Some(flag))?;
    let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned());
    variable.filter(|variable| std::env::var_os(variable).is_some())
}

/// Warns of variables that look like settings and are none. They are no error: whoever runs several releases, or other
/// programs of that name, may need them.
fn warn_of_unread_variables() {
    for Unread { name, nearest } in unread(&Cli::command()) {
        match nearest {
            Some(nearest) => tracing::warn!("{name} is no setting and has no effect; did you mean {nearest}?"),
            None => tracing::warn!("{name} is no setting and has no effect; latchkey --help lists the settings"),
        }
    }
}

/// The argument whose value could not be read.
fn wrong_value_of(error: &clap::Error) -> Option<&str> {
    match error.get(ContextKind::InvalidArg)? {
        ContextValue::String(argument) if error.kind() == ErrorKind::ValueValidation => Some(argument),
        _ => None,
    }
}

/// The database that `config` names, made or brought up to date where that is needed.
fn make_database(config: &Config) -> Result<Database, Failure> {
    migrations::run(&config.database_url).map_err(|error| cannot_open(config, &error))?;
    open_database(config)
}

/// Does `work` in a transaction of the command line.
///
/// # Errors
/// Those of `work` and of the database, after which nothing is changed.
#[expect(clippy::disallowed_methods, reason = "whoever can start a command can write to the database anyway")]
fn write<T, E: WriteError>(
    database: &Database,
    now: Timestamp,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    database.write_now(|connection| work(&mut Tx::of_command_line(connection, now)))
}

/// The database that `config` names, as it is: to look at it must neither make nor upgrade one.
fn open_database(config: &Config) -> Result<Database, Failure> {
    let url = &config.database_url;
    if url.file().is_some_and(|file| !file.exists()) {
        return Err(Failure(format!("there is no database {url}; latchkey user add makes it (DATABASE_URL names it)")));
    }
    let database = Database::open(url).map_err(|error| Failure(format!("{error} (DATABASE_URL is {url})")))?;
    match migrations::is_up_to_date(url).map_err(|error| cannot_open(config, &error))? {
        true => Ok(database),
        false => Err(Failure(format!("the database {url} lacks migrations; latchkey migrate run applies them"))),
    }
}

fn cannot_open(config: &Config, error: &MigrationError) -> Failure {
    Failure(format!("{error} (DATABASE_URL is {})", config.database_url))
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Self(error.to_string())
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        DbError::from(error).into()
    }
}

impl WriteError for Failure {
    /// Nobody asks for it: a command ends with its first failure.
    fn database_error(&self) -> Option<&DbError> {
        None
    }

    fn into_database_error(self) -> Result<DbError, Self> {
        Err(self)
    }
}

impl From<SaveError> for Failure {
    fn from(error: SaveError) -> Self {
        Self(error.to_string())
    }
}

impl From<PersonRefusal> for Failure {
    fn from(refusal: PersonRefusal) -> Self {
        Self(refusal.to_string())
    }
}

fn find_user(database: &Database, login: &str) -> Result<User, Failure> {
    let found = database.read_now(|connection| User::find_by_login(connection, login))?;
    found.ok_or_else(|| Failure(format!("nobody has the login {login}; latchkey user list shows who there is")))
}
