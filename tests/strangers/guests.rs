//! Strangers who guess from many addresses, or sign in without end, keep nobody out who was here before; and learn nothing.

use std::net::IpAddr;

use actix_web::cookie::SameSite;
use chrono::TimeDelta;
use futures_util::future::join_all;
use latchkey::auth::throttle::{Attempt, Lane, Origin, Throttle, Turned};
use latchkey::clock::Clock;
use reqwest::header::HeaderMap;
use rstest::rstest;
use tokio::task::JoinHandle;

use super::*;
use crate::support::site::start_time;

const WRONG: &str = "a-wrong-password";

/// The cookie that remembers a browser, as an answer sets it.
fn remembered(headers: &HeaderMap) -> Option<actix_web::cookie::Cookie<'static>> {
    let all = headers.get_all("Set-Cookie").iter().map(|it| it.to_str().expect("ASCII").to_owned());
    let mut all = all.map(|it| actix_web::cookie::Cookie::parse_encoded(it).expect("a cookie"));
    all.find(|cookie| cookie.name().contains("browser"))
}

/// Tries to sign in, in a browser that sends `cookie`.
async fn with_cookie(site: &Site, address: &str, login: &str, password: &str, cookie: &str) -> Page {
    log::note_secret(password);
    let request = site.visitor().request(Method::POST, "/login").header("X-Forwarded-For", address);
    let form = [("username", login), ("password", password)];
    page(request.header("Sec-Fetch-Site", "same-origin").header("Cookie", cookie).form(&form)).await
}

/// Signs in from `address`, and gives the cookie that remembers the browser.
async fn here_before(site: &Site, address: &str, login: &str) -> String {
    let answer = sign_in_from(site, address, login, PASSWORD).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    // By now its password is not remembered any more.
    site.later(TimeDelta::minutes(2));
    cookie::sent_back(&remembered(&answer.headers).expect("a cookie"))
}

/// One IPv6 network of each length, and the IPv4 ones: so many addresses in it guess the password of one login.
#[rstest]
#[case("the same /32 of IPv4", |_: u32| "192.0.2.1".to_owned(), 10)]
#[case("a /24", |n: u32| format!("192.0.2.{n}"), 40)]
#[case("a /64", |n: u32| format!("2001:db8::{n:x}"), 10)]
#[case("a /56", |n: u32| format!("2001:db8:0:{n:x}::1"), 20)]
#[case("a /48", |n: u32| format!("2001:db8:0:{:x}::1", n << 8), 40)]
#[case("a /32", |n: u32| format!("2001:db8:{n:x}::1"), 160)]
#[tokio::test]
async fn a_network_guesses_so_many_passwords_of_one_login(
    #[case] network: &str,
    #[case] address: fn(u32) -> String,
    #[case] most: u64,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let site = site_behind_proxy(db).await;
    site.add_user("alice").await;
    let before = site.app.passwords.hash_calls();
    let mut refused = 0;
    for number in 0..most + 20 {
        let address = address(u32::try_from(number % 200).expect("a small number"));
        match sign_in_from(&site, &address, "alice", WRONG).await.status {
            422 => {}
            429 => refused += 1,
            status => panic!("{network}: {status}"),
        }
    }
    assert_eq!((site.app.passwords.hash_calls() - before, refused), (most, 20), "{network}");
    // From elsewhere she signs in.
    assert_eq!(sign_in_from(&site, "198.51.100.1", "alice", PASSWORD).await.status, 303);
}

