//! `POST /users.{json,xml}`

use rstest::rstest;

use super::*;

const NEW: &str = "a-password-for-dora";

#[rstest]
#[tokio::test]
async fn a_person_is_made_and_shown_with_where_they_are(#[values(Sqlite, Postgres)] db: Db) {
    log::note_secret(NEW);
    let (site, key) = with_admin(db).await;
    let json = format!(
        r#"{{"user":{{"login":"dora","firstname":" Dora ","lastname":"Doe","mail":"dora@example.org",
           "password":"{NEW}","mail_notification":"none","auth_source_id":null,"group_ids":[1],"custom_fields":[{{}}]}},
           "send_information":true}}"#
    );
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><user><login>emil</login><firstname>Emil</firstname>
         <lastname>Ems &amp; Co</lastname><mail>emil@example.org</mail><password>{NEW}</password>
         <password_confirmation>{NEW}</password_confirmation><admin>1</admin>
         <must_change_passwd>true</must_change_passwd><status>1</status><group_ids type=\"array\"/></user>"
    );
    let made = post(&site, &key, "/users.json", &json).await;
    let dora = site.user("dora");
    assert_eq!((made.status, made.header("Location")), (201, Some(format!("{}/users/{}", site.url, dora.id).as_str())));
    assert_eq!(made.header("Content-Type"), Some("application/json; charset=utf-8"));
    assert_eq!(made.json(), site.get_with_key(&format!("/users/{}.json", dora.id), &key).await.json());
    assert_eq!([&dora.firstname, &dora.lastname, &dora.mail], ["Dora", "Doe", "dora@example.org"]);
    assert!(dora.is_active() && !dora.admin && !dora.must_change_password);
    assert_eq!(dora.passwd_changed_on, Some(site.clock.now()));
    let visitor = site.visitor();
    visitor.sign_in("dora", NEW).await;
    assert_eq!(activity_of(&visitor).await, ["Account created by root"]);
    assert!(visitor.get("/my/account").await.shows("Missing an API access key"));

    let made = post(&site, &key, "/users.xml", &xml).await;
    let emil = site.user("emil");
    assert_eq!((made.status, made.header("Location")), (201, Some(format!("{}/users/{}", site.url, emil.id).as_str())));
    assert_eq!(made.text, site.get_with_key(&format!("/users/{}.xml", emil.id), &key).await.text);
    assert!(emil.admin && emil.must_change_password && emil.lastname == "Ems & Co");
    let visitor = site.visitor();
    visitor.sign_in("emil", NEW).await;
    assert_eq!(visitor.get("/my/account").await.location(), "/my/password");
}

#[rstest]
#[tokio::test]
async fn without_a_password_nobody_signs_in_by_one(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    let body = r#"{"user":{"login":"robot","firstname":"R","lastname":"Bot","mail":"robot@example.org","status":3}}"#;
    assert_eq!(post(&site, &key, "/users.json", body).await.status, 201);
    let robot = site.user("robot");
    assert_eq!((robot.password_hash.is_none(), robot.passwd_changed_on, robot.is_active()), (true, None, false));
    assert_eq!(site.visitor().try_sign_in("robot", "").await.status, 422);
    assert_eq!(put(&site, &key, &format!("/users/{}.json", robot.id), r#"{"user":{"status":1}}"#).await.status, 204);
    assert_eq!(site.visitor().try_sign_in("robot", "").await.status, 422);
    let its = site.add_key(&robot, TokenAction::Api).await;
    assert_eq!(site.get_with_key("/users/current.json", &its).await.status, 200);
}

#[rstest]
#[tokio::test]
async fn broken_rules_are_told_as_redmine_tells_them_and_nobody_is_made(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_admin(db).await;
    site.add_user("bob").await;
    let before = site.database.dump("users");
    let all = |fields: &str| {
        format!(r#"{{"user":{{"login":"eve","firstname":"Eve","lastname":"E","mail":"eve@example.org",{fields}}}}}"#)
    };
    for (body, told) in [
        (
            "{}".to_owned(),
            r#""Login cannot be blank","First name cannot be blank","Last name cannot be blank","Email cannot be blank""#,
        ),
        (r#"{"user":{"login":"eve","lastname":"E","mail":"e@example.org"}}"#.into(), r#""First name cannot be blank""#),
        (all(r#""password":"short""#), r#""Password is too short (minimum is 8 characters)""#),
        (
            all(r#""password":"long-enough","password_confirmation":"otherwise""#),
            r#""Password doesn't match confirmation""#,
        ),
        (all(r#""status":7"#), r#""Status is invalid""#),
        (all(r#""status":"locked""#), r#""Status is invalid""#),
        (all(r#""mail":"BOB@Example.org""#), r#""Email has already been taken""#),
        (all(r#""login":"Bob""#), r#""Login has already been taken""#),
        (
            all(r#""mail":"bob@EXAMPLE.org","login":"bob","lastname":"","password":"short","status":9"#),
            r#""Login has already been taken","Last name cannot be blank","Email has already been taken","Password is too short (minimum is 8 characters)","Status is invalid""#,
        ),
        (
            all(r#""generate_password":true"#),
            r#""user[generate_password] is refused: no mail is sent here that could lead to a password. Set one, and tell it yourself.""#,
        ),
    ] {
        let answer = post(&site, &key, "/users.json", &body).await;
        assert_eq!((answer.status, answer.text.as_str()), (422, format!("{{\"errors\":[{told}]}}").as_str()), "{body}");
    }
    for body in [all(r#""admin":"perhaps""#), all(r#""admin":[true]"#), all(r#""password":{}"#), "{".into()] {
        assert_eq!(post(&site, &key, "/users.json", &body).await.status, 400, "{body}");
    }
    let xml = post(&site, &key, "/users.xml", "<user><login>a b</login><firstname>A</firstname></user>").await;
    assert_eq!(xml.status, 422);
    assert!(xml.text.contains("<errors type=\"array\"><error>Login can only have letters, digits"), "{}", xml.text);
    assert_eq!(site.database.dump("users"), before);
}
