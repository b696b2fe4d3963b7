//! What Redmine's clients write bodies in: forms, XML and JSON, in the character encoding that they name.

use latchkey::models::keys::token::TokenAction;
use reqwest::Method;
use rstest::rstest;

use crate::support::*;

/// `text` in UTF-16, with a byte order mark.
fn utf16(text: &str) -> Vec<u8> {
    std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[rstest]
#[tokio::test]
async fn a_body_is_read_in_the_format_and_encoding_that_it_names(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let (form, json, xml) = ("application/x-www-form-urlencoded", "application/json", "application/xml");
    let in_latin_1 =
        |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect::<Vec<_>>();
    let element = "<user><firstname>J\u{f6}rg</firstname></user>";
    let declared = |encoding: &str| format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?>{element}");
    let cases: Vec<(&str, &str, Vec<u8>)> = vec![
        ("a form", form, b"user[firstname]=J%C3%B6rg".to_vec()),
        ("a form with its brackets escaped", form, b"user%5Bfirstname%5D=J%C3%B6rg&utf8=%E2%9C%93".to_vec()),
        ("a form in bytes", form, "user[firstname]=J\u{f6}rg".into()),
        (
            "a form in Latin-1",
            "application/x-www-form-urlencoded; charset=ISO-8859-1",
            b"user[firstname]=J%F6rg".to_vec(),
        ),
        ("the last counts", form, b"user[firstname]=A&user[firstname]=J%C3%B6rg".to_vec()),
        ("JSON with a byte order mark", json, "\u{FEFF}{\"user\":{\"firstname\":\"J\u{f6}rg\"}}".into()),
        ("JSON in UTF-16", json, utf16("{\"user\":{\"firstname\":\"J\u{f6}rg\"}}")),
        (
            "JSON in Latin-1",
            "application/json; charset=\"latin1\"",
            in_latin_1("{\"user\":{\"firstname\":\"J\u{f6}rg\"}}"),
        ),
        ("JSON by another name", "application/vnd.api+json", "{\"user\":{\"firstname\":\"J\u{f6}rg\"}}".into()),
        ("XML", xml, element.into()),
        ("XML that says so", xml, declared("utf-8").into()),
        ("XML in Latin-1", xml, in_latin_1(&declared("ISO-8859-1"))),
        ("XML in Latin-9", xml, in_latin_1(&declared("iso-8859-15").replace('"', "'"))),
        ("XML of Windows", "text/xml", in_latin_1(&declared("windows-1252"))),
        ("XML in UTF-16", xml, utf16(&declared("UTF-16"))),
        ("the Content-Type wins", "application/xml; charset=iso-8859-1", in_latin_1(&declared("utf-8"))),
        ("XML with a byte order mark", xml, format!("\u{FEFF}{}", declared("iso-8859-1")).into()),
        ("XML with entities", xml, b"<user><firstname>J&#xF6;<![CDATA[r]]>g</firstname></user>".to_vec()),
    ];
    for address in ["/my/account.json", "/my/account.xml"] {
        for (case, media_type, body) in &cases {
            site.set_user(&alice, "firstname = 'Before'");
            let request = site.request(Method::PUT, address).header("X-Redmine-API-Key", &key.secret);
            let answer = Answer::of(request.header("Content-Type", *media_type).body(body.clone())).await;
            assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{case}");
            assert_eq!(site.user("alice").firstname, "J\u{f6}rg", "{case}");
        }
    }
}

/// Nothing is guessed, and nothing is replaced by question marks.
#[rstest]
#[tokio::test]
async fn what_is_in_no_known_encoding_is_refused(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let before = site.database.dump("users");
    let multipart = b"--x\r\nContent-Disposition: form-data; name=\"user[firstname]\"\r\n\r\nEve\r\n--x--\r\n";
    for (status, media_type, body) in [
        (400, "application/x-www-form-urlencoded", &b"user[firstname]=J%F6rg"[..]),
        (400, "application/x-www-form-urlencoded", b"user[firstname][]=Eve"),
        (400, "application/x-www-form-urlencoded", b"user[firstname][a]=Eve"),
        (400, "application/json", b"{\"user\":{\"firstname\":\"J\xf6rg\"}}"),
        (400, "application/xml", b"<?xml version=\"1.0\" encoding=\"utf-16\"?><user><firstname>Eve</firstname></user>"),
        (400, "application/xml; charset=utf-8", b"<user><firstname>J\xf6rg</firstname></user>"),
        (415, "application/xml; charset=utf-7", b"<user><firstname>Eve</firstname></user>"),
        (415, "application/xml", b"<?xml version='1.0' encoding='nonsense'?><user><firstname>Eve</firstname></user>"),
        (415, "application/json; charset=iso-2022-kr", b"{\"user\":{\"firstname\":\"Eve\"}}"),
        (415, "multipart/form-data; boundary=x", multipart),
    ] {
        let request = site.request(Method::PUT, "/my/account.json").header("X-Redmine-API-Key", &key.secret);
        let answer = Answer::of(request.header("Content-Type", media_type).body(body.to_vec())).await;
        let case = format!("{media_type} {}", String::from_utf8_lossy(body));
        assert_eq!(answer.status, status, "{case}: {}", answer.text);
        assert_eq!(answer.json()["errors"].as_array().map(Vec::len), Some(1), "{case}");
    }
    let many = "a=b&".repeat(1001);
    let request = site.request(Method::PUT, "/my/account.json").header("X-Redmine-API-Key", &key.secret);
    let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(many);
    assert_eq!(Answer::of(request).await.status, 400);
    assert_eq!(site.database.dump("users"), before);
}

/// Redmine's own tests send forms.
#[rstest]
#[tokio::test]
async fn people_are_added_and_changed_by_forms(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let key = site.add_key(&root, TokenAction::Api).await;
    let send = |method: Method, address: &str, fields: &[(&str, &str)]| {
        Answer::of(site.request(method, address).header("X-Redmine-API-Key", &key.secret).form(fields))
    };
    log::note_secret("secret-123-of-foo");
    let foo = [
        ("user[login]", "foo"),
        ("user[firstname]", "First & name"),
        ("user[lastname]", "Last"),
        ("user[mail]", "foo@m\u{fc}ller.example"),
        ("user[password]", "secret-123-of-foo"),
        ("user[mail_notification]", "only_assigned"),
        ("user[custom_fields][][id]", "1"),
        ("user[admin]", "1"),
    ];
    let added = send(Method::POST, "/users.xml", &foo).await;
    assert_eq!((added.status, added.header("Content-Type")), (201, Some("application/xml; charset=utf-8")));
    let user = site.user("foo");
    assert_eq!(
        (user.firstname.as_str(), user.mail.as_str(), user.admin),
        ("First & name", "foo@xn--mller-kva.example", true)
    );
    site.visitor().sign_in("foo", "secret-123-of-foo").await;
    let address = format!("/users/{}.json", user.id);
    let renamed =
        send(Method::PUT, &address, &[("user[login]", "bar"), ("user[admin]", "false"), ("user[status]", "3")]);
    assert_eq!(renamed.await.status, 204);
    let user = site.user("bar");
    assert_eq!((user.admin, user.is_active()), (false, false));
    let wrong = send(Method::PUT, &address, &[("user[firstname]", ""), ("user[mail]", "foo")]).await;
    assert_eq!(
        (wrong.status, wrong.text.as_str()),
        (422, r#"{"errors":["First name cannot be blank","Email is invalid"]}"#)
    );
    let by_address = site.request(Method::PUT, &format!("{address}?user%5Bstatus%5D=1&user[lastname]=N%C3%A4me"));
    assert_eq!(Answer::of(by_address.header("X-Redmine-API-Key", &key.secret)).await.status, 204);
    let user = site.user("bar");
    assert_eq!((user.lastname.as_str(), user.is_active()), ("N\u{e4}me", true));
}
