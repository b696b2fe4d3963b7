//! `latchkey key`
//!
//! It is a long file because each command is declared, done and printed here, and they share how a key is found and shown.

use clap::error::ErrorKind;
use ipnet::IpNet;
use serde::Serialize;

use super::key_list::{self, ListArguments, last_use_text};
use super::output::{print, print_json, time_or};
use super::{Failure, find_user, open_database, write};
use crate::clock::{Clock, Timestamp, end_in_words, expiry_in_words, iso8601};
use crate::config::Config;
use crate::db::Database;
use crate::documents::key::KeyDocument;
use crate::documents::refused_use::RefusedUseDocument;
use crate::documents::service_usage::ServiceUsageDocument;
use crate::models::event::{EventAction, NewEvent};
use crate::models::ids::{KeyId, UserId};
use crate::models::keys::ending::Ending;
use crate::models::keys::key::{Key, KeyRefusal, UsedSecret};
use crate::models::keys::key_request::{Expiry, Grace, KeyChanges, KeyPolicy, NewKey};
use crate::models::keys::networks::{NetworkLimit, Networks, network};
use crate::models::keys::refused_use::RefusedUse;
use crate::models::keys::scope::{KeyScopes, UnknownScope};
use crate::models::keys::suspension::{Afterwards, NewSuspension, SuspensionSpan};
use crate::models::keys::token::{Token, TokenAction};
use crate::models::keys::unused;
use crate::models::people::user::User;
use crate::models::services::uses::ServiceUsage;
use crate::models::tx::Tx;
use crate::secret::Secret;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Create a key and print its secret, which is not shown again
    ///
    /// A person has one api key and one feeds key, so a new one replaces the old one. They can have many access tokens,
    /// each with a name.
    #[command(after_help = "Examples:\n  KEY=$(latchkey key add alice)\n  \
                            latchkey key add alice --action access --name deploy --scope account:read --expires 90d\n  \
                            latchkey key add alice --from 10.0.0.0/8 --from 192.0.2.7")]
    Add {
        /// The login of the owner
        login: String,
        #[command(flatten)]
        options: AddOptions,
        /// Print the key with its secret as JSON
        #[arg(long)]
        json: bool,
    },
    /// List keys with their owner, kind, end of the secret, name, scopes, expiration and last use
    #[command(after_help = key_list::EXAMPLES)]
    List(ListArguments),
    /// Show a key, its active secrets, and the services that it is used on
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Give an access token a new secret and print it; it is not shown again
    Rotate {
        #[command(flatten)]
        which: Which,
        /// How long the old secret keeps working: 0, 1h, 1d or 7d
        #[arg(long, value_name = "SPAN", default_value = "1d", value_parser = str::parse::<Grace>)]
        grace: Grace,
    },
    /// Limit a key to addresses and networks, or lift the limit
    ///
    /// From elsewhere it is refused like a key that does not exist.
    #[command(after_help = "Examples:\n  latchkey key limit 7 --from 10.0.0.0/8 --from 192.0.2.7\n  \
                            latchkey key limit 7 --from-anywhere")]
    Limit {
        #[command(flatten)]
        which: Which,
        /// An address or a network that it may be used from; can be given several times, and replaces those before
        #[arg(long, value_name = "NETWORK", value_parser = network, required_unless_present = "from_anywhere")]
        from: Vec<IpNet>,
        /// Let it be used from anywhere
        #[arg(long, conflicts_with = "from")]
        from_anywhere: bool,
    },
    /// Suspend a key with all its secrets, to hear who misses it
    ///
    /// Requests with it are refused until it is switched on again. key show lists who sent them.
    Suspend {
        #[command(flatten)]
        which: Which,
        /// How long: 1h, 1d, 7d or until-switched-on
        #[arg(long = "for", value_name = "SPAN", default_value = "1d", value_parser = str::parse::<SuspensionSpan>)]
        span: SuspensionSpan,
        /// What becomes of the key then: resume or revoke
        #[arg(long, value_name = "WHAT", default_value = "resume", value_parser = str::parse::<Afterwards>)]
        then: Afterwards,
    },
    /// Have a key kept although nobody uses it, where LATCHKEY_UNUSED_KEYS ends such keys
    Exempt {
        #[command(flatten)]
        which: Which,
        /// Why it is kept
        #[arg(long, value_name = "REASON", required_unless_present = "no_longer")]
        because: Option<String>,
        /// Let it end as any other
        #[arg(long, conflicts_with = "because")]
        no_longer: bool,
    },
    /// Switch a suspended key on again
    Resume {
        #[command(flatten)]
        which: Which,
    },
    /// Revoke a key with all its secrets, at once
    Revoke {
        #[command(flatten)]
        which: Which,
    },
}

