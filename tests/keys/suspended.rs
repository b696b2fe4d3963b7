//! "Suspend a key, to hear who misses it": it is refused at once by every secret of it, its owner is told who was
//! refused, and at the end of the time it works again or is revoked.

use chrono::TimeDelta;
use latchkey::models::keys::key::KeyRefusal;
use latchkey::models::keys::refused_use::RefusedUse;
use latchkey::models::keys::suspension::{Afterwards, NewSuspension, SuspensionSpan};
use latchkey::models::keys::token::TokenAction;
use latchkey::models::services::admitted::Admitted;
use latchkey::models::services::settings::ServiceSettings;
use latchkey::models::tx::Tx;
use reqwest::RequestBuilder;
use rstest::rstest;

use super::*;

const SUSPENDED: &str = r#"Bearer error="invalid_token", error_description="The token is suspended""#;

fn suspension(span: &str, then: &str) -> NewSuspension {
    let (span, then) = (span.parse::<SuspensionSpan>().expect("a span"), then.parse::<Afterwards>().expect("an end"));
    NewSuspension::new(span, then).expect("a suspension")
}

async fn suspend(site: &Site, user: &User, key: &Key, span: &str, then: &str) {
    try_suspend(site, user, key, span, then).await.expect("it is suspended");
}

async fn try_suspend(site: &Site, user: &User, key: &Key, span: &str, then: &str) -> Result<OwnedKey, KeyRefusal> {
    let (id, new) = ((UserId(user.id), KeyId(key.id)), suspension(span, then));
    site.try_write(move |tx| OwnedKey::suspend(tx, id, new)).await
}

async fn resume(site: &Site, user: &User, key: &Key) {
    let id = (UserId(user.id), KeyId(key.id));
    site.write(move |tx| OwnedKey::resume(tx, id)).await;
}

/// What is told of a key's suspension, latest first.
fn told_of_suspension(site: &Site, user: &User) -> Vec<(String, String)> {
    let is_about = |text: &str| ["suspended", "switched on", "suspension"].iter().any(|it| text.contains(it));
    told(site, user).into_iter().filter(|(headline, _)| is_about(headline)).collect()
}

/// Who was refused, the latest first: service, address, program, how often.
fn refused(site: &Site, key: &Key) -> Vec<(String, String, String, i64)> {
    let all = site.app.database.read_now(|connection| RefusedUse::of_key(connection, key.id)).expect("a query");
    all.into_iter().map(|it| (it.service, it.address, it.agent, it.times)).collect()
}

#[rstest]
#[tokio::test]
async fn every_secret_is_refused_at_once_and_works_again_once_it_is_switched_on(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let old = site.add_access_token(&alice, "account:read", "30d").await;
    let new = rotate(&site, &alice, &old, Grace::Day).await;
    let api = site.add_key(&alice, TokenAction::Api).await;
    for key in [&old, &new, &api] {
        assert_eq!(status(&site, key).await, 200);
    }
    site.flush().await;
    let last_use = || {
        let key = owned(&site, &alice, &old).expect("it is kept");
        key.last_use(|secret| site.app.recorder.last_use.of(secret)).map(|last_use| last_use.on)
    };
    let before = last_use();
    suspend(&site, &alice, &old, "until-switched-on", "resume").await;
    suspend(&site, &alice, &api, "until-switched-on", "resume").await;
    site.later(TimeDelta::minutes(5));
    // A secret that is made meanwhile is none that works.
    let newest = rotate(&site, &alice, &old, Grace::Day).await;
    for key in [&old, &new, &newest, &api] {
        assert_eq!(status(&site, key).await, 401);
    }
    site.flush().await;
    assert_eq!(last_use(), before, "what was refused is no use");
    site.later(TimeDelta::days(300));
    site.flush().await;
    assert_eq!(status(&site, &api).await, 401, "for as long as nobody switches it on");
    resume(&site, &alice, &api).await;
    resume(&site, &alice, &api).await;
    assert_eq!(status(&site, &api).await, 200);
    let told = told_of_suspension(&site, &alice);
    let until = "until it is switched on again".to_owned();
    for (headline, detail, times) in [
        ("API access key suspended", until.as_str(), 1),
        ("API access key switched on again", "", 1),
        ("Access token “deploy” suspended", until.as_str(), 1),
    ] {
        let found = told.iter().filter(|it| **it == (headline.to_owned(), detail.to_owned())).count();
        assert_eq!(found, times, "{headline} in {told:?}");
    }
}

