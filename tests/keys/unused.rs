//! "Unused keys end by themselves", where the operator wants it: the owner is told 14 days before, the key is suspended,
//! and revoked 30 days later if nobody switched it on.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use chrono::TimeDelta;
use latchkey::clock::{Clock, Timestamp};
use latchkey::db::{DbConnection, DbError, transaction};
use latchkey::metrics::Flushes;
use latchkey::models::client::Caller;
use latchkey::models::keys::key::KeyRefusal;
use latchkey::models::keys::key_request::{KeyPolicy, NewKey};
use latchkey::models::keys::scope::KeyScopes;
use latchkey::models::keys::token::{Token, TokenAction};
use latchkey::models::keys::unused;
use latchkey::models::tx::Tx;
use latchkey::recorder::last_use::LastUse;
use latchkey::recorder::unrecorded::Unrecorded;
use latchkey::recorder::wake_up::WakeUp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use rstest::rstest;
use tokio::runtime::Runtime;

use super::*;
use crate::support::database::TestDatabase;
use crate::support::site::start_time;

const AFTER_60_DAYS: &[&str] = &["--unused-keys=60d"];
const MOMENT: TimeDelta = TimeDelta::microseconds(1);
const CALLER: Caller<'static> = Caller { address: IpAddr::V4(Ipv4Addr::LOCALHOST), agent: b"curl/8.5" };

fn days(days: i64) -> TimeDelta {
    TimeDelta::days(days)
}

fn is_suspended(site: &Site, user: &User, key: &Key) -> bool {
    owned(site, user, key).expect("a key").suspension(site.clock.now()).is_some()
}

/// What was told of a key but that it was made and used, latest first.
fn told_of_end(site: &Site, user: &User) -> Vec<String> {
    let all = told(site, user).into_iter().map(|(headline, detail)| format!("{headline}: {detail}"));
    let others = ["created", "first used", "refused"];
    all.filter(|it| others.iter().all(|other| !it.contains(other))).collect()
}

#[rstest]
#[tokio::test]
async fn a_key_that_nobody_uses_is_told_of_suspended_and_revoked(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, AFTER_60_DAYS).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "never").await;
    assert_eq!(status(&site, &key).await, 200);
    site.flush().await;
    site.clock.set(site.recorded_use(&key).expect("a use") + days(46) - MOMENT);
    site.flush().await;
    assert_eq!(told_of_end(&site, &alice), [""; 0], "it is too early");
    let visitor = site.signed_in("alice").await;
    let path = format!("/my/tokens/{}", key.id);
    assert!(!visitor.get("/my/account").await.shows("will be suspended"));

    site.later(MOMENT);
    for _ in 0..2 {
        site.flush().await;
    }
    let will_be = "Access token “deploy” will be suspended: nobody uses it: not used since 2026-11-24";
    assert_eq!(told_of_end(&site, &alice), [will_be]);
    let account = visitor.get("/my/account").await;
    let told = "Access token “deploy” will be suspended in 14 days, because no program has used it since 24 Nov 2026.";
    assert!(account.shows(told), "{}", account.text());
    let page = visitor.get(&path).await;
    assert!(page.shows("This token will be suspended in 14 days, because no program has used it"), "{}", page.text());

    site.later(days(14) - MOMENT);
    site.flush().await;
    assert!(!is_suspended(&site, &alice, &key));
    site.later(MOMENT);
    for _ in 0..2 {
        site.flush().await;
        assert!(is_suspended(&site, &alice, &key));
    }
    assert_eq!(status(&site, &key).await, 401);
    let page = site.signed_in("alice").await.get(&path).await;
    assert!(page.shows("State Suspended will be revoked in 30 days"), "{}", page.text());
    let end = latchkey::clock::end_in_words(site.clock.now() + days(30));
    let suspended =
        format!("Access token “deploy” suspended: not used since 2026-11-24; until {end}, then it is revoked");
    assert_eq!(told_of_end(&site, &alice), [suspended.as_str(), will_be]);

    site.later(days(30) - MOMENT);
    site.flush().await;
    assert!(is_suspended(&site, &alice, &key));
    site.later(MOMENT);
    site.flush().await;
    assert!(owned(&site, &alice, &key).is_none());
    assert_eq!(told_of_end(&site, &alice)[0], "Access token “deploy” revoked at the end of its suspension: ");
}