/// A key, the services on which it is used, and who was refused while it was suspended.
#[derive(Serialize)]
struct ShownKey {
    #[serde(flatten)]
    key: KeyDocument,
    services: Vec<ServiceUsageDocument>,
    refused: Vec<RefusedUseDocument>,
}

/// The key that is to be made.
#[derive(clap::Args)]
pub struct AddOptions {
    /// The kind of key: api for programs, feeds for feed readers, access for one program with limited permissions
    #[arg(long, value_enum, default_value = "api")]
    action: KeyKind,
    /// The name of the access token
    #[arg(long, required_if_eq("action", "access"))]
    name: Option<String>,
    /// A note about the access token
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// A scope of the access token, such as account:read or service:NAME:write; can be given several times
    #[arg(long, required_if_eq("action", "access"), value_name = "SCOPE", value_parser = scope_word)]
    scope: Vec<String>,
    /// When the access token expires: never, a number of days such as 30d, or at the end of a date such as 2027-01-31
    #[arg(long, value_name = "WHEN", value_parser = str::parse::<Expiry>)]
    expires: Option<Expiry>,
    /// An address or a network that the key may be used from, such as 192.0.2.7 or 10.0.0.0/8; can be given several times.
    /// Without it, a new key can be used from anywhere, and one that replaces another from where that could be
    #[arg(long, value_name = "NETWORK", value_parser = network)]
    from: Vec<IpNet>,
}

/// The key that something is to be done about.
#[derive(clap::Args)]
pub struct Which {
    /// The id of the key or of one of its secrets, as `key list` and the log show it
    id: i64,
    /// Print the key as JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    Api,
    Feeds,
    Access,
}

impl From<KeyKind> for TokenAction {
    fn from(kind: KeyKind) -> Self {
        match kind {
            KeyKind::Api => Self::Api,
            KeyKind::Feeds => Self::Feeds,
            KeyKind::Access => Self::Access,
        }
    }
}

impl Command {
    /// Checks what clap's attributes cannot express.
    pub fn check(&self) -> Result<(), clap::Error> {
        let options = match self {
            Self::Add { options, .. } => options,
            Self::List(arguments) => return arguments.query().map(|_| ()),
            Self::Suspend { span, then, .. } => {
                let conflict = |problem| clap::Error::raw(ErrorKind::ArgumentConflict, problem);
                return NewSuspension::new(*span, *then).map(|_| ()).map_err(conflict);
            }
            _ => return Ok(()),
        };
        if options.action == KeyKind::Access {
            return Ok(());
        }
        let AddOptions { action: _, name, note, scope, expires, from: _ } = options;
        let given = [
            ("--name", name.is_some()),
            ("--note", note.is_some()),
            ("--scope", !scope.is_empty()),
            ("--expires", expires.is_some()),
        ];
        given.into_iter().filter(|(_, is_given)| *is_given).try_for_each(|(flag, _)| {
            let text = format!("{flag} is for access tokens only: add --action access");
            Err(clap::Error::raw(ErrorKind::ArgumentConflict, text))
        })
    }
}

/// Checks that `text` is a scope.
fn scope_word(text: &str) -> Result<String, UnknownScope> {
    KeyScopes::of_words([text]).map(|_| text.to_owned())
}

impl From<KeyRefusal> for Failure {
    fn from(refusal: KeyRefusal) -> Self {
        Self(refusal.to_string())
    }
}

impl From<UnknownScope> for Failure {
    fn from(unknown: UnknownScope) -> Self {
        Self(unknown.to_string())
    }
}

