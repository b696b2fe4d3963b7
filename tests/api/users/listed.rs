//! `GET /users.{json,xml}`

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::support::xml::Element;

/// The logins of a list, and its three numbers.
async fn listed(site: &Site, key: &Key, query: &str) -> (Vec<String>, [i64; 3]) {
    let answer = site.get_with_key(&format!("/users.json?{query}"), key).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text);
    let list = answer.json();
    let users = list["users"].as_array().expect("users").iter();
    let logins = users.map(|user| user["login"].as_str().expect("a login").to_owned()).collect();
    (logins, ["total_count", "offset", "limit"].map(|name| list[name].as_i64().expect(name)))
}

#[rstest]
#[tokio::test]
async fn active_people_are_listed_by_login(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    let zoe = site.add_user("Zoe").await;
    let alice = site.add_user("alice").await;
    let bob = site.add_user("bob").await;
    site.set_user(&bob, "status = 'locked'");
    site.set_user(&alice, "twofa_scheme = 'totp', last_login_on = '2026-11-20 08:00:00'");
    let answer = site.get_with_key("/users.json", &key).await;
    assert_eq!(answer.header("Content-Type"), Some("application/json; charset=utf-8"));
    let at = "2026-11-24T09:30:00Z";
    let person = |id: i64, login: &str, admin: bool| {
        json!({
            "id": id, "login": login, "admin": admin, "firstname": "Test", "lastname": format!("Person {login}"),
            "mail": format!("{login}@example.org"), "created_on": at, "updated_on": at, "last_login_on": null,
            "passwd_changed_on": at, "twofa_scheme": null, "status": 1,
        })
    };
    let mut first = person(alice.id, "alice", false);
    first["twofa_scheme"] = json!("totp");
    first["last_login_on"] = json!("2026-11-20T08:00:00Z");
    let root = person(site.user("root").id, "root", true);
    let expected = json!({
        "users": [first, root, person(zoe.id, "Zoe", false)], "total_count": 3, "offset": 0, "limit": 25,
    });
    assert_eq!(answer.json(), expected);
}

#[rstest]
#[tokio::test]
async fn the_list_in_xml_carries_its_numbers_as_attributes(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    for login in ["alice", "bob", "carol"] {
        site.add_user(login).await;
    }
    let answer = site.get_with_key("/users.xml?offset=1&limit=2", &key).await;
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("application/xml; charset=utf-8")));
    let root = r#"<users total_count="4" offset="1" limit="2" type="array"><user>"#;
    assert!(answer.text.contains(root), "{}", answer.text);
    let list = Element::parse(&answer.text);
    let logins: Vec<_> = list.children("user").map(|user| user.text_of("login")).collect();
    assert_eq!((list.name.as_str(), logins), ("users", vec!["bob", "carol"]));
    let empty = site.get_with_key("/users.xml?name=nobody", &key).await.text;
    assert!(empty.ends_with(r#"<users total_count="0" offset="0" limit="25" type="array"/>"#), "{empty}");
}

#[rstest]
#[tokio::test]
async fn offset_limit_and_page_are_read_as_redmine_reads_them(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    site.database.execute(
        "WITH RECURSIVE numbers (n) AS (SELECT 100 UNION ALL SELECT n + 1 FROM numbers WHERE n < 228)
         INSERT INTO users (login, firstname, lastname, mail, created_on, updated_on)
         SELECT 'user' || n, 'F', 'L', 'user' || n || '@example.org', created_on, updated_on
         FROM numbers, (SELECT created_on, updated_on FROM users) AS root",
    );
    // With root, who comes before them, there are 130.
    for (query, first, count, numbers) in [
        ("", "root", 25, [130, 0, 25]),
        ("offset=1", "user100", 25, [130, 1, 25]),
        ("offset=&limit=", "root", 25, [130, 0, 25]),
        ("limit=7&offset=121", "user220", 7, [130, 121, 7]),
        ("limit=100", "root", 100, [130, 0, 100]),
        ("limit=101", "root", 100, [130, 0, 100]),
        ("limit=0", "root", 25, [130, 0, 25]),
        ("limit=-3&offset=-3", "root", 25, [130, 0, 25]),
        ("limit=x&offset=y", "root", 25, [130, 0, 25]),
        ("limit=10&page=3", "user119", 10, [130, 20, 10]),
        ("limit=10&page=3&offset=0", "root", 10, [130, 0, 10]),
        ("limit=10&page=0", "root", 10, [130, 0, 10]),
        ("offset=125", "user224", 5, [130, 125, 25]),
    ] {
        let (logins, told) = listed(&site, &key, query).await;
        assert_eq!((logins[0].as_str(), logins.len(), told), (first, count, numbers), "{query}");
    }
    for query in ["offset=130", "offset=9223372036854775807", "page=9223372036854775807"] {
        assert_eq!(listed(&site, &key, query).await.0.len(), 0, "{query}");
    }
}

#[rstest]
#[tokio::test]
async fn status_says_whom_to_list(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    site.set_user(&site.add_user("locked").await, "status = 'locked'");
    site.set_user(&site.add_user("registered").await, "status = 'registered'");
    for (query, expected) in [
        ("", vec!["root"]),
        ("status=1", vec!["root"]),
        ("status=2", vec!["registered"]),
        ("status=3", vec!["locked"]),
        ("status=", vec!["locked", "registered", "root"]),
        ("status=*", vec!["locked", "registered", "root"]),
        ("status=4", vec![]),
        ("status=active", vec![]),
    ] {
        let (logins, [total, ..]) = listed(&site, &key, query).await;
        assert_eq!((logins.len(), i64::try_from(logins.len()).expect("few")), (expected.len(), total), "{query}");
        assert_eq!(logins, expected, "{query}");
    }
    let numbers = site.get_with_key("/users.json?status=", &key).await.json();
    let numbers: Vec<_> = (0..3).map(|n| numbers["users"][n]["status"].as_i64()).collect();
    assert_eq!(numbers, [Some(3), Some(2), Some(1)]);
}

#[rstest]
#[tokio::test]
async fn name_finds_parts_of_login_mail_and_names_in_any_case(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    let ann = site.add_user("a_b").await;
    site.set_user(&ann, "firstname = 'Ann Özlem', lastname = 'O''Brien', mail = 'Ann@Work.example'");
    let bob = site.add_user("bob").await;
    site.set_user(&bob, "firstname = 'Bob', lastname = '100% \\ sure'");
    let none: &[&str] = &[];
    for (name, expected) in [
        ("A_B", &["a_b"][..]),
        ("ann@WORK", &["a_b"]),
        ("ann%20o%27brien", &["a_b"]),
        ("o%27brien+ANN", &["a_b"]),
        ("%C3%96zlem", &["a_b"]),
        ("ann+bob", none),
        ("BOB", &["bob"]),
        ("+bob+", &["bob"]),
        ("0%25", &["bob"]),
        ("%25", &["bob"]),
        ("_", &["a_b"]),
        ("%5C", &["bob"]),
        ("bob%00", &["bob"]),
        ("%00", &["a_b", "bob", "root"]),
        ("", &["a_b", "bob", "root"]),
        ("+", &["a_b", "bob", "root"]),
        ("'%20OR%201=1%20--", none),
    ] {
        let (logins, [total, ..]) = listed(&site, &key, &format!("name={name}")).await;
        assert_eq!(logins, expected, "{name}");
        assert_eq!(total, i64::try_from(expected.len()).expect("few"), "{name}");
    }
    assert_eq!(listed(&site, &key, "name=bob&status=3").await.0, none);
}
