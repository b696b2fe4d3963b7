//! Access tokens in *People*, for administrators.

use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn administrators_see_those_of_a_person_and_change_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let user = site.add_user("bob").await;
    let root = site.signed_in("root").await;
    let path = format!("/admin/users/{}", user.id);
    assert!(root.get(&path).await.shows("No access token."));
    let made = add(&site, &user, "Bob's report", "account:read tokens:write", Expiry::InDays(3)).await;
    add(&site, &user, "Unused", "account:read", Expiry::Never).await;
    let new = rotate(&site, &user, made.id, Grace::Day).await;
    assert_eq!(status(&site, &made).await, 200);
    site.later(TimeDelta::minutes(5));
    let page = root.get(&path).await;
    let [unused, report] = &rows(&page)[..] else { panic!("two rows in {}", page.text()) };
    let never = "See your account Never used Too early to say Active, no expiration";
    assert!(unused.starts_with("Unused") && unused.ends_with(never), "{unused}");
    let expected = format!(
        "Bob's report ends in ····{} See your account; create, change and revoke keys that can do no more than this one \
         Last used 5 minutes ago with an old secret In use Expires in 3 days",
        new.hint()
    );
    assert_eq!(report, &expected);
    assert!(!page.html.contains("/my/tokens"), "read-only");
    let list = root.get("/admin/users?name=bob").await;
    assert!(list.shows("bob@example.org 2 keys last used 5 minutes ago"), "{}", list.text());

    let asked = root.get(&format!("{path}/lock")).await;
    assert!(asked.shows("programs that use these keys stop working at once"), "{}", asked.text());
    assert_eq!(rows(&asked).len(), 2);
    root.post(&format!("{path}/lock"), &[]).await;
    assert_eq!((status(&site, &made).await, status(&site, &new).await), (401, 401));
    site.later(days(3));
    let root = site.signed_in("root").await;
    let asked = root.get(&format!("{path}/unlock")).await;
    assert!(asked.shows("What works again") && rows(&asked).len() == 1, "the other has expired: {}", asked.text());
    root.post(&format!("{path}/unlock"), &[]).await;
    assert!(root.get(&path).await.shows("Expired 5 minutes ago"));
}

#[rstest]
#[tokio::test]
async fn a_key_that_is_switched_off_says_so_and_is_not_told_to_stop(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--api-access-keys=off"]).await;
    site.add_admin("root").await;
    let bob = site.add_user("bob").await;
    site.add_key(&bob, TokenAction::Api).await;
    site.add_key(&bob, TokenAction::Feeds).await;
    let root = site.signed_in("root").await;
    let page = root.get(&format!("/admin/users/{}", bob.id)).await;
    assert!(
        page.shows("Keys of this kind are turned off on this server, so programs that use it are refused."),
        "{}",
        page.text()
    );
    let asked = root.get(&format!("/admin/users/{}/lock", bob.id)).await;
    assert!(!asked.shows("API access key") && asked.shows("What stops working Atom access key"), "{}", asked.text());
}
