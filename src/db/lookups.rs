//! What is asked of the database most often: whose secret it is, what services there are, what keys a person has. On
//! PostgreSQL, what arrives while something else is being looked up shares the next query: the way there and back costs
//! more than the query does.

use std::sync::mpsc::{Sender, channel};

use diesel::QueryResult;
use tokio::sync::oneshot;

use super::url::DatabaseUrl;
use super::{Database, DbConnection, DbError, POOL_PATIENCE};
use crate::panics::{Panic, Panics, ThreadPanics};
use crate::threads::Threads;

/// Queries that are under way at the same time: while one is answered, the next gathers.
const THREADS: usize = 2;
/// What one query answers, at most.
const MOST_TOGETHER: usize = 100;

/// Something that is looked up for many requests.
pub trait Lookup: Clone + Send + 'static {
    /// What there is to say about it.
    type Answer: Send + 'static;

    /// The answer.
    ///
    /// # Errors
    /// Those of the query.
    fn answer(&self, connection: &mut DbConnection) -> QueryResult<Self::Answer>;

    /// The answer to each of `all`, in their order; on PostgreSQL in one query.
    ///
    /// # Errors
    /// Those of the query.
    fn answer_each(connection: &mut DbConnection, all: &[Self]) -> QueryResult<Vec<Self::Answer>>;
}

/// Looks things of one kind up for all requests of the process.
pub struct Lookups<L: Lookup> {
    database: Database,
    /// `None`: each is looked up where it is asked for.
    batches: Option<Batches<L>>,
}

/// What waits for the next query, and the threads that send it.
struct Batches<L: Lookup> {
    queue: Sender<Waiting<L>>,
    threads: Threads,
}

/// A lookup, and whoever waits for its answer.
struct Waiting<L: Lookup> {
    lookup: L,
    answer: oneshot::Sender<Found<L>>,
}

type Found<L> = Result<Result<<L as Lookup>::Answer, DbError>, Panic>;

impl<L: Lookup> Lookups<L> {
    /// In `database`; on PostgreSQL with threads that end when this is dropped.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn start(database: Database, panics: &Panics) -> std::io::Result<Self> {
        if let DatabaseUrl::Sqlite(_) = database.url() {
            return Ok(Self { database, batches: None });
        }
        let (queue, waiting) = channel();
        let work = {
            let database = database.clone();
            move |panics: &ThreadPanics, batch| answer_batch::<L>(&database, panics, batch)
        };
        let threads = Threads::start(THREADS, (waiting, MOST_TOGETHER), &panics.of("lookups"), || {}, work)?;
        Ok(Self { database, batches: Some(Batches { queue, threads }) })
    }

    /// Whether none of the threads has ended.
    pub fn are_threads_there(&self) -> bool {
        self.batches.as_ref().is_none_or(|batches| batches.threads.are_all_there())
    }

    /// The answer to `lookup`, within the time that a request waits for a connection.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn look_up(&self, lookup: L) -> Result<L::Answer, DbError> {
        let Some(Batches { queue, .. }) = &self.batches else {
            return self.database.lookup(move |connection| lookup.answer(connection)).await;
        };
        let (answer, answered) = oneshot::channel();
        let unavailable = |text: &str| DbError::Unavailable(text.to_owned());
        let gone = || unavailable("the thread that asks it is gone");
        queue.send(Waiting { lookup, answer }).map_err(|_| gone())?;
        let answered = tokio::time::timeout(POOL_PATIENCE, answered).await;
        match answered.map_err(|_| unavailable("it does not answer in time"))? {
            Ok(Ok(found)) => found,
            // A mistake in the lookup, and no state of the database.
            Ok(Err(panic)) => panic.resume(),
            Err(_) => Err(gone()),
        }
    }
}

/// Looks up what waits, and tells each of those who wait for it, also where that panics.
fn answer_batch<L: Lookup>(database: &Database, panics: &ThreadPanics, batch: Vec<Waiting<L>>) {
    let all: Vec<L> = batch.iter().map(|waiting| waiting.lookup.clone()).collect();
    match panics.survive(|| database.read_now(|connection| L::answer_each(connection, &all))) {
        Ok(Ok(found)) => batch.into_iter().zip(found).for_each(|(waiting, found)| waiting.tell(Ok(Ok(found)))),
        Ok(Err(error)) => batch.into_iter().for_each(|waiting| waiting.tell(Ok(Err(error.clone())))),
        Err(panic) => batch.into_iter().for_each(|waiting| waiting.tell(Err(panic.clone()))),
    }
}

impl<L: Lookup> Waiting<L> {
    fn tell(self, found: Found<L>) {
        // Whoever has given up on it does not want to know.
        let _ = self.answer.send(found);
    }
}
