//! Random uses, clock moves, crashes, stops, and times at which nothing can be written. Whatever happens: no key is called
//! safe to end that was used within the span, and after a crash exactly those keys have a gap whose latest use it caught
//! unwritten.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use latchkey::clock::{Clock, Timestamp};
use latchkey::db::DbConnection;
use latchkey::metrics::Flushes;
use latchkey::models::client::Caller;
use latchkey::models::keys::key::Key as OwnedKey;
use latchkey::models::keys::token::{Token, TokenAction};
use latchkey::models::keys::verdict::{IN_USE_FOR, UNUSED_AFTER, Verdict};
use latchkey::recorder::last_use::LastUse;
use latchkey::recorder::unrecorded::Unrecorded;
use latchkey::recorder::wake_up::WakeUp;
use latchkey::secret::Secret;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rstest::rstest;
use tokio::runtime::Runtime;

use crate::support::database::TestDatabase;
use crate::support::site::start_time;
use crate::support::*;

const KEYS: usize = 3;
const CALLER: Caller<'static> = Caller { address: IpAddr::V4(Ipv4Addr::LOCALHOST), agent: b"curl/8.5" };

#[derive(Clone, Copy, Debug)]
enum Step {
    Use {
        key: usize,
    },
    MoveClock {
        hours: i64,
    },
    /// From now on nothing can be written, or it can again.
    Outage {
        begins: bool,
    },
    /// The process dies, and another one starts.
    Crash,
    /// The process stops as it should, and another one starts.
    Stop,
    Reset {
        key: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let hours = prop_oneof![4 => 1..48i64, 2 => (24 * 20)..(24 * 40i64), 1 => (24 * 80)..(24 * 100i64)];
    prop_oneof![
        8 => (0..KEYS).prop_map(|key| Step::Use { key }),
        6 => hours.prop_map(|hours| Step::MoveClock { hours }),
        3 => any::<bool>().prop_map(|begins| Step::Outage { begins }),
        2 => Just(Step::Crash),
        1 => Just(Step::Stop),
        1 => (0..KEYS).prop_map(|key| Step::Reset { key }),
    ]
}

/// What really happened to a key.
#[derive(Clone, Copy, Debug, Default)]
struct Truth {
    last_use: Option<Timestamp>,
    /// Its latest use is written.
    is_written: bool,
    /// A crash found its latest use unwritten.
    has_gap: bool,
}

struct World {
    runtime: Runtime,
    connection: DbConnection,
    clock: Clock,
    file: PathBuf,
    process: LastUse,
    is_out: bool,
    ids: Vec<i64>,
    truth: Vec<Truth>,
}

impl World {
    fn new(database: &TestDatabase, file: PathBuf) -> Self {
        let clock = Clock::standing(start_time());
        let mut world = Self {
            runtime: runtime(),
            connection: database.connect(),
            process: process(&clock, Unrecorded::open(&file).0),
            clock,
            file,
            is_out: false,
            ids: Vec::new(),
            truth: vec![Truth::default(); KEYS],
        };
        world.ids = (0..KEYS).map(|_| world.make_key()).collect();
        world
    }

    fn make_key(&mut self) -> i64 {
        let now = self.clock.now();
        let made = Token::insert(&mut self.connection, 1, TokenAction::Api, &Secret::generate(), now);
        made.expect("a key").id
    }

    fn key(&mut self, key: usize) -> OwnedKey {
        OwnedKey::find(&mut self.connection, 1, self.ids[key]).expect("a query").expect("a key")
    }

    /// What the recorder does by itself, while it can.
    fn write(&mut self) {
        if self.is_out {
            self.process.keep_waiting();
        } else {
            self.process.write_first_uses(&mut self.connection).expect("a write");
            self.process.write_due(&mut self.connection).expect("a write");
            self.truth.iter_mut().for_each(|truth| truth.is_written |= truth.last_use.is_some());
        }
    }

