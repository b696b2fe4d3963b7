//! Hashing takes its time on threads of its own, and nobody else's.

use latchkey::auth::throttle::Lane;
use latchkey::models::keys::token::TokenAction;
use rstest::rstest;
use tokio::task::JoinSet;

use super::*;

/// "Hashing runs on threads of its own at lower priority, one for every two cores and at least one".
#[rstest]
#[tokio::test]
async fn there_is_a_hashing_thread_for_two_cores_and_it_makes_way_for_requests(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let threads = site.app.passwords.threads();
    let cores = std::thread::available_parallelism().expect("cores").get();
    assert_eq!(threads.count(), (cores / 2).max(1));
    // On Linux a nice value is that of one thread.
    let nice = || rustix::process::getpriority_process(None).expect("a priority");
    let theirs =
        threads.submit(Lane::Stranger, nice).expect("room in the queue").await.expect("an answer").expect("no panic");
    assert!(theirs > nice(), "hashing: {theirs}, this: {}", nice());
}

/// "with a short queue and then 503 with `Retry-After`"; "keys, sessions and a remembered password are never slowed".
#[rstest]
#[tokio::test]
async fn while_all_hashing_threads_are_held_keys_and_sessions_are_answered_and_sign_ins_get_503(
    #[values(Sqlite, Postgres)] db: Db,
) {
    let site = site_behind_proxy(db).await;
    let alice = site.add_user("alice").await;
    site.add_user("bob").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let feeds = site.add_key(&alice, TokenAction::Feeds).await;
    let session = site.signed_in("alice").await;
    let hashed = site.app.passwords.hash_calls();

    let held = HeldThreads::of(&site).await;
    let mut sign_ins = JoinSet::new();
    for number in 0..40 {
        let url = site.url.clone();
        sign_ins.spawn(async move {
            let request = Visitor::new(&url).request(Method::POST, "/login").header("Sec-Fetch-Site", "same-origin");
            let form = [("username", "bob"), ("password", "wrong-of-many")];
            page(request.header("X-Forwarded-For", format!("192.0.2.{number}")).form(&form)).await
        });
    }
    // 16 wait for a thread; the other 24 are told at once to come back.
    for _ in 0..24 {
        let refused = sign_ins.join_next().await.expect("one more").expect("an answer");
        assert_eq!(refused.status, 503);
        assert_eq!(refused.header("Retry-After"), Some("2"));
        assert!(refused.shows("Too many people are signing in at the moment. Try again in a few seconds."));
    }
    // Whoever must be hashed is refused, whoever need not be is answered.
    let basic = basic_from(&site, "198.51.100.1", "bob", PASSWORD).await;
    assert_eq!((basic.status, basic.header("Retry-After")), (503, Some("2")), "Basic with a password");
    let nobody = basic_from(&site, "198.51.100.2", "nobody", "some-password").await;
    assert_eq!((nobody.status, nobody.header("Retry-After")), (503, Some("2")), "an unknown login");
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200, "a key");
    let by_basic = Answer::of(site.get("/users/current.json").basic_auth(&key.secret, Some("x"))).await;
    assert_eq!(by_basic.status, 200, "a key as Basic's user name");
    assert_eq!(Answer::of(site.get(&format!("/activity.atom?key={}", feeds.secret))).await.status, 200, "a feed");
    assert!(session.is_signed_in().await, "a session");
    let saved = session.post("/my/account", &[("firstname", "A"), ("lastname", "B"), ("mail", "a@example.org")]).await;
    assert_eq!(saved.status, 303, "a session's form");
    assert_eq!(session.post("/my/api_key", &[("replaces", &key.id.to_string())]).await.status, 200, "a new key");
    let remembered = basic_from(&site, "198.51.100.3", "alice", PASSWORD).await;
    assert_eq!(remembered.status, 200, "a remembered password");
    assert_eq!(sign_in_from(&site, "198.51.100.4", "alice", PASSWORD).await.status, 303, "the same on the page");
    assert_eq!(site.app.passwords.hash_calls(), hashed, "nothing was hashed meanwhile");

    held.release().await;
    for _ in 0..16 {
        let answered = sign_ins.join_next().await.expect("one more").expect("an answer");
        assert_eq!(answered.status, 422, "those that waited are answered now");
    }
    assert_eq!(site.app.passwords.hash_calls(), hashed + 16);
    assert_eq!(sign_in_from(&site, "198.51.100.1", "bob", PASSWORD).await.status, 303, "all is well again");
}

/// A password that was not looked at was not wrong.
#[rstest]
#[tokio::test]
async fn a_sign_in_that_found_the_queue_full_is_no_wrong_password(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let mut held = HeldThreads::of(&site).await;
    assert_eq!(held.fill_queue(Lane::Stranger), 16, "the queue is short");
    for _ in 0..12 {
        assert_eq!(site.visitor().try_sign_in("alice", "wrong-password").await.status, 503);
    }
    held.release().await;
    assert_eq!(site.visitor().try_sign_in("alice", PASSWORD).await.status, 303);
    let alice = site.signed_in("alice").await;
    site.flush().await;
    assert!(!alice.get("/activity").await.shows("Wrong password"), "nor is it told as one");
}

/// Changing the password asks for hashing twice, and says so when there is no time for it; the session goes on.
#[rstest]
#[tokio::test]
async fn a_password_cannot_be_changed_while_the_queue_is_full_and_stays_as_it_is(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let before = site.user("alice").password_hash;
    let mut held = HeldThreads::of(&site).await;
    held.fill_queue(Lane::Known);
    let new = "quite-another-password";
    log::note_secret(new);
    let fields = [("password", PASSWORD), ("new_password", new), ("new_password_confirmation", new)];
    let answer = alice.post("/my/password", &fields).await;
    assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("2")));
    assert_eq!(site.user("alice").password_hash, before);
    assert!(alice.is_signed_in().await);
    held.release().await;
    assert_eq!(alice.post("/my/password", &fields).await.status, 303);
}
