//! `latchkey serve`

use std::net::TcpListener;

use actix_web::web;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::services_file::{FileError, ServicesFile, warn_of_no_file};
use super::signals::stops;
use super::{Failure, cannot_open, warn_of_unread_variables};
use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::bind_address::BindAddress;
use crate::config::start_error::StartError;
use crate::db::{DbError, connect, migrations};
use crate::logging;
use crate::server::{self, metrics};

/// The setting that names the address.
pub const BIND: &str = "LATCHKEY_BIND";
const METRICS_BIND: &str = "LATCHKEY_METRICS_BIND";

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self(error.to_string())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self(error.to_string())
    }
}

pub fn run(config: Config) -> Result<(), Failure> {
    let _log = logging::start(&config.log).map_err(Failure)?;
    // Listen before anything else: a second process on this port must not touch the database of the first.
    let listener = listen(&config.bind, BIND)?;
    // Read the file before anything is changed.
    let services = config.services.as_deref().map(ServicesFile::read).transpose()?;
    for name in migrations::run(&config.database_url).map_err(|error| cannot_open(&config, &error))? {
        tracing::info!(name, "migration applied");
    }
    adopt(&config, services.as_ref())?;
    serve(config, listener, |_| Ok(()))
}

/// Applies the services file, if one is configured.
fn adopt(config: &Config, services: Option<&ServicesFile>) -> Result<(), Failure> {
    let connected = connect(&config.database_url).map_err(|error| DbError::Unavailable(error.to_string()));
    let mut connection =
        connected.map_err(|error| Failure(format!("{error} (DATABASE_URL is {})", config.database_url)))?;
    match services {
        Some(services) => services.apply(&mut connection, Clock::system().now())?,
        None => warn_of_no_file(&mut connection)?,
    }
    Ok(())
}

/// Raises the limit of open files. Each connection is one, and the default limit is often about a thousand.
fn allow_many_connections() {
    let limits = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits }) {
        tracing::warn!(%error, limit = limits.current, "cannot raise the limit of open files");
    }
}

/// Listens on `address`; an error names the `setting` to change.
pub fn listen(address: &BindAddress, setting: &str) -> Result<TcpListener, Failure> {
    let cannot = |error| Failure(format!("cannot listen on {address}: {error}; choose another address with {setting}"));
    address.listen().map_err(cannot)
}

/// Serves until a signal says to stop; a second one does not wait for requests in flight. The database must be migrated.
/// `greet` is called when everything is ready.
pub fn serve(
    config: Config,
    listener: TcpListener,
    greet: impl FnOnce(&App) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure(format!("cannot serve: {error}"));
    warn_of_unread_variables();
    allow_many_connections();
    let key = config.load_secret_key()?;
    let bound = listener.local_addr().map_err(failed)?;
    let metrics_listener = config.metrics_bind.as_ref().map(|address| listen(address, METRICS_BIND)).transpose()?;
    let app = web::Data::new(App::start(config, bound, Clock::system())?);
    let served = actix_web::rt::System::new().block_on(async {
        let mut stops = stops().map_err(failed)?;
        let server = server::serve(app.clone(), key, listener).map_err(failed)?;
        let handle = server.handle();
        if let Some(listener) = metrics_listener {
            tracing::info!(address = %listener.local_addr().map_err(failed)?, "metrics are at /metrics");
            // Metrics are served until the process ends, so that the last requests are counted, too.
            tokio::spawn(metrics::serve(app.clone(), listener).map_err(failed)?);
        }
        tracing::info!(address = %bound, url = app.url.join("/"), database = %app.config.database_url, "serving");
        greet(&app)?;
        let mut serving = tokio::spawn(server);
        tokio::select! {
            ended = &mut serving => return ended.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(failed),
            _ = stops.recv() => {}
        }
        tracing::info!("stopping: waiting for open requests");
        tokio::select! {
            () = handle.stop(true) => {}
            _ = stops.recv() => handle.stop(false).await,
        }
        Ok(())
    });
    if let Some(mailer) = &app.mailer {
        mailer.stop();
    }
    let all_written = app.recorder.stop();
    app.database.close();
    tracing::info!("stopped");
    if !all_written {
        return Err(Failure("stopped, but some last uses could not be written; see the log".into()));
    }
    served
}
