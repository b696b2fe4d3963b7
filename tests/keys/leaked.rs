//! "A secret in the body revokes the `api`, `feeds` or `access` key that it is (rate-limited, answers the same whether it
//! existed), leaves an event, and tells its owner on the page at the next sign-in."

use std::net::{IpAddr, Ipv4Addr};

use chrono::TimeDelta;
use latchkey::auth::throttle::{LEAK_REPORTS, NetworkRate};
use latchkey::clock::Clock;
use latchkey::models::keys::token::TokenAction;
use reqwest::{Method, RequestBuilder};
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::support::visitor::page;

fn report(site: &Site, secret: &str) -> RequestBuilder {
    log::note_secret(secret);
    site.request(Method::POST, "/revoke.json").body(json!({ "secret": secret }).to_string())
}

async fn reported(site: &Site, secret: &str) -> u16 {
    Answer::of(report(site, secret)).await.status
}

async fn add(site: &Site, user: &User, action: TokenAction) -> Key {
    match action {
        TokenAction::Access => site.add_access_token(user, "account:read", "30d").await,
        action => site.add_key(user, action).await,
    }
}

/// What opens with a key of this kind: the API, or the feed.
async fn opens(site: &Site, action: TokenAction, key: &Key) -> bool {
    let request = match action {
        TokenAction::Feeds => site.get(&format!("/activity.atom?key={}", key.secret)),
        _ => site.get(ADDRESS).header("X-Redmine-API-Key", &key.secret),
    };
    Answer::of(request).await.status == 200
}

#[rstest]
#[tokio::test]
async fn a_key_whose_secret_is_reported_ends_at_once(
    #[values(TokenAction::Api, TokenAction::Feeds, TokenAction::Access)] action: TokenAction,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let site = Site::start(db).await;
    let (alice, bob) = (site.add_user("alice").await, site.add_user("bob").await);
    let leaked = add(&site, &alice, action).await;
    let mut others = vec![(action, add(&site, &bob, action).await)];
    for other in [TokenAction::Api, TokenAction::Feeds, TokenAction::Access] {
        if other != action {
            others.push((other, add(&site, &alice, other).await));
        }
    }
    assert!(opens(&site, action, &leaked).await);
    let answer = Answer::of(report(&site, &leaked.secret).header("User-Agent", "Secret Scanner/1")).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert!(!opens(&site, action, &leaked).await);
    assert!(site.token(leaked.id).is_none(), "the whole of it");
    for (action, key) in &others {
        assert!(opens(&site, *action, key).await, "{action:?}");
    }
    let headline = match action {
        TokenAction::Api => "API access key",
        TokenAction::Feeds => "Atom access key",
        _ => "Access token “deploy”",
    };
    let browser = site.signed_in("alice").await;
    let activity = browser.get("/activity").await;
    let hint = &leaked.secret[45..];
    let row = format!("{headline} revoked: its secret was reported as leaked ····{hint}");
    assert!(activity.shows(&format!("{row} less than a minute ago 127.0.0.1 Secret Scanner/1")), "{}", activity.text());
    assert!(activity.html.contains("class=\"warning\""), "it looks like a warning");
    assert!(!site.signed_in("bob").await.get("/activity").await.shows("leaked"));
}

/// "by either secret, ends both", and by one that has stopped working as well: it was the key's.
#[rstest]
#[tokio::test]
async fn any_secret_of_a_rotated_key_ends_it(#[values(0, 1, 2)] which: usize, #[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let first = site.add_access_token(&alice, "account:read", "30d").await;
    let second = rotate(&site, &alice, &first, Grace::None).await;
    let third = rotate(&site, &alice, &second, Grace::Week).await;
    let secrets = [&first, &second, &third];
    let statuses = async || {
        let mut statuses = Vec::new();
        for key in secrets {
            statuses.push(status(&site, key).await);
        }
        statuses
    };
    assert_eq!(statuses().await, [401, 200, 200]);
    assert_eq!(reported(&site, &secrets[which].secret).await, 204);
    assert_eq!(statuses().await, [401; 3]);
    assert!(owned(&site, &alice, &first).is_none());
    let leaks: Vec<_> = told(&site, &alice).into_iter().filter(|(headline, _)| headline.contains("leaked")).collect();
    assert_eq!(leaks.len(), 1, "{leaks:?}");
    let banner = format!("(····{})", &secrets[which].secret[45..]);
    assert!(site.signed_in("alice").await.get("/my/account").await.shows(&banner), "by the secret that leaked");
}