    /// Another process takes the place of this one, which has died.
    fn start(&mut self) {
        // Every thread of the one that died is gone, and so is its lock on the file.
        self.process = process(&self.clock, Unrecorded::nowhere());
        self.runtime = runtime();
        let (unrecorded, left) = Unrecorded::open(&self.file);
        self.process = process(&self.clock, unrecorded);
        self.process.take_over(&mut self.connection, &left).expect("a query");
        self.write();
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Use { key } => {
                let token = self.key(key).current;
                self.runtime.block_on(self.process.touch(&token, CALLER));
                let used_on = self.clock.now().max(token.created_on + TimeDelta::microseconds(1));
                let truth = &mut self.truth[key];
                let is_written = truth.is_written && truth.last_use == Some(used_on);
                *truth = Truth { last_use: Some(used_on), is_written, ..*truth };
                self.write();
            }
            Step::MoveClock { hours } => {
                self.clock.set(self.clock.now() + TimeDelta::hours(hours));
                self.write();
            }
            Step::Outage { begins } => {
                self.is_out = begins;
                self.write();
            }
            Step::Crash => {
                for truth in &mut self.truth {
                    truth.has_gap |= truth.last_use.is_some() && !truth.is_written;
                }
                // A gap takes some time; after a minute, each use can be written. The first use of a key in the moment of
                // its creation stands a microsecond later.
                self.clock.set(self.clock.now() + TimeDelta::minutes(1) + TimeDelta::microseconds(1));
                self.start();
            }
            Step::Stop => {
                self.is_out = false;
                self.write();
                self.process.write_all(&mut self.connection).expect("a write");
                self.start();
            }
            Step::Reset { key } => {
                Token::delete(&mut self.connection, self.ids[key]).expect("a query");
                self.ids[key] = self.make_key();
                self.truth[key] = Truth::default();
            }
        }
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let now = self.clock.now();
        for number in 0..KEYS {
            let (key, truth) = (self.key(number), self.truth[number]);
            let known = key.evidence(key.last_use(|token| self.process.of(token)));
            prop_assert_eq!(known.last_use.is_some(), truth.last_use.is_some(), "key {}: {:?}", number, known);
            // Once it can be written, the gap is noted: of those keys and of no others.
            let has_gap = known.recorded_later().is_some();
            prop_assert!(has_gap == truth.has_gap || (self.is_out && !has_gap), "key {number}: {known:?} {truth:?}");
            // A gap that cannot be noted yet: nothing is ended meanwhile, as that cannot be written either.
            let is_safe = known.verdict(now).is_safe_to_end() && !(truth.has_gap && self.is_out);
            prop_assert!(!is_safe || truth.last_use.is_none_or(|it| now - it >= IN_USE_FOR), "key {number}: {truth:?}");
            prop_assert!(!is_safe || now - known.quiet_since() >= UNUSED_AFTER, "key {number}: {known:?}");
            let is_in_use = truth.last_use.is_some_and(|last_use| now - last_use < IN_USE_FOR);
            if !truth.has_gap {
                prop_assert_eq!(known.verdict(now) == Verdict::InUse, is_in_use, "key {}: {:?}", number, known);
            }
        }
        Ok(())
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

/// Answers before a first use is written, as with a database that is too slow.
fn process(clock: &Clock, unrecorded: Unrecorded) -> LastUse {
    LastUse::new(clock.clone(), Duration::ZERO, Arc::new(WakeUp::default()), unrecorded, Flushes::default())
}

#[rstest]
fn no_key_is_safe_to_end_that_was_used_within_the_span(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    CommandLine::on(&database).add_user("alice", PASSWORD);
    let cases = if db == Sqlite { 100 } else { 30 };
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let held = runner.run(&vec(step(), 1..40), |steps| take_all(&database, &steps));
    held.unwrap_or_else(|error| panic!("{error}"));
}

/// The first use of a key in the moment of its creation stands a microsecond later than it.
#[rstest]
fn a_key_that_was_used_in_the_moment_of_its_creation_has_a_gap_only_if_a_later_use_is_lost(
    #[values(Sqlite, Postgres)] db: Db,
) {
    let database = TestDatabase::migrated(db);
    CommandLine::on(&database).add_user("alice", PASSWORD);
    let used = Step::Use { key: 1 };
    let steps = [used, Step::Crash, used, Step::Outage { begins: true }, Step::Crash, Step::Outage { begins: false }];
    take_all(&database, &steps).unwrap_or_else(|error| panic!("{error}"));
}

/// Takes `steps` with new keys, and checks what is known after each.
fn take_all(database: &TestDatabase, steps: &[Step]) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut world = World::new(database, folder.path().join("unrecorded"));
    for &step in steps {
        world.take(step);
        world.check()?;
    }
    Ok(())
}
