//! The file in which services, groups and service accounts can stand, for those who keep their configuration in git: TOML, a
//! table each.
//!
//! ```toml
//! [service_accounts.backup]
//! name = "Nightly backup"
//! owners = ["alice", "bob"]
//!
//! [groups."QA team"]
//! members = ["carol", "dave"]
//!
//! [services.wiki]
//! host = "wiki.example.org"
//! readers = "everyone"
//! writers = ["alice", "group:QA team"]
//! ```

mod said;

use std::path::{Path, PathBuf};

use diesel::prelude::*;

use self::said::{Mistake, Said};
use crate::clock::Timestamp;
use crate::db::{DbConnection, DbError, transaction, write_error};
use crate::models::groups::adoption::GroupAdoption;
use crate::models::groups::group::Group;
use crate::models::kept_in::{Adopted, KeptIn};
use crate::models::people::adoption::{self, AccountAdoption, AccountAdoptionError};
use crate::models::people::ownership::NewServiceAccount;
use crate::models::people::service_account::all_kept_in;
use crate::models::services::administration::lock_all;
use crate::models::services::admitted::Admittee;
use crate::models::services::adoption::{Adoption, AdoptionError};
use crate::models::services::service::Service;
use crate::models::tx::Tx;

/// The services, groups and service accounts of a file, each of which breaks no rule by itself.
pub struct ServicesFile {
    path: PathBuf,
    said: Said,
}

