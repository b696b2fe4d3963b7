//! `latchkey demo`: a throwaway database with keys in every state.
//!
//! It is a long file because everybody in the demo, and all that they have, stands here.

use chrono::{Datelike, NaiveDate, TimeDelta, Weekday};

use super::output::print;
use super::serve::{BIND, listen, serve};
use super::{Failure, cannot_open, write};
use crate::app::App;
use crate::auth::credentials::Password;
use crate::auth::passwords::new_password::{NewPassword, Owner};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::config::bind_address::is_loopback;
use crate::db::url::DatabaseUrl;
use crate::db::{Database, DbConnection, migrations};
use crate::logging;
use crate::models::client::Client;
use crate::models::event::{EventAction, NewEvent};
use crate::models::ids::{KeyId, UserId};
use crate::models::keys::key::Key;
use crate::models::keys::key_request::{Expiry, Grace, KeyPolicy, NewKey};
use crate::models::keys::recording::{RecordIf, TokenUse, UsedBy};
use crate::models::keys::scope::KeyScopes;
use crate::models::keys::token::{Token, TokenAction};
use crate::models::people::ownership::NewServiceAccount;
use crate::models::people::user::{AccountKind, NewUser, Profile, User, UserStatus};
use crate::models::services::admitted::Admitted;
use crate::models::services::service::Service;
use crate::models::services::settings::ServiceSettings;
use crate::models::services::uses::{KeyOnService, LastServiceUse, ServiceUse};
use crate::models::tx::Tx;
use crate::secret::{Secret, random_base62};

/// The password of everybody in a demo that only this machine can reach.
const PASSWORD: &str = "open-sesame";

#[derive(clap::Args)]
pub struct Arguments {
    /// Use the database that DATABASE_URL names, which must be empty, and keep it afterwards
    #[arg(long)]
    fill_database: bool,
}

/// A key: how long ago it was made and last used; `None`: never.
struct DemoKey {
    action: TokenAction,
    made: TimeDelta,
    used: Option<TimeDelta>,
}

/// An access token: how long ago it was made, rotated and last used.
struct DemoToken {
    name: &'static str,
    note: &'static str,
    scopes: &'static str,
    expiry: Expiry,
    made: TimeDelta,
    used: Option<TimeDelta>,
    rotated: Option<DemoRotation>,
}

/// That an access token got another secret: how long ago, and when that was last used.
struct DemoRotation {
    on: TimeDelta,
    used: TimeDelta,
}

struct DemoPerson {
    login: &'static str,
    names: (&'static str, &'static str),
    about: &'static str,
    admin: bool,
    keys: Vec<DemoKey>,
    tokens: Vec<DemoToken>,
}

/// One in every state that there is.
fn tokens() -> Vec<DemoToken> {
    let (days, hours, minutes) = (TimeDelta::days, TimeDelta::hours, TimeDelta::minutes);
    vec![
        DemoToken {
            name: "Old laptop",
            note: "",
            scopes: "account:write tokens:write",
            expiry: Expiry::Never,
            made: days(210),
            used: Some(days(121)),
            rotated: None,
        },
        DemoToken {
            name: "Backup on the NAS",
            note: "Rotated each summer. Ask Bob where it runs.",
            scopes: "users:read",
            expiry: Expiry::Never,
            made: days(160),
            used: Some(hours(2)),
            rotated: Some(DemoRotation { on: hours(6), used: minutes(20) }),
        },
        DemoToken {
            name: "Talk at the conference",
            note: "",
            scopes: "account:read",
            expiry: Expiry::InDays(30),
            made: days(35),
            used: Some(days(30)),
            rotated: None,
        },
        DemoToken {
            name: "Deploy",
            note: "",
            scopes: "account:read tokens:read",
            expiry: Expiry::InDays(30),
            made: days(27),
            used: Some(hours(9)),
            rotated: None,
        },
        DemoToken {
            name: "Nightly report",
            note: "",
            scopes: "account:read users:read",
            expiry: Expiry::InDays(90),
            made: days(21),
            used: Some(minutes(4)),
            rotated: None,
        },
        DemoToken {
            name: "Wiki bot",
            note: "Tidies up at night.",
            scopes: "service:wiki:write service:files:read",
            expiry: Expiry::InDays(120),
            made: days(75),
            used: Some(hours(7)),
            rotated: None,
        },
        DemoToken {
            name: "Editor plug-in",
            note: "",
            scopes: "account:read",
            expiry: Expiry::InDays(60),
            made: hours(3),
            used: None,
            rotated: None,
        },
    ]
}