/// "At the end of the time it works again": at that moment, before anything else has noticed.
#[rstest]
#[case("1h", TimeDelta::hours(1))]
#[case("1d", TimeDelta::days(1))]
#[case("7d", TimeDelta::days(7))]
#[tokio::test]
async fn at_the_end_it_works_again_by_itself(
    #[case] span: &str,
    #[case] length: TimeDelta,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "never").await;
    suspend(&site, &alice, &key, span, "resume").await;
    let end = site.clock.now() + length;
    site.later(length - TimeDelta::microseconds(1));
    assert_eq!(status(&site, &key).await, 401);
    site.later(TimeDelta::microseconds(1));
    assert_eq!(status(&site, &key).await, 200);
    for _ in 0..2 {
        site.flush().await;
    }
    let words = latchkey::clock::end_in_words(end);
    assert_eq!(
        told_of_suspension(&site, &alice),
        [
            ("Access token “deploy” switched on again".to_owned(), String::new()),
            ("Access token “deploy” refused: it is suspended".to_owned(), String::new()),
            ("Access token “deploy” suspended".to_owned(), format!("until {words}, then it works again")),
        ]
    );
    assert!(owned(&site, &alice, &key).expect("a key").current.suspension().is_none(), "nothing is left of it");
    suspend(&site, &alice, &key, span, "resume").await;
    assert_eq!((status(&site, &key).await, refused(&site, &key)), (401, Vec::new()), "who was refused before is past");
}

/// "or is revoked, as was chosen": it is refused at the end, and nobody can bring it back although it is still there.
#[rstest]
#[tokio::test]
async fn or_it_is_revoked_and_refused_until_then(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    let other = site.add_key(&alice, TokenAction::Feeds).await;
    suspend(&site, &alice, &key, "7d", "revoke").await;
    suspend(&site, &alice, &other, "7d", "revoke").await;
    site.later(TimeDelta::days(7) - TimeDelta::microseconds(1));
    site.flush().await;
    resume(&site, &alice, &other).await;
    site.later(TimeDelta::microseconds(1));
    assert_eq!(status(&site, &key).await, 401);
    let id = (UserId(alice.id), KeyId(key.id));
    let resumed = site.try_write(move |tx| OwnedKey::resume(tx, id)).await;
    assert!(matches!(resumed, Err(KeyRefusal::Gone)), "{resumed:?}");
    let longer = try_suspend(&site, &alice, &key, "until-switched-on", "resume").await;
    assert!(matches!(longer, Err(KeyRefusal::Gone)), "{longer:?}");
    for _ in 0..2 {
        site.flush().await;
        assert!(owned(&site, &alice, &key).is_none(), "it is gone");
    }
    assert_eq!(status(&site, &key).await, 401);
    assert!(owned(&site, &alice, &other).is_some(), "it was switched on in time");
    let revoked = "Access token “deploy” revoked at the end of its suspension";
    assert_eq!(told(&site, &alice).iter().filter(|(headline, _)| headline == revoked).count(), 1);
}

/// What only takes something away needs no power, so it must not give any back.
#[rstest]
#[tokio::test]
async fn suspending_again_lets_no_key_work_earlier(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "never").await;
    for (span, then, is_longer) in [
        ("1d", "resume", true),
        ("1h", "resume", false),
        ("7d", "resume", true),
        ("1h", "revoke", true),
        ("7d", "resume", false),
        ("until-switched-on", "resume", true),
        ("7d", "resume", false),
        ("7d", "revoke", true),
    ] {
        let done = try_suspend(&site, &alice, &key, span, then).await;
        match is_longer {
            true => assert!(done.is_ok(), "{span} {then}: {done:?}"),
            false => assert!(matches!(done, Err(KeyRefusal::SuspendedForLonger)), "{span} {then}: {done:?}"),
        }
        assert_eq!(status(&site, &key).await, 401);
    }
    site.flush().await;
    assert_eq!(refused(&site, &key).iter().map(|it| it.3).sum::<i64>(), 8, "it is one suspension");
}