/// Whatever state it is in: it may come back, or tell something.
#[rstest]
#[case::of_somebody_locked("locked")]
#[case::of_somebody_not_yet_let_in("registered")]
#[case::expired("")]
#[tokio::test]
async fn a_key_that_does_not_work_just_now_ends_as_well(#[case] state: &str, #[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    match state {
        "" => site.later(TimeDelta::days(31)),
        status => site.set_user(&alice, &format!("status = '{status}'")),
    }
    assert_eq!(status(&site, &key).await, 401);
    assert_eq!(reported(&site, &key.secret).await, 204);
    assert!(site.token(key.id).is_none());
    site.set_user(&alice, "status = 'active'");
    let account = site.signed_in("alice").await.get("/my/account").await;
    assert!(account.shows("because its secret was reported as leaked"), "{}", account.text());
}

/// Sessions and the like are no keys; a password is none, either.
#[rstest]
#[tokio::test]
async fn what_is_no_key_is_left_alone(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let mut tokens = Vec::new();
    for action in [
        TokenAction::Session,
        TokenAction::Autologin,
        TokenAction::Recovery,
        TokenAction::Register,
        TokenAction::TwofaBackupCode,
        TokenAction::Unknown,
    ] {
        tokens.push(site.add_key(&alice, action).await);
    }
    for secret in tokens.iter().map(|token| token.secret.as_str()).chain([PASSWORD, "alice"]) {
        assert_eq!(reported(&site, secret).await, 204);
    }
    assert!(tokens.iter().all(|token| site.token(token.id).is_some()));
    assert_eq!(site.database.number("SELECT count(*) AS number FROM events"), 0);
    site.signed_in("alice").await;
}

/// What differs by itself from one answer to the next.
const NEVER_THE_SAME: [&str; 3] = ["date", "x-request-id", "set-cookie"];

fn of_headers(headers: &reqwest::header::HeaderMap) -> Vec<(String, String)> {
    let all = headers.iter().map(|(name, value)| (name.to_string(), value.to_str().expect("ASCII").to_owned()));
    let mut same: Vec<_> = all.filter(|(name, _)| !NEVER_THE_SAME.contains(&name.as_str())).collect();
    same.sort();
    same
}

/// "answers the same whether it existed": by program and on the page.
#[rstest]
#[tokio::test]
async fn nobody_learns_whether_there_was_such_a_key(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let locked = site.add_user("mallory").await;
    let unknown = latchkey::secret::Secret::generate();
    let mistyped = format!("{}x", &unknown.expose()[..48]);
    let foreign = site.add_foreign_key(&alice, TokenAction::Feeds, "0123456789abcdef0123456789abcdef01234567").await;
    let known = site.add_key(&alice, TokenAction::Api).await;
    let of_locked = site.add_key(&locked, TokenAction::Api).await;
    site.set_user(&locked, "status = 'locked'");
    let expired = site.add_access_token(&alice, "account:read", "7d").await;
    let session = site.add_key(&alice, TokenAction::Session).await;
    site.later(TimeDelta::days(8));
    let secrets = [&*known.secret, &foreign.secret, &of_locked.secret, &expired.secret, &session.secret];
    let mut answers = Vec::new();
    // Each twice: the second time there is none any more.
    for secret in [unknown.expose(), &mistyped, "x", "0"].into_iter().chain(secrets).chain(secrets) {
        let answer = Answer::of(report(&site, secret)).await;
        answers.push((answer.status, of_headers(&answer.headers), answer.text));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");

    let known = site.add_key(&alice, TokenAction::Api).await;
    let stranger = site.visitor();
    stranger.get("/revoke").await;
    let mut answers = Vec::new();
    for secret in [unknown.expose(), &known.secret, &known.secret, &mistyped] {
        let answer = stranger.post("/revoke", &[("secret", secret)]).await;
        answers.push((answer.status, of_headers(&answer.headers), answer.html));
    }
    assert!(site.token(known.id).is_none());
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0].0, 303);
}

