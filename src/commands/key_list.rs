//! `latchkey key list`: everybody's keys, in batches, so that it takes as little memory for a million keys as for one.

use chrono::TimeDelta;
use clap::error::ErrorKind;
use diesel::QueryResult;

use super::Failure;
use super::output::{Table, print, shortened, time_or};
use crate::clock::{Timestamp, last_day};
use crate::config::span::Span;
use crate::db::{Database, DbConnection};
use crate::documents::export::ExportFormat;
use crate::documents::key_export::BATCH;
use crate::documents::listed_key::ListedKeyDocument;
use crate::models::cursor::Place;
use crate::models::keys::ending::Ending;
use crate::models::keys::key::Key;
use crate::models::keys::list::{KeyList, KeyPage, ListedKey, NoUnwrittenUses};
use crate::models::keys::list_query::{KeyQuery, ListErrors, ListField};
use crate::models::keys::token::{Token, TokenAction};
use crate::models::keys::verdict::Evidence;
use crate::models::rules::FieldError;

pub const EXAMPLES: &str = "Examples:\n  latchkey key list alice\n  latchkey key list --unused-since 2026-08-01 --sort \
                            last_used_on\n  latchkey key list --service wiki --csv > keys.csv";

/// Which keys are listed, in which order, and how.
#[derive(clap::Args)]
pub struct ListArguments {
    /// List only the keys of the person with this login
    login: Option<String>,
    /// Only keys of this kind: api, feeds or access
    #[arg(long, value_name = "KIND")]
    action: Option<String>,
    /// Only keys that work (active), that are suspended (suspended), or that have expired (expired)
    #[arg(long)]
    state: Option<String>,
    /// Only keys that are in use (in_use), or safe to end: not used in 90 days (idle) or never (unused). too_early: it is
    /// too early to say
    #[arg(long)]
    verdict: Option<String>,
    /// Only keys that may do this, such as users:write or service:NAME:read. API access keys may do everything in Latchkey
    /// itself
    #[arg(long)]
    scope: Option<String>,
    /// Only keys that have a scope of the service with this name, or were used on it
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only keys without a recorded use
    #[arg(long)]
    never_used: bool,
    /// Only keys that were not used since: a date (its beginning, in UTC) or an RFC 3339 time. Keys that were never used
    /// are among them
    #[arg(long, value_name = "WHEN")]
    unused_since: Option<String>,
    /// Only keys that would be suspended if LATCHKEY_UNUSED_KEYS were this, such as 90d. Nothing is done to them
    #[arg(long, value_name = "SPAN", value_parser = a_span)]
    would_end: Option<TimeDelta>,
    /// Only keys that do not work any more then: a date (its beginning, in UTC) or an RFC 3339 time
    #[arg(long, value_name = "WHEN")]
    expires_before: Option<String>,
    /// Only keys with each of these words in their name or note
    #[arg(long, value_name = "WORDS")]
    search: Option<String>,
    /// The order: created_on, last_used_on or expires_on, with :asc or :desc after it; usually created_on:desc
    #[arg(long, value_name = "ORDER")]
    sort: Option<String>,
    /// Print an array of JSON
    #[arg(long, group = "format")]
    json: bool,
    /// Print a JSON document on each line
    #[arg(long, group = "format")]
    ndjson: bool,
    /// Print a line of CSV for each key, below a heading
    #[arg(long, group = "format")]
    csv: bool,
}

impl ListArguments {
    /// What is asked for.
    ///
    /// # Errors
    /// Everything that is wrong with it, by the names of the arguments.
    pub fn query(&self) -> Result<KeyQuery, clap::Error> {
        KeyQuery::read(|field| self.given(field)).map_err(|errors| {
            let line =
                |error: &FieldError<ListField>| format!("{}: {}", argument(error.field), error.problem.about("it"));
            let lines = errors.iter().map(line);
            clap::Error::raw(ErrorKind::ValueValidation, lines.collect::<Vec<_>>().join("; "))
        })
    }

    fn given(&self, field: ListField) -> Option<String> {
        match field {
            ListField::Owner => self.login.clone(),
            ListField::Action => self.action.clone(),
            ListField::State => self.state.clone(),
            ListField::Verdict => self.verdict.clone(),
            ListField::Scope => self.scope.clone(),
            ListField::Service => self.service.clone(),
            ListField::NeverUsed => self.never_used.then(|| "1".to_owned()),
            ListField::UnusedSince => self.unused_since.clone(),
            ListField::ExpiresBefore => self.expires_before.clone(),
            ListField::Search => self.search.clone(),
            ListField::Sort => self.sort.clone(),
            // All keys are printed, however many there are.
            ListField::Limit | ListField::Cursor => None,
        }
    }
}

/// Reads how long keys may go unused.
fn a_span(text: &str) -> Result<TimeDelta, String> {
    let span = text.parse::<Span>()?;
    span.limit().ok_or_else(|| "use a number and a unit, such as 90d".to_owned())
}

/// What the command line calls a part of the query.
fn argument(field: ListField) -> String {
    match field {
        ListField::Owner => "LOGIN".to_owned(),
        field => format!("--{}", field.as_str().replace('_', "-")),
    }
}

