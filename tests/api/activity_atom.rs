//! `/activity.atom`: a person's own activity, for feed readers.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta};
use latchkey::models::keys::token::TokenAction;
use reqwest::Method;
use rstest::rstest;

use crate::support::xml::Element;
use crate::support::*;

async fn feed(site: &Site, key: &Key) -> Element {
    let answer = Answer::of(site.get(&format!("/activity.atom?key={}", key.secret))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("Content-Type"), Some("application/atom+xml; charset=utf-8"));
    let feed = Element::parse(&answer.text);
    assert_valid(&feed);
    feed
}

/// What RFC 4287 asks of a feed (section 4.1.1) and its entries (4.1.2).
fn assert_valid(feed: &Element) {
    assert_eq!((feed.name.as_str(), feed.attribute("xmlns")), ("feed", Some("http://www.w3.org/2005/Atom")));
    let date = |text: &str| DateTime::parse_from_rfc3339(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let is_iri = |text: &str| text.starts_with("http://") || text.starts_with("https://");
    assert!(!feed.child("author").text_of("name").is_empty(), "an author, for all entries");
    assert!(is_iri(feed.text_of("id")) && !feed.text_of("title").is_empty());
    let links: Vec<_> = feed.children("link").map(|link| link.attribute("rel").expect("a rel")).collect();
    assert_eq!(links, ["self", "alternate"]);
    let mut ids = BTreeSet::new();
    let mut last = None;
    for entry in feed.children("entry") {
        assert!(is_iri(entry.text_of("id")) && ids.insert(entry.text_of("id")), "an id of its own");
        assert!(!entry.text_of("title").is_empty() && !entry.text_of("content").is_empty());
        assert_eq!(entry.child("content").attribute("type"), Some("text"));
        assert_eq!(entry.child("link").attribute("rel"), Some("alternate"));
        let updated = date(entry.text_of("updated"));
        assert!(date(entry.text_of("published")) <= updated);
        last = last.max(Some(updated));
    }
    let updated = date(feed.text_of("updated"));
    assert_eq!(last.unwrap_or(updated), updated, "as late as the latest entry");
}

fn titles(feed: &Element) -> Vec<&str> {
    feed.children("entry").map(|entry| entry.text_of("title")).collect()
}

/// "The user's own sign-ins, refused sign-ins (one row per address and hour with its count […]), key creations, resets
/// and first uses, password changes, each with address and agent."
#[rstest]
#[tokio::test]
async fn the_feed_tells_what_has_happened_latest_first(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let new_password = "another-test-password-71ab";
    let later = || site.later(TimeDelta::minutes(2));
    let browser = site.signed_in("alice").await;
    later();
    let made = browser.make_key("/my/api_key", "").await;
    later();
    assert_eq!(Answer::of(site.get("/my/account.json").header("X-Redmine-API-Key", &made)).await.status, 200);
    later();
    let id = site.database.number("SELECT id AS number FROM tokens WHERE action = 'api'");
    let remade = browser.make_key("/my/api_key", &id.to_string()).await;
    later();
    for _ in 0..2 {
        assert_eq!(site.visitor().try_sign_in("alice", "a-wrong-password").await.status, 422);
        site.later(TimeDelta::seconds(1));
    }
    site.flush().await;
    later();
    log::note_secret(new_password);
    let fields = [("password", PASSWORD), ("new_password", new_password), ("new_password_confirmation", new_password)];
    assert_eq!(browser.post("/my/password", &fields).await.status, 303);
    later();
    let secret = browser.make_key("/my/atom_key", "").await;
    later();
    let hint = |secret: &str| format!("····{}", &secret[secret.len() - 4..]);
    let feed = feed(&site, &Key { id: 0, secret: secret.clone() }).await;
    let by_browser = "from 127.0.0.1 with Test Browser/1.0";
    let told: Vec<_> = feed
        .children("entry")
        .map(|entry| [entry.text_of("title"), entry.text_of("content"), entry.text_of("updated")].map(str::to_owned))
        .collect();
    let expected = [
        ["Atom access key first used", &format!("{}, from 127.0.0.1", hint(&secret)), "2026-11-24T09:44:02Z"],
        ["Atom access key created", &format!("{}, by session, {by_browser}", hint(&secret)), "2026-11-24T09:42:02Z"],
        ["Password changed", &format!("by session, {by_browser}"), "2026-11-24T09:40:02Z"],
        ["Wrong password ×2", by_browser, "2026-11-24T09:38:01Z"],
        ["API access key reset", &format!("{}, by session, {by_browser}", hint(&remade)), "2026-11-24T09:36:00Z"],
        ["API access key first used", &format!("{}, from 127.0.0.1", hint(&made)), "2026-11-24T09:34:00Z"],
        ["API access key created", &format!("{}, by session, {by_browser}", hint(&made)), "2026-11-24T09:32:00Z"],
        ["Signed in", by_browser, "2026-11-24T09:30:00Z"],
    ];
    assert_eq!(told, expected);
    let refused = feed.children("entry").nth(3).expect("the refused ones");
    assert_eq!(refused.text_of("published"), "2026-11-24T09:38:00Z", "the first of the two");
    assert_eq!(feed.text_of("title"), "Activity of alice on Latchkey");
    assert_eq!(feed.child("author").text_of("name"), "Test Person alice");
}

/// "`/activity.atom` (by feeds key […])": by nothing else, and nowhere else than in the parameter.
#[rstest]
#[tokio::test]
async fn only_the_atom_key_in_the_address_opens_the_feed(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let feeds = site.add_key(&alice, TokenAction::Feeds).await;
    let browser = site.signed_in("alice").await;
    let mut refused = Vec::new();
    for action in [
        TokenAction::Api,
        TokenAction::Autologin,
        TokenAction::Recovery,
        TokenAction::Register,
        TokenAction::TwofaBackupCode,
        TokenAction::Unknown,
    ] {
        let key = site.add_key(&alice, action).await;
        refused.push((action.as_str(), site.get(&format!("/activity.atom?key={}", key.secret))));
    }
    let before = site.database.dump("tokens");
    refused.extend([
        ("nothing", site.get("/activity.atom")),
        ("an empty key", site.get("/activity.atom?key=")),
        ("a wrong key", site.get("/activity.atom?key=wrong")),
        ("another parameter", site.get(&format!("/activity.atom?key[]={}", feeds.secret))),
        ("the header", site.get("/activity.atom").header("X-Redmine-API-Key", &feeds.secret)),
        ("Basic by key", site.get("/activity.atom").basic_auth(&feeds.secret, Some(""))),
        ("Basic by password", site.get("/activity.atom").basic_auth("alice", Some(PASSWORD))),
        ("Bearer", site.get("/activity.atom").bearer_auth(&feeds.secret)),
        ("a session", browser.request(Method::GET, "/activity.atom")),
    ]);
    for (case, request) in refused {
        let answer = Answer::of(request).await;
        assert_eq!((answer.status, answer.header("WWW-Authenticate")), (401, None), "{case}: {}", answer.text);
        assert!(!answer.text.contains("<feed"), "{case}");
    }
    site.flush().await;
    assert_eq!(site.database.dump("tokens"), before, "what was refused is no use");
    let address = format!("/activity.atom?key={}", feeds.secret);
    let beside_a_wrong_header = site.get(&address).header("X-Redmine-API-Key", "wrong");
    assert_eq!(Answer::of(beside_a_wrong_header).await.status, 200, "the header is not looked at");
    assert!(site.recorded_use(&feeds).is_some());
    for status in ["locked", "registered"] {
        site.set_user(&alice, &format!("status = '{status}'"));
        assert_eq!(Answer::of(site.get(&address)).await.status, 401, "{status}");
    }
}

/// They name the public address. None but the feed's own holds the key.
#[rstest]
#[tokio::test]
async fn links_lead_to_the_public_address(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--url=https://keys.example.org/latchkey"]).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Feeds).await;
    let answer = Answer::of(site.get(&format!("/latchkey/activity.atom?key={}", key.secret))).await;
    assert_eq!(answer.status, 200);
    let feed = Element::parse(&answer.text);
    assert_valid(&feed);
    let hrefs: Vec<_> = feed.children("link").filter_map(|link| link.attribute("href")).collect();
    let to_feed = format!("https://keys.example.org/latchkey/activity.atom?key={}", key.secret);
    let to_page = "https://keys.example.org/latchkey/activity";
    assert_eq!(hrefs, [&to_feed, to_page]);
    let entry = feed.child("entry");
    assert_eq!(entry.child("link").attribute("href"), Some(to_page));
    assert!(entry.text_of("id").starts_with(to_page), "{}", entry.text_of("id"));
    let head = site.request(Method::HEAD, &format!("/latchkey/activity.atom?key={}", key.secret));
    assert_eq!(Answer::of(head).await.status, 200);
}

/// A feed is well-formed whatever people are called, and whatever clients say they are.
#[rstest]
#[tokio::test]
async fn markup_and_odd_letters_leave_the_feed_well_formed(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    site.set_user(&alice, "firstname = '<Zoë> & ]]>', lastname = '&amp; \"🔑\"'");
    let feeds = site.add_key(&alice, TokenAction::Feeds).await;
    let api = site.add_key(&alice, TokenAction::Api).await;
    let agent = b"<script>alert('&')</script> ]]> \xff\xef\xbf\xbf \xe2\x80\xae\xf0\x9f\x94\x91".as_slice();
    let agent = reqwest::header::HeaderValue::from_bytes(agent).expect("a header");
    let request = site.get("/my/account.json").header("X-Redmine-API-Key", &api.secret).header("User-Agent", agent);
    assert_eq!(Answer::of(request).await.status, 200);
    let feed = feed(&site, &feeds).await;
    assert_eq!(feed.child("author").text_of("name"), "<Zoë> & ]]> &amp; \"🔑\"");
    let contents: Vec<_> = feed.children("entry").map(|entry| entry.text_of("content")).collect();
    let told = format!("····{}, from 127.0.0.1 with <script>alert('&')</script> ]]> \u{FFFD} 🔑", &api.secret[45..]);
    assert!(contents.contains(&told.as_str()), "{contents:?}");
}

/// Everybody sees what has happened to themselves: the latest 50.
#[rstest]
#[tokio::test]
async fn a_feed_tells_of_its_owner_and_the_latest_only(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (alice, bob) = (site.add_user("alice").await, site.add_user("bob").await);
    let (alices, bobs) = (site.add_key(&alice, TokenAction::Feeds).await, site.add_key(&bob, TokenAction::Feeds).await);
    site.signed_in("bob").await;
    assert_eq!(titles(&feed(&site, &bobs).await), ["Atom access key first used", "Signed in"]);
    assert_eq!(titles(&feed(&site, &alices).await), ["Atom access key first used"]);
    let rows = (0..60).map(|minute| {
        let at = format!("'2026-11-25 10:{minute:02}:00'");
        format!("({}, 'locked', '', '', {at}, {at})", alice.id)
    });
    let rows = rows.collect::<Vec<_>>().join(", ");
    let into = "INSERT INTO events (user_id, action, address, agent, created_on, updated_on) VALUES";
    site.database.execute(&format!("{into} {rows}"));
    let feed = feed(&site, &alices).await;
    let times: Vec<_> = feed.children("entry").map(|entry| entry.text_of("updated")).collect();
    let latest = (10..60).rev().map(|minute| format!("2026-11-25T10:{minute:02}:00Z"));
    assert_eq!(times, latest.collect::<Vec<_>>());
    let latest = feed.children("entry").next().expect("an entry");
    assert_eq!([latest.text_of("title"), latest.text_of("content")], ["Account locked", "from the command line"]);
}

/// A reader asks again and again, and is sent the feed only when there is something new.
#[rstest]
#[tokio::test]
async fn a_reader_that_has_the_feed_is_told_so(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Feeds).await;
    let path = format!("/activity.atom?key={}", key.secret);
    let first = Answer::of(site.get(&path)).await;
    let tag = first.header("ETag").expect("a tag").to_owned();
    site.later(TimeDelta::minutes(2));
    let known = format!("\"another\", W/{tag}");
    let again = Answer::of(site.get(&path).header("If-None-Match", known)).await;
    assert_eq!((again.status, again.text.as_str(), again.header("ETag")), (304, "", Some(tag.as_str())));
    site.flush().await;
    assert_eq!(site.recorded_use(&key), Some(site.clock.now()), "that was a use, too");

    site.signed_in("alice").await;
    let new = Answer::of(site.get(&path).header("If-None-Match", &tag)).await;
    assert_eq!(new.status, 200);
    assert!(new.text.contains("Signed in") && new.header("ETag") != Some(tag.as_str()), "{}", new.text);
}

/// Readers keep the address that the feed gives as its own. No other address in it holds the key.
#[rstest]
#[tokio::test]
async fn the_feed_s_own_address_leads_to_it(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    // A key that moved in may have any form.
    let key = site.add_foreign_key(&alice, TokenAction::Feeds, "a key/with&special=characters").await;
    let path = "/activity.atom?key=a%20key%2Fwith%26special%3Dcharacters";
    let text = Answer::of(site.get(path)).await.text;
    let link = Element::parse(&text).children("link").next().expect("a link").attribute("href").expect("it").to_owned();
    let path = link.strip_prefix(&site.url).expect("an address of ours");
    let again = Answer::of(site.get(path)).await;
    assert_eq!((again.status, again.text == text), (200, true), "{link}");
    assert_eq!(text.matches("key=").count(), 1, "{text}");
    assert!(!text.contains(&key.secret), "only as a part of that address");
}