/// Two, which admit people in different ways.
fn services() -> Vec<(&'static str, ServiceSettings)> {
    let people = |logins: &[&str]| Admitted::people(logins.iter().copied());
    let wiki = ServiceSettings {
        anonymous_reads: true,
        readers: Admitted::Everyone,
        writers: people(&["alice", "bob"]),
        requests_per_minute: Some(120),
        ..ServiceSettings::new("Team wiki", "wiki.example.org")
    };
    let files = ServiceSettings {
        path: "/files".to_owned(),
        readers: people(&["alice", "carol"]),
        ..ServiceSettings::new("Shared files", "apps.example.org")
    };
    vec![("wiki", wiki), ("files", files)]
}

fn people() -> Vec<DemoPerson> {
    let (days, minutes) = (TimeDelta::days, TimeDelta::minutes);
    let key = |action, made, used| DemoKey { action, made, used };
    let (api, feeds) = (TokenAction::Api, TokenAction::Feeds);
    vec![
        DemoPerson {
            login: "alice",
            names: ("Alice", "Archer"),
            about: "admin; keys used minutes and months ago, access tokens in every state",
            admin: true,
            keys: vec![key(api, days(96), Some(minutes(5))), key(feeds, days(500), Some(days(130)))],
            tokens: tokens(),
        },
        DemoPerson {
            login: "bob",
            names: ("Bob", "Baker"),
            about: "an API access key that was never used, no Atom access key",
            admin: false,
            keys: vec![key(api, days(12), None)],
            tokens: Vec::new(),
        },
        DemoPerson {
            login: "carol",
            names: ("Carol", "Carter"),
            about: "an API access key that was used two years ago, an Atom access key never used",
            admin: false,
            keys: vec![key(api, days(1100), Some(days(731))), key(feeds, days(300), None)],
            tokens: Vec::new(),
        },
        DemoPerson {
            login: "dave",
            names: ("Dave", "Dyer"),
            about: "no key at all",
            admin: false,
            keys: Vec::new(),
            tokens: Vec::new(),
        },
        DemoPerson {
            login: "erin",
            names: ("Erin", "Eliot"),
            about: "locked: cannot sign in, and her key does not work",
            admin: false,
            keys: vec![key(api, days(200), Some(days(40)))],
            tokens: Vec::new(),
        },
    ]
}

pub fn run(mut config: Config, arguments: &Arguments) -> Result<(), Failure> {
    let _log = logging::start(if config.log == "info" { "warn" } else { &config.log }).map_err(Failure)?;
    if arguments.fill_database {
        refuse_used_database(&config)?;
        // Sessions of a demo need not outlive it.
        config.secret_key.get_or_insert(random_base62(64).parse().map_err(Failure)?);
        return serve_filled(config, "Press Ctrl-C to stop. The database is kept.");
    }
    let failed = |error: std::io::Error| Failure(format!("cannot create a temporary database: {error}"));
    let folder = tempfile::Builder::new().prefix("latchkey-demo-").tempdir().map_err(failed)?;
    config.database_url = DatabaseUrl::Sqlite(folder.path().join("latchkey.db"));
    serve_filled(config, "Press Ctrl-C to stop. The database is deleted then.")?;
    folder.close().map_err(|error| Failure(format!("cannot remove the temporary database: {error}")))
}

/// A database that has ever been migrated may hold real people.
fn refuse_used_database(config: &Config) -> Result<(), Failure> {
    let states = migrations::states(&config.database_url).map_err(|error| cannot_open(config, &error))?;
    if states.iter().any(|state| state.applied) {
        let url = &config.database_url;
        return Err(Failure(format!("the database {url} is not empty; set DATABASE_URL to a new one for the demo")));
    }
    Ok(())
}