/// "only who presented the right secret reads \"suspended\"", wherever that is.
#[rstest]
#[tokio::test]
async fn only_who_has_the_right_secret_is_told_that_it_is_suspended(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--trusted-proxies=127.0.0.1"]).await;
    let alice = site.add_user("alice").await;
    let settings = ServiceSettings::new("Wiki", "wiki.example.org");
    let everyone = ServiceSettings { readers: Admitted::Everyone, writers: Admitted::Everyone, ..settings };
    site.add_service("wiki", everyone).await;
    let key = site.add_access_token(&alice, "account:read service:wiki:read", "30d").await;
    let feeds = site.add_key(&alice, TokenAction::Feeds).await;
    let feed = format!("/activity.atom?key={}", feeds.secret);
    let mut wrong = key.secret.clone();
    wrong.replace_range(3..43, &"x".repeat(40));
    let unknown = r#"Bearer error="invalid_token""#;
    let proxy = |secret: &str| {
        let asked = site.get("/auth/nginx").header("Host", "wiki.example.org").bearer_auth(secret);
        asked.header("X-Original-URI", "/").header("X-Original-Method", "GET")
    };
    let challenge = async |request: RequestBuilder| {
        let answer = Answer::of(request).await;
        (answer.status, answer.header("WWW-Authenticate").map(str::to_owned))
    };
    let told = |text: &str| (401, Some(text.to_owned()));
    let basic = told(r#"Basic realm="Redmine API", charset="UTF-8""#);
    // What each of them is told of a key that is none.
    let hashes = site.app.passwords.hash_calls();
    for is_suspended in [false, true] {
        if is_suspended {
            suspend(&site, &alice, &key, "1h", "resume").await;
            suspend(&site, &alice, &feeds, "1h", "resume").await;
        }
        let secret = if is_suspended { &key.secret } else { &wrong };
        let bearer = told(if is_suspended { SUSPENDED } else { unknown });
        assert_eq!(challenge(site.get(ADDRESS).bearer_auth(secret)).await, bearer);
        assert_eq!(challenge(proxy(secret)).await, bearer);
        assert_eq!(challenge(site.get(ADDRESS).header("X-Redmine-API-Key", secret)).await, (401, None));
        assert_eq!(challenge(site.get(&format!("{ADDRESS}?key={secret}"))).await, (401, None));
        if is_suspended {
            assert_eq!(challenge(site.get(ADDRESS).basic_auth(secret, Some("any"))).await, basic);
            assert_eq!(site.app.passwords.hash_calls(), hashes, "the password beside it is not hashed");
            assert_eq!(challenge(site.get(&feed)).await, (401, None));
        }
    }
    let as_xml = Answer::of(site.get("/users/current.xml").bearer_auth(&key.secret)).await;
    let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><errors type=\"array\"><error>The token is suspended.</error></errors>";
    assert_eq!((as_xml.status, as_xml.text.as_str()), (401, xml));
    site.set_user(&alice, "status = 'locked'");
    assert_eq!(challenge(site.get(ADDRESS).bearer_auth(&key.secret)).await, told(unknown), "of who is locked");
}

/// "it is told *who was refused*: when, how often, from which address, by which agent, on which service"
#[rstest]
#[tokio::test]
async fn who_was_refused_is_told(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--trusted-proxies=127.0.0.1"]).await;
    let alice = site.add_user("alice").await;
    let settings = ServiceSettings::new("Wiki", "wiki.example.org");
    let everyone = ServiceSettings { readers: Admitted::Everyone, writers: Admitted::Everyone, ..settings };
    site.add_service("wiki", everyone).await;
    let key = site.add_access_token(&alice, "account:read service:wiki:read", "30d").await;
    let new = rotate(&site, &alice, &key, Grace::Day).await;
    suspend(&site, &alice, &key, "1d", "resume").await;
    let by = |request: RequestBuilder, address: &str, agent: &str, secret: &str| {
        request.header("X-Forwarded-For", address).header("User-Agent", agent).bearer_auth(secret)
    };
    let asked = |host: &str| {
        let question = site.get("/auth/nginx").header("Host", host.to_owned());
        question.header("X-Original-URI", "/page").header("X-Original-Method", "GET")
    };
    for secret in [&key.secret, &new.secret, &key.secret] {
        let answer = Answer::of(by(site.get(ADDRESS), "192.0.2.7", "backup/1", secret)).await;
        assert_eq!(answer.status, 401);
        site.later(TimeDelta::minutes(1));
    }
    let wiki = Answer::of(by(asked("wiki.example.org"), "192.0.2.8", "bot/2", &key.secret)).await;
    assert_eq!((wiki.status, wiki.header("WWW-Authenticate")), (401, Some(SUSPENDED)));
    site.later(TimeDelta::minutes(1));
    assert_eq!(Answer::of(by(asked("no.example.org"), "192.0.2.8", "bot/2", &key.secret)).await.status, 401);
    site.flush().await;
    let row = |service: &str, address: &str, agent: &str, times| {
        (service.to_owned(), address.to_owned(), agent.to_owned(), times)
    };
    let expected =
        [row("", "192.0.2.8", "bot/2", 1), row("wiki", "192.0.2.8", "bot/2", 1), row("", "192.0.2.7", "backup/1", 3)];
    assert_eq!(refused(&site, &key), expected);
    // Once an hour, as refusals of expired keys.
    let refusals = told(&site, &alice).into_iter().filter(|(headline, _)| headline.ends_with("it is suspended"));
    assert_eq!(refusals.count(), 1);
    assert_eq!(site.token(key.id).expect("a row").updated_on, None, "none of it was a use");
    resume(&site, &alice, &key).await;
    assert_eq!(refused(&site, &key), expected, "they are still told who missed it");
    let before = site.clock.now();
    site.clock.set(before + TimeDelta::days(366));
    site.flush().await;
    assert_eq!(refused(&site, &key), [], "for as long as activity is kept");
}

/// Made-up programs and addresses fill neither the memory nor the disk, and every request is counted all the same.
#[rstest]
#[tokio::test]
async fn who_was_refused_is_bounded(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    suspend(&site, &alice, &key, "1d", "resume").await;
    for number in 0..130 {
        let request = site.get(ADDRESS).bearer_auth(&key.secret).header("User-Agent", format!("made-up/{number}"));
        assert_eq!(Answer::of(request).await.status, 401);
        if number % 50 == 0 {
            site.flush().await;
        }
    }
    site.flush().await;
    let all = refused(&site, &key);
    assert_eq!((all.len(), all.iter().map(|it| it.3).sum::<i64>()), (101, 130));
    let others = all.iter().find(|it| it.1 == "other addresses").expect("the others");
    assert_eq!((others.0.as_str(), others.2.as_str(), others.3), ("", "", 30));
}

/// Who is deleted, or whose key is, while a refusal waits to be written leaves nothing that is tried for ever.
#[rstest]
#[tokio::test]
async fn a_refusal_with_a_key_that_is_gone_is_let_go(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let (gone, kept) = (
        site.add_access_token(&alice, "account:read", "30d").await,
        site.add_access_token(&alice, "account:read", "30d").await,
    );
    for key in [&gone, &kept] {
        suspend(&site, &alice, key, "1d", "resume").await;
        assert_eq!(status(&site, key).await, 401);
    }
    site.database.execute(&format!("DELETE FROM tokens WHERE id = {}", gone.id));
    site.flush().await;
    assert_eq!((refused(&site, &gone).len(), refused(&site, &kept).len()), (0, 1));
}

/// Two processes look for suspensions that are over at the same time.
#[rstest]
#[tokio::test]
async fn two_processes_end_a_suspension_once(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    for then in ["resume", "revoke"].repeat(10) {
        let key = site.add_access_token(&alice, "account:read", "never").await;
        suspend(&site, &alice, &key, "1h", then).await;
    }
    let now = site.clock.now() + TimeDelta::hours(1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let ended = site.app.database.read_now(|connection| OwnedKey::with_ended_suspension(connection, now));
                for token in ended.expect("keys") {
                    let done = site.app.database.write_now(|connection| {
                        let mut tx = Tx::of_command_line(connection, now);
                        OwnedKey::end_suspension(&mut tx, &token).map_err(latchkey::db::DbError::from)
                    });
                    done.expect("its end");
                }
            });
        }
    });
    let told = told(&site, &alice);
    let times = |what: &str| told.iter().filter(|(headline, _)| headline.ends_with(what)).count();
    assert_eq!((times("switched on again"), times("at the end of its suspension"), times("created")), (10, 10, 20));
}

