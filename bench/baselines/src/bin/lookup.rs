//! Measures how long the product takes to look up a token. `lookup DATABASE_URL TOKENS SECONDS` looks up tokens with
//! the secrets `bench-1` to `bench-TOKENS`, chosen uniformly at random, and prints the nanoseconds of a lookup. The
//! first half of the time is for warming up.

use std::error::Error;
use std::time::{Duration, Instant};

use latchkey::clock::Clock;
use latchkey::db::Database;
use latchkey::db::url::DatabaseUrl;
use latchkey::models::keys::token::{Claim, Token, TokenAction};
use latchkey::secret::Secret;

const ANY: &[TokenAction] = &[TokenAction::Api, TokenAction::Feeds, TokenAction::Session];
/// How many digests are computed before the time is measured.
const BATCH: usize = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, tokens, seconds] = arguments.as_slice() else { return Err("usage: lookup URL TOKENS SECONDS".into()) };
    let database = Database::open(&url.parse::<DatabaseUrl>()?)?;
    let (tokens, half) = (tokens.parse()?, Duration::from_secs_f64(seconds.parse::<f64>()? / 2.0));
    let mut random = Random(u64::from(std::process::id()));
    measure(&database, &mut random, tokens, half)?;
    println!("{}", measure(&database, &mut random, tokens, half)?);
    Ok(())
}

/// The nanoseconds of one lookup, averaged over lookups that take `time` together.
fn measure(database: &Database, random: &mut Random, tokens: u64, time: Duration) -> Result<u128, Box<dyn Error>> {
    let now = Clock::system().now();
    let (mut spent, mut lookups) = (Duration::ZERO, 0);
    while spent < time {
        let claim = |digest| Claim { digest, actions: ANY, now, address: [127, 0, 0, 1].into() };
        let claims: Vec<Claim> = (0..BATCH).map(|_| claim(secret(1 + random.next() % tokens).digest())).collect();
        let started = Instant::now();
        for claim in &claims {
            let found = database.read_now(|connection| Token::find_active(connection, claim))?;
            found.ok_or("a token is missing")?;
        }
        spent += started.elapsed();
        lookups += BATCH as u128;
    }
    Ok(spent.as_nanos() / lookups)
}

fn secret(number: u64) -> Secret {
    Secret::presented(format!("bench-{number}"))
}

/// SplitMix64, a random number generator that is good enough to choose rows.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