#[rstest]
#[tokio::test]
async fn the_page_takes_a_secret_from_anybody_and_thanks(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    let stranger = site.visitor();
    assert!(stranger.get("/login").await.html.contains("href=\"/revoke\""), "the way there");
    let form = stranger.get("/revoke").await;
    assert!(form.status == 200 && form.shows("Report a leaked key"), "{}", form.text());

    let field = form.html.split("<input").find(|input| input.contains("name=\"secret\"")).expect("a field");
    let field = field.split('>').next().expect("its end");
    for kept in ["autocomplete=\"off\"", "spellcheck=\"false\"", "value=\"\""] {
        assert!(field.contains(kept), "what is typed goes nowhere else: {field}");
    }

    let blank = stranger.post("/revoke", &[("secret", " \n ")]).await;
    assert!(blank.status == 422 && blank.shows("Secret cannot be blank"), "{}", blank.text());
    let long = stranger.post("/revoke", &[("secret", &"s".repeat(1001))]).await;
    assert!(long.status == 422 && long.shows("Secret is too long (maximum is 1000 characters)"), "{}", long.text());
    assert!(!long.html.contains("sss"), "what was typed is not shown again: it may be secret");
    let missing = stranger.post("/revoke", &[("other", "x")]).await;
    assert_eq!(missing.status, 422);

    // As it is copied: with blanks around it.
    let sent = stranger.post("/revoke", &[("secret", &format!("  {}\r\n", key.secret))]).await;
    assert_eq!((sent.status, sent.location()), (303, "/revoke?notice=leak_reported"));
    assert_eq!(status(&site, &key).await, 401);
    let thanks = stranger.get(sent.location()).await;
    assert!(thanks.shows("Thank you. If it was the secret of a key, the key has been revoked"), "{}", thanks.text());
}

/// A page elsewhere has no business with this form; a program has an address of its own.
#[rstest]
#[tokio::test]
async fn a_form_from_elsewhere_is_refused(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let form = [("secret", &*key.secret)];
    let post = || site.visitor().request(Method::POST, "/revoke").form(&form);
    for (case, request) in [
        ("without a token", post()),
        ("from another site", post().header("Sec-Fetch-Site", "cross-site")),
        ("from another origin", post().header("Origin", "https://example.org")),
    ] {
        assert_eq!(page(request).await.status, 403, "{case}");
    }
    assert_eq!(status(&site, &key).await, 200);
}

/// The owner need not know which of the administrators has found it, and nobody's session is theirs.
#[rstest]
#[tokio::test]
async fn who_is_signed_in_while_they_report_it_is_not_named(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let root = site.signed_in("root").await;
    assert!(root.get("/revoke").await.shows("Signed in as root"));
    assert_eq!(root.post("/revoke", &[("secret", &key.secret)]).await.status, 303);
    let activity = site.signed_in("alice").await.get("/activity").await;
    let row = format!("reported as leaked ····{} less than a minute ago 127.0.0.1", &key.secret[45..]);
    assert!(activity.shows(&row), "{}", activity.text());
    assert!(!activity.shows("root") && !activity.shows("by session"), "{}", activity.text());
}

