//! `latchkey key`

use super::output::{print, table, time_or};
use super::{Failure, find_user, open_database};
use crate::clock::{Clock, iso8601};
use crate::config::Config;
use crate::db::Database;
use crate::models::event::{Client, Event, EventAction};
use crate::models::token::{Token, TokenAction};

#[derive(clap::Subcommand)]
pub enum Command {
    /// Make a key, in place of the one there may be, and print its secret, alone and this one time
    #[command(after_help = "Example: KEY=$(latchkey key add alice)")]
    Add {
        /// Whose
        login: String,
        /// Which kind: api for programs, feeds for feed readers
        #[arg(long, value_enum, default_value = "api")]
        action: KeyKind,
    },
    /// List keys: id, login, kind, the end of the secret, created, last use
    List {
        /// Those of one person only
        login: Option<String>,
    },
    /// End a key at once
    Revoke {
        /// Its id, as `key list` shows it
        id: i64,
    },
}

#[derive(clap::ValueEnum, Clone, Copy)]
pub enum KeyKind {
    Api,
    Feeds,
}

impl From<KeyKind> for TokenAction {
    fn from(kind: KeyKind) -> Self {
        match kind {
            KeyKind::Api => Self::Api,
            KeyKind::Feeds => Self::Feeds,
        }
    }
}

pub fn run(config: &Config, command: Command) -> Result<(), Failure> {
    let database = open_database(config)?;
    match command {
        Command::Add { login, action } => add(&database, &login, action.into()),
        Command::List { login } => list(&database, login.as_deref()),
        Command::Revoke { id } => revoke(&database, id),
    }
}

fn add(database: &Database, login: &str, action: TokenAction) -> Result<(), Failure> {
    let user = find_user(database, login)?;
    let now = Clock::system().now();
    let (token, secret, is_reset) = database.write_now(|connection| {
        let is_reset = !Token::of_user(connection, user.id, &[action])?.is_empty();
        let (token, secret) = Token::issue(connection, user.id, action, now)?;
        let what = if is_reset { EventAction::KeyReset } else { EventAction::KeyCreated };
        Event::record(connection, user.id, what, Some(&token), &Client::command_line(), now)?;
        Ok((token, secret, is_reset))
    })?;
    let what = if is_reset { "reset: the key before it has stopped working" } else { "created" };
    eprintln!("{} {} of {} {what}", action.label(), token.id, user.login);
    print(&format!("{}\n", secret.expose()))
}

fn list(database: &Database, login: Option<&str>) -> Result<(), Failure> {
    let owner = login.map(|login| find_user(database, login)).transpose()?;
    let keys = database.read_now(Token::keys)?;
    let wanted = keys.iter().filter(|(token, _)| owner.as_ref().is_none_or(|owner| owner.id == token.user_id));
    let row = |(token, login): &(Token, String)| {
        let unused =
            token.recorded_since.map_or_else(|| "never".to_owned(), |since| format!("none since {}", since.date()));
        let last_use = time_or(token.recorded_use(), &unused);
        let (action, created) = (token.action.as_str().to_owned(), iso8601(token.created_on));
        [token.id.to_string(), login.clone(), action, token.hint.clone(), created, last_use]
    };
    let rows: Vec<_> = wanted.map(row).collect();
    table(["ID", "LOGIN", "ACTION", "HINT", "CREATED", "LAST USE"], &rows)
}

fn revoke(database: &Database, id: i64) -> Result<(), Failure> {
    let now = Clock::system().now();
    let revoked = database.write_now(|connection| {
        let found = Token::find(connection, id)?.filter(|token| token.action.is_key());
        let Some(token) = found else { return Ok(None) };
        Token::delete(connection, id)?;
        let client = Client::command_line();
        Event::record(connection, token.user_id, EventAction::KeyRevoked, Some(&token), &client, now)?;
        Ok(Some(token))
    })?;
    match revoked {
        Some(token) => print(&format!("revoked {} {id}, which ends in {}\n", token.action.label(), token.hint)),
        None => Err(Failure(format!("no key has the id {id}; latchkey key list shows them"))),
    }
}