pub fn run(database: &Database, arguments: &ListArguments, now: Timestamp) -> Result<(), Failure> {
    let query = arguments.query().map_err(|error| Failure(error.to_string()))?;
    let list = database.read_now(|connection| KeyList::of(connection, &query))?.map_err(unknown)?;
    let listing = Listing { database, list, would_end: arguments.would_end, now };
    match arguments {
        ListArguments { csv: true, .. } => listing.export(ExportFormat::Csv),
        ListArguments { ndjson: true, .. } => listing.export(ExportFormat::Ndjson),
        ListArguments { json: true, .. } => listing.print_array(),
        _ => listing.print_table(),
    }
}

/// A login or a name that nobody and nothing has.
fn unknown(errors: ListErrors) -> Failure {
    Failure(errors.iter().map(|error| error.message()).collect::<Vec<_>>().join("; "))
}

/// The list, as it is at a time.
struct Listing<'a> {
    database: &'a Database,
    list: KeyList,
    /// Only keys that would be suspended if this were how long keys may go unused.
    would_end: Option<TimeDelta>,
    now: Timestamp,
}

impl Listing<'_> {
    /// Reads the list in batches, and does `work` with each of them.
    fn each_batch(&self, mut work: impl FnMut(&[ListedKey]) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut after = None;
        loop {
            let page = self.database.read_now(|connection| self.batch(connection, after))?;
            work(&page.keys)?;
            if page.next.is_none() {
                return Ok(());
            }
            after = page.next;
        }
    }

    fn batch(&self, connection: &mut DbConnection, after: Option<Place>) -> QueryResult<KeyPage> {
        let mut page = self.list.page(connection, (after, BATCH), &NoUnwrittenUses, self.now)?;
        if let Some(span) = self.would_end {
            let ids: Vec<i64> = page.keys.iter().map(|listed| listed.key.id).collect();
            let endings = Ending::of_keys(connection, &ids)?;
            page.keys.retain(|ListedKey { key, .. }| {
                let ending = endings.get(&key.id).cloned().unwrap_or_default();
                let quiet_since = key.quiet_since(key.last_use(Token::recorded_use));
                key.works(self.now) && ending.would_end(quiet_since, span, self.now)
            });
        }
        Ok(page)
    }

    fn document(&self, listed: &ListedKey) -> ListedKeyDocument {
        ListedKeyDocument::new(listed, &NoUnwrittenUses, self.now)
    }

    fn export(&self, format: ExportFormat) -> Result<(), Failure> {
        let mut is_first = true;
        self.each_batch(|keys| {
            let rows: Vec<_> = keys.iter().map(|it| self.document(it)).collect();
            let part = format.part(std::mem::take(&mut is_first), &rows);
            print_bytes(&part.map_err(|error| Failure(error.to_string()))?)
        })
    }

    /// Prints an array as `serde_json` would indent the whole of it.
    fn print_array(&self) -> Result<(), Failure> {
        let mut before = "[\n  ";
        self.each_batch(|keys| {
            keys.iter().try_for_each(|listed| {
                let document = serde_json::to_string_pretty(&self.document(listed));
                let document = document.map_err(|error| Failure(error.to_string()))?;
                print(&format!("{before}{}", document.replace('\n', "\n  ")))?;
                before = ",\n  ";
                Ok(())
            })
        })?;
        print(if before.starts_with('[') { "[]\n" } else { "\n]\n" })
    }

    fn print_table(&self) -> Result<(), Failure> {
        let heading = ["ID", "LOGIN", "ACTION", "HINT", "NAME", "SCOPES", "EXPIRES", "LAST USE", "VERDICT"];
        let mut table = Table::new(heading);
        self.each_batch(|keys| {
            let rows: Vec<_> = keys.iter().map(|it| row(&it.key, &it.owner.login, self.now)).collect();
            table.print(&rows)
        })
    }
}

fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    print(&String::from_utf8_lossy(bytes))
}

/// A row of the table. It fits into a hundred columns if the login does.
fn row(key: &Key, login: &str, now: Timestamp) -> [String; 9] {
    let expires = match key.expires_on {
        Some(_) if key.is_expired(now) => "expired".to_owned(),
        _ if key.suspension(now).is_some() => "suspended".to_owned(),
        Some(expires_on) => last_day(expires_on).to_string(),
        None if key.action == TokenAction::Access => "never".to_owned(),
        None => "-".to_owned(),
    };
    let name = key.name.as_deref().map_or_else(|| "-".to_owned(), |name| shortened(name, 12));
    let (id, action, hint) = (key.id.to_string(), key.action.as_str().to_owned(), key.current.hint.clone());
    let known = key.evidence(key.last_use(Token::recorded_use));
    let (used, verdict) = (last_use_text(&known), known.verdict(now).as_str().to_owned());
    [id, login.to_owned(), action, hint, name, scopes_in_short(key), expires, used, verdict]
}

/// The first scope and the number of others; `key show` lists them all.
fn scopes_in_short(key: &Key) -> String {
    match (key.action, key.scopes.words().collect::<Vec<_>>().as_slice()) {
        (TokenAction::Api, _) => "all".to_owned(),
        (_, []) => "-".to_owned(),
        (_, [only]) => only.clone(),
        (_, [first, rest @ ..]) => format!("{first} +{}", rest.len()),
    }
}

/// When a key was last used, or since when it was not.
pub fn last_use_text(known: &Evidence) -> String {
    let unused = known.recorded_later().map(|since| format!("none since {}", since.date()));
    time_or(known.last_use, unused.as_deref().unwrap_or("never"))
}
