//! `X-Redmine-Switch-User`: an admin's program acts as somebody else.

use latchkey::models::keys::token::TokenAction;
use reqwest::Method;
use reqwest::header::HeaderValue;
use rstest::rstest;

use super::*;

const SWITCH_USER: &str = "X-Redmine-Switch-User";

fn as_user(site: &Site, key: &Key, login: &str) -> RequestBuilder {
    site.get(ADDRESS).header(KEY_HEADER, &key.secret).header(SWITCH_USER, login)
}

/// "An admin acts as that active user": the login in any case, blanks around it ignored.
#[rstest]
#[tokio::test]
async fn an_admin_acts_as_somebody_else(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    site.add_user("bob").await;
    let key = site.add_key(&root, TokenAction::Api).await;
    for login in ["bob", "BOB", "  bob\t"] {
        assert_eq!(login_of(as_user(&site, &key, login), login).await, "bob", "{login:?}");
    }
    assert_eq!(login_of(as_user(&site, &key, "root"), "root").await, "root");
    for (way, request) in ways_of(&site, &key.secret) {
        assert_eq!(login_of(request.header(SWITCH_USER, "bob"), way).await, "bob", "{way}");
    }
    let by_password = site.get(ADDRESS).basic_auth("root", Some(PASSWORD)).header(SWITCH_USER, "bob");
    assert_eq!(login_of(by_password, "by password").await, "bob");
    for (case, login) in [("empty", ""), ("blank", " \t ")] {
        assert_eq!(login_of(as_user(&site, &key, login), case).await, "root", "{case} counts as absent");
    }
}