/// Makes everybody and their keys in the database, and serves it; the greeting ends with `farewell`.
fn serve_filled(config: Config, farewell: &str) -> Result<(), Failure> {
    // The port of the settings if it is free, else any: a demo should just start.
    let listener = listen(&config.bind, BIND).or_else(|_| listen(&config.bind.on_any_port(), BIND))?;
    migrations::run(&config.database_url).map_err(|error| cannot_open(&config, &error))?;
    let password = password(&config);
    let secret = fill(&Database::open(&config.database_url)?, &password)?;
    serve(config, listener, |app| print(&greeting(app, &password, &secret, farewell)))
}

/// Everybody's password. One that is known to the world is only good enough where the world cannot come.
fn password(config: &Config) -> String {
    let is_local = config.bind.is_loopback() && config.url.as_ref().is_none_or(|url| is_loopback(url.host()));
    if is_local { PASSWORD.to_owned() } else { random_base62(16) }
}

/// Makes everybody and their keys, and gives the secret of Alice's API access key.
fn fill(database: &Database, password: &str) -> Result<Secret, Failure> {
    let now = Clock::system().now();
    let secrets = write(database, now, |tx| {
        let everybody = people();
        let added = everybody.iter().map(|person| add(tx, person, password));
        let secrets = added.collect::<Result<Vec<_>, _>>()?;
        // They admit people who are there, and keys can have scopes of those that admit their owner.
        for (name, settings) in services() {
            Service::add(&mut tx.told(Client::command_line(), now - TimeDelta::days(80)), name, &settings)?;
        }
        everybody.iter().try_for_each(|person| add_tokens(tx, person))?;
        add_service_account(tx)?;
        Ok::<_, Failure>(secrets)
    })?;
    let of_alice = secrets.into_iter().flatten().next();
    of_alice.ok_or_else(|| Failure("the demo has no key".into()))
}

/// Makes a person and their API and Atom access keys, and gives the secret of their first.
fn add(tx: &mut Tx<'_>, person: &DemoPerson, password: &str) -> Result<Option<Secret>, Failure> {
    let profile = Profile {
        firstname: person.names.0.into(),
        lastname: person.names.1.into(),
        mail: format!("{}@example.org", person.login),
    };
    let owner = Owner { login: person.login, profile: &profile };
    let password = NewPassword::of(Password::new(password), owner).map_err(|error| Failure(error.message()))?;
    let password_hash = Some(password.hash());
    let new =
        NewUser { login: person.login.into(), profile, password_hash, admin: person.admin, kind: AccountKind::Person };
    let keys = person.keys.iter().map(|key| key.made);
    let joined = keys.chain(person.tokens.iter().map(|token| token.made)).max().unwrap_or(TimeDelta::days(3));
    let now = tx.now;
    let user = new.insert(tx.connection, now - joined)?;
    let client = client();
    let mut first = None;
    for key in &person.keys {
        let secret = Secret::generate();
        let token = Token::insert(tx.connection, user.id, key.action, &secret, now - key.made)?;
        NewEvent::of_key(&token, EventAction::KeyCreated).done_by(&client, token.created_on).record(tx)?;
        if let Some(used) = key.used {
            let recorded = TokenUse { token_id: token.id, used_on: now - used, by: Some(used_by()) };
            Token::record_uses(tx.connection, &[recorded], RecordIf::Later)?;
            let first_used = token.created_on + TimeDelta::minutes(7);
            NewEvent::of_key(&token, EventAction::KeyFirstUsed).done_by(&client, first_used).record(tx)?;
        }
        first.get_or_insert(secret);
    }
    if person.login == "erin" {
        User::set_status(tx.connection, user.id, UserStatus::Locked, now)?;
    }
    Ok(first)
}

/// The program that all of it was done by.
fn client() -> Client {
    Client::new("192.0.2.17", "nightly-report/2.1")
}

fn used_by() -> UsedBy {
    let client = client();
    UsedBy { address: client.address().to_owned(), agent: client.agent().to_owned() }
}

/// Makes the access tokens of a person.
fn add_tokens(tx: &mut Tx<'_>, person: &DemoPerson) -> Result<(), Failure> {
    let Some(user) = User::find_by_login(tx.connection, person.login)? else { return Ok(()) };
    person.tokens.iter().try_for_each(|token| add_token(tx, user.id, token))
}

