//! What is sent to `/my/tokens`: JSON that says so, each member once.

use rstest::rstest;

use super::*;

const WISH: &str = r#"{"name":"a","scopes":["account:read"]}"#;

async fn sent(site: &Site, key: &Key, media_type: Option<&str>, body: &str) -> Answer {
    let request = site.request(Method::POST, LIST).header("X-Redmine-API-Key", &key.secret).body(body.to_owned());
    let request = media_type.into_iter().fold(request, |request, it| request.header("Content-Type", it));
    Answer::of(request).await.noted()
}

#[rstest]
#[tokio::test]
async fn a_body_says_that_it_is_json(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_alice(db).await;
    for media_type in ["application/json", "application/json; charset=utf-8", "Application/JSON;x"] {
        assert_eq!(sent(&site, &key, Some(media_type), WISH).await.status, 201, "{media_type}");
    }
    let before = state(&site);
    let others =
        ["application/x-www-form-urlencoded", "application/xml", "text/plain", "application/jsonx", "", "\u{e9}"];
    for media_type in others.map(Some).into_iter().chain([None]) {
        let answer = sent(&site, &key, media_type, WISH).await;
        let text = "Send JSON, with Content-Type: application/json.";
        assert_eq!(problem(&answer), refused(415, text), "{media_type:?}");
    }
    assert_eq!(state(&site), before);
}

#[rstest]
#[tokio::test]
async fn a_body_that_cannot_be_read_is_told(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, key) = with_alice(db).await;
    let access = site.add_access_token(&alice, "account:read", "30d").await;
    let before = state(&site);
    let json = Some("application/json");
    for (body, text) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{", "EOF while parsing an object at line 1 column 1"),
        ("[]", "invalid type: sequence, expected an object at line 1 column 0"),
        (r#""name""#, "invalid type: string \"name\", expected an object at line 1 column 6"),
        ("null", "invalid type: null, expected an object at line 1 column 4"),
        (r#"{"name":"a"} {}"#, "trailing characters at line 1 column 14"),
        // The last would win with one reader, the first with another.
        (
            r#"{"name":"a","scopes":["account:read"],"scopes":["account:write"]}"#,
            r#""scopes" appears twice at line 1 column 65"#,
        ),
        (r#"{"name":"a","n\u0061me":"b"}"#, r#""name" appears twice at line 1 column 28"#),
    ] {
        let answer = sent(&site, &key, json, body).await;
        assert_eq!(problem(&answer), (400, format!("The JSON is invalid: {text}.")), "{body}");
    }
    let rotate = send(&site, &key, Method::POST, &rotation(&access), &json!({}));
    assert_eq!(problem(&Answer::of(rotate.body("[")).await).0, 400);
    let change = send(&site, &key, Method::PATCH, &address(&access), &json!({}));
    assert_eq!(problem(&Answer::of(change.body("")).await).0, 400, "no change at all is no wish");
    let large = format!(r#"{{"name":"{}"}}"#, "a".repeat(65_536));
    assert_eq!(problem(&sent(&site, &key, json, &large).await), refused(413, "The request is too large."));
    assert_eq!(state(&site), before);
}

#[rstest]
#[tokio::test]
async fn who_may_not_come_in_is_told_that_first(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, _) = with_alice(db).await;
    let reads = site.add_access_token(&alice, "tokens:read account:write", "30d").await;
    let wrong = Key { id: 0, secret: "wrong".into() };
    assert_eq!(problem(&sent(&site, &wrong, None, "{").await).0, 401);
    let answer = sent(&site, &reads, None, "{").await;
    let text = "This key does not have the scope tokens:write, which this request needs.";
    assert_eq!(problem(&answer), refused(403, text));
    let challenge = r#"Bearer error="insufficient_scope", scope="tokens:write""#;
    assert_eq!(answer.header("WWW-Authenticate"), Some(challenge));
}
