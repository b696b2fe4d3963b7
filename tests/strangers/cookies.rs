//! "Cookies: encrypted and authenticated, holding the user id, the session's secret and what forms need, nothing else;
//! renewed at sign-in; HttpOnly, SameSite=Lax, Secure with the `__Host-` prefix when the public URL is https."

use actix_web::cookie::{Cookie, SameSite};
use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;
use crate::support::site::SECRET_KEY;

/// A page as it is seen by a browser that has nothing but this cookie.
async fn with_cookie(site: &Site, path: &str, cookie: &str) -> Page {
    page(site.visitor().request(Method::GET, path).header("Cookie", cookie)).await
}

/// Signs in and gives the cookie that this sets.
async fn cookie_of(site: &Site, login: &str) -> Cookie<'static> {
    let answer = site.visitor().try_sign_in(login, PASSWORD).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    cookie::set_by(&answer.headers).expect("a cookie")
}

#[rstest]
#[tokio::test]
async fn the_cookie_holds_the_person_the_session_and_what_forms_need(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let cookie = cookie_of(&site, "alice").await;
    let mut held = cookie::opened(&cookie);
    assert_eq!(held.remove("user"), Some(alice.id.into()));
    let secret = held.remove("secret").expect("a secret");
    let session = Key { id: 0, secret: secret.as_str().expect("text").to_owned() };
    assert!(session.secret.starts_with("lk_"));
    let form = held.remove("form").expect("a form token");
    assert_eq!(form.as_str().map(str::len), Some(32));
    assert!(held.is_empty(), "and nothing else: {:?}", held.keys());
    for (what, text) in [("secret", &session.secret), ("login", &"alice".to_owned())] {
        assert!(!cookie.value().contains(text.as_str()), "the {what} can be read");
    }
    assert_eq!(site.get_with_key("/users/current.json", &session).await.status, 401, "a session is no API key");
    assert_eq!(Answer::of(site.get(&format!("/activity.atom?key={}", session.secret))).await.status, 401);
}

/// Two sign-ins of one person have nothing in common that could be told without the key.
#[rstest]
#[tokio::test]
async fn what_a_cookie_holds_cannot_be_seen(#[values(Sqlite, Postgres)] db: Db) {
    use base64::Engine as _;
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let (first, second) = (cookie_of(&site, "alice").await, cookie_of(&site, "alice").await);
    let bytes = |cookie: &Cookie<'_>| base64::engine::general_purpose::STANDARD.decode(cookie.value()).expect("base64");
    let common = bytes(&first).iter().zip(bytes(&second)).filter(|(one, other)| **one == *other).count();
    assert!(common < 10, "{common} of {} bytes are the same", bytes(&first).len());
    for cookie in [&first, &second] {
        for word in ["user", "secret", "form", "lk_", "alice"] {
            let readable = bytes(cookie).windows(word.len()).any(|part| part == word.as_bytes());
            assert!(!readable, "{word} can be read");
        }
    }
}

#[rstest]
#[tokio::test]
async fn on_http_the_cookie_is_for_this_site_and_for_no_script(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let visitor = site.visitor();
    let before = cookie::set_by(&visitor.get("/login").await.headers).expect("a cookie for the form");
    let signed_in = cookie_of(&site, "alice").await;
    for (when, cookie) in [("before", before), ("signed in", signed_in)] {
        assert_eq!(cookie.name(), "latchkey", "{when}");
        assert_eq!(cookie.http_only(), Some(true), "{when}");
        assert_eq!(cookie.same_site(), Some(SameSite::Lax), "{when}");
        assert_eq!(cookie.path(), Some("/"), "{when}");
        assert_eq!(cookie.domain(), None, "{when}");
        assert_eq!((cookie.max_age(), cookie.expires()), (None, None), "{when}: it ends with the browser");
        assert_ne!(cookie.secure(), Some(true), "{when}: a browser would not send it back over http");
    }
}