/// "An admin acts as that active user": what is changed is that user's.
#[rstest]
#[tokio::test]
async fn an_admin_changes_somebody_elses_account(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    site.add_user("bob").await;
    let key = site.add_key(&root, TokenAction::Api).await;
    let put = site.request(Method::PUT, "/my/account.json").header(KEY_HEADER, &key.secret);
    let put = put.header(SWITCH_USER, "bob").body(r#"{"user":{"firstname":"Robert"}}"#);
    assert_eq!(Answer::of(put).await.status, 204);
    assert_eq!(site.user("bob").firstname, "Robert");
    assert_eq!(site.user("root").firstname, root.firstname);
}

/// "Events name both people": whose account it is by whose activity it stands in, and who has changed it. What people
/// change themselves they need not be told.
#[rstest]
#[tokio::test]
async fn the_other_sees_who_has_changed_their_account(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let bob = site.add_user("bob").await;
    let (roots, bobs) = (site.add_key(&root, TokenAction::Api).await, site.add_key(&bob, TokenAction::Api).await);
    let put = |key: &Key, body: &'static str| {
        site.request(Method::PUT, "/my/account.json").header(KEY_HEADER, &key.secret).body(body)
    };
    let as_bob = |body| Answer::of(put(&roots, body).header(SWITCH_USER, "bob").header("User-Agent", "sync/3"));
    assert_eq!(Answer::of(put(&bobs, r#"{"user":{"firstname":"Bobby"}}"#)).await.status, 204);
    assert_eq!(Answer::of(put(&roots, r#"{"user":{"firstname":"Ruth"}}"#)).await.status, 204);
    let told = "SELECT count(*) AS number FROM events WHERE action = 'account_changed'";
    assert_eq!(site.database.number(told), 0, "one's own");
    assert_eq!(as_bob(r#"{"user":{"firstname":"Robert"}}"#).await.status, 204);
    assert_eq!(site.database.number(told), 1);
    assert_eq!(as_bob(r#"{"user":{"firstname":"Robert"}}"#).await.status, 204);
    assert_eq!(as_bob(r#"{"user":{"mail":"broken"}}"#).await.status, 422);
    assert_eq!(site.database.number(told), 1, "nothing has changed");
    let activity = site.signed_in("bob").await.get("/activity").await;
    let by = format!("by API access key ····{}", &roots.secret[45..]);
    let row = format!("Account changed by root {by} less than a minute ago 127.0.0.1 sync/3");
    assert!(activity.shows(&row), "{}", activity.text());
    assert!(!site.signed_in("root").await.get("/activity").await.shows("Account changed"));
}

/// "Unknown or locked: 412"
#[rstest]
#[tokio::test]
async fn an_admin_cannot_act_as_somebody_who_may_not_come_in(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let key = site.add_key(&root, TokenAction::Api).await;
    for (login, status) in [("mallory", "locked"), ("newcomer", "registered")] {
        let user = site.add_user(login).await;
        site.set_user(&user, &format!("status = '{status}'"));
    }
    let told = "X-Redmine-Switch-User does not name an active account.";
    for login in ["mallory", "newcomer", "nobody", "no such login", "root, mallory", "%", "ünïcode", &"x".repeat(5000)]
    {
        let value = HeaderValue::from_bytes(login.as_bytes()).expect("a header");
        let request = site.get(ADDRESS).header(KEY_HEADER, &key.secret).header(SWITCH_USER, value);
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, 412, "{login}: {}", answer.text);
        assert_eq!(answer.header("WWW-Authenticate"), None, "{login}");
        assert_eq!(answer.text, format!(r#"{{"errors":["{told}"]}}"#), "{login}");
    }
    let not_utf8 = HeaderValue::from_bytes(b"\xff\xfe").expect("a header");
    let request = site.get("/my/account.xml").header(KEY_HEADER, &key.secret).header(SWITCH_USER, not_utf8);
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, 412);
    let errors = format!(r#"<errors type="array"><error>{told}</error></errors>"#);
    assert_eq!(answer.text, format!(r#"<?xml version="1.0" encoding="UTF-8"?>{errors}"#));
}

/// "From anyone else it is ignored."
#[rstest]
#[tokio::test]
async fn the_wish_of_anybody_else_is_ignored(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    site.add_admin("root").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    for login in ["root", "nobody", "alice", "no such login"] {
        assert_eq!(login_of(as_user(&site, &key, login), login).await, "alice", "{login}");
        let by_password = site.get(ADDRESS).basic_auth("alice", Some(PASSWORD)).header(SWITCH_USER, login);
        assert_eq!(login_of(by_password, login).await, "alice", "{login}, by password");
    }
    assert_refused(site.get(ADDRESS).header(SWITCH_USER, "root"), BASIC, "from nobody").await;
    let wrong = site.get(ADDRESS).header(KEY_HEADER, "wrong").header(SWITCH_USER, "nobody");
    assert_refused(wrong, None, "with a wrong key").await;
}

/// "The use belongs to the admin's key, also on 412."
#[rstest]
#[tokio::test]
async fn the_use_belongs_to_the_admins_key(#[values(Sqlite, Postgres)] db: Db) {
    for (login, status) in [("bob", 200), ("nobody", 412)] {
        let site = Site::start(db).await;
        let root = site.add_admin("root").await;
        let bob = site.add_user("bob").await;
        let (roots, bobs) = (site.add_key(&root, TokenAction::Api).await, site.add_key(&bob, TokenAction::Api).await);
        assert_eq!(Answer::of(as_user(&site, &roots, login)).await.status, status);
        assert_eq!(site.recorded_use(&roots), Some(time_of_use(&site)), "{status}: a first use is recorded at once");
        site.flush().await;
        assert_eq!(site.recorded_use(&bobs), None, "{status}");
        site.later(chrono::TimeDelta::minutes(2));
        assert_eq!(Answer::of(as_user(&site, &roots, login)).await.status, status);
        site.flush().await;
        assert_eq!(site.recorded_use(&roots), Some(time_of_use(&site)), "{status}: a later use");
        assert_eq!(site.recorded_use(&bobs), None, "{status}");
        assert_eq!(site.user("bob").last_login_on, None, "{status}");
    }
}

/// The time on the site's clock, or a microsecond after a key's creation.
fn time_of_use(site: &Site) -> latchkey::clock::Timestamp {
    let now = site.clock.now();
    if now == site::start_time() { now + chrono::TimeDelta::microseconds(1) } else { now }
}
