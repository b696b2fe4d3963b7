//! Panics in the middle of what Latchkey does. No request can provoke one, so the driver of the database does: it tells
//! of every query before it is sent, and what listens to it panics.

use std::panic::panic_any;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, ThreadId};

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};

use super::{Db, Site};

/// Some queries of a site panic until this is dropped.
pub struct PanickingQueries {
    number: usize,
    /// What the panic says.
    pub message: &'static str,
}

#[derive(Clone, Copy)]
struct Rule {
    number: usize,
    database: &'static str,
    thread: &'static str,
    query: &'static str,
    message: &'static str,
    deadly: bool,
}

static RULES: Mutex<Vec<Rule>> = Mutex::new(Vec::new());

fn rules() -> MutexGuard<'static, Vec<Rule>> {
    RULES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A site whose queries can be made to panic.
pub async fn site_that_may_panic(db: Db, flags: &[&str]) -> Site {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        let listener = || Some(Box::new(Listener::default()) as Box<dyn Instrumentation>);
        set_default_instrumentation(listener).expect("a driver that tells of its queries");
    });
    Site::start_with(db, flags).await
}

impl PanickingQueries {
    /// Those that contain `query`, on the threads of one name; on any if that is empty.
    pub fn on(site: &Site, thread: &'static str, query: &'static str) -> Self {
        Self::begin(site, thread, query, false)
    }

    /// The same, with a panic that ends the thread, whoever catches it.
    pub fn deadly(site: &Site, thread: &'static str, query: &'static str) -> Self {
        Self::begin(site, thread, query, true)
    }

    fn begin(site: &Site, thread: &'static str, query: &'static str, deadly: bool) -> Self {
        let database: &'static str = site.database.setting().leak();
        let message: &'static str = format!("a panic of the test in {thread} on {database}").leak();
        let mut rules = rules();
        let number = rules.last().map_or(0, |rule| rule.number + 1);
        rules.push(Rule { number, database, thread, query, message, deadly });
        Self { number, message }
    }
}

impl Drop for PanickingQueries {
    fn drop(&mut self) {
        rules().retain(|rule| rule.number != self.number);
    }
}

/// What a panic carries that nobody can catch for good: thrown away on its own thread, it panics once more.
pub struct Deadly(ThreadId);

impl Deadly {
    pub fn panic() -> ! {
        panic_any(Self(thread::current().id()))
    }
}

impl Drop for Deadly {
    fn drop(&mut self) {
        if thread::current().id() == self.0 && !thread::panicking() {
            Self::panic();
        }
    }
}

/// Hears of every query on one connection.
#[derive(Default)]
struct Listener {
    database: String,
}

impl Listener {
    fn rule_for(&self, query: &str) -> Option<Rule> {
        let here = thread::current();
        let is_here = |rule: &Rule| rule.thread.is_empty() || here.name() == Some(rule.thread);
        let rules = rules();
        rules.iter().find(|rule| rule.database == self.database && is_here(rule) && query.contains(rule.query)).copied()
    }
}

impl Instrumentation for Listener {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartEstablishConnection { url, .. } => {
                self.database = url.split('?').next().unwrap_or_default().to_owned();
            }
            InstrumentationEvent::StartQuery { query, .. } => match self.rule_for(&query.to_string()) {
                Some(Rule { deadly: true, .. }) => Deadly::panic(),
                Some(Rule { message, .. }) => panic_any(message),
                None => {}
            },
            _ => {}
        }
    }
}