#[rstest]
#[tokio::test]
async fn on_https_the_cookie_is_secure_and_bound_to_the_host(
    #[values(Sqlite, Postgres)] db: Db,
    #[values("https://keys.example.org", "https://example.org/keys")] url: &str,
) {
    let site = Site::start_with(db, &[&format!("--url={url}")]).await;
    site.add_user("alice").await;
    let base = url.strip_prefix("https://example.org").unwrap_or_default();
    let form = [("username", "alice"), ("password", PASSWORD)];
    let request = site.visitor().request(Method::POST, &format!("{base}/login"));
    let answer = page(request.header("Sec-Fetch-Site", "same-origin").form(&form)).await;
    assert_eq!(answer.status, 303);
    let cookie = cookie::set_by(&answer.headers).expect("a cookie");
    assert_eq!(cookie.name(), "__Host-latchkey");
    assert_eq!((cookie.secure(), cookie.http_only()), (Some(true), Some(true)));
    assert_eq!((cookie.same_site(), cookie.path(), cookie.domain()), (Some(SameSite::Lax), Some("/"), None));
    let account = with_cookie(&site, &format!("{base}/my/account"), &cookie::sent_back(&cookie)).await;
    assert_eq!(account.status, 200);
    let unprefixed = cookie::sent_back(&cookie).replace("__Host-", "");
    assert_eq!(with_cookie(&site, &format!("{base}/my/account"), &unprefixed).await.status, 302, "by another name");
    // Signing out takes it away, and that too must be believed by the browser.
    let request = site.visitor().request(Method::POST, &format!("{base}/logout"));
    let request = request.header("Sec-Fetch-Site", "same-origin").header("Cookie", cookie::sent_back(&cookie));
    let signed_out = page(request.form(&[("form_token", "")])).await;
    assert_eq!(signed_out.status, 303, "{}", signed_out.text());
    let removed = cookie::set_by(&signed_out.headers).expect("a cookie");
    assert_eq!((removed.name(), removed.value(), removed.path()), ("__Host-latchkey", "", Some("/")));
    assert_eq!(removed.secure(), Some(true));
    assert_eq!(removed.max_age().map(|age| age.whole_seconds()), Some(0));
}

/// "renewed at sign-in": a cookie that somebody planted before is worth nothing after.
#[rstest]
#[tokio::test]
async fn signing_in_renews_the_cookie(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.visitor();
    let planted = cookie::set_by(&alice.get("/login").await.headers).expect("a cookie for the form");
    let signed_in = alice.try_sign_in("alice", PASSWORD).await;
    let first = cookie::set_by(&signed_in.headers).expect("a new cookie");
    assert_ne!(first.value(), planted.value());
    assert_ne!(cookie::opened(&first)["form"], cookie::opened(&planted)["form"], "the forms' token too");
    assert_eq!(with_cookie(&site, "/my/account", &cookie::sent_back(&planted)).await.status, 302, "the planted one");
    assert_eq!(with_cookie(&site, "/my/account", &cookie::sent_back(&first)).await.status, 200, "hers");
    let again = cookie::set_by(&alice.try_sign_in("alice", PASSWORD).await.headers).expect("a new cookie");
    assert_ne!(cookie::opened(&again)["secret"], cookie::opened(&first)["secret"]);
    let before = with_cookie(&site, "/my/account", &cookie::sent_back(&first)).await;
    assert_eq!(before.status, 302, "the session before ends with a sign-in over it");
}

