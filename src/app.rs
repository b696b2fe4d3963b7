//! What all requests of a process share.

use std::net::SocketAddr;

use actix_web::{HttpRequest, web};

use crate::auth::client_address::ClientAddresses;
use crate::auth::known_addresses::KnownAddresses;
use crate::auth::passwords::Passwords;
use crate::auth::rates::Rates;
use crate::auth::throttle::{LEAK_REPORTS, NetworkRate, RECOVERY_REQUESTS};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::config::public_url::PublicUrl;
use crate::config::start_error::StartError;
use crate::db::lookups::Lookups;
use crate::db::{Database, DbError};
use crate::http::error::AppError;
use crate::mail::mailer::Mailer;
use crate::metrics::Metrics;
use crate::models::keys::account_lookup::AccountLookup;
use crate::models::keys::token::Claim;
use crate::models::mails::outbox::{self, Outbox};
use crate::models::retention::Retention;
use crate::models::services::service::ServiceLookup;
use crate::recorder::Recorder;

/// Settings, database, clock, and the parts that remember something between requests.
pub struct App {
    /// The settings.
    pub config: Config,
    /// The address that people type.
    pub url: PublicUrl,
    /// The address that is listened on.
    pub bound: SocketAddr,
    /// People and tokens.
    pub database: Database,
    /// Who presents which secret.
    pub tokens: Lookups<Claim>,
    /// What somebody may do on which service.
    pub services: Lookups<ServiceLookup>,
    /// What *My account* shows of a person's keys.
    pub accounts: Lookups<AccountLookup>,
    /// The time.
    pub clock: Clock,
    /// What is written behind.
    pub recorder: Recorder,
    /// Passwords, and who guesses too many.
    pub passwords: Passwords,
    /// From where people have signed in.
    pub known_addresses: KnownAddresses,
    /// Who reports too many leaked secrets.
    pub leak_reports: NetworkRate,
    /// Who asks for too many links to choose a password.
    pub recovery_requests: NetworkRate,
    /// What sends mail; `None`: no mail server is set.
    pub mailer: Option<Mailer>,
    /// Which credentials send too much, to a service or to the API.
    pub rates: Rates,
    /// What is counted.
    pub metrics: Metrics,
    /// Where requests come from.
    pub addresses: ClientAddresses,
}

/// Tells all who write to `database`, commands included, whether mails are to be put into its outbox.
#[expect(clippy::disallowed_methods, reason = "the process says this of itself")]
fn switch_mail(database: &Database, on: bool, now: Timestamp) {
    let known = database.read_now(Outbox::open);
    if known.as_ref().is_ok_and(|known| known.is_some() == on) {
        return;
    }
    let switched = database.write_now(|connection| outbox::switch(connection, on, now).map_err(DbError::from));
    if let Err(error) = switched {
        tracing::error!(%error, on, "it could not be stored whether mail is sent");
    }
}

impl App {
    /// Opens the database and starts the threads. `bound` is the address that is listened on.
    ///
    /// # Errors
    /// [`StartError`] if two settings contradict each other, the database cannot be reached, or the operating system
    /// gives no thread.
    pub fn start(config: Config, bound: SocketAddr, clock: Clock) -> Result<Self, StartError> {
        config.check()?;
        let database = Database::open(&config.database_url)
            .map_err(|error| StartError(format!("{error} (DATABASE_URL is {})", config.database_url)))?;
        let no_thread = |error| StartError(format!("cannot start: {error}"));
        let metrics = Metrics::default();
        let spans = (config.first_use_patience.duration(), Retention::of(&config));
        let recorder =
            Recorder::start(database.clone(), clock.clone(), spans, config.unrecorded_file().as_deref(), &metrics);
        switch_mail(&database, config.sends_mail(), clock.now());
        let mailer = config.mail(config.public_url(bound)).map(|settings| {
            let counted = (metrics.mails.clone(), metrics.panics.of("mailer"));
            Mailer::start(database.clone(), clock.clone(), settings, counted)
        });
        Ok(Self {
            url: config.public_url(bound),
            bound,
            addresses: ClientAddresses::new(config.trusted_proxies.clone()),
            passwords: Passwords::start(clock.clone(), &metrics.panics).map_err(no_thread)?,
            known_addresses: KnownAddresses::default(),
            leak_reports: NetworkRate::new(clock.clone(), LEAK_REPORTS),
            recovery_requests: NetworkRate::new(clock.clone(), RECOVERY_REQUESTS),
            mailer: mailer.transpose().map_err(no_thread)?,
            rates: Rates::new(clock.clone()),
            recorder: recorder.map_err(no_thread)?,
            tokens: Lookups::start(database.clone(), &metrics.panics).map_err(no_thread)?,
            services: Lookups::start(database.clone(), &metrics.panics).map_err(no_thread)?,
            accounts: Lookups::start(database.clone(), &metrics.panics).map_err(no_thread)?,
            metrics,
            database,
            clock,
            config,
        })
    }

    /// The names of those threads of which one has ended, which none of them does by itself: what they do for requests
    /// waits, or is done by fewer, until the process is started anew.
    pub fn gone_threads(&self) -> Vec<&'static str> {
        let lookups =
            [self.tokens.are_threads_there(), self.services.are_threads_there(), self.accounts.are_threads_there()];
        let all = [
            ("recorder", self.recorder.is_running()),
            ("mailer", self.mailer.as_ref().is_none_or(Mailer::is_running)),
            ("hashing", self.passwords.threads().are_all_there()),
            ("lookups", lookups.iter().all(|are_there| *are_there)),
        ];
        all.into_iter().filter(|(_, is_there)| !is_there).map(|(name, _)| name).collect()
    }

    /// The one that serves `request`.
    ///
    /// # Errors
    /// If the routes were mounted without it.
    pub fn of(request: &HttpRequest) -> Result<web::Data<Self>, AppError> {
        let app = request.app_data::<web::Data<Self>>().cloned();
        app.ok_or_else(|| AppError::internal("the routes are mounted without their App"))
    }
}
