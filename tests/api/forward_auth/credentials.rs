//! Where a key may stand, and what is no key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn a_key_comes_in_any_of_its_headers(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_a_wiki(db).await;
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let secret = &key.secret;
    for (name, value) in [
        ("Authorization", format!("Bearer {secret}")),
        ("Authorization", format!("bearer  {secret} ")),
        ("Authorization", basic(&format!("{secret}:"))),
        ("Authorization", basic(&format!("{secret}:X"))),
        ("Authorization", basic(secret)),
        ("X-API-Key", secret.clone()),
        ("x-api-key", format!(" {secret} ")),
        ("X-Redmine-API-Key", secret.clone()),
    ] {
        let answer = Answer::of(asked(&site, "POST", "wiki.example.org/").header(name, &value)).await;
        assert_eq!((answer.status, identity(&answer).0), (200, "alice"), "{name}: {value}");
    }
    let invalid = Some(r#"Bearer error="invalid_token""#);
    let basic_challenge = Some(r#"Basic realm="Redmine API", charset="UTF-8""#);
    for (name, value, challenge) in [
        ("Authorization", "Bearer wrong".to_owned(), invalid),
        ("Authorization", format!("Bearer {}", secret.to_lowercase()), invalid),
        ("Authorization", basic("wrong:x"), basic_challenge),
        ("Authorization", "Digest x".to_owned(), basic_challenge),
        ("Authorization", "Basic !".to_owned(), basic_challenge),
        ("Authorization", String::new(), basic_challenge),
        ("X-API-Key", "wrong".to_owned(), invalid),
        ("X-Redmine-API-Key", "wrong".to_owned(), invalid),
        ("X_API_Key", secret.clone(), basic_challenge),
        ("Cookie", format!("key={secret}"), basic_challenge),
    ] {
        let answer = Answer::of(asked(&site, "POST", "wiki.example.org/").header(name, &value)).await;
        assert_eq!((answer.status, answer.header("WWW-Authenticate")), (401, challenge), "{name}: {value}");
    }
}

/// "Basic with the key as user name (login and password: 401, nothing hashed)"
#[rstest]
#[tokio::test]
async fn a_login_and_password_enter_nowhere_and_nothing_is_hashed(#[values(Sqlite, Postgres)] db: Db) {
    let (site, ..) = with_a_wiki(db).await;
    let hashed = site.app.passwords.hash_calls();
    for password in [PASSWORD, "wrong"] {
        let answer = Answer::of(asked(&site, "GET", "wiki.example.org/").basic_auth("alice", Some(password))).await;
        assert_eq!(
            (answer.status, answer.header("WWW-Authenticate")),
            (401, Some(r#"Basic realm="Redmine API", charset="UTF-8""#)),
            "{password}"
        );
    }
    assert_eq!(site.app.passwords.hash_calls(), hashed);
}

#[rstest]
#[tokio::test]
async fn the_first_that_is_there_decides_and_what_comes_twice_is_none(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_a_wiki(db).await;
    let order = ["X-Redmine-API-Key", "X-API-Key", "Authorization"];
    let value =
        |name: &str, secret: &str| if name == "Authorization" { format!("Bearer {secret}") } else { secret.to_owned() };
    for (first, name) in order.iter().enumerate() {
        for later in &order[first + 1..] {
            let question = |one: &str, other: &str| {
                let question = asked(&site, "GET", "wiki.example.org/").header(*name, value(name, one));
                Answer::of(question.header(*later, value(later, other)))
            };
            assert_eq!(question(&key.secret, "wrong").await.status, 200, "{name} before {later}");
            assert_eq!(question("wrong", &key.secret).await.status, 401, "{name} before {later}");
            assert_eq!(question("", &key.secret).await.status, 200, "an empty one is none: {name}");
        }
        let twice = asked(&site, "GET", "wiki.example.org/").header(*name, value(name, &key.secret));
        assert_eq!(Answer::of(twice.header(*name, value(name, &key.secret))).await.status, 401, "{name} twice");
    }
}

/// "whether `key=` in the address counts (default no)"
#[rstest]
#[tokio::test]
async fn a_key_in_the_address_counts_where_the_service_says_so(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, key) = with_a_wiki(db).await;
    let secret = &key.secret;
    let at =
        async |query: &str| status(&Answer::of(asked(&site, "GET", &format!("wiki.example.org/page{query}"))).await);
    assert_eq!(at(&format!("?key={secret}")).await, 401, "it is the service's own parameter");
    assert_eq!(by_key(&site, "GET", "wiki.example.org/?key=a&key=b", &key).await.status, 200, "as often as it likes");
    site.database.execute("UPDATE services SET key_parameter = TRUE");
    for (query, expected) in [
        (format!("?key={secret}"), 200),
        (format!("?a=1&key={secret}&b=2"), 200),
        (format!("?key=%20{secret}%20"), 200),
        (format!("?key={secret}x"), 401),
        ("?key=".to_owned(), 401),
        ("?key".to_owned(), 401),
        // Only a parameter that a proxy takes out again.
        (format!("?k%65y={secret}"), 401),
        (format!("?key[]={secret}"), 401),
        (format!("?KEY={secret}"), 401),
        (format!("?a=1;key={secret}"), 401),
        (format!("?key=x&key={secret}"), 400),
        (format!("?key&key={secret}"), 400),
    ] {
        assert_eq!(at(&query).await, expected, "{query}");
    }
    let wrong = asked(&site, "GET", "wiki.example.org/?key=wrong").bearer_auth(secret);
    assert_eq!(Answer::of(wrong).await.status, 401, "it comes first");
    // And it is not read where others put it.
    let own = site.add_access_token(&alice, "service:wiki:read", "1d").await;
    let question = site.get(&format!("/auth/nginx?key={}", own.secret)).header("Host", "wiki.example.org");
    let question = question.header("X-Original-URI", "/").header("X-Original-Method", "GET");
    assert_eq!(Answer::of(question).await.status, 401);
}

/// Traefik can take no single cookie away: it sends them along, and passes on those that it is answered.
#[rstest]
#[tokio::test]
async fn whoever_sends_cookies_along_is_told_which_are_not_ours(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_a_wiki(db).await;
    let told = async |dialect: &str, cookies: &[&[u8]]| {
        let question = site.get(&format!("/auth/{dialect}")).bearer_auth(&key.secret);
        let question = question.header("Host", "wiki.example.org").header("X-Original-URI", "/");
        let question = question.header("X-Original-Method", "GET").header("X-Forwarded-Method", "GET");
        let question = question.header("X-Forwarded-Proto", "https").header("X-Forwarded-Host", "wiki.example.org");
        let question = question.header("X-Forwarded-Uri", "/");
        let answer = Answer::of(cookies.iter().fold(question, |question, line| question.header("Cookie", *line))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.headers.get("Cookie").map(|value| value.as_bytes().to_vec())
    };
    type Case = (&'static [&'static [u8]], Option<&'static [u8]>);
    let cases: [Case; 9] = [
        (&[], None),
        (&[b""], None),
        (&[b"latchkey=x"], None),
        (&[b" ; latchkey=x;; __Host-latchkey=y ;"], None),
        (&[b"a=1; latchkey=x; b=2"], Some(b"a=1; b=2")),
        (&[b"a=1;latchkey = x;b=2"], Some(b"a=1; b=2")),
        (&[b"a=1", b"latchkey=x; b=2"], Some(b"a=1; b=2")),
        (&[b"latchkey; Latchkey=1; xlatchkey=2; a=latchkey=3"], Some(b"Latchkey=1; xlatchkey=2; a=latchkey=3")),
        (&[b"a=\xe4\xff; latchkey=x"], Some(b"a=\xe4\xff")),
    ];
    for (cookies, expected) in cases {
        assert_eq!(told("forwarded", cookies).await.as_deref(), expected, "{cookies:?}");
        assert_eq!(told("nginx", cookies).await, None, "it takes them away itself");
    }
}

/// "Switch-User is ignored"
#[rstest]
#[tokio::test]
async fn an_administrator_is_nobody_else_on_a_service(#[values(Sqlite, Postgres)] db: Db) {
    let (site, ..) = with_a_wiki(db).await;
    let root = site.add_admin("root").await;
    site.database.execute("UPDATE services SET classic_keys = TRUE");
    let key = site.add_key(&root, TokenAction::Api).await;
    for login in ["alice", "nobody"] {
        let question = asked(&site, "GET", "wiki.example.org/").bearer_auth(&key.secret);
        let answer = Answer::of(question.header("X-Redmine-Switch-User", login)).await;
        assert_eq!((answer.status, identity(&answer).0), (200, "root"));
    }
}
