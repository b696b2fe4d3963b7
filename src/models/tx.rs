//! A transaction that writes, and in whose name.

use std::fmt;

use super::client::Client;
use super::keys::authority::Authority;
use crate::clock::Timestamp;
use crate::db::DbConnection;

/// A transaction that may write. It knows who writes, from where and when, so that no verb of a model has to be told,
/// and none can be told something else than the one before it in the same transaction.
///
/// There is no other way to come by one than these: a request has a [`Mandate`](crate::callers::mandate::Mandate), which
/// asks again whether it still holds; what is not done by anybody who was let in says so by the constructor that it uses.
pub struct Tx<'c> {
    /// The connection, on which the transaction is open.
    pub connection: &'c mut DbConnection,
    /// The time of the transaction.
    pub now: Timestamp,
    /// Where it comes from.
    pub client: Client,
    actor: Actor,
}

/// Who writes.
#[derive(Clone, Debug)]
pub enum Actor {
    /// Somebody who was let in.
    Person(Author),
    /// Anybody at all: whoever reports a leaked key.
    Anybody,
    /// Somebody at the machine itself.
    CommandLine,
    /// Nobody: time has passed.
    Recorder,
}

/// A person in whose name something is done.
#[derive(Clone, Debug)]
pub struct Author {
    /// Their id.
    pub id: i64,
    /// What others are told that they are called: with Switch-User, both logins.
    pub login: String,
    /// What they may do with what they were let in with.
    pub authority: Authority,
}

impl<'c> Tx<'c> {
    /// A transaction in the name of `author`. For [`Mandate::write`](crate::callers::mandate::Mandate::write) alone.
    pub(crate) fn of_author(connection: &'c mut DbConnection, now: Timestamp, client: Client, author: Author) -> Self {
        Self { connection, now, client, actor: Actor::Person(author) }
    }

    /// A transaction that anybody may ask for, whoever `client` is.
    pub(crate) fn of_anybody(connection: &'c mut DbConnection, now: Timestamp, client: Client) -> Self {
        Self { connection, now, client, actor: Actor::Anybody }
    }

    /// A transaction of a command, of the file of services, or of an import: whoever can start those can write to the
    /// database anyway.
    pub fn of_command_line(connection: &'c mut DbConnection, now: Timestamp) -> Self {
        Self { connection, now, client: Client::command_line(), actor: Actor::CommandLine }
    }

    /// A transaction of the thread that writes behind.
    pub(crate) fn of_recorder(connection: &'c mut DbConnection, now: Timestamp) -> Self {
        Self { connection, now, client: Client::latchkey(), actor: Actor::Recorder }
    }

    /// The same transaction as if `client` asked for it at `now`: for what was done before and is told only now.
    pub fn told(&mut self, client: Client, now: Timestamp) -> Tx<'_> {
        Tx { connection: self.connection, now, client, actor: self.actor.clone() }
    }

    /// The person in whose name it is; `None`: the command line, the recorder, or anybody.
    pub fn author(&self) -> Option<&Author> {
        match &self.actor {
            Actor::Person(author) => Some(author),
            Actor::Anybody | Actor::CommandLine | Actor::Recorder => None,
        }
    }

    /// The login of whoever writes, if that is somebody else than the person with this id.
    pub fn other_than(&self, user_id: i64) -> Option<&str> {
        self.author().filter(|author| author.id != user_id).map(|author| author.login.as_str())
    }

    /// What whoever writes may do, and so give to keys.
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
