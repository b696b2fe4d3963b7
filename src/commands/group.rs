//! `latchkey group`

use std::collections::BTreeSet;

use serde::Serialize;

use super::confirmation::Confirmation;
use super::output::{print, print_json, shortened, table, time_or};
use super::{Failure, open_database, write};
use crate::clock::{Clock, Timestamp, iso8601};
use crate::config::Config;
use crate::db::Database;
use crate::documents::group::{GroupDocument, MemberDocument};
use crate::models::groups::administration::{Consent, GroupRefusal};
use crate::models::groups::group::Group;
use crate::models::groups::member_changes::MemberChanges;
use crate::models::groups::overview::GroupOverview;
use crate::models::kept_in::KeptIn;
use crate::models::people::search::FewTexts;
use crate::models::people::user::User;
use crate::models::services::settings::words;
use crate::models::tx::Tx;
use crate::spans::count;

#[derive(clap::Subcommand)]
pub enum Command {
    /// List groups with the number of members and the services that admit them
    List {
        /// Only groups with these words in their name
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// Print an array of JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a group with its members
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Add a group
    #[command(after_help = "Examples:\n  latchkey group add Writers --members alice,bob\n  \
                            latchkey service change wiki --writers group:Writers")]
    Add {
        #[command(flatten)]
        which: Which,
        /// Its members: logins separated by commas
        #[arg(long, value_name = "LOGINS", default_value = "")]
        members: String,
    },
    /// Add people to a group, and take others out
    #[command(after_help = "Example:\n  latchkey group members Writers --add carol,dave --remove bob")]
    Members {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        said: Said,
    },
    /// Give a group another name; services go on admitting it
    Rename {
        #[command(flatten)]
        which: Which,
        /// The new name
        new: String,
    },
    /// Delete a group, for good; asks first
    Delete {
        /// The name of the group
        name: String,
        #[command(flatten)]
        confirmation: Confirmation,
    },
}

/// The group that something is to be done about.
#[derive(clap::Args)]
pub struct Which {
    /// The name of the group
    name: String,
    /// Print the group as JSON
    #[arg(long)]
    json: bool,
}

/// Who is to be added, and who is to be taken out.
#[derive(clap::Args)]
#[group(required = true, multiple = true)]
pub struct Said {
    /// Who becomes a member: logins separated by commas
    #[arg(long, value_name = "LOGINS")]
    add: Option<String>,
    /// Who is taken out: logins separated by commas
    #[arg(long, value_name = "LOGINS")]
    remove: Option<String>,
}

/// A group with its members.
#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    group: GroupDocument,
    logins: Vec<String>,
}

impl From<GroupRefusal> for Failure {
    fn from(refusal: GroupRefusal) -> Self {
        Self(refusal.to_string())
    }
}

pub fn run(config: &Config, command: Command) -> Result<(), Failure> {
    let database = open_database(config)?;
    let now = Clock::system().now();
    match command {
        Command::List { name, json } => list(&database, &name.unwrap_or_default(), json),
        Command::Show { which: Which { name, json } } => show(&database, &name, json),
        Command::Add { which: Which { name, json }, members } => {
            tell(&database, json, now, "added", |tx| Group::add(tx, &name, &words(&members)))
        }
        Command::Members { which: Which { name, json }, said } => {
            let group = find(&database, &name)?;
            let logins = |text: Option<String>| words(&text.unwrap_or_default());
            let changes = MemberChanges { add: logins(said.add), remove: logins(said.remove) };
            tell(&database, json, now, "changed", |tx| Group::change_members(tx, group.id, &changes))
        }
        Command::Rename { which: Which { name, json }, new } => {
            let group = find(&database, &name)?;
            tell(&database, json, now, "is the new name", |tx| Group::rename(tx, group.id, &new))
        }
        Command::Delete { name, confirmation } => delete(&database, &name, now, &confirmation),
    }
}

