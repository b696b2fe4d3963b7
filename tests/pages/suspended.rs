//! A key is suspended on pages, by its owner or an administrator, who see who was refused beside "Switch on again".

use chrono::TimeDelta;
use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;

async fn refuse(site: &Site, key: &Key, times: usize) {
    for _ in 0..times {
        let request = site.get("/users/current.json").bearer_auth(&key.secret).header("User-Agent", "backup/1");
        assert_eq!(Answer::of(request).await.status, 401);
    }
    site.flush().await;
}

async fn works(site: &Site, key: &Key) -> bool {
    site.get_with_key("/users/current.json", key).await.status == 200
}

#[rstest]
#[tokio::test]
async fn an_access_token_is_suspended_and_switched_on_again(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let key = site.add_access_token(&user, "account:read", "30d").await;
    let path = format!("/my/tokens/{}", key.id);
    let alice = site.signed_in("alice").await;
    let shown = alice.get(&path).await;
    assert!(shown.html.contains(&format!("href=\"{path}/suspend\">Suspend</a>")), "{}", shown.html);
    assert!(!shown.shows("Refused while"), "{}", shown.text());
    let asked = alice.get(&format!("{path}/suspend")).await;
    assert!(asked.shows("Suspend “deploy”? Requests with it are refused at once"), "{}", asked.text());
    let choices = "Suspend for 1 hour until 24 Nov 2026, 10:30:00 UTC 1 day until 25 Nov 2026, 09:30:00 UTC 7 days \
                   until 1 Dec 2026, 09:30:00 UTC Until it is switched on again At the end of this time The key works \
                   again The key is revoked";
    assert!(asked.shows(choices), "{}", asked.text());
    assert!(works(&site, &key).await, "asking changes nothing");

    let contradiction =
        alice.post(&format!("{path}/suspend"), &[("for", "until-switched-on"), ("then", "revoke")]).await;
    let problem = "There is a problem A key that stays suspended until it is switched on again is never revoked";
    assert!(contradiction.status == 422 && contradiction.shows(problem), "{}", contradiction.text());
    assert_eq!(alice.post(&format!("{path}/suspend"), &[("for", "2h"), ("then", "resume")]).await.status, 400);
    assert!(works(&site, &key).await);

    let suspended = alice.post(&format!("{path}/suspend"), &[("for", "1d"), ("then", "resume")]).await;
    assert_eq!((suspended.status, suspended.location()), (303, format!("{path}?notice=key_suspended").as_str()));
    let shown = alice.get(suspended.location()).await;
    assert!(shown.shows("The key has been suspended."), "{}", shown.text());
    assert!(shown.shows("State Suspended works again in 1 day"), "{}", shown.text());
    assert!(shown.shows("Switch on again"), "{}", shown.text());
    let nobody = "Refused while suspended No program has tried to use this key since it was suspended.";
    assert!(shown.shows(nobody), "{}", shown.text());

    refuse(&site, &key, 2).await;
    site.later(TimeDelta::minutes(10));
    refuse(&site, &key, 1).await;
    site.later(TimeDelta::minutes(2));
    let shown = alice.get(&path).await;
    let told = "Refused while suspended Program Last refused Address backup/1 ×3 on Latchkey, first 12 minutes ago \
                2 minutes ago 127.0.0.1";
    assert!(shown.shows(told), "{}", shown.text());
    let list = alice.get("/my/tokens?state=suspended").await;
    assert!(list.shows("1 access token found") && list.shows("Suspended works again in"), "{}", list.text());
    assert!(alice.get("/my/tokens?state=in_use").await.shows("No access token matches."));
    let account = alice.get("/my/account").await;
    assert!(account.shows("1 access token, suspended"), "{}", account.text());
    assert!(alice.get("/activity").await.shows("Access token “deploy” refused: it is suspended"));

    let longer = alice.post(&format!("{path}/suspend"), &[("for", "1h"), ("then", "resume")]).await;
    let problem = "There is a problem This key is already suspended for longer: switch it on again first";
    assert!(longer.status == 422 && longer.shows(problem), "{}", longer.text());
    assert!(longer.shows("Suspend “deploy” for longer?"), "{}", longer.text());

    let asked = alice.get(&format!("{path}/resume")).await;
    assert!(asked.shows("Switch on “deploy” again? Programs that use the key work again at once."), "{}", asked.text());
    assert!(asked.shows("backup/1 ×3"), "{}", asked.text());
    let resumed = alice.post(&format!("{path}/resume"), &[]).await;
    assert_eq!((resumed.status, resumed.location()), (303, format!("{path}?notice=key_resumed").as_str()));
    assert!(works(&site, &key).await);
    let shown = alice.get(resumed.location()).await;
    assert!(shown.shows("The key works again.") && shown.shows("State Active"), "{}", shown.text());
    assert!(shown.shows("Refused while it was suspended Program Last refused Address backup/1 ×3"), "{}", shown.text());
    assert_eq!(alice.get(&format!("{path}/resume")).await.location(), path, "there is nothing to switch on");
    assert_eq!(alice.post(&format!("{path}/resume"), &[]).await.status, 303, "nor to be done twice");
}

