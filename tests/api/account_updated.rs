//! `PUT /my/account.{json,xml}`

use chrono::TimeDelta;
use latchkey::models::keys::token::TokenAction;
use reqwest::{Method, RequestBuilder};
use rstest::rstest;

use crate::support::*;

fn put(site: &Site, key: &Key, address: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    let request = site.request(Method::PUT, address).header("X-Redmine-API-Key", &key.secret);
    let media_type = if address.ends_with(".xml") { "application/xml" } else { "application/json" };
    request.header("Content-Type", media_type).body(body)
}

/// First name, last name and mail of a person.
fn profile(site: &Site, login: &str) -> [String; 3] {
    let user = site.user(login);
    [user.firstname, user.lastname, user.mail]
}

/// "`PUT /my/account.json` `{"user":{"firstname":…,"lastname":…,"mail":…}}` → 204 and an empty body […] The same in
/// XML."
#[rstest]
#[tokio::test]
async fn names_and_mail_are_saved(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    site.add_user("bob").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let bob = profile(&site, "bob");
    let json = r#"{"user":{"firstname":"Zoë <b>","lastname":"O'Brien & \"Söhne\"","mail":"zoe@example.com"}}"#;
    let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<user>\n  <firstname>&lt;Eve&gt; 🔑</firstname>
        <lastname><![CDATA[Adams & Sons]]></lastname><mail>eve&#64;example.com</mail></user>\n";
    for (address, body, saved) in [
        ("/my/account.json", json, ["Zoë <b>", "O'Brien & \"Söhne\"", "zoe@example.com"]),
        ("/my/account.xml", xml, ["<Eve> 🔑", "Adams & Sons", "eve@example.com"]),
    ] {
        site.later(TimeDelta::minutes(5));
        let answer = Answer::of(put(&site, &key, address, body)).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{address}");
        assert_eq!(answer.header("Content-Type"), None, "{address}");
        assert_eq!(profile(&site, "alice"), saved, "{address}");
        assert_eq!(site.user("alice").updated_on, site.clock.now(), "{address}");
        let shown = site.get_with_key("/my/account.json", &key).await.json();
        assert_eq!(shown["user"]["firstname"], saved[0], "{address}");
    }
    assert_eq!(profile(&site, "bob"), bob, "nobody else's");
    assert_eq!(site.user("alice").passwd_changed_on, alice.passwd_changed_on);
}