pub fn run(config: &Config, command: Command) -> Result<(), Failure> {
    let database = open_database(config)?;
    let now = Clock::system().now();
    match command {
        Command::Add { login, options, json } => {
            let user = find_user(&database, &login)?;
            let (key, secret) = match options.action {
                KeyKind::Access => add_access_token(config, &database, &user, options, now)?,
                KeyKind::Api if !config.api_access_keys => {
                    return Err(Failure(
                        "API access keys are turned off (LATCHKEY_API_ACCESS_KEYS); create an access token with \
                         --action access --name NAME --scope SCOPE"
                            .into(),
                    ));
                }
                KeyKind::Api | KeyKind::Feeds => add_only_key(config, &database, &user, options, now)?,
            };
            print_made(&key, &user, &secret, json, now)
        }
        Command::List(arguments) => key_list::run(&database, &arguments, now),
        Command::Show { which: Which { id, json } } => {
            let (key, owner) = find(&database, id)?;
            let (key_id, today) = (key.id, now.date());
            let (uses, refused, ending) = database.read_now(|connection| {
                let uses = ServiceUsage::of_key(connection, key_id, today)?;
                Ok((uses, RefusedUse::of_key(connection, key_id)?, Ending::of_key(connection, key_id)?))
            })?;
            let services = ServiceUsageDocument::of(&ServiceUsage::latest_first(uses));
            let refused = RefusedUseDocument::of(refused);
            if json {
                print_json(&ShownKey { key: document(&key, &owner.login, now), services, refused })
            } else {
                let kept = ending.exempt_because.map(|because| line("kept", &because)).unwrap_or_default();
                print(&(described(&key, &owner, now) + &kept + &services_text(&services) + &refused_text(&refused)))
            }
        }
        Command::Rotate { which: Which { id, json }, grace } => rotate(&database, id, grace, json, now),
        Command::Limit { which: Which { id, json }, from, from_anywhere: _ } => {
            let anywhere = NetworkLimit { networks: None, is_confirmed: true };
            let changes = KeyChanges::of_networks(limit(from).unwrap_or(anywhere));
            let policy = KeyPolicy::of(config);
            let (key, owner) = change(&database, id, now, |tx, key| Key::change(tx, key, &changes, &policy))?;
            let (done, rest) = match &key.networks {
                Some(networks) => ("limited", format!(" to {}", networks.summary())),
                None => ("no longer limited:", String::new()),
            };
            print_changed(done, (&key, &owner), &rest, json, now)
        }
        Command::Suspend { which: Which { id, json }, span, then } => {
            let new = NewSuspension::new(span, then).map_err(|problem| Failure(problem.to_owned()))?;
            suspend(&database, id, new, json, now)
        }
        Command::Exempt { which: Which { id, json }, because, no_longer: _ } => {
            let because = because.map(|because| because.trim().to_owned());
            let (key, owner) = change(&database, id, now, |tx, key| unused::exempt(tx, key, because.as_deref()))?;
            let done = if because.is_some() { "kept although unused:" } else { "no longer kept if unused:" };
            print_changed(done, (&key, &owner), "", json, now)
        }
        Command::Resume { which: Which { id, json } } => {
            let (key, owner) = change(&database, id, now, Key::resume)?;
            print_changed("switched on", (&key, &owner), "", json, now)
        }
        Command::Revoke { which: Which { id, json } } => revoke(&database, id, json, now),
    }
}

fn add_access_token(
    config: &Config,
    database: &Database,
    user: &User,
    options: AddOptions,
    now: Timestamp,
) -> Result<(Key, Secret), Failure> {
    let new = NewKey {
        name: options.name.unwrap_or_default().trim().to_owned(),
        note: options.note.unwrap_or_default().trim().to_owned(),
        scopes: KeyScopes::of_words(options.scope.iter().map(String::as_str))?,
        expiry: options.expires,
        networks: limit(options.from),
    };
    let made = write(database, now, |tx| Key::make(tx, user.id, &new, &KeyPolicy::of(config)))?;
    let (key, expiry) = (&made.0, made.0.expires_on.map_or_else(|| "never expires".to_owned(), expiry_in_words));
    eprintln!("{} {} of {} created with the scopes {}; it {expiry}", key.title(), key.id, user.login, key.scopes);
    Ok(made)
}

