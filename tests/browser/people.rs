//! People whose pages are worth looking at.

use chrono::TimeDelta;
use latchkey::db::DbError;
use latchkey::models::client::Client;
use latchkey::models::event::{EventAction, NewEvent};
use latchkey::models::keys::recording::{RecordIf, TokenUse};
use latchkey::models::keys::token::{Token, TokenAction};
use latchkey::models::people::user::User;
use latchkey::models::tx::Tx;
use latchkey::secret::Secret;

use crate::support::{Site, log};

/// A browser of the kind that says more about itself than anybody wants to know, as one word and many.
const LONG_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 \
                          Safari/537.36 aVeryLongWordWithoutASingleBlankInItAsOnlyProgramsWriteThemInTheirUserAgents/1.0";

/// A login of 60 characters, the longest there is.
pub const LONG_LOGIN: &str = "maximiliana-wolfeschlegelsteinhausenbergerdorff@example-corp";

/// Alice Archer: an API access key that was used minutes ago, an Atom access key that never was.
pub async fn add_alice(site: &Site) -> User {
    let alice = site.add_user("alice").await;
    site.set_user(&alice, "firstname = 'Alice', lastname = 'Archer', mail = 'alice.archer@example.org'");
    made_long_ago(site, &alice, TimeDelta::days(500));
    let client = Client::new("192.0.2.17", "nightly-report/2.1");
    add_used_key(site, &alice, TokenAction::Api, TimeDelta::days(96), Some(TimeDelta::minutes(5)), &client).await;
    add_used_key(site, &alice, TokenAction::Feeds, TimeDelta::days(12), None, &client).await;
    add_event(site, &alice, EventAction::SignInRefused, TimeDelta::days(2), &client, 3).await;
    alice
}

/// Somebody of whom everything is as long as it may be, and who has done something of every kind.
pub async fn add_longest(site: &Site) -> User {
    assert_eq!(LONG_LOGIN.len(), 60);
    let user = site.add_user(LONG_LOGIN).await;
    let mail = format!("{}@{}.example.org", "m".repeat(120), "d".repeat(63));
    let names = format!("firstname = '{}', lastname = '{}'", "F".repeat(30), "L".repeat(255));
    site.set_user(&user, &format!("{names}, mail = '{mail}'"));
    let client = Client::new("2001:db8:85a3:1234:5678:8a2e:370:7334", LONG_AGENT);
    add_used_key(site, &user, TokenAction::Api, TimeDelta::days(700), Some(TimeDelta::days(650)), &client).await;
    add_used_key(site, &user, TokenAction::Feeds, TimeDelta::days(12), None, &client).await;
    for (days, action) in [
        (1, EventAction::SignedIn),
        (2, EventAction::SignInRefused),
        (3, EventAction::PasswordChanged),
        (4, EventAction::Locked),
        (5, EventAction::Unlocked),
    ] {
        add_event(site, &user, action, TimeDelta::days(days), &client, 1_234_567).await;
    }
    user
}

/// Makes events enough for a second page.
pub async fn add_many_events(site: &Site, user: &User) {
    let client = Client::new("198.51.100.7", "curl/8.5.0");
    for days in 1..=60 {
        add_event(site, user, EventAction::SignedIn, TimeDelta::days(days), &client, 1).await;
    }
}

/// Takes everything away that is known to have happened to a person.
pub fn forget_events(site: &Site, user: &User) {
    site.database.execute(&format!("DELETE FROM events WHERE user_id = {}", user.id));
}

fn made_long_ago(site: &Site, user: &User, span: TimeDelta) {
    let created_on = (site.clock.now() - span).format("%Y-%m-%d %H:%M:%S%.6f");
    site.set_user(user, &format!("created_on = '{created_on}'"));
}

/// A key, and the events that go with it.
async fn add_used_key(
    site: &Site,
    user: &User,
    action: TokenAction,
    made: TimeDelta,
    used: Option<TimeDelta>,
    client: &Client,
) {
    let (user_id, now, client) = (user.id, site.clock.now(), client.clone());
    let secret = Secret::generate();
    log::note_secret(secret.expose());
    let add = move |tx: &mut Tx<'_>| -> Result<(), DbError> {
        let token = Token::insert(tx.connection, user_id, action, &secret, now - made)?;
        NewEvent::of_key(&token, EventAction::KeyCreated).done_by(&client, token.created_on).record(tx)?;
        let Some(used) = used else { return Ok(()) };
        let first_used = token.created_on + TimeDelta::minutes(7);
        NewEvent::of_key(&token, EventAction::KeyFirstUsed).done_by(&client, first_used).record(tx)?;
        let recorded = TokenUse { token_id: token.id, used_on: now - used, by: None };
        Token::record_uses(tx.connection, &[recorded], RecordIf::Later)?;
        Ok(())
    };
    site.write(add).await;
}

async fn add_event(site: &Site, user: &User, action: EventAction, ago: TimeDelta, client: &Client, times: i64) {
    let (user_id, at, client) = (user.id, site.clock.now() - ago, client.clone());
    let event = move |tx: &mut Tx<'_>| {
        NewEvent::of_person(user_id, action).done_by(&client, at).record(tx).map_err(DbError::from)
    };
    site.write(event).await;
    if times > 1 {
        let its_action = action.as_str();
        site.database.execute(&format!(
            "UPDATE events SET times = {times} WHERE user_id = {user_id} AND action = '{its_action}' AND times = 1"
        ));
    }
}
