//! Random uses, clock moves, writes that succeed and fail, crashes and removals, over several keys, services and
//! processes; after each, rows and pages say what a simple model says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{NaiveDate, TimeDelta};
use diesel::connection::SimpleConnection;
use latchkey::clock::{Clock, ahead_of};
use latchkey::db::DbConnection;
use latchkey::models::keys::token::{Token, TokenAction};
use latchkey::recorder::wake_up::WakeUp;
use latchkey::secret::Secret;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rstest::rstest;
use tokio::runtime::Runtime;

use super::*;

const KEYS: usize = 2;
const SERVICES: usize = 2;
const PROCESSES: usize = 2;
const AGENTS: [&str; 3] = ["curl", "git", ""];

#[derive(Clone, Copy, Debug)]
enum Step {
    Use { process: usize, key: usize, service: usize, agent: usize },
    MoveClock { minutes: i64 },
    Write { process: usize },
    FailToWrite { process: usize },
    Crash { process: usize },
    RemoveKey { key: usize },
    RemoveService { service: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let process = || 0..PROCESSES;
    // Mostly within the day, sometimes weeks, and back.
    let minutes = prop_oneof![6 => 0..600i64, 2 => 1_440..60_000i64, 2 => -3_000..0i64];
    prop_oneof![
        12 => (process(), 0..KEYS, 0..SERVICES, 0..AGENTS.len())
            .prop_map(|(process, key, service, agent)| Step::Use { process, key, service, agent }),
        4 => minutes.prop_map(|minutes| Step::MoveClock { minutes }),
        4 => process().prop_map(|process| Step::Write { process }),
        3 => process().prop_map(|process| Step::FailToWrite { process }),
        1 => process().prop_map(|process| Step::Crash { process }),
        1 => (0..KEYS).prop_map(|key| Step::RemoveKey { key }),
        1 => (0..SERVICES).prop_map(|service| Step::RemoveService { service }),
    ]
}

/// What is known of a key on a service, somewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    last: Option<(Timestamp, &'static str)>,
    days: BTreeMap<NaiveDate, i64>,
}

impl Known {
    fn add(&mut self, other: &Self) {
        if other.last.map(|(on, _)| on) >= self.last.map(|(on, _)| on) {
            self.last = other.last.or(self.last);
        }
        for (day, times) in &other.days {
            *self.days.entry(*day).or_default() += times;
        }
    }

    fn of_usage(usage: &ServiceUsage) -> Self {
        let agent_of = |agent: &str| *AGENTS.iter().find(|it| **it == agent).expect("a known agent");
        Self {
            last: usage.last.as_ref().map(|last| (last.on, agent_of(&last.agent))),
            days: usage.days.iter().copied().filter(|(_, times)| *times > 0).collect(),
        }
    }

    /// What pages show of it.
    fn by(mut self, today: NaiveDate) -> Self {
        self.days.retain(|day, _| *day <= today && *day > today - TimeDelta::days(90));
        self
    }
}

type Each = BTreeMap<(usize, usize), Known>;

/// The real thing, and the model.
struct World<'a> {
    runtime: &'a Runtime,
    pool: &'a Database,
    connection: DbConnection,
    clock: Clock,
    /// The latest that the clock has shown.
    latest: Timestamp,
    /// It was ahead once. What was recorded then gives way to what came after, which the model is too simple for.
    was_ahead: bool,
    processes: Vec<ServiceUses>,
    key_ids: Vec<i64>,
    service_ids: Vec<i64>,
    database: &'a TestDatabase,
    rows: Each,
    pending: Vec<Each>,
}

impl<'a> World<'a> {
    fn new(database: &'a TestDatabase, pool: &'a Database, runtime: &'a Runtime) -> Self {
        let (mut connection, clock) = (database.connect(), Clock::standing(start_time()));
        Self {
            runtime,
            pool,
            processes: (0..PROCESSES).map(|_| process(&clock)).collect(),
            clock,
            latest: start_time(),
            was_ahead: false,
            key_ids: (0..KEYS).map(|_| make_key(&mut connection)).collect(),
            service_ids: (0..SERVICES).map(|_| make_service(database)).collect(),
            connection,
            database,
            rows: Each::new(),
            pending: vec![Each::new(); PROCESSES],
        }
    }