/// Also of a key that was unused long before the setting was made: nobody is surprised.
#[rstest]
#[tokio::test]
async fn the_owner_is_told_14_days_before_in_any_case(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, AFTER_60_DAYS).await;
    let alice = site.add_user("alice").await;
    let keys = [
        site.add_access_token(&alice, "account:read", "never").await,
        site.add_key(&alice, TokenAction::Api).await,
        site.add_key(&alice, TokenAction::Feeds).await,
    ];
    site.later(days(400));
    site.flush().await;
    let visitor = site.signed_in("alice").await;
    for name in ["Access token “deploy”", "API access key", "Atom access key"] {
        let told = format!("{name} will be suspended in 14 days");
        assert!(visitor.get("/my/account").await.shows(&told), "{}", visitor.get("/my/account").await.text());
    }
    site.later(days(14) - MOMENT);
    site.flush().await;
    assert!(keys.iter().all(|key| !is_suspended(&site, &alice, key)));
    site.later(MOMENT);
    site.flush().await;
    assert!(keys.iter().all(|key| is_suspended(&site, &alice, key)));
}

/// A use by any secret, a new secret, and switching it on again each keep a key, whatever its owner was told.
#[rstest]
#[case::a_use("use")]
#[case::a_use_of_an_old_secret("old secret")]
#[case::a_new_secret("rotate")]
#[case::switched_on("resume")]
#[case::exempted("exempt")]
#[tokio::test]
async fn whoever_needs_it_keeps_it(#[case] how: &str, #[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, AFTER_60_DAYS).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "never").await;
    site.later(days(46));
    site.flush().await;
    assert_eq!(told_of_end(&site, &alice).len(), 1, "it has been told of");
    let (now, id) = (site.clock.now(), (UserId(alice.id), KeyId(key.id)));
    match how {
        "use" => assert_eq!(status(&site, &key).await, 200),
        "rotate" => drop(rotate(&site, &alice, &key, Grace::Week).await),
        "old secret" => {
            rotate(&site, &alice, &key, Grace::Week).await;
            site.later(days(6));
            assert_eq!(status(&site, &key).await, 200);
        }
        "resume" => {
            site.later(days(14));
            site.flush().await;
            assert!(is_suspended(&site, &alice, &key));
            site.write(move |tx| OwnedKey::resume(tx, id)).await;
        }
        _ => {
            site.write(move |tx| unused::exempt(tx, id, Some("it runs once a year"))).await;
        }
    }
    let from = if how == "exempt" { now } else { site.clock.now() };
    assert!(!site.signed_in("alice").await.get("/my/account").await.shows("will be suspended"), "{how}");
    site.clock.set(from + days(46) - MOMENT);
    site.flush().await;
    assert!(!is_suspended(&site, &alice, &key), "{how}");
    let before = told_of_end(&site, &alice).len();
    site.later(days(200));
    site.flush().await;
    site.later(days(14));
    site.flush().await;
    let expected = if how == "exempt" { (before, false) } else { (before + 2, true) };
    assert_eq!((told_of_end(&site, &alice).len(), is_suspended(&site, &alice, &key)), expected, "{how}");
}

#[rstest]
#[tokio::test]
async fn without_the_setting_nothing_ends(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "never").await;
    site.later(days(4000));
    site.flush().await;
    site.later(days(40));
    site.flush().await;
    assert_eq!((told_of_end(&site, &alice).len(), status(&site, &key).await), (0, 200));
}

