//! `GET /users.{json,xml}`

use latchkey::models::people::user::User;
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
            "passwd_changed_on": at, "twofa_scheme": null, "status": 1, "kind": "person",
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
        ("status=1|3", vec!["locked", "root"]),
        ("status=1%7C3", vec!["locked", "root"]),
        ("status==2|3", vec!["locked", "registered"]),
        ("status=!3", vec!["registered", "root"]),
        ("status=!1|2", vec!["locked"]),
        ("status=!*", vec![]),
        ("status[]=1&status[]=3", vec!["locked", "root"]),
        ("status=1&status=3", vec!["locked"]),
        ("status=4|3", vec!["locked"]),
        ("f[]=status&op[status]==&v[status][]=1&v[status][]=3", vec!["locked", "root"]),
        ("f[]=status&op[status]=!&v[status][]=1", vec!["locked", "registered"]),
        ("fields[]=status&operators[status]=*", vec!["locked", "registered", "root"]),
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
        ("ann+work", &["a_b"]),
        ("a_b+work.example+brien", &["a_b"]),
        ("%22Ann+%C3%96zlem%22", &["a_b"]),
        ("%22Ann+O%27Brien%22", none),
        ("%22100%25+%5C%22+bob", &["bob"]),
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

/// "nometa (parameter and header)": clients of ActiveResource stumble over the numbers.
#[rstest]
#[tokio::test]
async fn the_numbers_are_left_out_where_the_client_wants_none(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    let get = async |address: &str, header: Option<&str>| {
        let request = site.get(address).header("X-Redmine-API-Key", &key.secret);
        let request = header.into_iter().fold(request, |request, value| request.header("X-Redmine-Nometa", value));
        Answer::of(request).await
    };
    for (query, header) in [("?nometa=1", None), ("", Some("1")), ("", Some("")), ("?nometa=true&limit=3", None)] {
        let list = get(&format!("/users.json{query}"), header).await.json();
        let members: Vec<_> = list.as_object().expect("an object").keys().collect();
        assert_eq!(members, ["users"], "{query} {header:?}");
        assert_eq!(list["users"][0]["login"], "root");
        let xml = get(&format!("/users.xml{query}"), header).await.text;
        assert!(xml.contains("<users type=\"array\"><user>"), "{query} {header:?}: {xml}");
    }
    assert_eq!(get("/users.json?nometa=", None).await.json()["total_count"], 1);
}

#[rstest]
#[tokio::test]
async fn people_are_found_by_redmines_filters(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    let set = |user: &User, set: &str| site.set_user(user, set);
    set(&site.user("root"), "firstname = 'Ruth', mail = 'root@work.example', created_on = '2026-01-02 00:00:00'");
    set(&site.add_user("ann").await, "created_on = '2026-03-31 23:59:59', last_login_on = '2026-11-20 08:00:00'");
    set(&site.add_user("anna").await, "twofa_scheme = 'totp', created_on = '2026-04-01 00:00:00', firstname = 'A%a'");
    let all = vec!["ann", "anna", "root"];
    for (query, expected) in [
        ("login=ann", vec!["ann"]),
        ("login=ANN|root", vec!["ann", "root"]),
        ("login=!ann", vec!["anna", "root"]),
        ("login=~an", vec!["ann", "anna"]),
        ("login=!~an", vec!["root"]),
        ("login=*~oo+na", vec!["anna", "root"]),
        ("login=^an", vec!["ann", "anna"]),
        ("login=$na", vec!["anna"]),
        ("login=*", all.clone()),
        ("login=!*", vec![]),
        ("firstname=ruth", vec!["root"]),
        ("firstname=~%25", vec!["anna"]),
        ("lastname=~person+ann", vec!["ann", "anna"]),
        ("mail=$work.example", vec!["root"]),
        ("mail=ann@example.org", vec!["ann"]),
        ("admin=1", vec!["root"]),
        ("admin=0", vec!["ann", "anna"]),
        ("admin=!1", vec!["ann", "anna"]),
        ("admin=true", vec!["root"]),
        ("twofa_scheme=*", vec!["anna"]),
        ("twofa_scheme=!*", vec!["ann", "root"]),
        ("twofa_scheme=totp", vec!["anna"]),
        ("created_on=2026-03-31", vec!["ann"]),
        ("created_on=>=2026-04-01", vec!["anna"]),
        ("created_on=<=2026-03-31", vec!["ann", "root"]),
        ("created_on=><2026-01-02|2026-03-31", vec!["ann", "root"]),
        ("created_on=>=2026-03-31T23:59:59Z", vec!["ann", "anna"]),
        ("created_on=2026-04-01T00:00:00Z", vec!["anna"]),
        ("last_login_on=*", vec!["ann"]),
        ("last_login_on=!*", vec!["anna", "root"]),
        ("last_login_on=<=2026-11-20", vec!["ann"]),
        ("last_login_on=>=2026-11-21", vec![]),
        ("login=^an&twofa_scheme=!*", vec!["ann"]),
        ("name=an&login=$na", vec!["anna"]),
        ("f[]=login&op[login]=^&v[login][]=an", vec!["ann", "anna"]),
        ("f[]=login&f[]=admin&op[login]=~&v[login][]=o&op[admin]==&v[admin][]=1", vec!["root"]),
        ("set_filter=1&f[]=name&op[name]=~&v[name][]=Ruth", vec!["root"]),
    ] {
        assert_eq!(listed(&site, &key, query).await.0, expected, "{query}");
    }
}