    fn take(&mut self, step: Step) {
        let now = self.clock.now();
        match step {
            Step::Use { process, key, service, agent } => {
                let (key_id, service_id, agent) = (self.key_ids[key], self.service_ids[service], AGENTS[agent]);
                let used = ServiceCall { agent: agent.as_bytes(), ..call(key_id, service_id, now) };
                self.processes[process].count(&used);
                let days = BTreeMap::from([(now.date(), 1)]);
                let known = self.pending[process].entry((key, service)).or_default();
                known.add(&Known { last: Some((now, agent)), days });
            }
            Step::MoveClock { minutes } => {
                let now = now + TimeDelta::minutes(minutes);
                self.clock.set(now);
                self.latest = self.latest.max(now);
                self.was_ahead |= self.latest > ahead_of(now);
            }
            Step::Write { process } => {
                self.processes[process].write(&mut self.connection, |_| Ok(())).expect("a write");
                for (of, known) in std::mem::take(&mut self.pending[process]) {
                    self.rows.entry(of).or_default().add(&known);
                }
            }
            Step::FailToWrite { process } => {
                let (refuse, take) = match &self.connection {
                    DbConnection::Sqlite(_) => ("PRAGMA query_only = 1", "PRAGMA query_only = 0"),
                    DbConnection::Postgres(_) => {
                        ("SET default_transaction_read_only = on", "SET default_transaction_read_only = off")
                    }
                };
                self.connection.batch_execute(refuse).expect("a setting");
                let written = self.processes[process].write_all(&mut self.connection);
                assert_eq!(written.is_ok(), self.pending[process].is_empty() && self.nobodys(process), "{written:?}");
                self.connection.batch_execute(take).expect("a setting");
            }
            Step::Crash { process: crashed } => {
                self.processes[crashed] = process(&self.clock);
                self.pending[crashed].clear();
            }
            Step::RemoveKey { key } => {
                Token::delete(&mut self.connection, self.key_ids[key]).expect("a query");
                self.key_ids[key] = make_key(&mut self.connection);
                self.forget(|(of_key, _)| of_key == key);
            }
            Step::RemoveService { service } => {
                remove_service(self.database, self.service_ids[service]);
                self.service_ids[service] = make_service(self.database);
                self.forget(|(_, of_service)| of_service == service);
            }
        }
    }

    /// Whether nothing waits, not even for what is gone.
    fn nobodys(&self, process: usize) -> bool {
        self.processes[process].pending() == 0
    }

    fn forget(&mut self, gone: impl Fn((usize, usize)) -> bool) {
        let all = self.pending.iter_mut().chain([&mut self.rows]);
        all.for_each(|each| each.retain(|of, _| !gone(*of)));
    }

    fn check(&mut self, step: Step) -> Result<(), TestCaseError> {
        let (now, was_ahead) = (self.clock.now(), self.was_ahead);
        let today = now.date();
        let known = |known: Known| if was_ahead { Known { last: None, ..known } } else { known };
        for key in 0..KEYS {
            let of_rows = ServiceUsage::of_key(&mut self.connection, self.key_ids[key], today).expect("a query");
            let pages = self.processes.iter().map(|process| {
                self.runtime.block_on(process.of(self.pool, self.key_ids[key], today)).expect("a query")
            });
            let pages: Vec<_> = pages.collect();
            for service in 0..SERVICES {
                let shown = |all: &[ServiceUsage]| {
                    let found = all.iter().find(|it| it.service_id == self.service_ids[service]);
                    found.map(Known::of_usage).unwrap_or_default()
                };
                let is_just_used = |number: usize| {
                    matches!(step,
                    Step::Use { process, key: used, service: on, .. } if (process, used, on) == (number, key, service))
                };
                for (number, page) in pages.iter().enumerate().filter(|(number, _)| is_just_used(*number)) {
                    let last = shown(page).last.map(|(on, _)| on);
                    prop_assert!(last >= Some(now) && last <= Some(ahead_of(now)), "process {}: {:?}", number, last);
                }
                let row = self.rows.get(&(key, service)).cloned().unwrap_or_default();
                prop_assert_eq!(known(shown(&of_rows)), known(row.clone().by(today)), "rows of {} on {}", key, service);
                for (process, page) in pages.iter().enumerate() {
                    let mut expected = row.clone();
                    if let Some(pending) = self.pending[process].get(&(key, service)) {
                        expected.add(pending);
                    }
                    prop_assert_eq!(
                        known(shown(page)),
                        known(expected.by(today)),
                        "process {}: {} on {}",
                        process,
                        key,
                        service
                    );
                }
            }
        }
        Ok(())
    }
}

fn process(clock: &Clock) -> ServiceUses {
    // Nobody's recorder is to be waited for: the test writes itself.
    ServiceUses::new(clock.clone(), Arc::new(WakeUp::default()))
}

fn make_key(connection: &mut DbConnection) -> i64 {
    let made = Token::insert(connection, 1, TokenAction::Access, &Secret::generate(), start_time());
    made.expect("a key").id
}

fn make_service(database: &TestDatabase) -> i64 {
    static MADE: AtomicU32 = AtomicU32::new(0);
    add_service(database, &format!("service-{}", MADE.fetch_add(1, Ordering::Relaxed)))
}

#[rstest]
fn rows_and_pages_say_what_a_simple_model_says(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    CommandLine::on(&database).add_user("alice", PASSWORD);
    let pool = Database::open(&database.url).expect("a database");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let cases = if db == Sqlite { 60 } else { 20 };
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let held = runner.run(&vec(step(), 1..40), |steps| {
        let mut world = World::new(&database, &pool, &runtime);
        for step in steps {
            world.take(step);
            world.check(step)?;
        }
        world.service_ids.iter().for_each(|id| remove_service(&database, *id));
        Ok(())
    });
    held.unwrap_or_else(|error| panic!("{error}"));
}