/// An administrator exempts a key on its page, with a reason, and ends that again.
#[rstest]
#[tokio::test]
async fn an_administrator_exempts_a_key(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, AFTER_60_DAYS).await;
    site.add_admin("root").await;
    let bob = site.add_user("bob").await;
    let key = site.add_access_token(&bob, "account:read", "never").await;
    let path = format!("/admin/users/{}/keys/{}", bob.id, key.id);
    let root = site.signed_in("root").await;
    let page = root.get(&path).await;
    assert!(page.shows("If unused Suspended after 60 days without a use Change"), "{}", page.text());
    let asked = root.get(&format!("{path}/exempt")).await;
    let lead =
        "Keep “deploy” of Test Person bob although nobody uses it? A key that no program has used for 60 days is";
    assert!(asked.shows(lead), "{}", asked.text());
    let long = "x".repeat(501);
    let refused = root.post(&format!("{path}/exempt"), &[("because", &long)]).await;
    assert!(refused.status == 422 && refused.shows("Reason is too long (maximum is 500 characters)"));
    let exempted = root.post(&format!("{path}/exempt"), &[("because", " It runs once a year. ")]).await;
    assert_eq!((exempted.status, exempted.location()), (303, format!("{path}?notice=key_exempted").as_str()));
    let page = root.get(exempted.location()).await;
    assert!(page.shows("The key is kept although nobody uses it."), "{}", page.text());
    assert!(page.shows("If unused Kept: It runs once a year. Change"), "{}", page.text());
    assert_eq!(root.get(&format!("{path}/exempt")).await.value_of("because"), "It runs once a year.");
    let ended = root.post(&format!("{path}/exempt"), &[("because", "")]).await;
    assert_eq!(ended.location(), format!("{path}?notice=key_not_exempted"));
    let told = told_of_end(&site, &bob);
    let expected = [
        "Access token “deploy” no longer exempted from ending unused by root: ",
        "Access token “deploy” exempted from ending unused by root: It runs once a year.",
    ];
    assert_eq!(told, expected);
}

/// "Two processes do it once."
#[rstest]
#[tokio::test]
async fn two_processes_end_unused_keys_once(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    for _ in 0..10 {
        site.add_access_token(&alice, "account:read", "never").await;
    }
    for later in [days(60), days(14)] {
        site.later(later);
        let now = site.clock.now();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let look = |connection: &mut DbConnection| unused::look(connection, 0, (days(60), now));
                    let (quiet, up_to) = site.app.database.read_now(look).expect("keys");
                    assert_eq!(up_to, 0, "these were all");
                    for token in quiet {
                        let done = site.app.database.write_now(|connection| {
                            let mut tx = Tx::of_command_line(connection, now);
                            unused::follow(&mut tx, &token, days(60), Token::recorded_use).map_err(DbError::from)
                        });
                        done.expect("what is due");
                    }
                });
            }
        });
    }
    let told = told(&site, &alice);
    let times = |what: &str| told.iter().filter(|(headline, _)| headline.ends_with(what)).count();
    assert_eq!((times("nobody uses it"), times("suspended"), times("created")), (10, 10, 10));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Use {
        process: usize,
    },
    MoveClock(TimeDelta),
    /// Writes what is due of a process's uses.
    Write {
        process: usize,
    },
    /// A process is killed. Uses that it had not written, and that were no first ones, are lost.
    Crash {
        process: usize,
    },
    /// The recorder of a process looks for keys that nobody uses, once its uses are written.
    Look {
        process: usize,
    },
    Resume,
}

fn step() -> impl Strategy<Value = Step> {
    let spans = vec![TimeDelta::seconds(20), TimeDelta::minutes(2), days(1), days(10), days(14), days(25), days(60)];
    prop_oneof![
        3 => (0..2usize).prop_map(|process| Step::Use { process }),
        5 => select(spans).prop_map(Step::MoveClock),
        2 => (0..2usize).prop_map(|process| Step::Write { process }),
        1 => (0..2usize).prop_map(|process| Step::Crash { process }),
        5 => (0..2usize).prop_map(|process| Step::Look { process }),
        1 => Just(Step::Resume),
    ]
}

struct World<'a> {
    connection: DbConnection,
    runtime: &'a Runtime,
    clock: Clock,
    processes: Vec<LastUse>,
    ids: (UserId, KeyId),
    /// The last use of a process that is still there, or that was written.
    used_on: Option<Timestamp>,
    unwritten: [Option<Timestamp>; 2],
}

fn process(clock: &Clock) -> LastUse {
    // Nobody's recorder is to be waited for: the test writes itself.
    LastUse::new(
        clock.clone(),
        std::time::Duration::ZERO,
        Arc::new(WakeUp::default()),
        Unrecorded::nowhere(),
        Flushes::default(),
    )
}

