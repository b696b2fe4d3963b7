//! What is asked of the database for every request: whose secret it is, and what services there are. On PostgreSQL, what
//! arrives while something else is being looked up shares the next query: the way there and back costs more than the
//! query does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use diesel::QueryResult;
use tokio::sync::oneshot;

use super::url::DatabaseUrl;
use super::{Database, DbConnection, DbError, POOL_PATIENCE};

/// Queries that are under way at the same time: while one is answered, the next gathers.
const THREADS: usize = 2;
/// What one query answers, at most.
const MOST_TOGETHER: usize = 100;

/// Something that is asked for every request.
pub trait Batched: Clone + Send + 'static {
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

/// Looks things of one kind up for every request of the process.
pub struct Lookups<A: Batched> {
    database: Database,
    /// `None`: each is looked up where it is asked for.
    queue: Option<Sender<Lookup<A>>>,
}

struct Lookup<A: Batched> {
    asked: A,
    answer: oneshot::Sender<Result<A::Answer, DbError>>,
}

impl<A: Batched> Lookups<A> {
    /// In `database`; on PostgreSQL with threads that end when this is dropped.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn start(database: Database) -> std::io::Result<Self> {
        if let DatabaseUrl::Sqlite(_) = database.url() {
            return Ok(Self { database, queue: None });
        }
        let (queue, lookups) = channel();
        let lookups = Arc::new(Mutex::new(lookups));
        for _ in 0..THREADS {
            let (database, lookups) = (database.clone(), lookups.clone());
            std::thread::Builder::new().name("lookups".into()).spawn(move || work_off(&database, &lookups))?;
        }
        Ok(Self { database, queue: Some(queue) })
    }

    /// The answer to `asked`, within the time that a request waits for a connection.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn look_up(&self, asked: A) -> Result<A::Answer, DbError> {
        let Some(queue) = &self.queue else {
            return self.database.lookup(move |connection| asked.answer(connection)).await;
        };
        let (answer, answered) = oneshot::channel();
        let unavailable = |text: &str| DbError::Unavailable(text.to_owned());
        let gone = || unavailable("the thread that asks it is gone");
        queue.send(Lookup { asked, answer }).map_err(|_| gone())?;
        let answered = tokio::time::timeout(POOL_PATIENCE, answered).await;
        answered.map_err(|_| unavailable("it does not answer in time"))?.unwrap_or_else(|_| Err(gone()))
    }
}

/// Looks up what waits, again and again, until nobody is left who could ask.
fn work_off<A: Batched>(database: &Database, queue: &Mutex<Receiver<Lookup<A>>>) {
    while let Some(lookups) = waiting(queue) {
        let all: Vec<A> = lookups.iter().map(|lookup| lookup.asked.clone()).collect();
        // A panic costs those who wait for this answer theirs, and nobody the thread.
        let found = catch_unwind(AssertUnwindSafe(|| database.read_now(|connection| A::answer_each(connection, &all))));
        match found {
            Ok(Ok(found)) => lookups.into_iter().zip(found).for_each(|(lookup, found)| lookup.tell(Ok(found))),
            Ok(Err(error)) => lookups.into_iter().for_each(|lookup| lookup.tell(Err(error.again()))),
            Err(_) => {}
        }
    }
}

/// Waits until there is something to look up, and takes all that there is then; `None`: nobody is left who could ask.
fn waiting<A: Batched>(queue: &Mutex<Receiver<Lookup<A>>>) -> Option<Vec<Lookup<A>>> {
    let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let first = queue.recv().ok()?;
    Some(std::iter::once(first).chain(queue.try_iter()).take(MOST_TOGETHER).collect())
}

impl<A: Batched> Lookup<A> {
    fn tell(self, found: Result<A::Answer, DbError>) {
        // Whoever has given up on it does not want to know.
        let _ = self.answer.send(found);
    }
}
