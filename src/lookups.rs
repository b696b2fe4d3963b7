//! What the secrets of requests are looked up with. On PostgreSQL, those that arrive while others are being looked up
//! share the next query: the way there and back costs more than the query does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::config::DatabaseUrl;
use crate::db::{Database, DbError, POOL_PATIENCE};
use crate::models::token::{Claim, Presented, Token};

/// Queries that are under way at the same time: while one is answered, the next gathers.
const THREADS: usize = 2;
/// Secrets in one query, at most.
const MOST_TOGETHER: usize = 100;

/// Looks tokens up for every request of the process.
pub struct Lookups {
    database: Database,
    /// `None`: each is looked up where it is asked for.
    queue: Option<Sender<Lookup>>,
}

struct Lookup {
    claim: Claim,
    answer: oneshot::Sender<Result<Option<Presented>, DbError>>,
}

impl Lookups {
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

    /// [`Token::find_active`], within the time that a request waits for a connection.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find_active(&self, claim: Claim) -> Result<Option<Presented>, DbError> {
        let Some(queue) = &self.queue else {
            return self.database.lookup(move |connection| Token::find_active(connection, &claim)).await;
        };
        let (answer, answered) = oneshot::channel();
        let unavailable = |text: &str| DbError::Unavailable(text.to_owned());
        let gone = || unavailable("the thread that asks it is gone");
        queue.send(Lookup { claim, answer }).map_err(|_| gone())?;
        let answered = tokio::time::timeout(POOL_PATIENCE, answered).await;
        answered.map_err(|_| unavailable("it does not answer in time"))?.unwrap_or_else(|_| Err(gone()))
    }
}

/// Looks up what waits, again and again, until nobody is left who could ask.
fn work_off(database: &Database, queue: &Mutex<Receiver<Lookup>>) {
    while let Some(lookups) = waiting(queue) {
        let claims: Vec<Claim> = lookups.iter().map(|lookup| lookup.claim).collect();
        // A panic costs those who wait for this answer theirs, and nobody the thread.
        let found = catch_unwind(AssertUnwindSafe(|| {
            database.read_now(|connection| Token::find_each_active(connection, &claims))
        }));
        match found {
            Ok(Ok(found)) => lookups.into_iter().zip(found).for_each(|(lookup, found)| lookup.tell(Ok(found))),
            Ok(Err(error)) => lookups.into_iter().for_each(|lookup| lookup.tell(Err(error.again()))),
            Err(_) => {}
        }
    }
}

/// Waits until there is something to look up, and takes all that there is then; `None`: nobody is left who could ask.
fn waiting(queue: &Mutex<Receiver<Lookup>>) -> Option<Vec<Lookup>> {
    let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let first = queue.recv().ok()?;
    Some(std::iter::once(first).chain(queue.try_iter()).take(MOST_TOGETHER).collect())
}

impl Lookup {
    fn tell(self, found: Result<Option<Presented>, DbError>) {
        // Whoever has given up on it does not want to know.
        let _ = self.answer.send(found);
    }
}
