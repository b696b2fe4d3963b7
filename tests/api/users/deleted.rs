//! `DELETE /users/ID.{json,xml}`

use latchkey::models::people::user::UserStatus;
use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn a_person_is_deleted_with_sessions_and_keys(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    for format in ["json", "xml"] {
        let user = site.add_user("bob").await;
        let bobs = site.add_key(&user, TokenAction::Api).await;
        let feed = site.add_key(&user, TokenAction::Feeds).await;
        let bob = site.signed_in("bob").await;
        assert_eq!(site.get_with_key("/users/current.json", &bobs).await.status, 200);
        let by_basic =
            async || Answer::of(site.get("/users/current.json").basic_auth("bob", Some(PASSWORD))).await.status;
        assert_eq!(by_basic().await, 200);
        let address = format!("/users/{}.{format}", user.id);
        let gone = delete(&site, &key, &address).await;
        assert_eq!((gone.status, gone.text.as_str()), (204, ""));
        assert_eq!(site.get_with_key("/users/current.json", &bobs).await.status, 401);
        assert_eq!(Answer::of(site.get(&format!("/activity.atom?key={}", feed.secret))).await.status, 401);
        assert_eq!(by_basic().await, 401);
        assert!(!bob.is_signed_in().await);
        assert_eq!(site.visitor().try_sign_in("bob", PASSWORD).await.status, 422);
        assert_eq!(site.get_with_key(&address, &key).await.status, 404);
        assert_eq!(delete(&site, &key, &address).await.status, 404, "a second time");
        for table in ["tokens", "events"] {
            let query = format!("SELECT count(*) AS number FROM {table} WHERE user_id = {}", user.id);
            assert_eq!(site.database.number(&query), 0, "{table}");
        }
    }
    let told = activity(&site, "root").await;
    assert_eq!(told.iter().filter(|told| *told == "Account deleted: bob").count(), 2, "{told:?}");
}

/// "`DELETE /users/ID.json?lock=lock` deletes for good, where Redmine locks": nobody who means to lock deletes.
#[rstest]
#[tokio::test]
async fn with_lock_the_person_is_locked_and_all_stays(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    let user = site.add_user("bob").await;
    let bobs = site.add_key(&user, TokenAction::Api).await;
    let with = |query: &str, media_type: &str, body: &str| {
        let request = site.request(Method::DELETE, &format!("/users/{}.json{query}", user.id));
        let request = request.header("X-Redmine-API-Key", &key.secret).header("Content-Type", media_type);
        Answer::of(request.body(body.to_owned()))
    };
    let (json, xml, form) = ("application/json", "application/xml", "application/x-www-form-urlencoded");
    for (query, media_type, body) in [
        ("?lock=lock", json, ""),
        ("?lock=1", json, ""),
        // Ruby takes every text for true, and to lock can be undone.
        ("?lock=0", json, ""),
        ("?lock=", json, ""),
        ("?lock", json, ""),
        ("?lock[]=1", json, ""),
        ("?lock[a]=1", json, ""),
        ("?%6cock=1", json, ""),
        ("", json, r#"{"lock":true}"#),
        ("", json, r#"{"lock":"lock"}"#),
        ("", form, "lock=lock"),
        ("", xml, "<lock>lock</lock>"),
        ("?lock=lock&confirm=bob", json, ""),
    ] {
        let bob = site.signed_in("bob").await;
        let answer = with(query, media_type, body).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{query} {body}");
        assert_eq!(site.user("bob").status, UserStatus::Locked, "{query} {body}");
        assert_eq!(site.get_with_key("/users/current.json", &bobs).await.status, 401, "{query} {body}");
        assert!(!bob.is_signed_in().await);
        site.set_user(&user, "status = 'active'");
        assert_eq!(site.get_with_key("/users/current.json", &bobs).await.status, 200, "the key is still there");
    }
    assert!(activity(&site, "bob").await.contains(&"Account locked by root".to_owned()));
    let own = delete(&site, &key, &format!("/users/{}.json?lock=lock", site.user("root").id)).await;
    assert_eq!(own.status, 422, "{}", own.text);
    assert_eq!(delete(&site, &key, "/users/4711.json?lock=lock").await.status, 404);
    for (query, told) in
        [("?confirm=carol", "confirm is not the login of this person"), ("?lock=1&confirm=x", "confirm is not")]
    {
        let refused = with(query, json, "").await;
        assert!(refused.status == 422 && refused.text.contains(told), "{query}: {}", refused.text);
        assert_eq!(site.user("bob").status, UserStatus::Active, "{query}");
    }
    assert_eq!(with("", json, r#"{"lock":false,"confirm":"BOB"}"#).await.status, 204);
    assert_eq!(site.get_with_key(&format!("/users/{}.json", user.id), &key).await.status, 404);
}

#[rstest]
#[tokio::test]
async fn nobody_deletes_themself(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    site.add_admin("second").await;
    let refused = delete(&site, &key, &format!("/users/{}.json", site.user("root").id)).await;
    let told = r#"{"errors":["You cannot lock or delete your own account: ask another administrator"]}"#;
    assert_eq!((refused.status, refused.text.as_str()), (422, told));
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200);
}

/// What is written behind a request must not wait for ever for somebody who is gone, nor hold up what comes after it.
#[rstest]
#[tokio::test]
async fn what_was_still_to_be_written_about_the_deleted_is_dropped(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    let user = site.add_user("bob").await;
    let bobs = site.add_key(&user, TokenAction::Api).await;
    assert_eq!(site.get_with_key("/users/current.json", &bobs).await.status, 200);
    site.later(chrono::TimeDelta::minutes(2));
    assert_eq!(site.get_with_key("/users/current.json", &bobs).await.status, 200);
    assert_eq!(Answer::of(site.get("/users/current.json").basic_auth("bob", Some(PASSWORD))).await.status, 200);
    site.app.recorder.sign_ins.refused(user.id, latchkey::models::client::Client::command_line(), site.clock.now());
    assert_eq!(delete(&site, &key, &format!("/users/{}.json", user.id)).await.status, 204);
    site.app.recorder.sign_ins.refused(user.id, latchkey::models::client::Client::command_line(), site.clock.now());
    assert_eq!(site.visitor().try_sign_in("root", "a-wrong-password").await.status, 422);
    site.flush().await;
    assert_eq!(activity(&site, "root").await[0], "Wrong password", "what is about others is written all the same");
    assert_eq!(site.app.recorder.last_use.pending_uses(), 0);
    assert_eq!(site.recorded_use(&key), Some(site.clock.now()));
}