/// "tells its owner on the page at the next sign-in", until they say that they have seen it.
#[rstest]
#[tokio::test]
async fn the_owner_is_told_until_they_have_seen_it(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (alice, _) = (site.add_user("alice").await, site.add_user("bob").await);
    let (one, other) =
        (site.add_access_token(&alice, "account:read", "30d").await, site.add_key(&alice, TokenAction::Api).await);
    assert_eq!(reported(&site, &one.secret).await, 204);
    assert_eq!(reported(&site, &other.secret).await, 204);
    let banner = |key: &str, secret: &str| {
        format!(
            "{key} (····{}) was revoked on 24 Nov 2026 because its secret was reported as leaked, from 127.0.0.1. \
                 Create a new one, and find out where the old one was published.",
            &secret[45..]
        )
    };
    let banners = [banner("Access token “deploy”", &one.secret), banner("API access key", &other.secret)];
    let browser = site.visitor();
    let landed = browser.try_sign_in("alice", PASSWORD).await;
    let account = browser.get(landed.location()).await;
    assert!(banners.iter().all(|banner| account.shows(banner)), "{}", account.text());
    let saved = browser.post("/my/account", &[("firstname", ""), ("lastname", "x"), ("mail", "a@example.org")]).await;
    assert!(saved.status == 422 && saved.shows(&banners[0]), "also beside an error");

    let bobs = site.signed_in("bob").await;
    assert!(!bobs.get("/my/account").await.shows("leaked"));
    let address = |page: &Page| {
        let action = page.html.split("action=\"").find(|it| it.starts_with("/my/notices/")).expect("a button");
        action.split('"').next().expect("an address").to_owned()
    };
    let first = address(&account);
    assert_eq!(bobs.post(&first, &[]).await.status, 303, "nothing is done");
    assert!(browser.get("/my/account").await.shows(&banners[0]), "it is not bob's to see");
    let by_link = page(browser.request(Method::POST, &first).header("Sec-Fetch-Site", "cross-site")).await;
    assert_eq!(by_link.status, 403);

    // A form that is sent twice is done once.
    for _ in 0..2 {
        let seen = browser.post(&first, &[]).await;
        assert_eq!((seen.status, seen.location()), (303, "/my/account"));
    }
    let account = browser.get("/my/account").await;
    assert!(!account.shows(&banners[0]) && account.shows(&banners[1]), "{}", account.text());
    assert_eq!(browser.post(&address(&account), &[]).await.status, 303);
    assert!(!site.signed_in("alice").await.get("/my/account").await.shows("leaked"));
    let activity = browser.get("/activity").await;
    assert_eq!(activity.text().matches("reported as leaked").count(), 2, "what has happened stays");
    assert_eq!(page(browser.request(Method::GET, &first)).await.status, 405);
    assert_eq!(browser.post("/my/notices/99999999999999999999", &[]).await.status, 404);
}

/// Whose account is gone is told nothing any more.
#[rstest]
#[tokio::test]
async fn notices_go_with_their_person(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let root = site.add_admin("root").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    assert_eq!(reported(&site, &key.secret).await, 204);
    assert_eq!(site.database.number("SELECT count(*) AS number FROM notices"), 1);
    let roots = site.add_key(&root, TokenAction::Api).await;
    let delete = site.request(Method::DELETE, &format!("/users/{}.json", alice.id));
    assert_eq!(Answer::of(delete.header("X-Redmine-API-Key", &roots.secret)).await.status, 204);
    assert_eq!(site.database.number("SELECT count(*) AS number FROM notices"), 0);
}

