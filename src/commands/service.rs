//! `latchkey service`

use clap::builder::BoolishValueParser;

use super::output::{print, print_json, shortened, table, time_or};
use super::{Failure, open_database, write};
use crate::clock::{Clock, Timestamp, iso8601};
use crate::config::Config;
use crate::db::Database;
use crate::documents::service::ServiceDocument;
use crate::models::services::administration::ServiceRefusal;
use crate::models::services::overview::ServiceOverview;
use crate::models::services::service::{KeptIn, Service};
use crate::models::services::settings::{Admitted, ServiceChanges, ServiceSettings, words};
use crate::models::tx::Tx;

#[derive(clap::Subcommand)]
pub enum Command {
    /// List services: name, where they live, who may read and write, how many keys have their scopes, last use
    List {
        /// Print an array of JSON
        #[arg(long)]
        json: bool,
    },
    /// Show everything about a service
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Add a service; nobody is admitted of whom nothing is said
    #[command(after_help = "Examples:\n  latchkey service add wiki --host wiki.example.org --readers everyone \
                            --writers alice,bob\n  latchkey service add files --host apps.example.org --path /files \
                            --title 'Shared files'")]
    Add {
        /// What its scopes call it, for good: small letters, digits and hyphens
        name: String,
        /// Where it lives: a DNS name or an IP address, without a port
        #[arg(long, value_name = "HOST")]
        host: String,
        #[command(flatten)]
        said: Said,
        /// Print the service as JSON
        #[arg(long)]
        json: bool,
    },
    /// Change a service; what is not named stays as it is
    #[command(after_help = "Examples:\n  latchkey service change wiki --writers alice\n  \
                            latchkey service change wiki --requests-per-minute none --readers nobody")]
    Change {
        #[command(flatten)]
        which: Which,
        /// Where it lives: a DNS name or an IP address, without a port
        #[arg(long, value_name = "HOST")]
        host: Option<String>,
        #[command(flatten)]
        said: Said,
    },
    /// Remove a service, and its scopes from all keys, for good
    Remove {
        #[command(flatten)]
        which: Which,
    },
}

/// The service that something is to be done about.
#[derive(clap::Args)]
pub struct Which {
    /// Its name
    name: String,
    /// Print the service as JSON
    #[arg(long)]
    json: bool,
}

/// What else can be said about a service.
#[derive(clap::Args)]
pub struct Said {
    /// What people call it [default: its name]
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// What of the host belongs to it, with everything below [default: /]
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// The methods that read, with commas between, or none; every other one writes [default: GET,HEAD,OPTIONS]
    #[arg(long, value_name = "METHODS")]
    read_methods: Option<String>,
    /// Whether whoever presents nothing may read: on or off [default: off]
    #[arg(long, value_name = "on|off", num_args = 0..=1, default_missing_value = "on", require_equals = true)]
    #[arg(action = clap::ArgAction::Set, value_parser = BoolishValueParser::new())]
    anonymous_reads: Option<bool>,
    /// Whether API access keys are good for it, which a rogue service could use elsewhere: on or off [default: off]
    #[arg(long, value_name = "on|off", num_args = 0..=1, default_missing_value = "on", require_equals = true)]
    #[arg(action = clap::ArgAction::Set, value_parser = BoolishValueParser::new())]
    classic_keys: Option<bool>,
    /// Whether a key may stand in the address as key=, where logs keep it: on or off [default: off]
    #[arg(long, value_name = "on|off", num_args = 0..=1, default_missing_value = "on", require_equals = true)]
    #[arg(action = clap::ArgAction::Set, value_parser = BoolishValueParser::new())]
    key_parameter: Option<bool>,
    /// How many requests a key may send in a minute, or none for any number [default: none]
    #[arg(long, value_name = "NUMBER", value_parser = limit)]
    requests_per_minute: Option<Limit>,
    /// Who may read: everyone, nobody, or logins with commas between [default: nobody]
    #[arg(long, value_name = "WHO")]
    readers: Option<String>,
    /// Who may write, and so read: everyone, nobody, or logins with commas between [default: nobody]
    #[arg(long, value_name = "WHO")]
    writers: Option<String>,
}

/// Requests a minute; `None`: any number.
#[derive(Clone, Copy)]
struct Limit(Option<i64>);

fn limit(text: &str) -> Result<Limit, &'static str> {
    match text.trim() {
        NONE => Ok(Limit(None)),
        number => number.parse().map(|number| Limit(Some(number))).map_err(|_| "use a whole number, or none"),
    }
}

/// What stands where there is nothing.
const NONE: &str = "none";

impl Said {
    fn changes(self, host: Option<String>) -> ServiceChanges {
        ServiceChanges {
            title: self.title,
            host,
            path: self.path,
            reading_methods: self.read_methods.map(|text| if text.trim() == NONE { Vec::new() } else { words(&text) }),
            anonymous_reads: self.anonymous_reads,
            classic_keys: self.classic_keys,
            key_parameter: self.key_parameter,
            requests_per_minute: self.requests_per_minute.map(|limit| limit.0),
            readers: self.readers.as_deref().map(Admitted::of_text),
            writers: self.writers.as_deref().map(Admitted::of_text),
            seen: None,
        }
    }
}

impl From<ServiceRefusal> for Failure {
    fn from(refusal: ServiceRefusal) -> Self {
        Self(refusal.to_string())
    }
}