/// A list of everybody would be taken for the answer.
#[rstest]
#[tokio::test]
async fn a_filter_that_is_not_understood_lists_nobody(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    for (query, told) in [
        ("status=!7", "status is invalid: there are 1, 2 and 3"),
        ("status=!locked", "status is invalid: there are 1, 2 and 3"),
        ("status=~1", "status does not take the operator \"~\""),
        ("login=", "login cannot be blank"),
        ("login=~", "login cannot be blank"),
        ("login=~%22%22", "login cannot be blank"),
        ("login=~a|b", "login takes one value after ~"),
        ("admin=perhaps", "admin is invalid: there are 1 and 0"),
        ("created_on=yesterday", "created_on is invalid: use dates such as 2026-12-31"),
        ("created_on=2026-02-30", "created_on is invalid: use dates such as 2026-12-31"),
        ("created_on=><2026-01-01", "created_on is invalid: use dates such as 2026-12-31"),
        ("f[]=login&op[login]=w", "login does not take the operator \"w\""),
        ("f[]=login", "login does not take the operator \"\""),
        (
            "f[]=shoe_size&op[shoe_size]==&v[shoe_size][]=7",
            "shoe_size is no filter here: there are name, status, login, firstname, lastname, mail, admin, \
             twofa_scheme, created_on, last_login_on, kind, is_member_of_group",
        ),
    ] {
        let answer = site.get_with_key(&format!("/users.json?{query}"), &key).await;
        assert_eq!((answer.status, answer.json()), (422, json!({"errors": [told]})), "{query}");
    }
    let words = "a+".repeat(21);
    for query in [format!("name={words}"), format!("login=~{words}"), format!("login={}", "a|".repeat(21))] {
        let answer = site.get_with_key(&format!("/users.json?{query}"), &key).await;
        assert_eq!(answer.status, 422, "{query}: {}", answer.text);
        assert!(answer.text.contains("has too many "), "{query}: {}", answer.text);
    }
    for query in ["name[a]=b", "sort[]=login", "name=%ff"] {
        assert_eq!(site.get_with_key(&format!("/users.json?{query}"), &key).await.status, 400, "{query}");
    }
}

#[rstest]
#[tokio::test]
async fn sort_says_in_which_order(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    let zoe = site.add_user("Zoe").await;
    let bob = site.add_user("bob").await;
    site.set_user(&zoe, "firstname = 'Zoe', last_login_on = '2026-11-20 08:00:00', status = 'locked'");
    site.set_user(&bob, "firstname = 'bob', last_login_on = '2026-11-19 08:00:00'");
    site.set_user(&site.user("root"), "firstname = 'Ada'");
    for (sort, expected) in [
        ("login", ["bob", "root", "Zoe"]),
        ("login:desc", ["Zoe", "root", "bob"]),
        ("firstname:asc", ["root", "bob", "Zoe"]),
        ("id", ["root", "Zoe", "bob"]),
        ("id:desc", ["bob", "Zoe", "root"]),
        ("admin:desc,id", ["root", "Zoe", "bob"]),
        ("status:desc,login:desc", ["Zoe", "root", "bob"]),
        ("last_login_on", ["bob", "Zoe", "root"]),
        ("last_login_on:desc", ["Zoe", "bob", "root"]),
        (" login : desc , ", ["Zoe", "root", "bob"]),
        ("", ["bob", "root", "Zoe"]),
    ] {
        let (logins, _) = listed(&site, &key, &format!("status=*&sort={sort}")).await;
        assert_eq!(logins, expected, "{sort}");
    }
    for column in ["lastname", "mail", "created_on", "updated_on", "passwd_changed_on", "twofa_scheme"] {
        assert_eq!(listed(&site, &key, &format!("status=*&sort={column}:desc")).await.0.len(), 3, "{column}");
    }
    for sort in ["shoe_size", "login,password_hash", "login;DROP", "auth_source.name"] {
        let answer = site.get_with_key(&format!("/users.json?sort={sort}"), &key).await;
        assert_eq!(answer.status, 422, "{sort}: {}", answer.text);
        assert!(answer.text.contains("sort cannot be by "), "{}", answer.text);
    }
}