/// Makes a service account that Alice and Bob look after.
fn add_service_account(tx: &mut Tx<'_>) -> Result<(), Failure> {
    let owners = vec!["alice".to_owned(), "bob".to_owned()];
    let new = NewServiceAccount { login: "backup".into(), name: "Nightly backup".into(), owners };
    let made = TimeDelta::days(60);
    let (client, at) = (Client::command_line(), tx.now - made);
    let account = new.make(&mut tx.told(client, at), 0)?;
    let cron = DemoToken {
        name: "cron",
        note: "",
        scopes: "account:read",
        expiry: Expiry::Never,
        made,
        used: Some(TimeDelta::hours(5)),
        rotated: None,
    };
    add_token(tx, account.id, &cron)
}

fn add_token(tx: &mut Tx<'_>, user_id: i64, token: &DemoToken) -> Result<(), Failure> {
    let (now, client) = (tx.now, client());
    // Whatever the settings allow: these were made long before.
    let policy = KeyPolicy { most_per_user: usize::MAX, usual_lifetime: None, longest_lifetime: None };
    let (name, note) = (token.name.to_owned(), token.note.to_owned());
    let scopes = KeyScopes::of_words(token.scopes.split(' ')).unwrap_or_default();
    let new = NewKey { name, note, scopes, expiry: Some(token.expiry), networks: None };
    let made_on = now - token.made;
    let (key, _) = Key::make(&mut tx.told(client.clone(), made_on), user_id, &new, &policy)?;
    if let Some(used) = token.used {
        use_secret(tx, &key.current, made_on + TimeDelta::minutes(7))?;
        let recorded = TokenUse { token_id: key.current.id, used_on: now - used, by: Some(used_by()) };
        Token::record_uses(tx.connection, &[recorded], RecordIf::Later)?;
        use_on_services(tx.connection, &key, (made_on, now - used))?;
    }
    if let Some(rotation) = &token.rotated {
        let rotated_on = now - rotation.on;
        let ids = (UserId(user_id), KeyId(key.id));
        let (key, _) = Key::rotate(&mut tx.told(client, rotated_on), ids, Grace::Week)?;
        use_secret(tx, &key.current, now - rotation.used)?;
    }
    Ok(())
}

/// Uses of a token on each service that it has scopes of, on every day since it was made: fewer at weekends.
fn use_on_services(
    connection: &mut DbConnection,
    key: &Key,
    (first, last): (Timestamp, Timestamp),
) -> diesel::QueryResult<()> {
    for (place, scope) in (1..).zip(&key.scopes.services) {
        let Some(service) = Service::find_by_name(connection, &scope.service)? else { continue };
        let requests = |day: NaiveDate| match day.weekday() {
            Weekday::Sat | Weekday::Sun => 3,
            _ => (40 + i64::from(day.ordinal() * 7 % 23)) / place,
        };
        let days = first.date().iter_days().skip(1).take_while(|day| *day <= last.date());
        let days = days.map(|day| (day, requests(day))).collect();
        let last = LastServiceUse { on: last, address: "192.0.2.17".into(), agent: "wiki-bot/1.4".into() };
        let of = KeyOnService { key_id: key.id, service_id: service.id };
        let now = last.on;
        ServiceUse::record(connection, &[ServiceUse { of, last, days }], now)?;
    }
    Ok(())
}

/// A first use, and that it is told.
fn use_secret(tx: &mut Tx<'_>, secret: &Token, used_on: Timestamp) -> diesel::QueryResult<()> {
    Token::record_uses(
        tx.connection,
        &[TokenUse { token_id: secret.id, used_on, by: Some(used_by()) }],
        RecordIf::FirstUse,
    )?;
    NewEvent::of_key(secret, EventAction::KeyFirstUsed).done_by(&client(), used_on).record(tx)
}

fn greeting(app: &App, password: &str, secret: &Secret, farewell: &str) -> String {
    let mut text = format!("Latchkey is at {}\n\nSign in with the password {password} as\n", app.url.join("/"));
    for person in people() {
        text += &format!("  {:6} {}\n", person.login, person.about);
    }
    text += &format!(
        "\nUse Alice's key, then look at her account again:\n  curl -H 'X-Redmine-API-Key: {}' {}\n\n{farewell}\n",
        secret.expose(),
        app.url.join("/users/current.json")
    );
    text
}
