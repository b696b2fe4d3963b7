//! Random uses, clock moves, writes, crashes, stops and resets, over several keys and processes; after each, what the
//! pages would show is what a simple model says. Once the clock was ahead and is set back, what was recorded meanwhile
//! gives way to true uses, by how each process knows the row. The model is too simple for that, and what every use then
//! leads to is asked instead.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use chrono::TimeDelta;
use latchkey::clock::{Clock, Timestamp, ahead_of};
use latchkey::db::DbConnection;
use latchkey::metrics::Flushes;
use latchkey::models::client::Caller;
use latchkey::models::keys::token::{Token, TokenAction};
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
const PROCESSES: usize = 3;
const CALLER: Caller<'static> = Caller { address: IpAddr::V4(Ipv4Addr::LOCALHOST), agent: b"curl/8.5" };

#[derive(Clone, Copy, Debug)]
enum Step {
    Use {
        process: usize,
        key: usize,
    },
    /// Reads a key's row, as a request does that then takes its time.
    Read {
        key: usize,
    },
    /// Uses what was last read of a key, whatever has happened to it since.
    UseWhatWasRead {
        process: usize,
        key: usize,
    },
    MoveClock {
        seconds: i64,
    },
    WriteDue {
        process: usize,
    },
    Stop {
        process: usize,
    },
    Crash {
        process: usize,
    },
    Reset {
        key: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (process, key) = (0..PROCESSES, 0..KEYS);
    // Mostly less than a minute, sometimes hours, and back.
    let seconds = prop_oneof![12 => 0..45i64, 4 => 45..200i64, 2 => 3600..8000i64, 1 => -15..0i64, 1 => -4000..0i64];
    prop_oneof![
        8 => (process.clone(), key.clone()).prop_map(|(process, key)| Step::Use { process, key }),
        2 => key.clone().prop_map(|key| Step::Read { key }),
        4 => (process.clone(), key.clone()).prop_map(|(process, key)| Step::UseWhatWasRead { process, key }),
        6 => seconds.prop_map(|seconds| Step::MoveClock { seconds }),
        4 => process.clone().prop_map(|process| Step::WriteDue { process }),
        1 => process.clone().prop_map(|process| Step::Stop { process }),
        1 => process.prop_map(|process| Step::Crash { process }),
        1 => key.prop_map(|key| Step::Reset { key }),
    ]
}

/// What is known of a key: what its row says, and what each process has not written yet.
#[derive(Clone, Copy, Debug)]
struct ModelKey {
    created_on: Timestamp,
    row: Option<Timestamp>,
    pending: [Option<Timestamp>; PROCESSES],
}

impl ModelKey {
    fn new(created_on: Timestamp) -> Self {
        Self { created_on, row: None, pending: [None; PROCESSES] }
    }

    fn use_it(&mut self, process: usize, now: Timestamp) {
        let used_on = now.max(self.created_on + TimeDelta::microseconds(1));
        self.pending[process] = self.pending[process].max(Some(used_on));
        // A first use is written before the answer.
        if self.row.is_none() {
            self.row = self.pending[process];
        }
        self.forget(process);
    }

    fn write_due(&mut self, process: usize, now: Timestamp) {
        if self.row.is_none_or(|row| row <= now - TimeDelta::minutes(1)) {
            self.stop(process);
        }
    }

    fn stop(&mut self, process: usize) {
        self.row = self.row.max(self.pending[process]);
        self.forget(process);
    }

    /// What the row says is not pending.
    fn forget(&mut self, process: usize) {
        self.pending[process] = self.pending[process].filter(|used_on| Some(*used_on) > self.row);
    }

    fn page(&self, process: usize) -> Option<Timestamp> {
        self.row.max(self.pending[process])
    }
}

/// The real thing: processes that share a database.
struct World {
    runtime: Runtime,
    connection: DbConnection,
    clock: Clock,
    /// The latest that the clock has shown.
    latest: Timestamp,
    /// It was ahead once.
    was_ahead: bool,
    processes: Vec<LastUse>,
    ids: Vec<i64>,
    read: Vec<Token>,
    model: Vec<ModelKey>,
}

impl World {
    fn new(database: &TestDatabase) -> Self {
        let clock = Clock::standing(start_time());
        let mut world = Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime"),
            connection: database.connect(),
            processes: (0..PROCESSES).map(|_| process(&clock)).collect(),
            clock,
            latest: start_time(),
            was_ahead: false,
            ids: Vec::new(),
            read: Vec::new(),
            model: Vec::new(),
        };
        for _ in 0..KEYS {
            let id = world.make_key();
            world.ids.push(id);
            let token = world.row(world.ids.len() - 1);
            world.read.push(token);
            world.model.push(ModelKey::new(world.clock.now()));
        }
        world
    }

    fn make_key(&mut self) -> i64 {
        let now = self.clock.now();
        let made = Token::insert(&mut self.connection, 1, TokenAction::Api, &Secret::generate(), now);
        made.expect("a key").id
    }