fn list(database: &Database, name: &str, json: bool) -> Result<(), Failure> {
    let words = FewTexts::words(name).map_err(|too_long| Failure(format!("--name {too_long}")))?;
    let all = database.read_now(|connection| {
        let all = Group::search(connection, words.as_ref())?;
        GroupOverview::of_these(connection, all)
    })?;
    if json {
        return print_json(&all.into_iter().map(GroupDocument::from).collect::<Vec<_>>());
    }
    let row = |shown: GroupOverview| {
        let services = shown.service_names().collect::<Vec<_>>().join(", ");
        [
            shown.group.id.to_string(),
            shortened(&shown.group.name, 40),
            state(&shown.group).to_owned(),
            shown.members.to_string(),
            shortened(&services, 40),
        ]
    };
    table(["ID", "NAME", "STATE", "MEMBERS", "ADMITTED BY"], &all.into_iter().map(row).collect::<Vec<_>>())
}

fn state(group: &Group) -> &'static str {
    match group.kept_in {
        KeptIn::Database => "open",
        KeptIn::File => "open, in file",
        KeptIn::LeftFile => "closed",
    }
}

fn show(database: &Database, name: &str, json: bool) -> Result<(), Failure> {
    let group = find(database, name)?;
    let (shown, members) = database.read_now(|connection| {
        let members = group.members().find(connection, 0, i64::MAX)?.users;
        Ok((GroupOverview::of(connection, group.clone())?, members))
    })?;
    let logins: Vec<String> = members.into_iter().map(|member: User| MemberDocument::from(member).login).collect();
    if json {
        return print_json(&Whole { group: shown.into(), logins });
    }
    let services = shown.services.iter().map(|service| format!("{} ({})", service.name, service.access.as_str()));
    let or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    let lines = [
        ("id", shown.group.id.to_string()),
        ("name", shown.group.name.clone()),
        ("state", state(&shown.group).to_owned()),
        ("admitted by", or_none(services.collect::<Vec<_>>().join(", "))),
        ("members", or_none(logins.join(", "))),
        ("created", iso8601(shown.group.created_on)),
        ("changed", time_or(Some(shown.group.updated_on), "never")),
    ];
    print(&lines.into_iter().map(|(name, value)| format!("{name:<11} {value}\n")).collect::<String>())
}

fn delete(database: &Database, name: &str, now: Timestamp, confirmation: &Confirmation) -> Result<(), Failure> {
    let group = find(database, name)?;
    let shown = database.read_now(|connection| GroupOverview::of(connection, group.clone()))?;
    let (name, members) = (&shown.group.name, count(shown.members, "member"));
    let services: BTreeSet<String> = shown.service_names().map(str::to_owned).collect();
    let admitted = match services.is_empty() {
        true => String::new(),
        false => format!(", admitted by {}", services.iter().cloned().collect::<Vec<_>>().join(" and ")),
    };
    confirmation.obtain(&format!("the group {name} ({members}{admitted})"), name)?;
    write(database, now, |tx| Group::delete(tx, shown.group.id, &Consent::Services(services)))?;
    print(&format!("deleted {name}, id {}\n", shown.group.id))
}

fn find(database: &Database, name: &str) -> Result<Group, Failure> {
    let found = database.read_now(|connection| Group::find_by_name(connection, name))?;
    found.ok_or_else(|| Failure(format!("no group has the name {name}; latchkey group list shows them")))
}

/// Does `work`, and tells what the group is then.
fn tell(
    database: &Database,
    json: bool,
    now: Timestamp,
    what: &str,
    work: impl FnOnce(&mut Tx<'_>) -> Result<Group, GroupRefusal>,
) -> Result<(), Failure> {
    let shown = write(database, now, |tx| {
        let group = work(tx)?;
        Ok::<_, GroupRefusal>(GroupOverview::of(tx.connection, group)?)
    })?;
    if json {
        return print_json(&GroupDocument::from(shown));
    }
    print(&format!("{} {what}, id {}, members: {}\n", shown.group.name, shown.group.id, shown.members))
}
