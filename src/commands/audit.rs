//! `latchkey audit`

use std::time::Duration;

use clap::error::ErrorKind;

use super::output::{Readers, print_to_readers};
use super::{Failure, open_database};
use crate::clock::iso8601;
use crate::config::Config;
use crate::db::Database;
use crate::documents::audit::AuditDocument;
use crate::models::audit::AuditEntry;
use crate::models::audit_search::{AuditField, AuditPlace, AuditSearch};

/// Entries that are read at a time.
const BATCH: usize = 1000;
/// The most entries that `--limit` can ask for: they are held in memory, to be turned round.
const LARGEST_LIMIT: i64 = 10_000;
/// How long `--follow` waits before it looks again.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many of the latest ids `--follow` looks at each time. PostgreSQL gives an id before the commit, so an entry may
/// appear after others with greater ids.
const WINDOW: i64 = 10_000;

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  latchkey audit --user alice --since 2026-11-01\n  \
                        latchkey audit --action key_revoked --limit 0 --json\n  latchkey audit --follow --json")]
pub struct Arguments {
    /// Only what is about this person: the login at that time, or an id such as id:12
    #[arg(long, value_name = "LOGIN|id:ID")]
    user: Option<String>,
    /// Only what this person did, or: command line, Latchkey itself, not signed in
    #[arg(long, value_name = "LOGIN|id:ID")]
    actor: Option<String>,
    /// Only what happened in this way, such as key_revoked
    #[arg(long)]
    action: Option<String>,
    /// Only what is about the key with this id
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// Only what came from this IP address
    #[arg(long)]
    address: Option<String>,
    /// Only what happened since: a date (its beginning, in UTC) or an RFC 3339 time
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only what happened until: a date (its end, in UTC) or before an RFC 3339 time
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// The number of entries, of which the latest are printed; 0: all
    #[arg(long, value_name = "NUMBER", default_value = "100")]
    #[arg(value_parser = clap::value_parser!(i64).range(0..=LARGEST_LIMIT))]
    limit: i64,
    /// Print each entry as a line of JSON
    #[arg(long)]
    json: bool,
    /// Go on printing entries as they are written, until you stop it
    #[arg(long, conflicts_with = "until")]
    follow: bool,
}

impl Arguments {
    /// Checks what clap's attributes cannot express.
    pub fn check(&self) -> Result<(), clap::Error> {
        self.search().map(|_| ()).map_err(|wrong| clap::Error::raw(ErrorKind::ValueValidation, wrong))
    }

    /// The search, or what is wrong with it.
    fn search(&self) -> Result<AuditSearch, String> {
        let search = AuditSearch::read(|field| self.value(field).1.clone());
        search.map_err(|wrong| {
            let sentences = wrong.iter().map(|wrong| wrong.sentence(self.value(wrong.field).0));
            sentences.map(|sentence| sentence.trim_end_matches('.').to_owned()).collect::<Vec<_>>().join("; ")
        })
    }

    /// The flag of a field, and its value.
    fn value(&self, field: AuditField) -> (&'static str, &Option<String>) {
        match field {
            AuditField::User => ("--user", &self.user),
            AuditField::Actor => ("--actor", &self.actor),
            AuditField::Action => ("--action", &self.action),
            AuditField::Key => ("--key", &self.key),
            AuditField::Address => ("--address", &self.address),
            AuditField::Since => ("--since", &self.since),
            AuditField::Until => ("--until", &self.until),
        }
    }
}

/// Prints the entries, oldest first.
pub fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let search = arguments.search().map_err(Failure)?;
    let database = open_database(config)?;
    let print = |entries: Vec<AuditEntry>| print_entries(entries, arguments.json);
    // Read before the entries are: what is written in between is printed below, and not twice.
    let mut known = database.read_now(|connection| AuditEntry::latest_ids(connection, WINDOW))?;
    let is_known = |entry: &AuditEntry| known.contains(&entry.id) || known.first().is_some_and(|it| entry.id < *it);
    let print_known = |mut entries: Vec<AuditEntry>| {
        entries.retain(|entry| !arguments.follow || is_known(entry));
        print(entries)
    };
    let readers = print_found(&database, &search, arguments.limit, print_known)?;
    if readers == Readers::Gone || !arguments.follow {
        return Ok(());
    }
    loop {
        std::thread::sleep(LOOK_EVERY);
        let ids = database.read_now(|connection| AuditEntry::latest_ids(connection, WINDOW))?;
        let new: Vec<i64> = ids.difference(&known).copied().collect();
        for some in new.chunks(BATCH) {
            let entries = database.read_now(|connection| search.among(connection, some))?;
            if print(entries)? == Readers::Gone {
                return Ok(());
            }
        }
        known = ids;
    }
}

/// Prints the latest entries that are found, `limit` of them, or all of them if it is 0.
fn print_found(
    database: &Database,
    search: &AuditSearch,
    limit: i64,
    print: impl Fn(Vec<AuditEntry>) -> Result<Readers, Failure>,
) -> Result<Readers, Failure> {
    let page = |place, most| database.read_now(|connection| search.page(connection, place, most));
    if limit > 0 {
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut entries = page(AuditPlace::Latest, most)?.entries;
        entries.reverse();
        return print(entries);
    }
    let mut place = AuditPlace::Oldest;
    loop {
        let mut found = page(place, BATCH)?;
        found.entries.reverse();
        if print(found.entries)? == Readers::Gone {
            return Ok(Readers::Gone);
        }
        match found.newer {
            Some(last) => place = AuditPlace::NewerThan(last),
            None => return Ok(Readers::There),
        }
    }
}

fn print_entries(entries: Vec<AuditEntry>, json: bool) -> Result<Readers, Failure> {
    let mut text = String::new();
    for entry in entries {
        let line = match json {
            true => serde_json::to_string(&AuditDocument::from(entry)).map_err(|error| Failure(error.to_string()))?,
            false => line(&entry),
        };
        text += &line;
        text.push('\n');
    }
    print_to_readers(&text)
}

/// An entry on one line.
fn line(entry: &AuditEntry) -> String {
    let mut line = format!("{} {}", iso8601(entry.created_on), entry.action);
    let mut add = |before: &str, text: Option<&str>| {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            line += before;
            line += text;
        }
    };
    let times = (entry.times > 1).then(|| entry.times.to_string());
    let key = entry.token_id.map(|id| id.to_string());
    add(" x", times.as_deref());
    add(" about ", entry.user_login.as_deref());
    add(" by ", Some(&entry.actor));
    add(" as ", entry.acting_as.as_deref());
    add(" from ", Some(&entry.address));
    add(", key ", key.as_deref());
    add(" ", entry.token_name.as_deref().map(|name| format!("“{name}”")).as_deref());
    add(" ending in ", entry.token_hint.as_deref());
    add(", with ", entry.credential.as_deref());
    add(": ", entry.detail.as_deref());
    line
}
