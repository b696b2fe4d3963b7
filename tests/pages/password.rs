//! *Change password*.

use chrono::TimeDelta;
use rstest::rstest;

use super::*;

const NEW: &str = "a-brand-new-password";

async fn change(visitor: &Visitor, current: &str, new: &str, again: &str) -> Page {
    [current, new, again].into_iter().for_each(log::note_secret);
    let fields = [("password", current), ("new_password", new), ("new_password_confirmation", again)];
    visitor.post("/my/password", &fields).await
}

#[rstest]
#[tokio::test]
async fn it_asks_for_the_current_password_and_twice_for_the_new_one(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let form = site.signed_in("alice").await.get("/my/password").await;
    assert_eq!(form.status, 200);
    assert!(form.html.contains("<title>Change password · Latchkey</title>"));
    for (id, autocomplete) in [
        ("password", "current-password"),
        ("new_password", "new-password"),
        ("new_password_confirmation", "new-password"),
    ] {
        let field = field(&form, id);
        assert!(field.contains("type=\"password\"") && !field.contains("value="), "{field}");
        assert!(field.contains(&format!("autocomplete=\"{autocomplete}\"")), "{field}");
    }
    assert!(field(&form, "new_password").contains("At least 8 characters."), "the rule is told before it is broken");
    assert!(!form.shows("You must change your password") && form.shows("Back to my account"));
}

#[rstest]
#[tokio::test]
async fn a_change_says_what_it_did(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    site.later(TimeDelta::hours(1));
    let answer = change(&alice, PASSWORD, NEW, NEW).await;
    assert_eq!((answer.status, answer.location()), (303, "/my/account?notice=password_changed"));
    let account = alice.get(answer.location()).await;
    let notice = "role=\"status\">Your password has been changed. Other sessions have been signed out.</p>";
    assert!(account.html.contains(notice), "{}", account.html);
    let user = site.user("alice");
    assert_eq!((user.passwd_changed_on, user.updated_on), (Some(site.clock.now()), site.clock.now()));
    assert_eq!(site.visitor().try_sign_in("alice", PASSWORD).await.status, 422);
    assert_eq!(site.visitor().try_sign_in("alice", NEW).await.status, 303);
}

#[rstest]
#[tokio::test]
async fn each_error_stands_beside_the_field_it_is_about(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let ids = ["password", "new_password", "new_password_confirmation"];
    for (current, new, again, id, error) in [
        ("a-wrong-password", NEW, NEW, "password", "Current password is wrong"),
        ("", NEW, NEW, "password", "Current password is wrong"),
        (PASSWORD, "short", "short", "new_password", "Password is too short (minimum is 8 characters)"),
        (PASSWORD, PASSWORD, PASSWORD, "new_password", "Password must be different from the current one"),
        (PASSWORD, NEW, "", "new_password_confirmation", "Password confirmation does not match the new password"),
    ] {
        let answer = change(&alice, current, new, again).await;
        assert_eq!(answer.status, 422, "{error}");
        assert!(answer.html.contains("<title>Error: Change password · Latchkey</title>"), "{error}");
        assert!(answer.html.contains(&format!("<a href=\"#{id}\">{error}</a>")), "{error} at the top");
        for other in ids {
            let field = field(&answer, other);
            assert_eq!(field.contains(&format!("Error: </span>{error}")), other == id, "{error} beside {other}");
            assert_eq!(field.contains("aria-invalid"), other == id, "{error} marks {other}");
            assert!(!field.contains("value="), "a password is never shown again");
        }
    }
}

/// What is wrong with the new one is told without trying the current one.
#[rstest]
#[tokio::test]
async fn a_new_password_that_breaks_a_rule_costs_no_hashing(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let before = site.app.passwords.hash_calls();
    let answer = change(&alice, "a-wrong-password", "short", "other").await;
    let text = answer.text();
    assert!(text.contains("is too short") && text.contains("does not match"), "both are told: {text}");
    assert!(!text.contains("is wrong"), "{text}");
    assert_eq!(site.app.passwords.hash_calls(), before);
}