pub fn run(config: &Config, command: Command) -> Result<(), Failure> {
    let database = open_database(config)?;
    let now = Clock::system().now();
    match command {
        Command::List { json } => list(&database, json),
        Command::Show { which: Which { name, json } } => {
            let service = find(&database, &name)?;
            let shown = database.read_now(|connection| ServiceOverview::of(connection, service.clone()))?;
            if json { print_json(&ServiceDocument::from(shown)) } else { print(&described(&shown)) }
        }
        Command::Add { name, host, said, json } => {
            let settings = said.changes(Some(host)).applied_to(&ServiceSettings::new(name.clone(), String::new()));
            tell(&database, json, now, "added", |tx| Service::add(tx, &name, &settings))
        }
        Command::Change { which: Which { name, json }, host, said } => {
            let (service, changes) = (find(&database, &name)?, said.changes(host));
            tell(&database, json, now, "is now", |tx| Service::change(tx, service.id, &changes))
        }
        Command::Remove { which: Which { name, json } } => remove(&database, &name, json, now),
    }
}

fn list(database: &Database, json: bool) -> Result<(), Failure> {
    let all = database.read_now(ServiceOverview::of_all)?.into_iter();
    if json {
        return print_json(&all.map(ServiceDocument::from).collect::<Vec<_>>());
    }
    let row = |shown: ServiceOverview| {
        [
            shown.service.name.clone(),
            shortened(&shown.service.place(), 40),
            state(&shown.service).to_owned(),
            shortened(&shown.settings.readers.in_words(), 24),
            shortened(&shown.settings.writers.in_words(), 24),
            shown.dependents.keys().to_string(),
            time_or(shown.dependents.last_used_on, "never"),
        ]
    };
    table(["NAME", "AT", "STATE", "READERS", "WRITERS", "KEYS", "LAST USE"], &all.map(row).collect::<Vec<_>>())
}

fn state(service: &Service) -> &'static str {
    match service.kept_in {
        KeptIn::Database => "open",
        KeptIn::File => "open, in file",
        KeptIn::LeftFile => "closed",
    }
}

/// Everything about a service, a line each.
fn described(ServiceOverview { service, settings, dependents }: &ServiceOverview) -> String {
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let state = match service.kept_in {
        KeptIn::Database => "open",
        KeptIn::File => "open; kept in the file that LATCHKEY_SERVICES names",
        KeptIn::LeftFile => "closed: it has left the file that LATCHKEY_SERVICES names",
    };
    // Each is named, so that none can be left out by mistake.
    let ServiceSettings {
        title,
        host: _,
        path: _,
        reading_methods,
        anonymous_reads,
        classic_keys,
        key_parameter,
        requests_per_minute,
        readers,
        writers,
    } = settings;
    let methods = reading_methods.join(" ");
    let lines = [
        ("id", service.id.to_string()),
        ("name", service.name.clone()),
        ("title", title.clone()),
        ("at", service.place()),
        ("state", state.to_owned()),
        ("readers", readers.in_full()),
        ("writers", writers.in_full()),
        ("reading methods", if methods.is_empty() { NONE.to_owned() } else { methods }),
        ("anonymous reads", yes(*anonymous_reads)),
        ("classic keys", yes(*classic_keys)),
        ("key parameter", yes(*key_parameter)),
        ("a minute", requests_per_minute.map_or_else(|| "any number".to_owned(), |it| it.to_string())),
        ("keys", format!("{} of {} people", dependents.keys(), dependents.people)),
        ("last use", time_or(dependents.last_used_on, "never")),
        ("created", iso8601(service.created_on)),
    ];
    lines.into_iter().map(|(name, value)| format!("{name:<15} {value}\n")).collect()
}

fn remove(database: &Database, name: &str, json: bool, now: Timestamp) -> Result<(), Failure> {
    let service = find(database, name)?;
    let shown = write(database, now, |tx| {
        let shown = ServiceOverview::of(tx.connection, service.clone())?;
        Service::remove(tx, service.id)?;
        Ok::<_, ServiceRefusal>(shown)
    })?;
    if json {
        return print_json(&ServiceDocument::from(shown));
    }
    let lost = match shown.dependents.keys() {
        0 => "no key had scopes of it".to_owned(),
        1 => "one key has lost its scopes of it".to_owned(),
        several => format!("{several} keys have lost their scopes of it"),
    };
    print(&format!("removed {}, at {}: {lost}\n", shown.service.name, shown.service.place()))
}

fn find(database: &Database, name: &str) -> Result<Service, Failure> {
    let found = database.read_now(|connection| Service::find_by_name(connection, name))?;
    found.ok_or_else(|| Failure(format!("no service has the name {name}; latchkey service list shows them")))
}

/// Does `work`, and tells what the service is then.
fn tell(
    database: &Database,
    json: bool,
    now: Timestamp,
    what: &str,
    work: impl FnOnce(&mut Tx<'_>) -> Result<Service, ServiceRefusal>,
) -> Result<(), Failure> {
    let shown = write(database, now, |tx| {
        let service = work(tx)?;
        Ok::<_, ServiceRefusal>(ServiceOverview::of(tx.connection, service)?)
    })?;
    if json {
        return print_json(&ServiceDocument::from(shown));
    }
    let (readers, writers) = (shown.settings.readers.in_words(), shown.settings.writers.in_words());
    print(&format!(
        "{} {what} at {}: readers {readers}, writers {writers}\n",
        shown.service.name,
        shown.service.place()
    ))
}
