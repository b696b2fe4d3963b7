//! A Latchkey that runs inside the test's process, so that the test can move its clock and look into it.

use std::net::TcpListener;
use std::thread::JoinHandle;

use actix_web::dev::{Server, ServerHandle};
use actix_web::web;
use argon2::password_hash::{PasswordHasher, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use chrono::TimeDelta;
use clap::Parser;
use latchkey::app::App;
use latchkey::clock::{Clock, Timestamp};
use latchkey::config::Config;
use latchkey::config::secret_key::SecretKey;
use latchkey::db::{DbError, WriteError};
use latchkey::models::groups::group::Group;
use latchkey::models::keys::key_request::{KeyPolicy, NewKey};
use latchkey::models::keys::scope::KeyScopes;
use latchkey::models::keys::token::{Token, TokenAction};
use latchkey::models::people::ownership::NewServiceAccount;
use latchkey::models::people::user::{AccountKind, NewUser, Profile, User};
use latchkey::models::services::service::Service;
use latchkey::models::services::settings::ServiceSettings;
use latchkey::models::tx::Tx;
use latchkey::secret::Secret;
use latchkey::server;
use reqwest::Method;

use super::database::{Db, TestDatabase};
use super::visitor::Visitor;
use super::{Answer, PASSWORD, eventually, log};

/// The server, its database and its clock.
pub struct Site {
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub url: String,
    pub app: web::Data<App>,
    pub clock: Clock,
    pub database: TestDatabase,
    http: reqwest::Client,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

/// What answers on a listener.
type Serve = fn(web::Data<App>, SecretKey, TcpListener) -> std::io::Result<Server>;

/// A key and its secret.
#[derive(Clone, Debug)]
pub struct Key {
    pub id: i64,
    pub secret: String,
}

/// What the cookies of every site are encrypted with.
pub const SECRET_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Mail is on, and its server is never there: nobody listens on the discard port.
pub const UNREACHABLE_MAIL: [&str; 2] = ["--smtp-url=smtp://127.0.0.1:9?tls=off", "--mail-from=keys@example.org"];

/// The time at which every site starts.
pub fn start_time() -> Timestamp {
    "2026-11-24T09:30:00.25".parse().expect("a time")
}

/// An Argon2id hash that takes microseconds, with parameters that the product never chooses but verifies like its own.
/// Most of the time of the tests went into hashing [`PASSWORD`].
pub fn quick_hash(password: &str) -> String {
    let parameters = Params::new(Params::MIN_M_COST, 1, 1, None).expect("parameters");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
    let salt = SaltString::encode_b64(&latchkey::secret::random_bytes::<16>()).expect("a salt");
    argon2.hash_password(password.as_bytes(), &salt).expect("a hash").to_string()
}

#[derive(Parser)]
#[command(args_override_self = true)]
struct Settings {
    #[command(flatten)]
    config: Config,
}

/// Whether a server would start with these flags; otherwise what it says.
pub fn try_settings(flags: &[String]) -> Result<Config, String> {
    let Settings { config } =
        Settings::try_parse_from(["latchkey".to_owned()].iter().chain(flags)).map_err(|error| error.to_string())?;
    config.check().map_err(|error| error.to_string())?;
    Ok(config)
}

impl Site {
    pub async fn start(db: Db) -> Self {
        Self::start_with(db, &[]).await
    }

    /// With flags of the command line, such as `--session-timeout=1h`.
    pub async fn start_with(db: Db, flags: &[&str]) -> Self {
        Self::start_serving(db, flags, server::serve).await
    }

    /// Inside another application, below `/keys` of it.
    pub async fn start_embedded(db: Db, serve: Serve) -> Self {
        Self::start_serving(db, &["--url=http://127.0.0.1/keys"], serve).await
    }

    async fn start_serving(db: Db, flags: &[&str], serve: Serve) -> Self {
        let database = TestDatabase::migrated(db);
        log::start();
        let database_flag = format!("--database-url={}", database.setting());
        let secret_key = format!("--secret-key={SECRET_KEY}");
        // Long, so that nothing hangs on how fast the machine is; a test's own flag comes later, and wins.
        let patience = "--first-use-patience=20s";
        let fixed = ["latchkey", &database_flag, &secret_key, patience].map(str::to_owned);
        let Settings { config } =
            Settings::try_parse_from(fixed.into_iter().chain(flags.iter().map(ToString::to_string))).expect("settings");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let bound = listener.local_addr().expect("an address");
        let clock = Clock::standing(start_time());
        let key = config.secret_key.clone().expect("a key");
        let app = App::start(config, bound, clock.clone()).expect("an app");
        let app = web::Data::new(app);
        let (send_handle, handle) = std::sync::mpsc::channel();
        let thread = std::thread::spawn({
            let app = app.clone();
            move || {
                actix_web::rt::System::new().block_on(async move {
                    let server = serve(app, key, listener).expect("a server");
                    send_handle.send(server.handle()).expect("the test still there");
                    server.await.expect("a server that ends well");
                });
            }
        });
        let handle = handle.recv().expect("a server that starts");
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("an HTTP client");
        Self { url: format!("http://{bound}"), app, clock, database, http, handle, thread: Some(thread) }
    }

    /// Sends `request`, which the token `by` lets in; while it waits for the row of `person`, `meanwhile` is done. A first
    /// use of the token would wait for the row as well.
    pub async fn overtaken(&self, person: &User, by: i64, request: reqwest::RequestBuilder, meanwhile: &str) -> Answer {
        self.later(TimeDelta::seconds(1));
        let held = self.database.hold(&format!("SELECT id FROM users WHERE id = {} FOR UPDATE", person.id));
        let answer = tokio::spawn(Answer::of(request));
        let (row, now) = (self.token(by).expect("a token"), self.clock.now());
        eventually("it is let in", || self.app.recorder.last_use.of(&row) == Some(now)).await;
        self.database.until_somebody_waits().await;
        held.commit(meanwhile);
        answer.await.expect("an answer").noted()
    }

    /// What is counted, as Prometheus reads it.
    pub async fn metrics(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (app, (send_handle, handle)) = (self.app.clone(), std::sync::mpsc::channel());
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = server::metrics::serve(app, listener).expect("a server");
                send_handle.send(server.handle()).expect("the test still there");
                server.await.expect("a server that ends well");
            });
        });
        let handle: ServerHandle = handle.recv().expect("a server that starts");
        let text = Answer::of(self.http.get(format!("http://{address}/metrics"))).await.text;
        // Sent at once; the thread ends when it is done.
        drop(handle.stop(false));
        thread.join().expect("a server that ends well");
        text
    }

    /// Moves the clock on.
    pub fn later(&self, span: TimeDelta) {
        self.clock.set(self.clock.now() + span);
    }

    /// Waits until everything that is due has been written.
    pub async fn flush(&self) {
        self.app.recorder.flush().await;
    }

    /// Adds an active person, `LOGIN@example.org`, with [`PASSWORD`].
    pub async fn add_user(&self, login: &str) -> User {
        self.add_person(login, false).await
    }

    pub async fn add_admin(&self, login: &str) -> User {
        self.add_person(login, true).await
    }

    /// Adds somebody who cannot sign in, without the time that hashing a password takes.
    pub async fn add_passwordless_user(&self, login: &str) -> User {
        self.insert_person(login, false, None).await
    }

    async fn add_person(&self, login: &str, admin: bool) -> User {
        log::note_secret(PASSWORD);
        self.insert_person(login, admin, Some(quick_hash(PASSWORD))).await
    }

    async fn insert_person(&self, login: &str, admin: bool, password_hash: Option<String>) -> User {
        let profile = Profile {
            firstname: "Test".into(),
            lastname: format!("Person {login}"),
            mail: format!("{login}@example.org"),
        };
        let new = NewUser { login: login.to_owned(), profile, password_hash, admin, kind: AccountKind::Person };
        self.write(move |tx| new.insert(tx.connection, tx.now).map_err(DbError::from)).await
    }

    /// A service account that `owner` looks after.
    pub async fn add_service_account(&self, login: &str, owner: &User) -> User {
        let (login, owners) = (login.to_owned(), vec![owner.login.clone()]);
        let new = NewServiceAccount { name: format!("Account {login}"), login, owners };
        self.write(move |tx| new.make(tx, 0)).await
    }

    /// Writes as somebody at the machine does.
    pub async fn write<T, E>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> T
    where
        T: Send + 'static,
        E: WriteError + std::fmt::Debug + Send + 'static,
    {
        self.try_write(work).await.expect("it is written")
    }

    /// The same, for what may be refused.
    pub async fn try_write<T, E>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: WriteError + Send + 'static,
    {
        let now = self.clock.now();
        self.app.database.write(move |connection| work(&mut Tx::of_command_line(connection, now))).await
    }

    /// Sets columns of a user's row, as SQL.
    pub fn set_user(&self, user: &User, set: &str) {
        self.database.execute(&format!("UPDATE users SET {set} WHERE id = {}", user.id));
    }

    /// Makes a key of a person, of any kind.
    pub async fn add_key(&self, user: &User, action: TokenAction) -> Key {
        let user_id = user.id;
        let issue = move |tx: &mut Tx<'_>| Token::issue(tx.connection, user_id, action, tx.now).map_err(DbError::from);
        let (token, secret) = self.write(issue).await;
        log::note_secret(secret.expose());
        Key { id: token.id, secret: secret.expose().to_owned() }
    }

    /// Makes an access token that may do what `scopes` name, until `expiry`, which is written as people write it.
    pub async fn add_access_token(&self, user: &User, scopes: &str, expiry: &str) -> Key {
        let (user_id, policy) = (user.id, KeyPolicy::of(&self.app.config));
        let new = NewKey {
            name: "deploy".into(),
            note: String::new(),
            scopes: KeyScopes::of_words(scopes.split_whitespace()).expect("scopes"),
            expiry: Some(expiry.parse().expect("an expiry")),
            networks: None,
        };
        let make = move |tx: &mut Tx<'_>| latchkey::models::keys::key::Key::make(tx, user_id, &new, &policy);
        let (key, secret) = self.write(make).await;
        log::note_secret(secret.expose());
        Key { id: key.id, secret: secret.expose().to_owned() }
    }

    /// Adds a service, as somebody at the machine would.
    pub async fn add_service(&self, name: &str, settings: ServiceSettings) -> Service {
        let name = name.to_owned();
        self.write(move |tx| Service::add(tx, &name, &settings)).await
    }

    /// Adds a group, as somebody at the machine would.
    pub async fn add_group(&self, name: &str, logins: &[&str]) -> Group {
        let (name, logins) = (name.to_owned(), logins.iter().map(ToString::to_string).collect::<Vec<_>>());
        self.write(move |tx| Group::add(tx, &name, &logins)).await
    }

    /// Stores a key with a secret of another form, as keys that were moved in have.
    pub async fn add_foreign_key(&self, user: &User, action: TokenAction, secret: &str) -> Key {
        let (user_id, secret) = (user.id, Secret::presented(secret));
        let kept = secret.expose().to_owned();
        let insert = move |tx: &mut Tx<'_>| {
            Token::insert(tx.connection, user_id, action, &secret, tx.now).map_err(DbError::from)
        };
        Key { id: self.write(insert).await.id, secret: kept }
    }

    /// The row of a token; `None`: it is gone.
    pub fn token(&self, id: i64) -> Option<Token> {
        self.app.database.read_now(|connection| Token::find(connection, id)).expect("a query")
    }

    /// What the row of a token says of its last use.
    pub fn recorded_use(&self, key: &Key) -> Option<Timestamp> {
        self.token(key.id).expect("a token").recorded_use()
    }

    pub fn user(&self, login: &str) -> User {
        let found = self.app.database.read_now(|connection| User::find_by_login(connection, login));
        found.expect("a query").expect("a user")
    }

    /// A request of a program, to which the test adds what it wants.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.request(Method::GET, path)
    }

    /// The answer to a request by key.
    pub async fn get_with_key(&self, path: &str, key: &Key) -> Answer {
        Answer::of(self.get(path).header("X-Redmine-API-Key", &key.secret)).await
    }

    /// Somebody at a browser, not yet signed in.
    pub fn visitor(&self) -> Visitor {
        Visitor::new(&self.url)
    }

    /// The same, on another machine: its connections come from `address`, which is one of 127.0.0.0/8.
    pub fn visitor_at(&self, address: &str) -> Visitor {
        Visitor::at(&self.url, address.parse().expect("an address"))
    }

    /// Somebody at a browser, signed in with [`PASSWORD`].
    pub async fn signed_in(&self, login: &str) -> Visitor {
        let visitor = self.visitor();
        visitor.sign_in(login, PASSWORD).await;
        visitor
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // Sent at once; the thread ends when it is done.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.app.recorder.stop();
    }
}