/// The same of all logins together, where hashing would take too long.
#[rstest]
#[case(|n: u32| format!("192.0.{}.{}", n / 10_000, n % 50), 400)]
#[case(|_: u32| "192.0.2.1".to_owned(), 100)]
#[case(|n: u32| format!("2001:db8::{n:x}"), 100)]
#[case(|n: u32| format!("2001:db8:0:{:x}::1", n % 256), 200)]
#[case(|n: u32| format!("2001:db8:0:{:x}::1", (n % 256) << 8), 400)]
#[case(|n: u32| format!("2001:db8:{n:x}::1"), 1600)]
#[tokio::test]
async fn a_network_guesses_so_many_passwords_of_all_logins(#[case] address: fn(u32) -> String, #[case] most: u32) {
    let throttle = Throttle::new(Clock::standing(start_time()));
    let guess = async |number: u32| {
        let address: IpAddr = address(number).parse().expect("an address");
        let attempt = throttle.attempt(Origin::Stranger(address), &format!("nobody{number}")).await;
        attempt.map(Attempt::wrong).is_ok()
    };
    for number in 0..most {
        assert!(guess(number).await, "{number} of {most}");
    }
    assert!(!guess(most).await, "after {most}");
}

/// "those who were here before come first": from an address of hers, and in a browser that has signed in as her.
#[rstest]
#[tokio::test]
async fn strangers_who_guess_keep_nobody_out_who_was_here_before(#[values(Sqlite, Postgres)] db: Db) {
    let site = site_behind_proxy(db).await;
    site.add_user("alice").await;
    let cookie = here_before(&site, "2001:db8:0:1::1", "alice").await;
    for number in 0..60 {
        sign_in_from(&site, &format!("2001:db8:0:{:x}::1", (number << 8) + 2), "alice", WRONG).await;
    }
    let stranger = async || sign_in_from(&site, "2001:db8:0:ff02::1", "alice", PASSWORD).await.status;
    assert_eq!(stranger().await, 429, "their network has guessed too often");
    assert_eq!(with_cookie(&site, "2001:db8:0:ff03::1", "alice", PASSWORD, &cookie).await.status, 303, "her browser");
    site.later(TimeDelta::minutes(2));
    let privacy = "2001:db8:0:1:aaaa:bbbb:cccc:dddd";
    assert_eq!(sign_in_from(&site, privacy, "alice", PASSWORD).await.status, 303, "her /64");
    site.later(TimeDelta::minutes(2));
    assert_eq!(basic_from(&site, privacy, "alice", PASSWORD).await.status, 200, "by Basic too");
    site.later(TimeDelta::minutes(2));
    assert_eq!(stranger().await, 429);
}

/// What another process or an earlier one has seen is found in the activity; by Basic an address becomes known, too.
#[rstest]
#[tokio::test]
async fn an_address_is_known_after_a_restart_and_by_basic(#[values(Sqlite, Postgres)] db: Db) {
    let site = site_behind_proxy(db).await;
    let alice = site.add_user("alice").await;
    site.database.execute(&format!(
        "INSERT INTO events (user_id, action, address, agent, created_on, updated_on)
         VALUES ({}, 'signed_in', '192.0.2.77', '', '2026-11-01 09:00:00', '2026-11-01 09:00:00'),
                ({}, 'signed_in', '192.0.2.78', '', '2026-10-01 09:00:00', '2026-10-01 09:00:00')",
        alice.id, alice.id
    ));
    assert_eq!(basic_from(&site, "192.0.2.79", "alice", PASSWORD).await.status, 200);
    site.later(TimeDelta::minutes(2));
    for number in 0..50 {
        sign_in_from(&site, &format!("192.0.2.{number}"), "alice", WRONG).await;
    }
    assert_eq!(sign_in_from(&site, "192.0.2.78", "alice", PASSWORD).await.status, 429, "that was too long ago");
    assert_eq!(sign_in_from(&site, "192.0.2.77", "alice", PASSWORD).await.status, 303);
    site.later(TimeDelta::minutes(2));
    assert_eq!(basic_from(&site, "192.0.2.79", "alice", PASSWORD).await.status, 200);
}

