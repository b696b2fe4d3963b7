//! A transaction that writes, and the person or process that it acts for.

use std::fmt;

use super::audit::Doer;
use super::client::Client;
use super::keys::authority::Authority;
use super::system_user;
use crate::clock::Timestamp;
use crate::db::DbConnection;

/// A transaction that may write. It knows who writes, from where and when, so that the functions of the models need not
/// be told, and all those in one transaction agree.
///
/// A `Tx` comes only from the constructors below. A request gets one from its
/// [`Mandate`](crate::callers::mandate::Mandate), which checks the permission again after it has locked the rows
/// (against TOCTOU races). Everything else says by its constructor on whose behalf it writes.
pub struct Tx<'c> {
    /// The connection, with the transaction open on it.
    pub connection: &'c mut DbConnection,
    /// The time of the transaction.
    pub now: Timestamp,
    /// The client that the request came from.
    pub client: Client,
    actor: Actor,
}

/// Who a transaction acts for.
#[derive(Clone, Debug)]
pub enum Actor {
    /// A person who has authenticated.
    Person(Box<Author>),
    /// Anybody: whoever reports a leaked key need not authenticate.
    Anybody,
    /// Somebody on the machine itself.
    CommandLine,
    /// Nobody: something happens automatically, in the background.
    Recorder,
}

/// The person that a transaction acts for.
#[derive(Clone, Debug)]
pub struct Author {
    /// The person's id.
    pub id: i64,
    /// The login that the activity shows; with Switch-User, both logins.
    pub login: String,
    /// Who that is for the audit log: with Switch-User, the administrator, as the person.
    pub doer: Doer,
    /// What the credential of the request allows.
    pub authority: Authority,
}

impl<'c> Tx<'c> {
    /// A transaction on behalf of `author`. Only [`Mandate::write`](crate::callers::mandate::Mandate::write) may call
    /// this.
    pub(crate) fn of_author(connection: &'c mut DbConnection, now: Timestamp, client: Client, author: Author) -> Self {
        Self { connection, now, client, actor: Actor::Person(Box::new(author)) }
    }

    /// A transaction that needs no authentication.
    pub(crate) fn of_anybody(connection: &'c mut DbConnection, now: Timestamp, client: Client) -> Self {
        Self { connection, now, client, actor: Actor::Anybody }
    }

    /// A transaction of a command, of the services file, or of an import. Whoever can start these can write to the
    /// database anyway, so nothing is checked.
    pub fn of_command_line(connection: &'c mut DbConnection, now: Timestamp) -> Self {
        Self { connection, now, client: Client::command_line(), actor: Actor::CommandLine }
    }

    /// A transaction of the recorder's thread, which writes behind.
    pub(crate) fn of_recorder(connection: &'c mut DbConnection, now: Timestamp) -> Self {
        Self { connection, now, client: Client::latchkey(), actor: Actor::Recorder }
    }

    /// The same transaction with another client and time, to record what happened earlier.
    pub fn told(&mut self, client: Client, now: Timestamp) -> Tx<'_> {
        Tx { connection: self.connection, now, client, actor: self.actor.clone() }
    }

    /// The person that the transaction acts for; `None`: the command line, the recorder, or anybody.
    pub fn author(&self) -> Option<&Author> {
        match &self.actor {
            Actor::Person(author) => Some(author),
            Actor::Anybody | Actor::CommandLine | Actor::Recorder => None,
        }
    }

    /// The login of the author, if the author is not the person with this id.
    pub fn other_than(&self, user_id: i64) -> Option<&str> {
        self.author().filter(|author| author.id != user_id).map(|author| author.login.as_str())
    }

    /// Who did, for the audit log, what `client` did; `None`: what the transaction does. What is told of another client,
    /// afterwards, was done with a key of the person whom it is about.
    pub fn doer(&self, client: Option<&Client>) -> Doer {
        let told = client.unwrap_or(&self.client);
        match &self.actor {
            _ if told.is_latchkey() => Doer::latchkey(),
            Actor::Person(author) => author.doer.clone(),
            Actor::Anybody => Doer::nobody(),
            Actor::CommandLine | Actor::Recorder if !told.is_command_line() => Doer::themself(),
            Actor::CommandLine => Doer::command_line(),
            Actor::Recorder => Doer::latchkey(),
        }
    }

    /// The operating system's user, in words, for what a command does.
    pub fn system_user(&self, client: &Client) -> Option<&'static str> {
        match self.actor {
            Actor::CommandLine if client.is_command_line() => Some(system_user::in_words()),
            _ => None,
        }
    }

    /// What the author may do themselves, and so pass on to keys.
    pub fn authority(&self) -> &Authority {
        static OWNER: Authority = Authority::OWNER;
        static NOTHING: Authority = Authority::NOTHING;
        match &self.actor {
            Actor::Person(author) => &author.authority,
            Actor::CommandLine => &OWNER,
            Actor::Anybody | Actor::Recorder => &NOTHING,
        }
    }
}

impl fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx").field("now", &self.now).field("actor", &self.actor).finish_non_exhaustive()
    }
}
