//! *Sign in*, and signing out.

use chrono::TimeDelta;
use reqwest::Method;
use rstest::rstest;

use super::*;
use crate::support::visitor::page;

const WRONG: &str = "The login or password is wrong.";

#[rstest]
#[tokio::test]
async fn the_page_asks_for_login_and_password(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let form = site.visitor().get("/login").await;
    assert_eq!(form.status, 200);
    assert_eq!(form.header("Content-Type"), Some("text/html; charset=utf-8"));
    assert!(form.html.contains("<title>Sign in · Latchkey</title>"), "{}", form.html);
    assert!(form.html.contains("action=\"/login\" method=\"post\""));
    assert!(field(&form, "username").contains("autocomplete=\"username\""));
    let password = field(&form, "password");
    assert!(password.contains("type=\"password\"") && password.contains("autocomplete=\"current-password\""));
    assert!(!form.html.contains("There is a problem") && !form.html.contains("aria-invalid"));
    assert!(!form.shows("Sign out") && !form.shows("My account"), "nobody is signed in: {}", form.text());
}

#[rstest]
#[tokio::test]
async fn who_has_signed_in_sees_their_account(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    site.later(TimeDelta::hours(2));
    assert_eq!(site.user("alice").last_login_on, None);
    for typed in ["alice", "ALICE", "  alice  "] {
        let visitor = site.visitor();
        let answer = visitor.try_sign_in(typed, PASSWORD).await;
        assert_eq!((answer.status, answer.location()), (303, "/my/account"), "{typed:?}");
        let account = visitor.get(answer.location()).await;
        assert!(account.shows("Login: alice") && account.shows("Signed in as alice"), "{}", account.text());
    }
    assert_eq!(site.user("alice").last_login_on, Some(site.clock.now()));
    let visitor = site.signed_in("alice").await;
    let again = visitor.get("/login").await;
    assert_eq!((again.status, again.location()), (303, "/my/account"), "there is nothing to sign in for");
}

#[rstest]
#[tokio::test]
async fn a_slip_is_told_at_the_top_and_beside_and_keeps_the_login(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let visitor = site.visitor();
    for (login, password) in [("alice", "a-wrong-password"), ("alice", ""), ("", "a-wrong-password"), ("", "")] {
        let answer = visitor.try_sign_in(login, password).await;
        assert_eq!(answer.status, 422, "{login:?}");
        assert!(answer.html.contains("<title>Error: Sign in · Latchkey</title>"));
        assert!(answer.html.contains(&format!("<a href=\"#username\">{WRONG}</a>")), "at the top");
        assert!(answer.html.contains(&format!("Error: </span>{WRONG}")), "beside the fields");
        assert_eq!(answer.value_of("username"), login);
        assert!(!field(&answer, "password").contains("value="), "a password is never shown again");
        assert!(field(&answer, "username").contains("aria-describedby=\"sign-in-error\""));
        assert!(answer.header("Location").is_none());
        assert!(!visitor.is_signed_in().await);
    }
    assert_eq!(site.user("alice").last_login_on, None);
}

#[rstest]
#[tokio::test]
async fn what_a_stranger_types_is_text_and_no_markup(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let hostile = "\"><script>alert('x')</script>&amp;<img src=x onerror=alert(1)>";
    let form = [("username", hostile), ("password", "x"), ("back_url", hostile)];
    let answer = site.visitor().post("/login", &form).await;
    let query: String = form_urlencoded::byte_serialize(hostile.as_bytes()).collect();
    let asked = site.visitor().get(&format!("/login?back_url={query}&username={query}&notice={query}")).await;
    assert_eq!(answer.value_of("username"), hostile);
    for page in [&answer, &asked] {
        assert_eq!(page.value_of("back_url"), hostile);
        assert!(!page.html.contains("<script>") && !page.html.contains("<img src=x"), "{}", page.html);
    }
}

/// A person with a second factor cannot sign in with the password alone, and only who knows it is told why.
#[rstest]
#[tokio::test]
async fn a_second_factor_is_not_waived(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    site.set_user(&alice, "twofa_scheme = 'totp'");
    let visitor = site.visitor();
    let wrong = visitor.try_sign_in("alice", "a-wrong-password").await;
    assert!(wrong.status == 422 && wrong.shows(WRONG) && !wrong.shows("second factor"), "{}", wrong.text());
    let right = visitor.try_sign_in("alice", PASSWORD).await;
    assert!(right.status == 422 && right.shows("This account needs a second factor"), "{}", right.text());
    assert!(!visitor.is_signed_in().await);
    assert_eq!(site.database.number("SELECT count(*) AS number FROM tokens"), 0);
    site.flush().await;
    assert_eq!(site.user("alice").last_login_on, None);
}

#[rstest]
#[tokio::test]
async fn signing_out_says_so(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let answer = alice.post("/logout", &[]).await;
    assert_eq!((answer.status, answer.location()), (303, "/login?notice=signed_out"));
    let form = alice.get(answer.location()).await;
    assert!(form.html.contains("role=\"status\">You have signed out.</p>"), "{}", form.html);
    assert!(!alice.is_signed_in().await);
    let again = alice.post("/logout", &[]).await;
    assert_eq!((again.status, again.location()), (303, "/login?notice=signed_out"), "twice is no error");
    let unknown = alice.get("/login?notice=something").await;
    assert!(!unknown.html.contains("role=\"status\""), "{}", unknown.html);
}