#[rstest]
#[tokio::test]
async fn a_report_that_cannot_be_read_is_a_problem_that_repeats_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let secret = &key.secret;
    let large = json!({ "secret": secret, "found": "x".repeat(9000) }).to_string();
    for (body, status, detail) in [
        (String::new(), 400, "The body could not be read: send {\"secret\": \"…\"}."),
        (secret.clone(), 400, "The body could not be read: send {\"secret\": \"…\"}."),
        (format!("{{\"secret\": \"{secret}"), 400, "The body could not be read: send {\"secret\": \"…\"}."),
        (format!("secret={secret}"), 400, "The body could not be read: send {\"secret\": \"…\"}."),
        (json!({ "secret": [secret] }).to_string(), 400, "The body could not be read: send {\"secret\": \"…\"}."),
        (json!({ secret: secret }).to_string(), 400, "The body could not be read: send {\"secret\": \"…\"}."),
        (json!({ "secret": "" }).to_string(), 422, "Secret cannot be blank"),
        (json!({ "secret": secret.repeat(30) }).to_string(), 422, "Secret is too long (maximum is 1000 characters)"),
        (large, 413, "The request is too large."),
    ] {
        let answer = Answer::of(site.request(Method::POST, "/revoke.json").body(body.clone())).await;
        assert_eq!(answer.status, status, "{body:.80}: {}", answer.text);
        assert_eq!(answer.header("Content-Type"), Some("application/problem+json"), "{body:.80}");
        assert_eq!(answer.json()["detail"], detail, "{body:.80}");
        assert!(!answer.text.contains(&secret[..20]), "{}", answer.text);
    }
    assert_eq!(super::status(&site, &key).await, 200, "nothing was done");
    let described = Answer::of(site.get("/openapi.json")).await.json();
    assert_eq!(described["components"]["schemas"]["LeakReport"]["properties"]["secret"]["maxLength"], 1000);
    let answer = Answer::of(site.get("/revoke.json")).await;
    assert_eq!((answer.status, answer.header("Allow")), (405, Some("POST")));
}

async fn reported_from(site: &Site, address: &str) -> Answer {
    Answer::of(report(site, "no-secret-of-anybody").header("X-Forwarded-For", address)).await
}

/// "rate-limited": 60 a minute and 600 an hour from an address or an IPv6 /64, on page and API together.
#[rstest]
#[tokio::test]
async fn an_address_reports_so_many_and_then_waits(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--trusted-proxies=127.0.0.1"]).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let on_the_page = async |address: &str, secret: &str| {
        let request = site.visitor().request(Method::POST, "/revoke").header("X-Forwarded-For", address);
        page(request.header("Sec-Fetch-Site", "same-origin").form(&[("secret", secret)])).await
    };
    for number in 0..30 {
        assert_eq!(reported_from(&site, &format!("2001:db8:0:7::{number}")).await.status, 204);
        assert_eq!(on_the_page("2001:db8:0:7:ffff::1", "no-secret").await.status, 303);
    }
    site.later(TimeDelta::seconds(15));
    let refused = reported_from(&site, "2001:db8:0:7::99").await;
    assert_eq!((refused.status, refused.header("Retry-After")), (429, Some("45")));
    assert_eq!(refused.json()["detail"], "Too many requests from this address. Try again in 1 minute.");
    let refused = on_the_page("2001:db8:0:7::99", &key.secret).await;
    assert!(refused.status == 429 && refused.shows("Too many requests"), "{}", refused.text());
    assert_eq!(status(&site, &key).await, 200, "what was refused has ended nothing");
    assert_eq!(reported_from(&site, "2001:db8:0:8::1").await.status, 204, "from another network");
    site.later(TimeDelta::seconds(45));
    assert_eq!(reported_from(&site, "2001:db8:0:7::1").await.status, 204, "after a minute");

    // 600 in an hour, at 60 a minute: what was refused was not counted.
    for number in 0..600 {
        assert_eq!(reported_from(&site, "192.0.2.1").await.status, 204, "{number}");
        site.later(TimeDelta::seconds(1));
    }
    let refused = reported_from(&site, "::ffff:192.0.2.1").await;
    assert_eq!((refused.status, refused.header("Retry-After")), (429, Some("3000")));
    site.later(TimeDelta::minutes(50));
    assert_eq!(reported_from(&site, "192.0.2.1").await.status, 204);
}

/// "a bounded map": so many addresses at once that the one that was heard of longest ago makes room.
#[test]
fn what_is_counted_takes_no_more_memory_than_50_000_networks_do() {
    let limit = NetworkRate::new(Clock::standing(crate::support::site::start_time()), LEAK_REPORTS);
    let passes = |network: u32| limit.pass(IpAddr::V4(Ipv4Addr::from_bits(network << 8))).is_ok();
    assert!((0..60).all(|_| passes(0)));
    assert!((1..50_000).all(passes));
    assert!(!passes(0), "still counted");
    assert!((1..=50_000).all(passes));
    assert!(passes(0), "made room");
}
