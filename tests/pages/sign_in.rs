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
