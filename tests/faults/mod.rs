//! Faults, made to happen: each test first proves that its fault is there.

mod crowd;
mod killed;
mod postgres_away;
mod postgres_read_only;
mod sqlite_cannot_write;

use latchkey::clock::Clock;
use latchkey::models::keys::token::{Token, TokenAction};
use latchkey::secret::Secret;

use crate::support::database::TestDatabase;
use crate::support::log;

/// As many API access keys as a test wants, all of the first person: their ids and secrets.
fn make_keys(database: &TestDatabase, count: usize) -> Vec<(i64, String)> {
    let (mut connection, now) = (database.connect(), Clock::system().now());
    let make = |_| {
        let secret = Secret::generate();
        let token = Token::insert(&mut connection, 1, TokenAction::Api, &secret, now).expect("a key");
        log::note_secret(secret.expose());
        (token.id, secret.expose().to_owned())
    };
    (0..count).map(make).collect()
}

/// Whether the row of a token says that it was never used.
fn is_unused(database: &TestDatabase, id: i64) -> bool {
    database.number(&format!("SELECT count(*) AS number FROM tokens WHERE id = {id} AND updated_on IS NULL")) == 1
}
