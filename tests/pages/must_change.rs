//! A person who must change the password: "a session sees only `/my/password`".

use rstest::rstest;

use super::*;

const NEW: &str = "a-brand-new-password";

#[rstest]
#[tokio::test]
async fn who_must_change_the_password_sees_only_that_page(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    site.set_user(&user, "must_change_password = true");
    let alice = site.signed_in("alice").await;
    for path in ["/my/account", "/my/api_key", "/my/atom_key", "/activity", "/activity?page=2"] {
        let answer = alice.get(path).await;
        assert_eq!((answer.status, answer.location()), (302, "/my/password"), "{path}");
        assert_eq!(answer.html, "", "{path} shows nothing");
    }
    for path in ["/my/account", "/my/api_key", "/my/atom_key"] {
        let answer =
            alice.post(path, &[("replaces", ""), ("firstname", "X"), ("lastname", "Y"), ("mail", "x@y.z")]).await;
        assert_eq!((answer.status, answer.location()), (302, "/my/password"), "{path}");
    }
    assert_eq!(site.user("alice").firstname, "Test", "nothing was saved");
    assert_eq!(site.database.number("SELECT count(*) AS number FROM tokens"), 1, "nothing was made");
    let form = alice.get("/my/password").await;
    assert_eq!(form.status, 200);
    assert!(form.shows("You must change your password before you can continue."), "{}", form.text());
    assert!(!form.shows("My account") && !form.shows("Activity"), "no link that leads back here: {}", form.text());
    assert!(form.shows("Sign out"));
}

#[rstest]
#[tokio::test]
async fn having_changed_it_they_go_on(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    site.set_user(&user, "must_change_password = true");
    let alice = site.signed_in("alice").await;
    log::note_secret(NEW);
    let unchanged = [("password", PASSWORD), ("new_password", PASSWORD), ("new_password_confirmation", PASSWORD)];
    let refused = alice.post("/my/password", &unchanged).await;
    assert_eq!(refused.status, 422, "the same again is no change");
    assert!(refused.shows("You must change your password before you can continue."));
    assert!(site.user("alice").must_change_password);
    let fields = [("password", PASSWORD), ("new_password", NEW), ("new_password_confirmation", NEW)];
    let answer = alice.post("/my/password", &fields).await;
    assert_eq!((answer.status, answer.location()), (303, "/my/account?notice=password_changed"));
    assert!(!site.user("alice").must_change_password);
    assert_eq!(alice.get("/my/account").await.status, 200);
}

/// An administrator may say so while a session is under way.
#[rstest]
#[tokio::test]
async fn it_counts_at_the_next_request_and_signing_out_is_always_possible(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    assert!(alice.is_signed_in().await);
    site.set_user(&user, "must_change_password = true");
    assert_eq!(alice.get("/my/account").await.location(), "/my/password");
    let answer = alice.post("/logout", &[]).await;
    assert_eq!((answer.status, answer.location()), (303, "/login?notice=signed_out"));
    assert_eq!(alice.get("/my/password").await.location(), "/login?back_url=%2Fmy%2Fpassword");
}
