//! People whose secrets are right, but who may not come in, or not like this.

use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;

/// "A locked or not yet activated user: 401." And "a locked user […] records nothing".
#[rstest]
#[tokio::test]
async fn a_locked_or_not_yet_activated_person_is_refused(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let with_password = || site.get(ADDRESS).basic_auth("alice", Some(PASSWORD));
    for status in ["locked", "registered"] {
        site.set_user(&alice, &format!("status = '{status}'"));
        let (tokens, users) = (site.database.dump("tokens"), site.database.dump("users"));
        for (way, request) in ways_of(&site, &key.secret) {
            let challenge = match way {
                "parameter" | "header" => None,
                "Bearer" => BEARER,
                _ => BASIC,
            };
            assert_refused(request, challenge, &format!("{status}, {way}")).await;
        }
        assert_refused(with_password(), BASIC, &format!("{status}, by password")).await;
        site.flush().await;
        assert_eq!(site.database.dump("tokens"), tokens, "{status}");
        assert_eq!(site.database.dump("users"), users, "{status}");
        assert_eq!(site.user("alice").last_login_on, None, "{status}");
    }
    site.set_user(&alice, "status = 'active'");
    for (way, request) in ways_of(&site, &key.secret) {
        assert_eq!(login_of(request, way).await, "alice", "active again, {way}");
    }
    assert_eq!(login_of(with_password(), "by password").await, "alice");
}

/// "A locked user": from the next request on, whatever was remembered of the password.
#[rstest]
#[tokio::test]
async fn a_person_who_was_let_in_is_refused_from_the_lock_on(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let with_password = || site.get(ADDRESS).basic_auth("alice", Some(PASSWORD));
    assert_eq!(site.get_with_key(ADDRESS, &key).await.status, 200);
    assert_eq!(login_of(with_password(), "by password").await, "alice");
    site.set_user(&alice, "status = 'locked'");
    assert_eq!(site.get_with_key(ADDRESS, &key).await.status, 401);
    assert_refused(with_password(), BASIC, "by password").await;
}

/// "A user who must change the password: by header or parameter 200, by Basic (password or key) 403"
#[rstest]
#[tokio::test]
async fn who_must_change_the_password_is_forbidden_by_basic_only(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    site.set_user(&alice, "must_change_password = true");
    for (way, request) in ways_of(&site, &key.secret) {
        let answer = Answer::of(request).await;
        let status = if way.starts_with("Basic") { 403 } else { 200 };
        assert_eq!(answer.status, status, "{way}: {}", answer.text);
    }
    let by_password = Answer::of(site.get(ADDRESS).basic_auth("alice", Some(PASSWORD))).await;
    assert_eq!(by_password.status, 403);
    assert_eq!(by_password.header("WWW-Authenticate"), None);
    let told = "You must change the password first: sign in with a browser.";
    assert_eq!(by_password.text, format!(r#"{{"errors":["{told}"]}}"#));
    let wrong = site.get(ADDRESS).basic_auth("alice", Some("wrong-password"));
    assert_refused(wrong, BASIC, "a wrong password says nothing of it").await;
}

/// "A user with `twofa_scheme` set: Basic by password 401; keys work."
#[rstest]
#[tokio::test]
async fn a_password_does_not_stand_in_for_two_factors(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let with_password = || site.get(ADDRESS).basic_auth("alice", Some(PASSWORD));
    site.set_user(&alice, "twofa_scheme = 'totp'");
    assert_refused(with_password(), BASIC, "by password").await;
    assert_refused(with_password(), BASIC, "by password, once more").await;
    for (way, request) in ways_of(&site, &key.secret) {
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, 200, "{way}");
        assert_eq!(answer.json()["user"]["twofa_scheme"], "totp", "{way}");
    }
    site.flush().await;
    assert_eq!(site.user("alice").last_login_on, None, "what was refused is no sign-in");
    site.set_user(&alice, "twofa_scheme = NULL");
    assert_eq!(login_of(with_password(), "one factor again").await, "alice");
}