    fn row(&mut self, key: usize) -> Token {
        Token::find(&mut self.connection, self.ids[key]).expect("a query").expect("a key")
    }

    fn touch(&mut self, process: usize, token: &Token) {
        let Self { runtime, connection, processes, .. } = self;
        let last_use = &processes[process];
        // The recorder's part is done when the request waits for it.
        let write = async { last_use.write_first_uses(connection).expect("a write") };
        runtime.block_on(async { tokio::join!(last_use.touch(token, CALLER), write) });
    }

    fn take(&mut self, step: Step) {
        let now = self.clock.now();
        match step {
            Step::Use { process, key } => {
                let token = self.row(key);
                self.touch(process, &token);
                self.model[key].use_it(process, now);
            }
            Step::Read { key } => self.read[key] = self.row(key),
            Step::UseWhatWasRead { process, key } => {
                let token = self.read[key].clone();
                self.touch(process, &token);
                // A use of a key that is gone counts for nobody.
                if token.id == self.ids[key] {
                    self.model[key].use_it(process, now);
                }
            }
            Step::MoveClock { seconds } => {
                let now = now + TimeDelta::seconds(seconds);
                self.clock.set(now);
                self.latest = self.latest.max(now);
                self.was_ahead |= self.latest > ahead_of(now);
            }
            Step::WriteDue { process } => {
                self.processes[process].write_due(&mut self.connection).expect("a write");
                self.model.iter_mut().for_each(|key| key.write_due(process, now));
            }
            Step::Stop { process: stopped } => {
                self.processes[stopped].write_all(&mut self.connection).expect("a write");
                self.processes[stopped] = process(&self.clock);
                self.model.iter_mut().for_each(|key| key.stop(stopped));
            }
            Step::Crash { process: crashed } => {
                self.processes[crashed] = process(&self.clock);
                self.model.iter_mut().for_each(|key| key.pending[crashed] = None);
            }
            Step::Reset { key } => {
                Token::delete(&mut self.connection, self.ids[key]).expect("a query");
                self.ids[key] = self.make_key();
                self.model[key] = ModelKey::new(now);
            }
        }
    }

    /// What is so whatever the clock did: whoever has just used a key reads no time of a clock that was ahead, and once
    /// that use is due neither does anybody else.
    fn check_use(&mut self, process: usize, key: usize) -> Result<(), TestCaseError> {
        let (now, token) = (self.clock.now(), self.row(key));
        let earliest = now.max(token.created_on);
        let is_true = |time: Option<Timestamp>| time >= Some(earliest) && time <= Some(ahead_of(earliest));
        let page = self.processes[process].of(&token);
        prop_assert!(is_true(page), "key {} on the page of process {} at {}: {:?}", key, process, now, page);
        if token.recorded_use().is_some_and(|row| row > ahead_of(earliest)) {
            self.processes[process].write_due(&mut self.connection).expect("a write");
            let row = self.row(key).recorded_use();
            prop_assert!(is_true(row), "the row of key {} at {}: {:?}", key, now, row);
        }
        Ok(())
    }

    fn check(&mut self, step: Step) -> Result<(), TestCaseError> {
        if let Step::Use { process, key } = step {
            self.check_use(process, key)?;
        }
        let compared = if self.was_ahead { 0 } else { KEYS };
        for key in 0..compared {
            let (token, model) = (self.row(key), self.model[key]);
            prop_assert_eq!(token.recorded_use(), model.row, "the row of key {}", key);
            for (number, process) in self.processes.iter().enumerate() {
                prop_assert_eq!(
                    process.of(&token),
                    model.page(number),
                    "key {} on the page of process {}",
                    key,
                    number
                );
            }
        }
        Ok(())
    }
}

fn process(clock: &Clock) -> LastUse {
    // Nobody's recorder is to be waited for: the test writes itself.
    let (patience, wake_up) = (std::time::Duration::from_secs(30), Arc::new(WakeUp::default()));
    LastUse::new(clock.clone(), patience, wake_up, Unrecorded::nowhere(), Flushes::default())
}

#[rstest]
fn what_pages_show_is_what_a_simple_model_says(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    CommandLine::on(&database).add_user("alice", PASSWORD);
    let cases = if db == Sqlite { 200 } else { 60 };
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let held = runner.run(&vec(step(), 1..60), |steps| {
        let mut world = World::new(&database);
        let mut rows = [None; KEYS];
        for step in steps {
            world.take(step);
            world.check(step)?;
            // Whatever the model says: what a row says is never forgotten, and never moves backwards unless it lies in
            // the future.
            for (key, before) in rows.iter_mut().enumerate() {
                let is_ahead = *before > Some(ahead_of(world.clock.now()));
                let row = world.row(key).recorded_use();
                let is_new = matches!(step, Step::Reset { key: reset } if reset == key);
                prop_assert!(
                    is_new || row >= *before || (row.is_some() && is_ahead),
                    "key {}: {:?} after {:?}",
                    key,
                    row,
                    before
                );
                *before = row;
            }
        }
        Ok(())
    });
    held.unwrap_or_else(|error| panic!("{error}"));
}
