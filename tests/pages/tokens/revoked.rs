//! "revoke with a confirmation that names the key and when it was last used"; "Revoking the key, by either secret, ends
//! both."

use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn it_asks_first_and_says_what_stops_working(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let old = add(&site, &user, "Report", "account:read", Expiry::Never).await;
    let alice = site.signed_in("alice").await;
    let path = format!("{}/revoke", old.path());
    let asked = alice.get(&path).await;
    assert!(asked.shows("Revoke “Report”? Programs that use it stop working at once"), "{}", asked.text());
    assert!(asked.shows("Report Never used Too early to say: recorded for less than a minute."), "{}", asked.text());
    assert_eq!(status(&site, &old).await, 200, "asking changes nothing");
    site.later(TimeDelta::hours(2));
    let asked = alice.get(&path).await;
    let used = "Last used: about 2 hours ago from 127.0.0.1 In use";
    let told = format!("Report {used} With the secret ending in {}", old.hint());
    assert!(asked.shows(&told), "{}", asked.text());
    let new = rotate(&site, &user, old.id, Grace::Day).await;
    let asked = alice.get(&path).await;
    let told = format!("{used} With a secret older than the one ending in {}", new.hint());
    assert!(asked.shows(&told) && asked.shows("2 active secrets"), "{}", asked.text());
}

#[rstest]
#[tokio::test]
async fn it_ends_every_secret_and_says_so(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let old = add(&site, &user, "Report", "account:read", Expiry::Never).await;
    let new = rotate(&site, &user, old.id, Grace::Day).await;
    let other = add(&site, &user, "Other", "account:read", Expiry::Never).await;
    assert_eq!((status(&site, &old).await, status(&site, &new).await), (200, 200));
    let alice = site.signed_in("alice").await;
    let path = format!("{}/revoke", old.path());
    let revoked = alice.post(&path, &[]).await;
    assert_eq!((revoked.status, revoked.location()), (303, "/my/tokens?notice=token_revoked"));
    let list = alice.get(revoked.location()).await;
    assert!(list.shows("The access token has been revoked. No program can use it any more."), "{}", list.text());
    assert!(rows(&list).len() == 1 && rows(&list)[0].starts_with("Other"));
    assert_eq!((status(&site, &old).await, status(&site, &new).await, status(&site, &other).await), (401, 401, 200));
    assert!(alice.get("/activity").await.shows("Access token “Report” revoked"));
    let again = alice.post(&path, &[]).await;
    assert_eq!((again.status, again.location()), (303, "/my/tokens?notice=token_gone"));
    let list = alice.get(again.location()).await;
    assert!(list.shows("This access token no longer exists: it was already revoked"), "{}", list.text());
}