/// The limit to these networks; `None`: there are none.
fn limit(networks: Vec<IpNet>) -> Option<NetworkLimit> {
    // Commands come from no address that could be shut out.
    let limit = |networks| NetworkLimit { networks: Some(Networks::of(networks)), is_confirmed: true };
    Some(networks).filter(|networks| !networks.is_empty()).map(limit)
}

/// Creates or resets a key of a kind of which everybody has at most one.
fn add_only_key(
    config: &Config,
    database: &Database,
    user: &User,
    options: AddOptions,
    now: Timestamp,
) -> Result<(Key, Secret), Failure> {
    if user.is_service_account() {
        return Err(Failure(format!(
            "{} is a service account, which has access tokens only: use --action access with --name and --scope",
            user.login
        )));
    }
    let (action, policy) = (TokenAction::from(options.action), KeyPolicy::of(config));
    let changes = limit(options.from).map(KeyChanges::of_networks);
    let (key, secret, is_reset) = write(database, now, |tx| {
        let is_reset = !Token::of_user(tx.connection, user.id, &[action])?.is_empty();
        let (token, secret) = Token::issue(tx.connection, user.id, action, tx.now)?;
        let what = if is_reset { EventAction::KeyReset } else { EventAction::KeyCreated };
        NewEvent::of_key(&token, what).record(tx)?;
        let key = match &changes {
            Some(changes) => Key::change(tx, (UserId(user.id), KeyId(token.id)), changes, &policy)?,
            None => Key::find(tx.connection, user.id, token.id)?.ok_or(KeyRefusal::Gone)?,
        };
        Ok::<_, KeyRefusal>((key, secret, is_reset))
    })?;
    let what = if is_reset { "reset: the old key has stopped working" } else { "created" };
    eprintln!("{} {} of {} {what}", key.title(), key.id, user.login);
    Ok((key, secret))
}

/// All details of a key, one on each line.
fn described(key: &Key, owner: &User, now: Timestamp) -> String {
    let last_use = key.last_use(Token::recorded_use);
    let known = key.evidence(last_use);
    let by = match last_use.map(|last_use| last_use.by) {
        Some(UsedSecret::Earlier) => ", with an old secret",
        Some(UsedSecret::Current) if !key.earlier.is_empty() => ", with the current secret",
        _ => "",
    };
    let from = last_use.and_then(|last_use| key.used_by(last_use)).map(|by| format!(" {}", by.in_words()));
    let scopes = match key.action {
        TokenAction::Api => "all that the owner may do".to_owned(),
        TokenAction::Feeds => "read feeds".to_owned(),
        _ => key.scopes.to_string(),
    };
    let state = match (key.is_expired(now), key.suspension(now)) {
        (true, _) => "expired".to_owned(),
        (false, Some(suspension)) => format!("suspended {}", suspension.end.in_words()),
        (false, None) => "active".to_owned(),
    };
    let mut lines = vec![
        ("id", key.id.to_string()),
        ("login", owner.login.clone()),
        ("action", key.action.as_str().to_owned()),
        ("name", key.name.clone().unwrap_or_default()),
        // Put a note of several lines on one line.
        ("note", key.note.split_whitespace().collect::<Vec<_>>().join(" ")),
        ("hint", key.current.hint.clone()),
        ("scopes", scopes),
        ("created", iso8601(key.created_on)),
        ("expires", key.expires_on.map_or_else(|| "never".to_owned(), end_in_words)),
        ("networks", key.networks.as_ref().map(Networks::to_string).unwrap_or_default()),
        ("state", state),
        ("last use", last_use_text(&known) + &from.unwrap_or_default() + by),
        ("verdict", known.in_words(now)),
    ];
    for secret in key.in_grace(now) {
        let until = secret.ends_on().map_or_else(|| "-".to_owned(), end_in_words);
        let used = time_or(secret.recorded_use(), "never");
        lines.push(("old secret", format!("{}, works until {until}, last use {used}", secret.hint)));
    }
    lines.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| line(name, &value)).collect()
}

fn line(name: &str, value: &str) -> String {
    format!("{name:<15} {value}\n")
}

