//! `PUT /users/ID.{json,xml}`

use chrono::TimeDelta;
use rstest::rstest;

use super::*;

const NEW: &str = "a-new-password-for-bob";

fn address(site: &Site, login: &str, format: &str) -> String {
    format!("/users/{}.{format}", site.user(login).id)
}

#[rstest]
#[tokio::test]
async fn what_is_named_is_changed_and_the_rest_stays(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    let before = site.add_user("bob").await;
    let others = site.add_user("carol").await;
    let bob = site.signed_in("bob").await;
    site.later(TimeDelta::minutes(3));
    let json = address(&site, "bob", "json");
    let answer = put(&site, &key, &json, r#"{"user":{"firstname":" Rob ","mail":"rob@example.org"}}"#).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    let changed = site.user("bob");
    assert_eq!([&changed.firstname, &changed.lastname, &changed.mail], ["Rob", "Person bob", "rob@example.org"]);
    assert_eq!(changed.updated_on, site.clock.now());
    assert_eq!((changed.password_hash, changed.passwd_changed_on), (before.password_hash, before.passwd_changed_on));
    let xml = "<user><lastname>Row &amp; Co</lastname><login>rob</login><admin/><password></password></user>";
    assert_eq!(put(&site, &key, &address(&site, "bob", "xml"), xml).await.status, 204);
    let renamed = site.user("rob");
    assert_eq!((renamed.id, renamed.lastname.as_str(), renamed.admin), (changed.id, "Row & Co", false));
    assert!(bob.is_signed_in().await, "a change of names ends no session");
    assert_eq!(activity_of(&bob).await, ["Account changed by root", "Account changed by root"]);
    assert_eq!(site.user("carol").mail, others.mail);
    for body in ["{}", r#"{"user":{}}"#, r#"{"user":{"id":7,"created_on":"2001-01-01T00:00:00Z","api_key":"x"}}"#] {
        assert_eq!(put(&site, &key, &json, body).await.status, 204, "{body}");
    }
    let after = site.user("rob");
    assert_eq!((after.updated_on, after.created_on), (renamed.updated_on, renamed.created_on));
    assert_eq!(activity_of(&bob).await.len(), 2, "where nothing is changed, nothing is told");
}

#[rstest]
#[tokio::test]
async fn a_lock_by_status_stops_sessions_and_keys_and_unlocking_lets_the_keys_work_again(
    #[values(Sqlite, Postgres)] db: Db,
) {
    let (site, key) = with_admin(db).await;
    let user = site.add_user("bob").await;
    let bobs = site.add_key(&user, TokenAction::Api).await;
    let bob = site.signed_in("bob").await;
    assert_eq!(site.get_with_key("/users/current.json", &bobs).await.status, 200);
    for lock in [r#"{"user":{"status":3}}"#, r#"{"user":{"status":"2"}}"#] {
        assert_eq!(put(&site, &key, &address(&site, "bob", "json"), lock).await.status, 204);
        assert_eq!(site.get_with_key("/users/current.json", &bobs).await.status, 401, "{lock}");
        assert!(!bob.is_signed_in().await, "{lock}");
        assert_eq!(site.visitor().try_sign_in("bob", PASSWORD).await.status, 422, "{lock}");
        // That a password was refused is told behind, with its own time: what follows is later.
        site.later(chrono::TimeDelta::seconds(1));
        let xml = address(&site, "bob", "xml");
        assert_eq!(put(&site, &key, &xml, "<user><status>1</status></user>").await.status, 204);
        assert_eq!(site.get_with_key("/users/current.json", &bobs).await.status, 200);
        assert!(!bob.is_signed_in().await, "the session has ended for good");
        bob.sign_in("bob", PASSWORD).await;
    }
    let told = activity_of(&bob).await;
    assert_eq!(told[0], "Account unlocked by root");
    assert_eq!(told.iter().filter(|told| *told == "Account locked by root").count(), 2, "{told:?}");
}

#[rstest]
#[tokio::test]
async fn a_new_password_ends_sessions_and_leaves_keys(#[values(Sqlite, Postgres)] db: Db) {
    log::note_secret(NEW);
    let (site, key) = with_admin(db).await;
    let user = site.add_user("bob").await;
    let bobs = site.add_key(&user, TokenAction::Api).await;
    let bob = site.signed_in("bob").await;
    let by_basic = async |password: &str| {
        Answer::of(site.get("/users/current.json").basic_auth("bob", Some(password))).await.status
    };
    assert_eq!(by_basic(PASSWORD).await, 200);
    site.later(TimeDelta::seconds(30));
    let body = format!(r#"{{"user":{{"password":"{NEW}","must_change_passwd":true}}}}"#);
    assert_eq!(put(&site, &key, &address(&site, "bob", "json"), &body).await.status, 204);
    assert!(!bob.is_signed_in().await);
    assert_eq!(by_basic(PASSWORD).await, 401, "also where it was remembered");
    assert_eq!(by_basic(NEW).await, 403, "it must be changed first");
    assert_eq!(site.get_with_key("/users/current.json", &bobs).await.status, 200);
    assert_eq!(site.user("bob").passwd_changed_on, Some(site.clock.now()));
    bob.sign_in("bob", NEW).await;
    assert_eq!(bob.get("/my/account").await.location(), "/my/password");
    let body = r#"{"user":{"must_change_passwd":false}}"#;
    assert_eq!(put(&site, &key, &address(&site, "bob", "json"), body).await.status, 204);
    assert!(bob.is_signed_in().await);
    site.flush().await;
    assert!(activity_of(&bob).await.contains(&"Password changed by root".to_owned()));
}

#[rstest]
#[tokio::test]
async fn broken_rules_are_told_and_nothing_is_changed(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    site.add_user("bob").await;
    site.add_user("carol").await;
    let before = site.database.dump("users");
    for (body, told) in [
        (r#"{"user":{"firstname":"","lastname":"Renamed"}}"#, "First name cannot be blank"),
        (r#"{"user":{"mail":"nonsense"}}"#, "Email is invalid"),
        (r#"{"user":{"mail":"Carol@example.org"}}"#, "Email has already been taken"),
        (r#"{"user":{"login":"CAROL"}}"#, "Login has already been taken"),
        (r#"{"user":{"login":null}}"#, "Login cannot be blank"),
        (r#"{"user":{"password":"short","lastname":"Renamed"}}"#, "Password is too short (minimum is 8 characters)"),
        (r#"{"user":{"status":0}}"#, "Status is invalid"),
    ] {
        let answer = put(&site, &key, &address(&site, "bob", "json"), body).await;
        assert_eq!((answer.status, answer.text), (422, format!("{{\"errors\":[\"{told}\"]}}")), "{body}");
    }
    let xml = put(&site, &key, &address(&site, "bob", "xml"), "<user><firstname/></user>").await;
    assert!(xml.text.ends_with("<errors type=\"array\"><error>First name cannot be blank</error></errors>"));
    assert_eq!(site.database.dump("users"), before);
}

#[rstest]
#[tokio::test]
async fn administrators_are_made_and_unmade_but_for_the_last_one(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    site.add_user("bob").await;
    let (root, bob) = (address(&site, "root", "json"), address(&site, "bob", "json"));
    let refused = put(&site, &key, &root, r#"{"user":{"admin":false}}"#).await;
    let told = r#"{"errors":["This is the only active administrator: make somebody else an administrator first"]}"#;
    assert_eq!((refused.status, refused.text.as_str()), (422, told));
    assert_eq!(put(&site, &key, &bob, r#"{"user":{"admin":true}}"#).await.status, 204);
    assert_eq!(put(&site, &key, &bob, r#"{"user":{"status":3}}"#).await.status, 204);
    let refused = put(&site, &key, &root, r#"{"user":{"admin":"0"}}"#).await;
    assert_eq!(refused.status, 422, "an administrator who is locked looks after nobody");
    assert_eq!(put(&site, &key, &bob, r#"{"user":{"status":1}}"#).await.status, 204);
    assert_eq!(put(&site, &key, &root, r#"{"user":{"admin":false}}"#).await.status, 204);
    assert!(!site.user("root").admin && site.user("bob").admin);
    assert_eq!(put(&site, &key, &bob, r#"{"user":{"admin":false}}"#).await.status, 403);
    let told = activity(&site, "bob").await;
    for expected in ["Made an administrator by root", "Account locked by root", "Account unlocked by root"] {
        assert!(told.contains(&expected.to_owned()), "{told:?}");
    }
    assert_eq!(
        activity(&site, "root").await[0],
        "No longer an administrator",
        "of what one does oneself no name is told"
    );
}

#[rstest]
#[tokio::test]
async fn nobody_locks_themself_out(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    site.add_admin("second").await;
    for status in [2, 3] {
        let body = format!(r#"{{"user":{{"status":{status},"firstname":"Ruth"}}}}"#);
        let refused = put(&site, &key, &address(&site, "root", "json"), &body).await;
        let told = r#"{"errors":["You cannot lock or delete your own account: ask another administrator"]}"#;
        assert_eq!((refused.status, refused.text.as_str()), (422, told));
    }
    assert!(site.user("root").is_active() && site.user("root").firstname == "Test");
    let body = r#"{"user":{"status":1,"firstname":"Ruth"}}"#;
    assert_eq!(put(&site, &key, &address(&site, "root", "json"), body).await.status, 204);
}

/// Each is an administrator, so each may lock the other: whoever comes second would leave nobody.
#[rstest]
#[tokio::test]
async fn two_who_lock_each_other_at_the_same_time_do_not_both_succeed(#[values(Sqlite, Postgres)] db: Db) {
    let (site, first) = with_admin(db).await;
    let root = site.user("root");
    let second = site.add_admin("second").await;
    let seconds = site.add_key(&second, TokenAction::Api).await;
    for _ in 0..10 {
        let lock = r#"{"user":{"status":3}}"#;
        let (one, other) = (address(&site, "second", "json"), address(&site, "root", "json"));
        let (one, other) = tokio::join!(put(&site, &first, &one, lock), put(&site, &seconds, &other, lock));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert!(statuses == [204, 422] || statuses == [204, 401], "{statuses:?}");
        let active = site.database.number("SELECT count(*) AS number FROM users WHERE admin AND status = 'active'");
        assert_eq!(active, 1);
        site.set_user(&root, "status = 'active'");
        site.set_user(&second, "status = 'active'");
    }
}