/// A place of one's own is no place to guess without end.
#[rstest]
#[tokio::test]
async fn who_was_here_before_guesses_no_more_than_others(#[values(Sqlite, Postgres)] db: Db) {
    let site = site_behind_proxy(db).await;
    site.add_user("alice").await;
    site.add_user("bob").await;
    let cookie = here_before(&site, "192.0.2.1", "alice").await;
    let hers = async |password| with_cookie(&site, "198.51.100.1", "alice", password, &cookie).await.status;
    let at_hers = async |password| sign_in_from(&site, "192.0.2.1", "alice", password).await.status;
    for _ in 0..10 {
        assert_eq!((hers(WRONG).await, at_hers(WRONG).await), (422, 422));
    }
    let before = site.app.passwords.hash_calls();
    assert_eq!((hers(PASSWORD).await, at_hers(PASSWORD).await), (429, 429));
    assert_eq!(site.app.passwords.hash_calls(), before, "nothing is hashed");
    // Her cookie is worth nothing for somebody else, and one that was altered nothing at all.
    for _ in 0..10 {
        assert_eq!(with_cookie(&site, "203.0.113.1", "bob", WRONG, &cookie).await.status, 422);
    }
    assert_eq!(with_cookie(&site, "203.0.113.1", "bob", PASSWORD, &cookie).await.status, 429);
    assert_eq!(sign_in_from(&site, "203.0.113.1", "bob", PASSWORD).await.status, 429, "they were counted as his");
    let altered = cookie.replace('A', "B") + "A";
    site.later(TimeDelta::minutes(15));
    for _ in 0..10 {
        assert_eq!(with_cookie(&site, "203.0.113.2", "alice", WRONG, &altered).await.status, 422);
    }
    assert_eq!(sign_in_from(&site, "203.0.113.2", "alice", PASSWORD).await.status, 429, "a stranger's");
}