/// A key that is suspended is a key still: it takes up its place, and nothing else has its name.
#[rstest]
#[tokio::test]
async fn a_suspended_key_counts_as_one(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--access-tokens-per-user=1"]).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    suspend(&site, &alice, &key, "until-switched-on", "resume").await;
    let visitor = site.signed_in("alice").await;
    let full = "You have 1 access tokens, the most that one person may have.";
    assert!(visitor.get("/my/tokens").await.shows(full), "{}", visitor.get("/my/tokens").await.text());
}

/// The metrics count keys that are suspended and that somebody has tried since.
#[rstest]
#[tokio::test]
async fn suspended_keys_that_somebody_tried_are_counted(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let tried = async || {
        site.flush().await;
        let metrics = site.metrics().await;
        let line = metrics.lines().find_map(|line| line.strip_prefix("latchkey_suspended_keys_tried "));
        line.expect("the metric").to_owned()
    };
    let keys = [
        site.add_access_token(&alice, "account:read", "30d").await,
        site.add_access_token(&alice, "account:read", "30d").await,
        site.add_key(&alice, TokenAction::Api).await,
    ];
    for key in &keys {
        suspend(&site, &alice, key, "1h", "resume").await;
    }
    assert_eq!(tried().await, "0");
    for key in [&keys[0], &keys[0], &keys[2]] {
        assert_eq!(status(&site, key).await, 401);
    }
    assert_eq!(tried().await, "2");
    resume(&site, &alice, &keys[0]).await;
    assert_eq!(tried().await, "1");
    site.later(TimeDelta::hours(1));
    assert_eq!(tried().await, "0");
}
