//! "Last use, by service": where a key is used, counted in memory and written behind, "right to the request after a
//! clean stop".

mod counted;
mod faults;
mod kept;
mod model;
mod processes;
mod shown;

use std::net::IpAddr;
use std::time::Duration;

use latchkey::clock::{Clock, Timestamp};
use latchkey::db::Database;
use latchkey::metrics::Metrics;
use latchkey::models::retention::Retention;
use latchkey::models::services::uses::ServiceUsage;
use latchkey::recorder::Recorder;
use latchkey::recorder::service_uses::{ServiceCall, ServiceUses};

use crate::support::database::TestDatabase;
use crate::support::site::start_time;
use crate::support::*;

const CURL: &str = "curl/8.5.0";

/// Adds a service to the database, and gives its id.
pub fn add_service(database: &TestDatabase, name: &str) -> i64 {
    let title = name[..1].to_uppercase() + &name[1..];
    let time = "'2026-01-01 00:00:00'";
    database.execute(&format!(
        "INSERT INTO services (name, title, host, path, reading_methods, created_on, updated_on)
         VALUES ('{name}', '{title}', '{name}.example.org', '/', 'GET HEAD OPTIONS', {time}, {time})"
    ));
    database.number(&format!("SELECT id AS number FROM services WHERE name = '{name}'"))
}

/// Removes a service, with all that is known of it.
fn remove_service(database: &TestDatabase, id: i64) {
    database.execute(&format!("DELETE FROM services WHERE id = {id}"));
}

/// Adds Alice and so many keys, without a process; gives their ids.
fn add_keys(database: &TestDatabase, count: i64) -> Vec<i64> {
    CommandLine::on(database).add_user("alice", PASSWORD);
    let user_id = database.number("SELECT id AS number FROM users WHERE login = 'alice'");
    let digest = |n: i64| match database.url.file() {
        Some(_) => format!("x'{n:08x}'"),
        None => format!("'\\x{n:08x}'::bytea"),
    };
    let row = |n| format!("({user_id}, 'access', {}, 'wxyz', '2026-01-01 00:00:00', 'key {n}')", digest(n));
    let rows = (1..=count).map(row).collect::<Vec<_>>().join(", ");
    database.execute(&format!("INSERT INTO tokens (user_id, action, digest, hint, created_on, name) VALUES {rows}"));
    let first = database.number("SELECT min(id) AS number FROM tokens WHERE name = 'key 1'");
    (first..first + count).collect()
}

/// What a process has of its own: a clock and a recorder over a database that others may share.
struct Counting {
    clock: Clock,
    database: Database,
    recorder: Recorder,
}

impl Counting {
    fn on(database: &TestDatabase) -> Self {
        let clock = Clock::standing(start_time());
        let database = Database::open(&database.url).expect("a database");
        let patience = Duration::from_secs(30);
        let recorder = Recorder::start(
            database.clone(),
            clock.clone(),
            (patience, Retention::default()),
            None,
            &Metrics::default(),
        );
        Self { clock, database, recorder: recorder.expect("a recorder") }
    }

    fn uses(&self) -> &ServiceUses {
        &self.recorder.service_uses
    }

    /// The key is used on the service now, by curl.
    fn use_key(&self, key_id: i64, service_id: i64) {
        self.uses().count(&call(key_id, service_id, self.clock.now()));
    }

    /// What its pages show of a key.
    async fn usage(&self, key_id: i64) -> Vec<ServiceUsage> {
        self.uses().of(&self.database, key_id, self.clock.now().date()).await.expect("a query")
    }

    /// A clean stop; `false`: not everything could be written.
    fn stop(self) -> bool {
        self.recorder.stop()
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.recorder.stop();
    }
}

fn address() -> IpAddr {
    "192.0.2.7".parse().expect("an address")
}

pub fn call(key_id: i64, service_id: i64, at: Timestamp) -> ServiceCall<'static> {
    ServiceCall { key_id, service_id, address: address(), agent: CURL.as_bytes(), at }
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// How often the database says that a key was used on a service.
fn recorded(database: &TestDatabase, key_id: i64, service_id: i64) -> i64 {
    database.number(&format!(
        "SELECT CAST(coalesce(sum(times), 0) AS BIGINT) AS number FROM service_use_counts
         WHERE token_id = {key_id} AND service_id = {service_id}"
    ))
}

/// The days with use, as `MM-DD times`.
fn days(usage: &ServiceUsage) -> Vec<String> {
    let used = usage.days.iter().filter(|(_, times)| *times > 0);
    used.map(|(day, times)| format!("{} {times}", day.format("%m-%d"))).collect()
}