/// The services on which a key is used, one on each line.
fn services_text(services: &[ServiceUsageDocument]) -> String {
    let used = services.iter().map(|it| {
        let by = if it.agent.is_empty() { String::new() } else { format!(" by {}", it.agent) };
        let last = format!("last use {} from {}{by}", it.last_used_on, it.address);
        line("used on", &format!("{}, {last}, requests in 90 days: {}", it.service, it.requests))
    });
    used.collect()
}

/// Who was refused while the key was suspended, one client on each line.
fn refused_text(refused: &[RefusedUseDocument]) -> String {
    let refused = refused.iter().map(|it| {
        let by = if it.agent.is_empty() { String::new() } else { format!(" by {}", it.agent) };
        let on = it.service.as_ref().map(|service| format!(" on {service}")).unwrap_or_default();
        line(
            "refused",
            &format!("{} from {}{by}{on}, last {}", counted(it.requests, "request"), it.address, it.last_on),
        )
    });
    refused.collect()
}

fn counted(number: i64, unit: &str) -> String {
    if number == 1 { format!("1 {unit}") } else { format!("{number} {unit}s") }
}

fn suspend(database: &Database, id: i64, new: NewSuspension, json: bool, now: Timestamp) -> Result<(), Failure> {
    let (key, owner) = change(database, id, now, |tx, key| Key::suspend(tx, key, new))?;
    let end = key.suspension(now).map(|suspension| suspension.end.in_words()).unwrap_or_default();
    print_changed("suspended", (&key, &owner), &format!(" {end}"), json, now)
}

/// Prints `key` after something was `done` to it; `rest` follows its title.
fn print_changed(
    done: &str,
    (key, owner): (&Key, &User),
    rest: &str,
    json: bool,
    now: Timestamp,
) -> Result<(), Failure> {
    if json {
        return print_json(&document(key, &owner.login, now));
    }
    print(&format!("{done} {} {}, ending in {}{rest}\n", key.title(), key.id, key.current.hint))
}

fn rotate(database: &Database, id: i64, grace: Grace, json: bool, now: Timestamp) -> Result<(), Failure> {
    let ((key, secret), owner) = change(database, id, now, |tx, key| Key::rotate(tx, key, grace))?;
    let before = match grace {
        Grace::None => "has stopped working".to_owned(),
        _ => format!("works until {}", end_in_words(now + grace.span())),
    };
    eprintln!("{} {} of {} rotated: the old secret {before}", key.title(), key.id, owner.login);
    print_made(&key, &owner, &secret, json, now)
}

fn revoke(database: &Database, id: i64, json: bool, now: Timestamp) -> Result<(), Failure> {
    let (key, owner) = change(database, id, now, Key::revoke)?;
    print_changed("revoked", (&key, &owner), "", json, now)
}

fn find(database: &Database, id: i64) -> Result<(Key, User), Failure> {
    let found = database.read_now(|connection| Key::find_anybodys(connection, id))?;
    found.ok_or_else(|| no_key(id))
}

/// Does `work` with the key that has this id, or has a secret with this id. Also returns the owner.
fn change<T>(
    database: &Database,
    id: i64,
    now: Timestamp,
    work: impl FnOnce(&mut Tx<'_>, (UserId, KeyId)) -> Result<T, KeyRefusal>,
) -> Result<(T, User), Failure> {
    let (key, owner) = find(database, id)?;
    match write(database, now, |tx| work(tx, (UserId(owner.id), KeyId(key.id)))) {
        Ok(done) => Ok((done, owner)),
        Err(KeyRefusal::Gone) => Err(no_key(id)),
        Err(refusal) => Err(refusal.into()),
    }
}

fn no_key(id: i64) -> Failure {
    Failure(format!("no key has the id {id}; latchkey key list shows them"))
}

fn document(key: &Key, login: &str, now: Timestamp) -> KeyDocument {
    KeyDocument::new(key, login, Token::recorded_use, now)
}

fn print_made(key: &Key, owner: &User, secret: &Secret, json: bool, now: Timestamp) -> Result<(), Failure> {
    if json {
        return print_json(&document(key, &owner.login, now).with_secret(secret));
    }
    print(&format!("{}\n", secret.expose()))
}