/// What is wrong with a file, in one line that says where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}: {cause}; LATCHKEY_SERVICES names it", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{}, line {line}: {problem}; nothing is changed", .path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What, and what to do.
        problem: String,
    },
    /// The database would not.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// Why the database is not what a file says.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Accounts(#[from] AccountAdoptionError),
    #[error(transparent)]
    Services(#[from] AdoptionError),
    #[error(transparent)]
    Database(#[from] DbError),
}

write_error!(Refusal);

/// What came of a file.
struct Outcome {
    accounts: AccountAdoption,
    groups: GroupAdoption,
    services: Adoption,
}

/// Logs what became of the services, groups or accounts of a file, each in the field `$field`.
macro_rules! log_adopted {
    ($field:ident: $what:literal, $kept:literal, $closed:literal, $file:ident, $done:expr) => {
        for ($field, done) in $done {
            let file = $file.display();
            match done {
                Adopted::Added => tracing::info!($field, %file, concat!($what, " added")),
                Adopted::Changed => tracing::info!($field, %file, concat!($what, " changed")),
                Adopted::TakenOver => {
                    tracing::info!($field, %file, concat!($what, " taken over: its ", $kept, " now come from the file"));
                }
                Adopted::Reopened => {
                    tracing::info!($field, %file, concat!($what, " open again: it is back in the file"));
                }
                Adopted::Closed => {
                    tracing::warn!($field, %file, concat!($what, " closed: it is no longer in the file", $closed));
                }
            }
        }
    };
}

/// Warns that some of one kind are kept in a file where none is named.
macro_rules! warn_of {
    ($field:ident, $kept:literal, $names:expr) => {
        let names: Vec<String> = $names.map_err(DbError::from)?;
        if !names.is_empty() {
            let $field = names.join(", ");
            tracing::warn!(
                $field,
                concat!(
                    "LATCHKEY_SERVICES is not set: these keep the ",
                    $kept,
                    " from the file; an empty file closes them"
                )
            );
        }
    };
}

impl ServicesFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`FileError`], with the first that is wrong.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let text =
            std::fs::read_to_string(path).map_err(|cause| FileError::Unreadable { path: path.to_owned(), cause })?;
        match said::said_in(&text) {
            Ok(said) => Ok(Self { path: path.to_owned(), said }),
            Err(Mistake { line, problem }) => Err(FileError::Wrong { path: path.to_owned(), line, problem }),
        }
    }

    /// Makes the services, groups and service accounts of the database what the file says, in one transaction, and logs what
    /// that has changed.
    ///
    /// # Errors
    /// Those of the database; a service or account that cannot be because of what administrators keep.
    pub fn apply(&self, connection: &mut DbConnection, now: Timestamp) -> Result<(), FileError> {
        let outcome = adopt(connection, now, &self.said).map_err(|refusal| self.wrong(refusal))?;
        self.log(&outcome);
        Ok(())
    }

    /// Says where the file has what cannot be.
    fn wrong(&self, refusal: Refusal) -> FileError {
        let Mistake { line, problem } = match refusal {
            Refusal::Database(error)
            | Refusal::Accounts(AccountAdoptionError::Database(error))
            | Refusal::Services(AdoptionError::Database(error)) => return FileError::Database(error),
            Refusal::Accounts(ref why @ AccountAdoptionError::Person { ref login }) => {
                self.said.mistake_of_account(login, "", why)
            }
            Refusal::Accounts(ref why @ AccountAdoptionError::Owner { ref login, .. }) => {
                self.said.mistake_of_account(login, "owners", why)
            }
            Refusal::Services(AdoptionError::Clash { name, other }) => {
                let problem = format!(
                    "{other} has the same host and path and is not from the file: choose another path, remove {other}, \
                     or name this one {other} to take it over"
                );
                self.said.mistake_of_service(&name, "path", problem)
            }
        };
        FileError::Wrong { path: self.path.clone(), line, problem }
    }

    fn log(&self, outcome: &Outcome) {
        let Outcome { accounts, groups, services } = outcome;
        let (path, file) = (&self.path, self.path.display());
        log_adopted!(account: "service account", "name and owners", ", so it is locked; put it back, or delete it", path, &accounts.done);
        for (account, logins) in &accounts.unknown {
            let logins = logins.join(", ");
            tracing::warn!(account, logins, %file, "no accounts have these logins, so they do not own the service account; add them and restart");
        }
        log_adopted!(group: "group", "members", ", so it has no members; put it back, or delete it", path, &groups.done);
        for (group, logins) in &groups.unknown {
            let logins = logins.join(", ");
            tracing::warn!(group, logins, %file, "no accounts have these logins, so they are not in the group; add them and restart");
        }
        log_adopted!(service: "service", "settings", "; put it back, or remove it", path, &services.done);
        for (service, unknown) in &services.unknown {
            let logins = unknown.iter().filter_map(Admittee::login).collect::<Vec<_>>().join(", ");
            if !logins.is_empty() {
                tracing::warn!(service, logins, %file, "no accounts have these logins, so they may not use the service; add them and restart");
            }
            let groups = unknown.iter().filter_map(Admittee::group).collect::<Vec<_>>().join(", ");
            if !groups.is_empty() {
                tracing::warn!(service, groups, %file, "no groups have these names, so their members may not use the service; add them and restart");
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever can start the server with a file can write to the database anyway"
)]
fn adopt(connection: &mut DbConnection, now: Timestamp, said: &Said) -> Result<Outcome, Refusal> {
    let groups: Vec<_> = said.groups.iter().map(|it| (it.name.clone(), it.members.clone())).collect();
    let services: Vec<_> = said.services.iter().map(|it| (it.name.clone(), it.settings.clone())).collect();
    let accounts: Vec<NewServiceAccount> = said.accounts.iter().map(|it| it.account.clone()).collect();
    transaction(connection, |connection| {
        wait_for_other_starts(connection)?;
        // Accounts come first, as groups and services can name them, and their rows are locked before those tables.
        let tx = &mut Tx::of_command_line(connection, now);
        let accounts = adoption::adopt(tx, &accounts)?;
        // Services are locked before groups, as whoever changes one holds the groups that it names.
        lock_all(tx.connection)?;
        let groups = Group::adopt(tx, &groups)?;
        Ok(Outcome { accounts, groups, services: Service::adopt(tx, &services)? })
    })
}

/// Waits until no other process makes the database what its file says: two could add the same account at once.
fn wait_for_other_starts(connection: &mut DbConnection) -> QueryResult<()> {
    if let DbConnection::Postgres(postgres) = connection {
        // The number is arbitrary. It must not be that of the migrations.
        diesel::sql_query("SELECT pg_advisory_xact_lock(7305808869229539)").execute(postgres)?;
    }
    Ok(())
}

/// Says that services, groups or service accounts are kept in a file where none is named: they stay as they are.
///
/// # Errors
/// Those of the query.
pub fn warn_of_no_file(connection: &mut DbConnection) -> Result<(), FileError> {
    warn_of!(services, "settings", Service::names_kept_in(connection, KeptIn::File));
    warn_of!(groups, "members", Group::names_kept_in(connection, KeptIn::File));
    let accounts = all_kept_in(connection, KeptIn::File);
    warn_of!(accounts, "name and owners", accounts.map(|kept| kept.into_iter().map(|(_, login)| login).collect()));
    Ok(())
}
