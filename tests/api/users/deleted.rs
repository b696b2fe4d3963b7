//! `DELETE /users/ID.{json,xml}`

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
