//! `latchkey service`

use super::output::{print, print_json, shortened, table, time_or};
use super::{Failure, open_database, write};
use crate::clock::{Clock, Timestamp, iso8601};
use crate::config::{Config, parse_switch};
use crate::db::Database;
use crate::documents::service::ServiceDocument;
use crate::models::kept_in::KeptIn;
use crate::models::services::administration::ServiceRefusal;
use crate::models::services::admitted::Admitted;
use crate::models::services::overview::ServiceOverview;
use crate::models::services::service::Service;
use crate::models::services::settings::{ServiceChanges, ServiceSettings, words};
use crate::models::tx::Tx;

#[derive(clap::Subcommand)]
pub enum Command {
    /// List services with their address, who may use them, the number of keys and last use
    List {
        /// Print an array of JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a service with all its settings
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Add a service; nobody may use it unless you say so
    #[command(after_help = "Examples:\n  latchkey service add wiki --host wiki.example.org --readers everyone \
                            --writers alice,bob\n  latchkey service add files --host apps.example.org --path /files \
                            --title 'Shared files'")]
    Add {
        /// The name in its scopes, which cannot be changed later: lowercase letters, digits and hyphens
        name: String,
        /// The host: a DNS name or an IP address, without a port
        #[arg(long, value_name = "HOST")]
        host: String,
        #[command(flatten)]
        said: Said,
        /// Print the service as JSON
        #[arg(long)]
        json: bool,
    },
    /// Change the given settings of a service
    #[command(after_help = "Examples:\n  latchkey service change wiki --writers alice\n  \
                            latchkey service change wiki --requests-per-minute none --readers nobody")]
    Change {
        #[command(flatten)]
        which: Which,
        /// The host: a DNS name or an IP address, without a port
        #[arg(long, value_name = "HOST")]
        host: Option<String>,
        #[command(flatten)]
        said: Said,
    },
    /// Remove a service and take its scopes from all keys; this cannot be undone
    Remove {
        #[command(flatten)]
        which: Which,
    },
}

/// The service that something is to be done about.
#[derive(clap::Args)]
pub struct Which {
    /// The name of the service
    name: String,
    /// Print the service as JSON
    #[arg(long)]
    json: bool,
}

/// What else can be said about a service.
#[derive(clap::Args)]
pub struct Said {
    /// The title that people see [default: the name]
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// The path on the host; the service covers it and everything below [default: /]
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// The methods that count as reading, separated by commas, or none; all others count as writing [default:
    /// GET,HEAD,OPTIONS]
    #[arg(long, value_name = "METHODS")]
    read_methods: Option<String>,
    /// Allow reading without a key: on or off [default: off]
    #[arg(long, value_name = "on|off", num_args = 0..=1, default_missing_value = "on", require_equals = true)]
    #[arg(action = clap::ArgAction::Set, value_parser = parse_switch)]
    anonymous_reads: Option<bool>,
    /// Accept API access keys (risky: a malicious service could reuse them elsewhere): on or off [default: off]
    #[arg(long, value_name = "on|off", num_args = 0..=1, default_missing_value = "on", require_equals = true)]
    #[arg(action = clap::ArgAction::Set, value_parser = parse_switch)]
    classic_keys: Option<bool>,
    /// Accept keys in the address as key= (risky: addresses end up in logs): on or off [default: off]
    #[arg(long, value_name = "on|off", num_args = 0..=1, default_missing_value = "on", require_equals = true)]
    #[arg(action = clap::ArgAction::Set, value_parser = parse_switch)]
    key_parameter: Option<bool>,
    /// The most requests that a key may send per minute, or none for no limit [default: none]
    #[arg(long, value_name = "NUMBER", value_parser = limit)]
    requests_per_minute: Option<Limit>,
    /// Who may read: everyone, nobody, or logins and groups (group:NAME) separated by commas [default: nobody]
    #[arg(long, value_name = "WHO")]
    readers: Option<String>,
    /// Who may write, which includes reading: everyone, nobody, or logins and groups (group:NAME) separated by commas [default: nobody]
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
        KeptIn::File => "open; defined in the file that LATCHKEY_SERVICES names",
        KeptIn::LeftFile => "closed: it is no longer in the file that LATCHKEY_SERVICES names",
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
        ("limit a minute", requests_per_minute.map_or_else(|| "no limit".to_owned(), |it| it.to_string())),
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
        0 => "no key had its scopes".to_owned(),
        1 => "1 key has lost its scopes on it".to_owned(),
        several => format!("{several} keys have lost their scopes on it"),
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
