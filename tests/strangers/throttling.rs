//! "After 10 wrong passwords for one login from one address, or 100 from one address, within 15 minutes: 429 with
//! `Retry-After`, nothing hashed, alike for unknown logins, pages and Basic alike." `guests.rs` has wider networks.

use std::net::Ipv4Addr;

use chrono::TimeDelta;
use futures_util::future::join_all;
use latchkey::auth::throttle::{Attempt, Origin, Throttle};
use latchkey::clock::Clock;
use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;
use crate::support::site::start_time;

const WRONG: &str = "a-wrong-password";

/// Tries passwords that are wrong, on the page and by Basic in turn.
async fn guess(site: &Site, address: &str, login: &str, times: usize) {
    for number in 0..times {
        if number % 2 == 0 {
            assert_eq!(sign_in_from(site, address, login, WRONG).await.status, 422, "{login} {number}");
        } else {
            assert_eq!(basic_from(site, address, login, WRONG).await.status, 401, "{login} {number}");
        }
    }
}

/// What waiting is asked of whoever signs in, on the page and by Basic; hashes nothing.
async fn refused(site: &Site, address: &str, login: &str, password: &str) -> String {
    let before = site.app.passwords.hash_calls();
    let on_the_page = sign_in_from(site, address, login, password).await;
    let by_basic = basic_from(site, address, login, password).await;
    assert_eq!((on_the_page.status, by_basic.status), (429, 429), "{login} from {address}");
    assert_eq!(site.app.passwords.hash_calls(), before, "nothing is hashed");
    assert!(on_the_page.shows("Too many wrong passwords."), "{}", on_the_page.text());
    assert!(by_basic.header("WWW-Authenticate").is_none(), "no browser asks again");
    let wait = on_the_page.header("Retry-After").expect("a time to wait").to_owned();
    assert_eq!(by_basic.header("Retry-After"), Some(wait.as_str()));
    wait
}

#[rstest]
#[tokio::test]
async fn ten_wrong_passwords_for_a_login_from_an_address_are_enough(#[values(Sqlite, Postgres)] db: Db) {
    let site = site_behind_proxy(db).await;
    site.add_user("alice").await;
    let locked = site.add_user("locked").await;
    site.set_user(&locked, "status = 'locked'");
    for login in ["alice", "locked", "nobody", "no login; at all"] {
        guess(&site, "192.0.2.1", login, 10).await;
        assert_eq!(refused(&site, "192.0.2.1", login, WRONG).await, "900", "{login}");
        assert_eq!(refused(&site, "192.0.2.1", &login.to_uppercase(), WRONG).await, "900", "{login} in another case");
    }
    assert_eq!(refused(&site, "192.0.2.1", "alice", PASSWORD).await, "900", "the right one");
}

#[rstest]
#[tokio::test]
async fn a_login_is_never_refused_because_of_other_addresses(#[values(Sqlite, Postgres)] db: Db) {
    let site = site_behind_proxy(db).await;
    site.add_user("alice").await;
    site.add_user("bob").await;
    for address in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
        guess(&site, address, "alice", 10).await;
        refused(&site, address, "alice", PASSWORD).await;
    }
    assert_eq!(sign_in_from(&site, "192.0.2.3", "alice", PASSWORD).await.status, 303);
    assert_eq!(sign_in_from(&site, "192.0.2.1", "bob", PASSWORD).await.status, 303, "nor another login");
}