#[rstest]
#[tokio::test]
async fn an_altered_cookie_is_as_good_as_none(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let cookie = cookie_of(&site, "alice").await;
    let value = cookie.encoded().stripped().to_string().strip_prefix("latchkey=").expect("its name").to_owned();
    let mut altered: Vec<String> = (0..value.len()).step_by(17).map(|at| changed_at(&value, at)).collect();
    altered.extend([value[..value.len() / 2].to_owned(), format!("{value}AAAA"), format!("AAAA{value}")]);
    altered.extend(["", "x", "%00%ff", "\"", "lk_", &"A".repeat(4000)].map(str::to_owned));
    altered.push(format!("{{\"user\":\"{}\",\"secret\":\"\\\"lk_\\\"\"}}", alice.id));
    assert_eq!(with_cookie(&site, "/my/account", &format!("latchkey={value}")).await.status, 200, "as it was");
    for (number, value) in altered.iter().enumerate() {
        let asked = with_cookie(&site, "/my/account", &format!("latchkey={value}")).await;
        assert_eq!(asked.status, 302, "{number}");
        assert_eq!(asked.location(), "/login?back_url=%2Fmy%2Faccount", "{number}");
        let sign_in = with_cookie(&site, "/login", &format!("latchkey={value}")).await;
        assert_eq!(sign_in.status, 200, "{number}: the person can sign in");
        assert!(cookie::set_by(&sign_in.headers).is_some(), "{number}: with a new cookie");
    }
    let renamed = with_cookie(&site, "/my/account", &format!("other={value}")).await;
    assert_eq!(renamed.status, 302, "under another name");
}

/// A cookie that another key made is altered, too: that of another site, or of this one before its key was changed.
#[rstest]
#[tokio::test]
async fn a_cookie_of_another_key_is_as_good_as_none(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let other_key = "fedcba9876543210".repeat(4);
    let command_line = CommandLine::on(&site.database).with("LATCHKEY_SECRET_KEY", &other_key);
    let other = Process::serve(&command_line, &[]);
    let there = other.visitor();
    let signed_in = there.try_sign_in("alice", PASSWORD).await;
    let cookie = cookie::set_by(&signed_in.headers).expect("a cookie");
    assert!(there.is_signed_in().await);
    assert_eq!(with_cookie(&site, "/my/account", &cookie::sent_back(&cookie)).await.status, 302);
}

/// What the cookie says must agree with the token's row: neither another's id nor another kind of token passes.
#[rstest]
#[tokio::test]
async fn only_a_session_token_makes_a_session(#[values(Sqlite, Postgres)] db: Db) {
    use actix_web::cookie::{CookieJar, Key as CookieKey};
    let site = Site::start(db).await;
    let (alice, bob) = (site.add_user("alice").await, site.add_user("bob").await);
    let session = site.add_key(&alice, TokenAction::Session).await.secret;
    let api = site.add_key(&alice, TokenAction::Api).await.secret;
    let feeds = site.add_key(&alice, TokenAction::Feeds).await.secret;
    let recovery = site.add_key(&alice, TokenAction::Recovery).await.secret;
    let sealed = |user: &str, secret: &str| {
        let mut jar = CookieJar::new();
        let held = serde_json::json!({ "user": user, "secret": format!("\"{secret}\"") });
        let key = CookieKey::derive_from(SECRET_KEY.as_bytes());
        jar.private_mut(&key).add(Cookie::new("latchkey", held.to_string()));
        cookie::sent_back(jar.get("latchkey").expect("the cookie"))
    };
    let (alice, bob) = (alice.id.to_string(), bob.id.to_string());
    for (what, user, secret, status) in [
        ("her session", alice.as_str(), session.as_str(), 200),
        ("her session as bob", &bob, &session, 302),
        ("her API key", &alice, &api, 302),
        ("her Atom key", &alice, &feeds, 302),
        ("her recovery token", &alice, &recovery, 302),
        ("no token", &alice, "", 302),
        ("no number", "\\\"x\\\"", &session, 302),
    ] {
        let page = with_cookie(&site, "/my/account", &sealed(user, secret)).await;
        assert_eq!(page.status, status, "{what}");
    }
}

/// Another character at `position`, still of base64.
fn changed_at(value: &str, position: usize) -> String {
    let mut bytes = value.as_bytes().to_vec();
    bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).expect("ASCII")
}
