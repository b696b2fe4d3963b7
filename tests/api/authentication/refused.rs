//! How a request is refused: a challenge where it helps, none where a browser would pop up a dialog.

use reqwest::header::HeaderValue;
use rstest::rstest;

use super::*;

/// "Nothing presented, or Basic refused: 401 with `WWW-Authenticate: Basic realm="Redmine API", charset="UTF-8"`."
#[rstest]
#[tokio::test]
async fn nothing_presented_or_basic_refused_is_answered_by_the_challenge(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    assert_refused(site.get(ADDRESS), BASIC, "nothing").await;
    for (case, credentials) in [
        ("a wrong password", "alice:wrong-password-1"),
        ("no password", "alice:"),
        ("no colon", "alice"),
        ("a login that nobody has", "nobody:wrong-password-2"),
        ("a key that nobody has", "0123456789abcdef0123456789abcdef01234567:x"),
        ("a login with a NUL", "al\0ice:wrong-password-3"),
    ] {
        assert_refused(with_authorization(&site, basic(credentials)), BASIC, case).await;
    }
    let xml = Answer::of(site.get("/my/account.xml")).await;
    assert_eq!((xml.status, xml.header("WWW-Authenticate")), (401, BASIC));
    let put = Answer::of(site.request(reqwest::Method::PUT, "/my/account.json").body("{}")).await;
    assert_eq!((put.status, put.header("WWW-Authenticate")), (401, BASIC));
}

/// "A refused key by header or parameter: 401 without a challenge (so that a browser does not pop up a dialog). A
/// refused Bearer: 401 `Bearer error="invalid_token"`."
#[rstest]
#[tokio::test]
async fn a_refused_key_is_answered_without_a_dialog(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, latchkey::models::keys::token::TokenAction::Api).await;
    let mistyped = format!("{}{}", &key.secret[..48], if key.secret.ends_with('0') { '1' } else { '0' });
    assert_eq!(mistyped.len(), key.secret.len());
    let never_made = latchkey::secret::Secret::generate();
    for secret in ["wrong", "alice", PASSWORD, &mistyped, never_made.expose(), "nul\u{1}byte", "ünïcode", "🔑"] {
        let in_query = format!("{ADDRESS}?key={}", escaped(secret));
        assert_refused(site.get(&in_query), None, "a wrong parameter").await;
        if let Ok(value) = HeaderValue::from_bytes(secret.as_bytes()) {
            assert_refused(site.get(ADDRESS).header(KEY_HEADER, value), None, "a wrong header").await;
            let bearer = with_authorization(&site, format!("Bearer {secret}"));
            assert_refused(bearer, BEARER, "a wrong Bearer").await;
        }
    }
    assert_refused(site.get(&format!("{ADDRESS}?key=a%00b")), None, "a parameter with a NUL").await;
    assert_eq!(site.get_with_key(ADDRESS, &key).await.status, 200);
}

/// "Bytes that are not UTF-8, base64 that is not, an unknown scheme: 401, never a 5xx."
#[rstest]
#[tokio::test]
async fn what_cannot_be_read_is_refused(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let Key { secret, .. } = site.add_key(&alice, latchkey::models::keys::token::TokenAction::Api).await;
    let bytes = |bytes: &[u8]| HeaderValue::from_bytes(bytes).expect("bytes that may stand in a header");
    assert_refused(site.get(ADDRESS).header(KEY_HEADER, bytes(b"\xff\xfe")), None, "a key that is not UTF-8").await;
    assert_refused(site.get(&format!("{ADDRESS}?key=%ff%fe")), None, "a parameter that is not UTF-8").await;
    let before_a_right_one = with_authorization(&site, basic(&secret)).header(KEY_HEADER, bytes(b"\xff"));
    assert_refused(before_a_right_one, None, "a key that is not UTF-8 before one that is right").await;
    let unreadable: [(&str, Vec<u8>); 14] = [
        ("bytes that are not UTF-8", b"\xff\xfe\xfd".to_vec()),
        ("a scheme that is not UTF-8", b"B\xe4sic YWxpY2U6eA==".to_vec()),
        ("Basic that is not UTF-8", b"Basic \xc3\x28".to_vec()),
        ("Bearer that is not UTF-8", b"Bearer \xff".to_vec()),
        ("Basic of bytes that are not UTF-8", basic(b"\xff\xfe:x").into()),
        ("Basic of a password that is not UTF-8", basic(b"alice:\xff").into()),
        ("base64 that is not", "Basic !!!!".into()),
        ("base64 of an impossible length", "Basic YWxpY".into()),
        ("base64 of another alphabet", "Basic __--".into()),
        ("base64 with a blank", format!("Basic {} {}", &encoded(&secret)[..8], &encoded(&secret)[8..]).into()),
        ("an unknown scheme", format!("Digest {secret}").into()),
        ("an unknown scheme with a key", format!("Token {secret}").into()),
        ("no scheme", secret.clone().into()),
        ("a scheme with another letter", format!("Basics {}", encoded(&secret)).into()),
    ];
    for (case, value) in unreadable {
        assert_refused(with_authorization(&site, value), BASIC, case).await;
    }
}

/// "`LATCHKEY_REALM`": the challenge names it.
#[rstest]
#[tokio::test]
async fn the_challenge_names_the_realm_of_the_settings(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--realm=Keys of Example Inc."]).await;
    assert_refused(site.get(ADDRESS), Some(r#"Basic realm="Keys of Example Inc.", charset="UTF-8""#), "nothing").await;
}
