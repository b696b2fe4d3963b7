//! `GET /users/ID.{json,xml}`

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::support::xml::Element;

#[rstest]
#[tokio::test]
async fn administrators_see_everybody_with_their_status(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    let bob = site.add_user("bob").await;
    site.set_user(&bob, "status = 'locked'");
    let at = "2026-11-24T09:30:00Z";
    let shown = site.get_with_key(&format!("/users/{}.json", bob.id), &key).await;
    let expected = json!({"user": {
        "id": bob.id, "login": "bob", "admin": false, "firstname": "Test", "lastname": "Person bob",
        "mail": "bob@example.org", "created_on": at, "updated_on": at, "last_login_on": null,
        "passwd_changed_on": at, "twofa_scheme": null, "status": 3, "kind": "person",
    }});
    assert_eq!((shown.status, shown.json()), (200, expected));
    let shown = site.get_with_key(&format!("/users/{}.xml", bob.id), &key).await;
    let user = Element::parse(&shown.text);
    assert_eq!([user.text_of("login"), user.text_of("status"), user.text_of("last_login_on")], ["bob", "3", ""]);
}

#[rstest]
#[tokio::test]
async fn others_see_themselves_without_a_status_and_nobody_else(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _) = with_admin(db).await;
    let bob = site.add_user("bob").await;
    let key = site.add_key(&bob, TokenAction::Api).await;
    let shown = site.get_with_key(&format!("/users/{}.json", bob.id), &key).await;
    assert_eq!(shown.status, 200);
    assert_eq!(shown.json(), site.get_with_key("/users/current.json", &key).await.json());
    assert!(shown.json()["user"].get("status").is_none(), "{}", shown.text);
    let of_root = site.get_with_key(&format!("/users/{}.json", site.user("root").id), &key).await;
    assert_eq!((of_root.status, of_root.text.contains("root@")), (403, false));
}

#[rstest]
#[tokio::test]
async fn an_id_that_nobody_has_is_not_found(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    for id in ["0", "4711", "9223372036854775808", "99999999999999999999999"] {
        for format in ["json", "xml"] {
            let address = format!("/users/{id}.{format}");
            assert_eq!(site.get_with_key(&address, &key).await.status, 404, "{address}");
            assert_eq!(delete(&site, &key, &address).await.status, 404, "{address}");
        }
        let body = r#"{"user":{"firstname":"Ann"}}"#;
        assert_eq!(put(&site, &key, &format!("/users/{id}.json"), body).await.status, 404, "{id}");
    }
    for address in ["/users/-1.json", "/users/bob.json", "/users/1x.json"] {
        assert_eq!(site.get_with_key(address, &key).await.status, 404, "{address}");
    }
}