#[rstest]
#[case(TokenAction::Api, "API access key")]
#[case(TokenAction::Feeds, "Atom access key")]
#[tokio::test]
async fn the_keys_on_my_account_are_suspended_too(
    #[case] action: TokenAction,
    #[case] name: &str,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let key = site.add_key(&user, action).await;
    let path = format!("/my/tokens/{}", key.id);
    let alice = site.signed_in("alice").await;
    assert!(alice.get("/my/account").await.html.contains(&format!("href=\"{path}/suspend\"")));
    let asked = alice.get(&format!("{path}/suspend")).await;
    assert!(asked.shows(&format!("My account Suspend “{name}”?")), "{}", asked.text());
    let suspended = alice.post(&format!("{path}/suspend"), &[("for", "7d"), ("then", "revoke")]).await;
    assert_eq!(suspended.location(), "/my/account?notice=key_suspended");
    let account = alice.get(suspended.location()).await;
    assert!(account.shows("The key has been suspended."), "{}", account.text());
    assert!(account.shows(&format!("{name} Never used Suspended will be revoked in 7 days")), "{}", account.text());
    let feed = Answer::of(site.get(&format!("/activity.atom?key={}", key.secret))).await;
    assert_eq!((feed.status, works(&site, &key).await), (401, false));
    site.flush().await;
    let asked = alice.get(&format!("{path}/resume")).await;
    assert!(asked.shows("Refused while suspended") && asked.shows("127.0.0.1"), "{}", asked.text());
    let resumed = alice.post(&format!("{path}/resume"), &[]).await;
    assert_eq!(resumed.location(), "/my/account?notice=key_resumed");
    assert!(!alice.get("/my/account").await.shows("Suspended"));
    let bob = site.add_user("bob").await;
    let bobs = site.add_key(&bob, action).await;
    for end in ["suspend", "resume"] {
        let theirs = format!("/my/tokens/{}/{end}", bobs.id);
        assert_eq!(
            (alice.get(&theirs).await.status, alice.post(&theirs, &[("for", "1h"), ("then", "resume")]).await.status),
            (404, 404)
        );
    }
}

#[rstest]
#[tokio::test]
async fn an_administrator_suspends_a_key_of_somebody_else(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let bob = site.add_user("bob").await;
    let key = site.add_access_token(&bob, "account:read", "30d").await;
    let path = format!("/admin/users/{}/keys/{}", bob.id, key.id);
    let root = site.signed_in("root").await;
    assert!(root.get(&path).await.html.contains(&format!("href=\"{path}/suspend\">Suspend</a>")));
    let asked = root.get(&format!("{path}/suspend")).await;
    assert!(asked.shows("Suspend “deploy” of Test Person bob?"), "{}", asked.text());
    assert!(asked.shows("Test Person bob sees it in their activity."), "{}", asked.text());
    let fields = [("for", "until-switched-on"), ("then", "resume")];
    let suspended = root.post(&format!("{path}/suspend"), &fields).await;
    assert_eq!((suspended.status, suspended.location()), (303, format!("{path}?notice=key_suspended").as_str()));
    let shown = root.get(suspended.location()).await;
    assert!(shown.shows("The key has been suspended."), "{}", shown.text());
    assert!(shown.shows("State Suspended until it is switched on again"), "{}", shown.text());
    assert!(root.get(&format!("/admin/users/{}", bob.id)).await.shows("Suspended until it is switched on again"));
    refuse(&site, &key, 2).await;
    assert!(root.get(&path).await.shows("Refused while suspended Program Last refused Address backup/1 ×2"));
    let lock = root.get(&format!("/admin/users/{}/lock", bob.id)).await;
    assert!(lock.shows("They have no key, so no program stops working."), "{}", lock.text());
    let resumed = root.post(&format!("{path}/resume"), &[]).await;
    assert_eq!((resumed.status, resumed.location()), (303, format!("{path}?notice=key_resumed").as_str()));
    assert!(works(&site, &key).await);
    let activity = site.signed_in("bob").await.get("/activity").await;
    for told in ["Access token “deploy” switched on again by root", "Access token “deploy” suspended by root"] {
        assert!(activity.shows(told), "{told} in {}", activity.text());
    }
}

/// A key that has expired has nothing that could be suspended.
#[rstest]
#[tokio::test]
async fn an_expired_key_is_not_suspended(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let key = site.add_access_token(&user, "account:read", "1d").await;
    let path = format!("/my/tokens/{}", key.id);
    site.later(TimeDelta::days(2));
    let alice = site.signed_in("alice").await;
    assert!(!alice.get(&path).await.html.contains("/suspend"));
    for end in ["suspend", "resume"] {
        assert_eq!(alice.get(&format!("{path}/{end}")).await.location(), path);
    }
    assert_eq!(alice.post(&format!("{path}/suspend"), &[("for", "1h"), ("then", "resume")]).await.status, 422);
}