#[rstest]
#[tokio::test]
async fn a_browser_is_remembered_on_the_sign_in_page_alone(
    #[values(Sqlite, Postgres)] db: Db,
    #[values("", "https://example.org/keys")] url: &str,
) {
    let flags = if url.is_empty() { vec![] } else { vec![format!("--url={url}")] };
    let site = Site::start_with(db, &flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
    site.add_user("alice").await;
    let base = url.strip_prefix("https://example.org").unwrap_or_default();
    let sign_in = async |password| {
        log::note_secret(password);
        let request = site.visitor().request(Method::POST, &format!("{base}/login"));
        let form = [("username", "alice"), ("password", password)];
        page(request.header("Sec-Fetch-Site", "same-origin").form(&form)).await
    };
    assert!(remembered(&sign_in(WRONG).await.headers).is_none(), "not before the password was right");
    let cookie = remembered(&sign_in(PASSWORD).await.headers).expect("a cookie");
    let name = if url.is_empty() { "latchkey-browser" } else { "__Secure-latchkey-browser" };
    assert_eq!((cookie.name(), cookie.path()), (name, Some(&*format!("{base}/login"))));
    assert_eq!((cookie.http_only(), cookie.same_site()), (Some(true), Some(SameSite::Lax)));
    assert_eq!((cookie.secure().unwrap_or(false), cookie.domain()), (!url.is_empty(), None));
    assert_eq!(cookie.max_age().map(|age| age.whole_days()), Some(180));
    assert!(!cookie.value().contains("alice") && cookie.value().len() > 40, "{}", cookie.value());
}

/// Signs in while all hashing threads are held.
fn waiting(site: &Site, address: &str, login: &str, cookie: &str) -> JoinHandle<u16> {
    let request = site.visitor().request(Method::POST, "/login").header("X-Forwarded-For", address);
    let form = [("username", login), ("password", PASSWORD)];
    let request = request.header("Sec-Fetch-Site", "same-origin").header("Cookie", cookie).form(&form);
    tokio::spawn(async move { page(request).await.status })
}

/// "24 connections with made-up logins cannot keep everybody from signing in."
#[rstest]
#[tokio::test]
async fn made_up_logins_from_one_address_leave_room_for_others(#[values(Sqlite, Postgres)] db: Db) {
    let site = site_behind_proxy(db).await;
    site.add_user("bob").await;
    let threads = site.app.passwords.threads();
    let held = HeldThreads::of(&site).await;
    let flood: Vec<_> = (0..24).map(|number| waiting(&site, "192.0.2.1", &format!("nobody{number}"), "")).collect();
    eventually("four of them wait", || {
        threads.waiting() == 4 && flood.iter().filter(|it| it.is_finished()).count() == 20
    })
    .await;
    let bob = waiting(&site, "198.51.100.1", "bob", "");
    eventually("bob waits too", || threads.waiting() == 5).await;
    held.release().await;
    assert_eq!(bob.await.expect("an answer"), 303);
    let mut statuses = join_all(flood).await.into_iter().map(|it| it.expect("an answer")).collect::<Vec<_>>();
    statuses.sort_unstable();
    assert_eq!(statuses, [[422; 4].as_slice(), &[503; 20]].concat());
    // What was turned away counts: 24 of the hundred that an address has are used up.
    let held = HeldThreads::of(&site).await;
    let first: Vec<_> = (0..4).map(|number| waiting(&site, "192.0.2.1", &format!("held{number}"), "")).collect();
    eventually("its places are taken", || threads.waiting() == 4).await;
    for number in 0..72 {
        let login = format!("made-up{number}");
        assert_eq!(sign_in_from(&site, "192.0.2.1", &login, WRONG).await.status, 503, "{number}");
    }
    assert_eq!(sign_in_from(&site, "192.0.2.1", "one-more", WRONG).await.status, 429);
    held.release().await;
    drop(first);
}

/// Where strangers from everywhere have filled their queue, those who were here before have one of their own, which comes
/// first.
#[rstest]
#[tokio::test]
async fn who_was_here_before_does_not_wait_behind_strangers(#[values(Sqlite, Postgres)] db: Db) {
    let site = site_behind_proxy(db).await;
    for login in ["alice", "bob", "carol"] {
        site.add_user(login).await;
    }
    let cookie = here_before(&site, "192.0.2.1", "alice").await;
    here_before(&site, "192.0.2.2", "bob").await;
    let threads = site.app.passwords.threads();
    let mut held = HeldThreads::of(&site).await;
    assert_eq!(held.fill_queue(Lane::Stranger), 16, "the queue is short");
    assert_eq!(sign_in_from(&site, "203.0.113.1", "carol", PASSWORD).await.status, 503, "a stranger");
    let (alice, bob) = (waiting(&site, "203.0.113.2", "alice", &cookie), waiting(&site, "192.0.2.2", "bob", ""));
    eventually("they wait", || threads.waiting() == 18).await;
    held.release().await;
    assert_eq!((alice.await.expect("an answer"), bob.await.expect("an answer")), (303, 303));
}

/// A client that goes away before it is answered has taken its place all the same; no password was wrong.
#[tokio::test]
async fn who_does_not_wait_for_the_answer_is_counted_too() {
    let throttle = Throttle::new(Clock::standing(start_time()));
    let from = |address: &str| Origin::Stranger(address.parse().expect("an address"));
    for number in 0..99 {
        drop(throttle.attempt(from("192.0.2.1"), "alice").await.unwrap_or_else(|it| panic!("{number}: {it:?}")));
    }
    let last = throttle.attempt(from("192.0.2.1"), "alice").await.expect("ninety-nine is not too many");
    let turned = throttle.attempt(from("192.0.2.1"), "bob").await.err();
    assert!(matches!(turned, Some(Turned::TooMany(_))), "{turned:?}");
    last.right();
    assert!(throttle.attempt(from("192.0.2.1"), "bob").await.is_ok(), "what was right is given back");
    assert!(throttle.attempt(from("192.0.2.2"), "alice").await.is_ok(), "nobody has guessed hers");
}