/// "keys, sessions and a remembered password are never slowed"
#[rstest]
#[tokio::test]
async fn who_has_guessed_too_often_still_uses_keys_sessions_and_a_remembered_password(
    #[values(Sqlite, Postgres)] db: Db,
) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let session = site.signed_in("alice").await;
    guess(&site, "", "alice", 10).await;
    guess(&site, "", "nobody", 10).await;
    refused(&site, "", "alice", WRONG).await;
    refused(&site, "", "nobody", WRONG).await;
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200, "a key");
    let by_basic = Answer::of(site.get("/users/current.json").basic_auth(&key.secret, Some("x"))).await;
    assert_eq!(by_basic.status, 200, "a key by Basic");
    assert!(session.is_signed_in().await, "a session");
    assert_eq!(basic_from(&site, "", "alice", PASSWORD).await.status, 200, "a remembered password by Basic");
    assert_eq!(sign_in_from(&site, "", "alice", PASSWORD).await.status, 303, "a remembered password on the page");
    site.later(TimeDelta::seconds(61));
    assert_eq!(refused(&site, "", "alice", PASSWORD).await, "839", "it is forgotten after its minute");
}

#[rstest]
#[tokio::test]
async fn a_hundred_wrong_passwords_from_an_address_are_enough(#[values(Sqlite, Postgres)] db: Db) {
    let site = site_behind_proxy(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    for number in 0..25 {
        guess(&site, "192.0.2.1", &format!("nobody{number}"), 4).await;
    }
    assert_eq!(refused(&site, "192.0.2.1", "alice", PASSWORD).await, "900", "a login never tried");
    assert_eq!(refused(&site, "192.0.2.1", "nobody99", WRONG).await, "900", "an unknown one never tried");
    let with_key = site.get("/users/current.json").header("X-Forwarded-For", "192.0.2.1");
    assert_eq!(Answer::of(with_key.header("X-Redmine-API-Key", &key.secret)).await.status, 200, "a key");
    assert_eq!(sign_in_from(&site, "192.0.2.2", "alice", PASSWORD).await.status, 303, "from another address");
    assert_eq!(sign_in_from(&site, "192.0.2.1", "alice", PASSWORD).await.status, 303, "and now it is remembered");
    site.later(TimeDelta::minutes(15));
    assert_eq!(sign_in_from(&site, "192.0.2.1", "alice", PASSWORD).await.status, 303, "after 15 minutes");
    assert_eq!(basic_from(&site, "192.0.2.1", "nobody99", WRONG).await.status, 401, "after 15 minutes");
}

#[rstest]
#[tokio::test]
async fn passwords_that_come_at_once_are_counted_like_those_that_come_in_turn(#[values(Sqlite, Postgres)] db: Db) {
    let site = site_behind_proxy(db).await;
    site.add_user("alice").await;
    for login in ["alice", "nobody"] {
        let before = site.app.passwords.hash_calls();
        let pages = join_all((0..20).map(|_| sign_in_from(&site, "192.0.2.1", login, WRONG)));
        let basics = join_all((0..20).map(|_| basic_from(&site, "192.0.2.1", login, WRONG)));
        let (pages, basics) = tokio::join!(pages, basics);
        let pages = pages.iter().map(|page| page.status);
        let statuses: Vec<u16> = pages.chain(basics.iter().map(|answer| answer.status)).collect();
        let tried = statuses.iter().filter(|status| [401, 422].contains(*status)).count();
        assert_eq!(tried, 10, "{login}: {statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 30, "{login}: {statuses:?}");
        assert_eq!(site.app.passwords.hash_calls() - before, 10, "{login}");
    }
}

#[rstest]
#[tokio::test]
async fn the_wait_is_over_15_minutes_after_the_first_wrong_password(#[values(Sqlite, Postgres)] db: Db) {
    let site = site_behind_proxy(db).await;
    site.add_user("alice").await;
    guess(&site, "192.0.2.1", "alice", 1).await;
    site.later(TimeDelta::minutes(5));
    guess(&site, "192.0.2.1", "alice", 9).await;
    assert_eq!(refused(&site, "192.0.2.1", "alice", PASSWORD).await, "600");
    site.later(TimeDelta::minutes(10) - TimeDelta::microseconds(1));
    assert_eq!(refused(&site, "192.0.2.1", "alice", PASSWORD).await, "1", "never too early to come back");
    site.later(TimeDelta::microseconds(1));
    assert_eq!(sign_in_from(&site, "192.0.2.1", "alice", PASSWORD).await.status, 303);
    site.later(TimeDelta::minutes(1));
    guess(&site, "192.0.2.1", "alice", 10).await;
    assert_eq!(refused(&site, "192.0.2.1", "alice", WRONG).await, "900", "counted anew");
    site.later(TimeDelta::hours(-3));
    guess(&site, "192.0.2.1", "alice", 1).await;
}

/// "Limits count an IPv4 address or an IPv6 /64, in a bounded map."
#[rstest]
#[tokio::test]
async fn an_ipv6_network_of_64_bits_counts_as_one_address(#[values(Sqlite, Postgres)] db: Db) {
    let site = site_behind_proxy(db).await;
    for number in 0..10 {
        guess(&site, &format!("2001:db8:0:7::{number}"), "alice", 1).await;
    }
    refused(&site, "2001:db8:0:7:ffff:ffff:ffff:ffff", "alice", WRONG).await;
    refused(&site, "[2001:db8:0:7::99]:4711", "alice", WRONG).await;
    guess(&site, "2001:db8:0:8::1", "alice", 1).await;
    guess(&site, "2001:db8:0:6:ffff:ffff:ffff:ffff", "alice", 1).await;
    guess(&site, "192.0.2.1", "alice", 10).await;
    refused(&site, "::ffff:192.0.2.1", "alice", WRONG).await;
    guess(&site, "192.0.2.2", "alice", 1).await;
}

/// The page that changes the password is no way around.
#[rstest]
#[tokio::test]
async fn a_session_does_not_guess_its_password_without_end(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    site.later(TimeDelta::minutes(2));
    let new = "a-brand-new-password";
    log::note_secret(new);
    let fields = |current| [("password", current), ("new_password", new), ("new_password_confirmation", new)];
    for _ in 0..10 {
        assert_eq!(alice.post("/my/password", &fields(WRONG)).await.status, 422);
    }
    let before = site.app.passwords.hash_calls();
    let answer = alice.post("/my/password", &fields(PASSWORD)).await;
    assert_eq!((answer.status, answer.header("Retry-After")), (429, Some("900")));
    assert_eq!(site.app.passwords.hash_calls(), before);
    assert!(alice.is_signed_in().await);
}

/// "in a bounded map": so many addresses at once that a server under attack must let the oldest go.
#[tokio::test]
async fn what_is_counted_takes_no_more_memory_than_25_000_networks_do() {
    let throttle = Throttle::new(Clock::standing(start_time()));
    let guess = async |network: u32| {
        let origin = Origin::Stranger(Ipv4Addr::from_bits(network << 8).into());
        let attempt = throttle.attempt(origin, "x").await;
        attempt.map(Attempt::wrong).is_ok()
    };
    for _ in 0..10 {
        assert!(guess(0).await);
    }
    for network in 1..25_000 {
        guess(network).await;
    }
    assert!(!guess(0).await, "still counted");
    for network in 1..=25_000 {
        guess(network).await;
    }
    assert!(guess(0).await, "made room");
}

/// Nor does an address that is refused already make others forgotten, by asking for ever more logins.
#[tokio::test]
async fn who_is_refused_fills_no_memory() {
    let throttle = Throttle::new(Clock::standing(start_time()));
    let guess = async |address: u8, login: &str| {
        let attempt = throttle.attempt(Origin::Stranger(Ipv4Addr::new(192, 0, 2, address).into()), login).await;
        attempt.map(Attempt::wrong).is_ok()
    };
    for _ in 0..10 {
        assert!(guess(1, "alice").await);
    }
    for number in 0..60_000 {
        assert_eq!(guess(2, &format!("nobody{number}")).await, number < 100);
    }
    assert!(!guess(1, "alice").await, "still counted");
}