/// A sign-in in a browser where somebody else was signed in.
#[rstest]
#[tokio::test]
async fn who_signs_in_takes_the_place_of_who_was(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    site.add_user("bob").await;
    let browser = site.signed_in("alice").await;
    browser.sign_in("bob", PASSWORD).await;
    assert!(browser.get("/my/account").await.shows("Login: bob"));
    assert_eq!(site.database.number("SELECT count(*) AS number FROM tokens"), 1, "alice's session has ended");
    assert_eq!(browser.try_sign_in("alice", "a-wrong-password").await.status, 422);
    assert!(browser.get("/my/account").await.shows("Login: bob"), "a refused sign-in ends nothing");
}

#[rstest]
#[tokio::test]
async fn head_gives_the_headers_of_the_page(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let answer = page(site.visitor().request(Method::HEAD, "/login")).await;
    assert_eq!((answer.status, answer.html.as_str()), (200, ""));
    assert_eq!(answer.header("Content-Type"), Some("text/html; charset=utf-8"));
}

/// Sends the sign-in form with the right password, as a browser does whose address line begins with `origin`.
async fn sign_in_from(site: &Site, origin: &str) -> Page {
    let request = site.visitor().request(Method::POST, "/login").header("Origin", origin);
    page(
        request
            .header("Host", origin.split_once("://").expect("a scheme").1)
            .form(&[("username", "alice"), ("password", PASSWORD)]),
    )
    .await
}

const ONLY_HTTPS: &str = "Your browser stays signed in here only at an address that begins with https://";

/// The cookie is for https only, so the right password would lead back to an empty form.
#[rstest]
#[tokio::test]
async fn by_http_where_only_https_works_the_page_says_so(#[values(Sqlite, Postgres)] db: Db) {
    let flags = ["--url=https://keys.example.org", "--trusted-proxies=127.0.0.1"];
    let site = Site::start_with(db, &flags).await;
    site.add_user("alice").await;
    for origin in ["http://keys.example.org", "http://192.0.2.7:3000", "HTTP://keys.example.org"] {
        let told = sign_in_from(&site, origin).await;
        assert_eq!(told.status, 422, "{origin}");
        assert!(
            told.shows(ONLY_HTTPS) && told.html.contains("href=\"https://keys.example.org/login\""),
            "{}",
            told.text()
        );
        assert_eq!(told.value_of("username"), "alice");
    }
    assert_eq!(site.database.number("SELECT count(*) AS number FROM tokens"), 0, "no session was begun");
    let signed_in = sign_in_from(&site, "https://keys.example.org").await;
    assert_eq!((signed_in.status, signed_in.location()), (303, "/my/account"));

    // A proxy that passes http on, as it should not, says so.
    let by_proxy = |proto: &str| site.visitor().request(Method::GET, "/login").header("X-Forwarded-Proto", proto);
    assert!(page(by_proxy("http")).await.shows(ONLY_HTTPS));
    assert!(page(by_proxy("https, http")).await.shows(ONLY_HTTPS));
    assert!(!page(by_proxy("https")).await.shows(ONLY_HTTPS));
    // Browsers send this by https only: the proxy does not know of another one before it.
    assert!(!page(by_proxy("http").header("Sec-Fetch-Site", "none")).await.shows(ONLY_HTTPS));
}

/// Where nothing says how somebody came, the cookie that does not come back does.
#[rstest]
#[tokio::test]
async fn a_browser_that_keeps_no_session_is_told_so(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--url=https://keys.example.org/keys"]).await;
    site.add_user("alice").await;
    let visitor = site.visitor();
    for origin in [None, Some("http://127.0.0.1:3000"), Some("http://localhost"), Some("http://[::1]:3000")] {
        let form = [("username", "alice"), ("password", PASSWORD), ("back_url", "/keys/activity?page=2")];
        let request = visitor.request(Method::POST, "/keys/login").header("Sec-Fetch-Site", "same-origin");
        let request = origin.into_iter().fold(request, |request, origin| request.header("Origin", origin));
        let signed_in = page(request.form(&form)).await;
        assert_eq!(signed_in.status, 303, "{}", signed_in.text());
        // Over http, most browsers send no cookie back that is for https.
        let told = site.visitor().get(signed_in.location()).await;
        assert!(told.status == 200 && told.shows(ONLY_HTTPS), "{}", told.text());
        // Some browsers do, on their own machine.
        let cookie = cookie::sent_back(&cookie::set_by(&signed_in.headers).expect("a cookie"));
        let goes_on = page(visitor.request(Method::GET, signed_in.location()).header("Cookie", cookie)).await;
        assert_eq!((goes_on.status, goes_on.location()), (303, "/keys/activity?page=2"));
    }
    // A form whose cookie did not come back says why.
    let form = site.visitor().get("/keys/login").await.value_of("form_token");
    let refused = page(site.visitor().request(Method::POST, "/keys/login").form(&[("form_token", form)])).await;
    assert_eq!(refused.status, 403);
    assert!(refused.shows("Open the page at an address that begins with https://"), "{}", refused.text());
}
