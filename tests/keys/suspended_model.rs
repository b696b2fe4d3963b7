//! Random suspensions, switches, moves of the clock and looks of the recorder, on one key with two secrets: after each,
//! both are answered or refused as a simple model says, and the key is there for as long as it says.

use chrono::TimeDelta;
use latchkey::clock::Timestamp;
use latchkey::db::{DbConnection, transaction};
use latchkey::models::keys::key::KeyRefusal;
use latchkey::models::keys::key_request::{KeyPolicy, NewKey};
use latchkey::models::keys::scope::KeyScopes;
use latchkey::models::keys::suspension::{Afterwards, NewSuspension, SuspensionSpan};
use latchkey::models::keys::token::{Claim, Presented, Token, TokenAction};
use latchkey::models::tx::Tx;
use latchkey::secret::Digest;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use rstest::rstest;

use super::*;
use crate::support::database::TestDatabase;
use crate::support::site::start_time;

#[derive(Clone, Copy, Debug)]
enum Step {
    Suspend(NewSuspension),
    Resume,
    MoveClock(TimeDelta),
    /// The recorder looks for suspensions that are over.
    Tidy,
}

fn step() -> impl Strategy<Value = Step> {
    let suspension = (select(SuspensionSpan::ALL.to_vec()), select(Afterwards::ALL.to_vec()));
    let suspension = suspension.prop_filter_map("no contradiction", |(span, then)| NewSuspension::new(span, then).ok());
    let spans = vec![
        TimeDelta::microseconds(1),
        TimeDelta::minutes(30),
        TimeDelta::hours(1) - TimeDelta::microseconds(1),
        TimeDelta::hours(1),
        TimeDelta::days(1),
        TimeDelta::days(6),
    ];
    prop_oneof![
        3 => suspension.prop_map(Step::Suspend),
        1 => Just(Step::Resume),
        4 => select(spans).prop_map(Step::MoveClock),
        2 => Just(Step::Tidy),
    ]
}

/// What is known of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Model {
    Works,
    /// Until somebody switches it on.
    Open,
    UntilItWorks(Timestamp),
    UntilItIsRevoked(Timestamp),
    Gone,
}

impl Model {
    fn is_answered(self, now: Timestamp) -> bool {
        match self {
            Self::Works => true,
            Self::UntilItWorks(at) => at <= now,
            Self::Open | Self::UntilItIsRevoked(_) | Self::Gone => false,
        }
    }

    fn is_over(self, now: Timestamp) -> bool {
        matches!(self, Self::UntilItIsRevoked(at) if at <= now) || self == Self::Gone
    }

    /// When it works again by itself.
    fn works_from(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Works => Some(now),
            Self::UntilItWorks(at) => Some(at.max(now)),
            Self::Open | Self::UntilItIsRevoked(_) | Self::Gone => None,
        }
    }
}

struct World<'a> {
    connection: &'a mut DbConnection,
    user_id: i64,
    key: i64,
    secrets: Vec<Digest>,
    now: Timestamp,
    model: Model,
}

impl<'a> World<'a> {
    fn new(connection: &'a mut DbConnection, user_id: i64) -> Self {
        let now = start_time();
        let policy = KeyPolicy { most_per_user: usize::MAX, usual_lifetime: None, longest_lifetime: None };
        let scopes = KeyScopes::of_words(["account:read"]).expect("scopes");
        let new = NewKey { name: "deploy".into(), note: String::new(), scopes, expiry: None, networks: None };
        let (key, secrets) = transaction(connection, |connection| {
            let mut tx = Tx::of_command_line(connection, now);
            let (key, first) = OwnedKey::make(&mut tx, user_id, &new, &policy)?;
            let (_, second) = OwnedKey::rotate(&mut tx, (UserId(user_id), KeyId(key.id)), Grace::Week)?;
            Ok::<_, KeyRefusal>((key.id, vec![first.digest(), second.digest()]))
        })
        .expect("a key");
        Self { connection, user_id, key, secrets, now, model: Model::Works }
    }

    fn write<T>(
        &mut self,
        work: impl FnOnce(&mut Tx<'_>, (UserId, KeyId)) -> Result<T, KeyRefusal>,
    ) -> Result<T, KeyRefusal> {
        let (now, ids) = (self.now, (UserId(self.user_id), KeyId(self.key)));
        transaction(self.connection, |connection| work(&mut Tx::of_command_line(connection, now), ids))
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        let now = self.now;
        match step {
            Step::MoveClock(span) => self.now += span,
            Step::Resume => {
                let done = self.write(OwnedKey::resume);
                prop_assert_eq!(done.is_err(), self.model.is_over(now), "{:?}", done);
                if done.is_ok() {
                    self.model = Model::Works;
                }
            }
            Step::Suspend(new) => {
                let done = self.write(|tx, ids| OwnedKey::suspend(tx, ids, new));
                let Ok(key) = &done else {
                    let is_expected = self.model.is_over(now) || !self.model.is_answered(now);
                    prop_assert!(is_expected, "{:?}", done);
                    return Ok(());
                };
                let end = key.suspension(now).expect("it is suspended").end;
                let model = match (end.at(), end.afterwards()) {
                    (None, _) => Model::Open,
                    (Some(at), Afterwards::Resume) => Model::UntilItWorks(at),
                    (Some(at), Afterwards::Revoke) => Model::UntilItIsRevoked(at),
                };
                prop_assert!(!self.model.is_over(now), "what is revoked by now is gone for everybody");
                let (before, after) = (self.model.works_from(now), model.works_from(now));
                let is_later = after.is_none() || before.is_some_and(|before| Some(before) <= after);
                prop_assert!(is_later, "{:?} after {:?}", model, self.model);
                self.model = model;
            }
            Step::Tidy => {
                let ended = OwnedKey::with_ended_suspension(self.connection, now).expect("keys");
                for token in ended {
                    let end = self.write(|tx, _| {
                        OwnedKey::end_suspension(tx, &token).map_err(|it| KeyRefusal::Database(it.into()))
                    });
                    end.expect("its end");
                }
                if self.model.is_over(now) {
                    self.model = Model::Gone;
                } else if self.model.is_answered(now) {
                    self.model = Model::Works;
                }
            }
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        const ACCESS: &[TokenAction] = &[TokenAction::Access];
        let claims: Vec<_> = self
            .secrets
            .iter()
            .map(|digest| Claim { digest: *digest, actions: ACCESS, now: self.now, address: [127, 0, 0, 1].into() })
            .collect();
        let found = Token::find_each_active(self.connection, &claims).expect("a query");
        for found in found {
            let is_answered = matches!(found, Some(Presented::Valid(..)));
            // The first secret ends after a week of grace.
            if !matches!(found, Some(Presented::Over(_))) {
                prop_assert_eq!(is_answered, self.model.is_answered(self.now));
            }
            prop_assert_eq!(found.is_none(), self.model == Model::Gone);
        }
        Ok(())
    }
}

#[rstest]
fn a_suspended_key_does_what_a_simple_model_says(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    CommandLine::on(&database).add_user("alice", PASSWORD);
    let user_id = database.number("SELECT id AS number FROM users");
    let mut connection = database.connect();
    let cases = if db == Sqlite { 100 } else { 30 };
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let connection = std::cell::RefCell::new(&mut connection);
    let held = runner.run(&vec(step(), 1..30), |steps| {
        let mut connection = connection.borrow_mut();
        let mut world = World::new(&mut connection, user_id);
        world.check()?;
        for step in steps {
            world.take(step)?;
            world.check()?;
        }
        Ok(())
    });
    held.unwrap_or_else(|error| panic!("{error}"));
}