impl World<'_> {
    fn write<T>(&mut self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, KeyRefusal>) -> Result<T, KeyRefusal> {
        let now = self.clock.now();
        transaction(&mut self.connection, |connection| work(&mut Tx::of_command_line(connection, now)))
    }

    fn key(&mut self) -> Option<OwnedKey> {
        OwnedKey::find(&mut self.connection, self.ids.0.0, self.ids.1.0).expect("a query")
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        let now = self.clock.now();
        let Some(key) = self.key() else { return Ok(()) };
        match step {
            Step::Use { process } if key.works(now) => {
                let used = self.processes[process].touch(&key.current, CALLER);
                self.runtime.block_on(used);
                // A first use is written before anything else happens.
                self.processes[process].write_first_uses(&mut self.connection).expect("a write");
                self.used_on = Some(now);
                self.unwritten[process] = Some(now);
            }
            Step::Use { .. } => {}
            Step::MoveClock(span) => self.clock.set(now + span),
            Step::Write { process } => {
                self.processes[process].write_due(&mut self.connection).expect("a write");
            }
            Step::Crash { process } => {
                self.processes[process] = self::process(&self.clock);
                if self.unwritten[process].is_some() && key.current.recorded_use() < self.unwritten[process] {
                    self.used_on = key.current.recorded_use().max(self.unwritten[1 - process]);
                }
                self.unwritten[process] = None;
            }
            Step::Look { process } => {
                // Another process has written what is a minute old, as it does every second.
                for process in &self.processes {
                    process.write_due(&mut self.connection).expect("a write");
                }
                let look = unused::look(&mut self.connection, 0, (days(60), now)).expect("keys");
                let last_use = &self.processes[process];
                for token in look.0 {
                    let follow = |connection: &mut DbConnection| {
                        let mut tx = Tx::of_command_line(connection, now);
                        unused::follow(&mut tx, &token, days(60), |secret| last_use.of(secret))
                    };
                    transaction(&mut self.connection, follow).expect("what is due");
                }
                let was_working = key.works(now);
                let works = self.key().is_some_and(|key| key.works(now));
                if was_working && !works {
                    let quiet = now - self.used_on.unwrap_or(key.created_on);
                    prop_assert!(quiet >= days(60), "it was used {} before it was ended", quiet);
                }
            }
            Step::Resume => {
                let ids = self.ids;
                // What is to be revoked by now cannot be switched on.
                if self.write(|tx| OwnedKey::resume(tx, ids)).is_ok() && !key.works(now) {
                    self.used_on = Some(now);
                }
            }
        }
        Ok(())
    }
}

/// "never ends a key that was used within the span", uses that wait in memory included.
#[rstest]
fn no_key_ends_that_was_used_within_the_span(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    CommandLine::on(&database).add_user("alice", PASSWORD);
    let user_id = database.number("SELECT id AS number FROM users");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let policy = KeyPolicy { most_per_user: usize::MAX, usual_lifetime: None, longest_lifetime: None };
    let cases = if db == Sqlite { 100 } else { 30 };
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let held = runner.run(&vec(step(), 1..40), |steps| {
        let clock = Clock::standing(start_time());
        let mut connection = database.connect();
        diesel::connection::SimpleConnection::batch_execute(&mut connection, "DELETE FROM tokens").expect("no keys");
        let scopes = KeyScopes::of_words(["account:read"]).expect("scopes");
        let new = NewKey { name: "deploy".into(), note: String::new(), scopes, expiry: None, networks: None };
        let make = |connection: &mut DbConnection| {
            OwnedKey::make(&mut Tx::of_command_line(connection, start_time()), user_id, &new, &policy)
        };
        let (key, _) = transaction(&mut connection, make).expect("a key");
        let processes = vec![process(&clock), process(&clock)];
        let ids = (UserId(user_id), KeyId(key.id));
        let mut world =
            World { connection, runtime: &runtime, clock, processes, ids, used_on: None, unwritten: [None; 2] };
        for step in steps {
            world.take(step)?;
        }
        Ok(())
    });
    held.unwrap_or_else(|error| panic!("{error}"));
}
