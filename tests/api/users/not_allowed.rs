//! "403 for others"

use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn only_administrators_may_look_after_people(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    let bob = site.add_user("bob").await;
    let carol = site.add_user("carol").await;
    let bobs = site.add_key(&bob, TokenAction::Api).await;
    let before = site.database.dump("users");
    let body = r#"{"user":{"login":"eve","firstname":"Eve","lastname":"E","mail":"eve@example.org","admin":true}}"#;
    for id in [bob.id, carol.id, 4711] {
        for (method, address) in [
            (Method::GET, "/users.json".to_owned()),
            (Method::POST, "/users.json".to_owned()),
            (Method::PUT, format!("/users/{id}.json")),
            (Method::DELETE, format!("/users/{id}.json")),
        ] {
            let as_bob = Answer::of(send(&site, &bobs, method.clone(), &address, body)).await;
            assert_eq!(as_bob.status, 403, "{method} {address}");
            assert_eq!(as_bob.text, r#"{"errors":["This is for administrators only."]}"#);
            let stranger = Answer::of(site.request(method.clone(), &address).body(body)).await;
            assert_eq!(stranger.status, 401, "{method} {address}");
            let switched = send(&site, &key, method.clone(), &address, body).header("X-Redmine-Switch-User", "bob");
            assert_eq!(
                Answer::of(switched).await.status,
                403,
                "{method} {address}: who acts as bob may do what he may"
            );
        }
    }
    let xml = Answer::of(site.get("/users.xml").header("X-Redmine-API-Key", &bobs.secret)).await;
    assert!(xml.text.contains("<errors type=\"array\"><error>This is for administrators only.</error></errors>"));
    assert_eq!(site.database.dump("users"), before);
}

#[rstest]
#[tokio::test]
async fn an_administrator_no_more_is_refused_at_once(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    let second = site.add_admin("second").await;
    let seconds = site.add_key(&second, TokenAction::Api).await;
    assert_eq!(site.get_with_key("/users.json", &seconds).await.status, 200);
    assert_eq!(
        put(&site, &key, &format!("/users/{}.json", second.id), r#"{"user":{"admin":false}}"#).await.status,
        204
    );
    assert_eq!(site.get_with_key("/users.json", &seconds).await.status, 403);
}

#[rstest]
#[tokio::test]
async fn other_methods_are_told_which_there_are(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    for (method, address, allowed) in [
        (Method::DELETE, "/users.json", "GET, HEAD, POST"),
        (Method::POST, "/users/1.json", "GET, HEAD, PUT, DELETE"),
        (Method::PUT, "/users/current.json", "GET, HEAD"),
    ] {
        let answer = Answer::of(send(&site, &key, method, address, "{}")).await;
        assert_eq!((answer.status, answer.header("Allow")), (405, Some(allowed)), "{address}");
    }
}