/// What is not named stays as it is.
#[rstest]
#[tokio::test]
async fn fields_that_are_not_named_stay(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    for (address, body, saved) in [
        ("/my/account.json", r#"{"user":{"firstname":"Ann"}}"#, ["Ann", "Person alice", "alice@example.org"]),
        ("/my/account.json", r#"{"user":{"lastname":"Lee"}}"#, ["Ann", "Lee", "alice@example.org"]),
        ("/my/account.xml", "<user><mail>ann@example.org</mail></user>", ["Ann", "Lee", "ann@example.org"]),
        ("/my/account.xml", "<user><firstname> Anna\n</firstname></user>", ["Anna", "Lee", "ann@example.org"]),
        ("/my/account.json", r#"{"user":{"firstname":"  Ann\t"}}"#, ["Ann", "Lee", "ann@example.org"]),
        ("/my/account.json", r#"{"user":{"lastname":7}}"#, ["Ann", "7", "ann@example.org"]),
        ("/my/account.xml", "\u{FEFF}<user> <!-- a byte order mark --></user>", ["Ann", "7", "ann@example.org"]),
        ("/my/account.json", r#"{"user":{}}"#, ["Ann", "7", "ann@example.org"]),
        ("/my/account.json", "{}", ["Ann", "7", "ann@example.org"]),
        ("/my/account.xml", "<user/>", ["Ann", "7", "ann@example.org"]),
        ("/my/account.json", "", ["Ann", "7", "ann@example.org"]),
        ("/my/account.xml", " \n", ["Ann", "7", "ann@example.org"]),
        ("/my/account.json", "\u{FEFF}{\"user\":{\"lastname\":\"Lee\"}}", ["Ann", "Lee", "ann@example.org"]),
        ("/my/account.json?user[lastname]=Low", "", ["Ann", "Low", "ann@example.org"]),
        ("/my/account.json?user[lastname]=No", r#"{"user":{"firstname":"Amy"}}"#, ["Amy", "Low", "ann@example.org"]),
        (
            "/my/account.xml",
            "<user><mail>ann@M\u{fc}ller.example</mail></user>",
            ["Amy", "Low", "ann@xn--mller-kva.example"],
        ),
    ] {
        let answer = Answer::of(put(&site, &key, address, body)).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{body}");
        assert_eq!(profile(&site, "alice"), saved, "{body}");
    }
}

/// "Other fields (`admin`, `login`, `id`) are ignored."
#[rstest]
#[tokio::test]
async fn other_fields_are_ignored(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let bob = site.add_user("bob").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let json = format!(
        r#"{{"user":{{"firstname":"Ann","admin":true,"login":"boss","id":{},"status":"locked","password":"another-one",
           "password_hash":"x","must_change_password":true,"twofa_scheme":"totp","custom":{{"a":[1]}}}},"admin":true}}"#,
        bob.id
    );
    let xml = format!(
        "<user admin=\"true\"><admin>true</admin><login>boss</login><id>{}</id><status>locked</status>
         <custom><a><b/></a></custom><lastname>Lee</lastname><password>another-one</password></user>",
        bob.id
    );
    for (address, body) in [("/my/account.json", json), ("/my/account.xml", xml)] {
        assert_eq!(Answer::of(put(&site, &key, address, body)).await.status, 204, "{address}");
    }
    let after = site.user("alice");
    assert_eq!([after.firstname.as_str(), &after.lastname], ["Ann", "Lee"], "the fields beside them were saved");
    assert_eq!((after.id, after.admin, after.is_active()), (alice.id, false, true));
    assert_eq!((after.must_change_password, after.twofa_scheme), (false, None));
    assert_eq!(after.password_hash, alice.password_hash);
    assert_eq!(site.user("bob").firstname, bob.firstname);
}

/// "Broken rules → 422 `{"errors":["Email is invalid"]}`, `{"errors":["First name cannot be blank"]}` […] The same in
/// XML."
#[rstest]
#[tokio::test]
async fn broken_rules_are_told_and_nothing_is_saved(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let before = site.database.dump("users");
    let declaration = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
    let in_xml = |errors: &str| format!(r#"{declaration}<errors type="array">{errors}</errors>"#);
    let invalid = "<error>Email is invalid</error>";
    let blank = "<error>First name cannot be blank</error>";
    for (address, body, told) in [
        ("/my/account.json", r#"{"user":{"mail":"nonsense"}}"#, r#"{"errors":["Email is invalid"]}"#.to_owned()),
        ("/my/account.json", r#"{"user":{"firstname":""}}"#, r#"{"errors":["First name cannot be blank"]}"#.into()),
        ("/my/account.json", r#"{"user":{"firstname":null}}"#, r#"{"errors":["First name cannot be blank"]}"#.into()),
        (
            "/my/account.json",
            r#"{"user":{"mail":"","lastname":" ","firstname":"\t"}}"#,
            r#"{"errors":["First name cannot be blank","Last name cannot be blank","Email cannot be blank"]}"#.into(),
        ),
        (
            "/my/account.json",
            r#"{"user":{"firstname":"Good","lastname":"a\u0000b"}}"#,
            r#"{"errors":["Last name contains an invisible character (U+0000)"]}"#.into(),
        ),
        ("/my/account.xml", "<user><mail>nonsense</mail></user>", in_xml(invalid)),
        ("/my/account.xml", "<user><firstname></firstname></user>", in_xml(blank)),
        ("/my/account.xml", "<user><firstname/></user>", in_xml(blank)),
        (
            "/my/account.xml",
            "<user><firstname> </firstname><mail>a@</mail></user>",
            in_xml(&format!("{blank}{invalid}")),
        ),
    ] {
        let answer = Answer::of(put(&site, &key, address, body)).await;
        assert_eq!((answer.status, answer.text.as_str()), (422, told.as_str()), "{body}");
        let media_type = if address.ends_with("xml") { "application/xml" } else { "application/json" };
        assert_eq!(answer.header("Content-Type"), Some(format!("{media_type}; charset=utf-8").as_str()), "{body}");
    }
    assert_eq!(site.database.dump("users"), before);
    assert_eq!(site.user("alice").updated_on, alice.updated_on);
}

/// "JSON that does not parse → 400. The same in XML."
#[rstest]
#[tokio::test]
async fn a_body_that_does_not_parse_is_refused(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let before = site.database.dump("users");
    let deep_json = format!("{}{}", r#"{"user":"#.repeat(5000), "}".repeat(5000));
    let bodies: [(&str, &[u8]); 22] = [
        ("json", b"{"),
        ("json", br#"{"user":{"firstname":"Eve"}"#),
        ("json", br#"{"user":{"firstname":"Eve"}} x"#),
        ("json", br#"{"user":{"firstname":"Eve",}}"#),
        ("json", br#"{"user":{"firstname":"\ud800"}}"#),
        ("json", b"{\"user\":{\"firstname\":\"\xff\"}}"),
        ("json", br#"{"user":{"firstname":["Eve"]}}"#),
        ("json", br#"{"user":{"firstname":{"a":"Eve"}}}"#),
        ("json", b"<user><firstname>Eve</firstname></user>"),
        ("json", deep_json.as_bytes()),
        ("xml", b"nonsense"),
        ("xml", b"<user><firstname>Eve</firstname>"),
        ("xml", b"<user><firstname>Eve</lastname></user>"),
        ("xml", b"<user><firstname>Eve</firstname></user></user>"),
        ("xml", b"<user><firstname>Eve</firstname></user>nonsense"),
        ("xml", b"nonsense<user><firstname>Eve</firstname></user>"),
        ("xml", b"<user><firstname>Eve</firstname></user><user/>"),
        ("xml", b"<user><firstname><b>Eve</b></firstname></user>"),
        ("xml", b"<user><firstname>&unknown;</firstname></user>"),
        ("xml", b"<user><firstname>\xff</firstname></user>"),
        ("xml", br#"{"user":{"firstname":"Eve"}}"#),
        (
            "xml",
            b"<!DOCTYPE user [<!ENTITY e SYSTEM \"file:///etc/hostname\">]><user><firstname>&e;</firstname></user>",
        ),
    ];
    for (ending, body) in bodies {
        let answer = Answer::of(put(&site, &key, &format!("/my/account.{ending}"), body.to_vec())).await;
        let case = String::from_utf8_lossy(&body[..body.len().min(80)]);
        assert_eq!(answer.status, 400, "{case}: {}", answer.text);
        assert_eq!(answer.header("Content-Type"), Some(format!("application/{ending}; charset=utf-8").as_str()));
        let (beginning, end) = match ending {
            "json" => (r#"{"errors":["#, "]}"),
            _ => (r#"<?xml version="1.0" encoding="UTF-8"?><errors type="array"><error>"#, "</error></errors>"),
        };
        assert!(answer.text.starts_with(beginning) && answer.text.ends_with(end), "{case}: {}", answer.text);
    }
    assert_eq!(site.database.dump("users"), before);
}

/// The body is what its `Content-Type` says, or what the address says: curl says "form" unless told otherwise.
#[rstest]
#[tokio::test]
async fn the_body_may_be_of_another_format_than_the_answer(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let (json, xml) = (r#"{"user":{"firstname":"NAME"}}"#, "<user><firstname>NAME</firstname></user>");
    for (number, (address, media_type, body)) in [
        ("/my/account.json", None, json),
        ("/my/account.xml", None, xml),
        ("/my/account.json", Some("application/x-www-form-urlencoded"), json),
        ("/my/account.json", Some("application/json; charset=utf-8"), json),
        ("/my/account.json", Some("APPLICATION/JSON"), json),
        ("/my/account.json", Some("application/xml"), xml),
        ("/my/account.xml", Some("text/xml;charset=UTF-8"), xml),
        ("/my/account.xml", Some("application/json"), json),
        ("/my/account.xml", Some("nonsense"), xml),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("Name{number}");
        let request = site.request(Method::PUT, address).header("X-Redmine-API-Key", &key.secret);
        let request = match media_type {
            Some(media_type) => request.header("Content-Type", media_type),
            None => request,
        };
        let answer = Answer::of(request.body(body.replace("NAME", &name))).await;
        assert_eq!(answer.status, 204, "{address} of {media_type:?}: {}", answer.text);
        assert_eq!(site.user("alice").firstname, name, "{address} of {media_type:?}");
    }
    let request = site.request(Method::PUT, "/my/account.xml").header("X-Redmine-API-Key", &key.secret);
    let request = request.header("Content-Type", "application/json").body(r#"{"user":{"mail":"x"}}"#);
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.header("Content-Type"), Some("application/xml; charset=utf-8"), "errors are told as asked for");
}

/// Nobody's account is changed by who may not come in.
#[rstest]
#[tokio::test]
async fn a_stranger_saves_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let feeds = site.add_key(&alice, TokenAction::Feeds).await;
    let before = site.database.dump("users");
    for (case, request) in [
        ("nobody", site.request(Method::PUT, "/my/account.json")),
        ("a wrong key", site.request(Method::PUT, "/my/account.json?key=wrong")),
        ("a feeds key", site.request(Method::PUT, &format!("/my/account.json?key={}", feeds.secret))),
        ("a wrong password", site.request(Method::PUT, "/my/account.json").basic_auth("alice", Some("wrong"))),
    ] {
        let answer = Answer::of(request.body(r#"{"user":{"firstname":"Eve"}}"#)).await;
        assert_eq!(answer.status, 401, "{case}");
    }
    assert_eq!(site.database.dump("users"), before);
}

/// Two programs that change different fields at once: neither undoes what the other does.
#[rstest]
#[tokio::test]
async fn changes_of_different_fields_at_once_are_both_kept(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let put = |body: String| {
        let request = site.request(Method::PUT, "/my/account.json").header("X-Redmine-API-Key", &key.secret);
        Answer::of(request.header("Content-Type", "application/json").body(body))
    };
    for round in 0..20 {
        let one = put(format!(r#"{{"user":{{"firstname":"First {round}"}}}}"#));
        let other = put(format!(r#"{{"user":{{"lastname":"Last {round}"}}}}"#));
        let (one, other) = tokio::join!(one, other);
        assert_eq!((one.status, other.status), (204, 204));
        let user = site.user("alice");
        assert_eq!((user.firstname, user.lastname), (format!("First {round}"), format!("Last {round}")));
    }
}
