//! The API access key and the Atom access key: their owner revokes them, and is asked first.

use chrono::TimeDelta;
use latchkey::models::keys::token::TokenAction;
use latchkey::models::services::admitted::Admitted;
use latchkey::models::services::settings::ServiceSettings;
use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn it_asks_first_and_says_when_and_where_the_key_was_used(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let settings = ServiceSettings { readers: Admitted::Everyone, ..ServiceSettings::new("Wiki", "wiki.example.org") };
    let service = site.add_service("wiki", settings).await;
    let (api, atom) = (site.add_key(&user, TokenAction::Api).await, site.add_key(&user, TokenAction::Feeds).await);
    let alice = site.signed_in("alice").await;
    let account = alice.get("/my/account").await;
    for path in ["/my/api_key/revoke", "/my/atom_key/revoke"] {
        assert!(account.html.contains(&format!("href=\"{path}\"")), "{path} in {}", account.html);
        let asked = alice.get(path).await;
        assert!(
            asked.status == 200 && asked.shows("Never used Too early to say: recorded for less than a minute."),
            "{}",
            asked.text()
        );
        assert!(!asked.shows("Use on services"), "{}", asked.text());
    }
    assert_eq!(site.get_with_key("/users/current.json", &api).await.status, 200, "asking changes nothing");
    site.database.execute(&format!(
        "INSERT INTO service_uses VALUES ({}, {}, '2026-11-24 09:25:00', '192.0.2.1', 'curl')",
        api.id, service.id
    ));
    site.later(TimeDelta::hours(3));
    let asked = alice.get("/my/api_key/revoke").await;
    assert!(asked.html.contains("<title>Revoke API access key · Latchkey</title>"), "{}", asked.html);
    let told =
        "Revoke your API access key? Programs that use this key will stop working at once. This cannot be undone.";
    assert!(asked.shows(told), "{}", asked.text());
    assert!(asked.shows(
        "API access key Last used: about 3 hours ago from 127.0.0.1 In use API access key created about 3 hours ago"
    ));
    assert!(asked.shows("Use on services Wiki Last used about 3 hours ago from 192.0.2.1 by curl"), "{}", asked.text());
    assert!(asked.shows(&format!("····{}", &api.secret[45..])));
    assert_eq!(asked.value_of("revokes"), api.id.to_string());
    assert!(asked.html.contains("<a class=\"action-link\" href=\"/my/account\">Cancel</a>"));
    assert_eq!(alice.get("/my/atom_key/revoke").await.value_of("revokes"), atom.id.to_string());
}

#[rstest]
#[case("/my/api_key/revoke", TokenAction::Api, "API access key")]
#[case("/my/atom_key/revoke", TokenAction::Feeds, "Atom access key")]
#[tokio::test]
async fn it_is_refused_at_once_and_only_this_one(
    #[case] path: &str,
    #[case] action: TokenAction,
    #[case] name: &str,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let (api, atom) = (site.add_key(&user, TokenAction::Api).await, site.add_key(&user, TokenAction::Feeds).await);
    let feed = async || Answer::of(site.get(&format!("/activity.atom?key={}", atom.secret))).await;
    let is_api = action == TokenAction::Api;
    let statuses = async || (site.get_with_key("/users/current.json", &api).await.status, feed().await.status);
    assert_eq!(statuses().await, (200, 200));
    let alice = site.signed_in("alice").await;
    // Such a step must be quick: it asks for no password, however long ago that was given.
    site.later(TimeDelta::minutes(30));
    let revokes = alice.get(path).await.value_of("revokes");
    let revoked = alice.post(path, &[("revokes", &revokes)]).await;
    let (notice, expected) = if is_api { ("api", (401, 200)) } else { ("atom", (200, 401)) };
    assert_eq!((revoked.status, revoked.location()), (303, &*format!("/my/account?notice={notice}_key_revoked")));
    let account = alice.get(revoked.location()).await;
    assert!(account.shows(&format!("Your {name} has been revoked. No program can use it any more.")));
    assert!(account.shows(&format!("{name} Missing an {name}")), "{}", account.text());
    assert_eq!(statuses().await, expected);
    let hint = if is_api { &api.secret[45..] } else { &atom.secret[45..] };
    let told = format!("{name} revoked ····{hint} by session less than a minute ago");
    let activity = alice.get("/activity").await;
    assert!(activity.shows(&told), "{}", activity.text());
    assert!(!is_api || feed().await.text.contains("API access key revoked"), "the feed tells it, too");

    let nothing = "No key was revoked: you have already sent this form, or the key has changed since you opened it.";
    let again = alice.post(path, &[("revokes", &revokes)]).await;
    assert_eq!((again.status, again.location()), (303, "/my/account?notice=key_gone"));
    assert!(alice.get(again.location()).await.shows(nothing));
    let asked = alice.get(path).await;
    assert_eq!((asked.status, asked.location()), (303, "/my/account"), "there is nothing to ask about");
}

/// A form that was opened before a reset is about the key of that time, and a form of one kind about no other.
#[rstest]
#[tokio::test]
async fn a_form_that_is_out_of_date_or_about_something_else_revokes_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (user, bob) = (site.add_user("alice").await, site.add_user("bob").await);
    let old = site.add_key(&user, TokenAction::Api).await;
    let alice = site.signed_in("alice").await;
    let opened = alice.get("/my/api_key/revoke").await.value_of("revokes");
    assert_eq!(opened, old.id.to_string());
    let new = Key { id: 0, secret: alice.make_key("/my/api_key", &opened).await };
    let atom = site.add_key(&user, TokenAction::Feeds).await;
    let access = site.add_access_token(&user, "account:read", "never").await;
    let of_bob = site.add_key(&bob, TokenAction::Api).await;
    let session = site.database.number("SELECT max(id) AS number FROM tokens WHERE action = 'session'");
    let before = site.database.number("SELECT count(*) AS number FROM tokens");
    let others = [atom.id, access.id, of_bob.id, session, 4711].map(|id| id.to_string());
    for id in [&opened].into_iter().chain(&others) {
        let answer = alice.post("/my/api_key/revoke", &[("revokes", id)]).await;
        assert_eq!((answer.status, answer.location()), (303, "/my/account?notice=key_gone"), "{id}");
    }
    for wrong in ["", "x", "99999999999999999999"] {
        assert_eq!(alice.post("/my/api_key/revoke", &[("revokes", wrong)]).await.status, 400, "{wrong}");
    }
    assert_eq!(alice.post("/my/api_key/revoke", &[]).await.status, 400);
    assert_eq!(site.database.number("SELECT count(*) AS number FROM tokens"), before);
    assert_eq!(site.get_with_key("/users/current.json", &new).await.status, 200);
    assert!(!alice.get("/activity").await.shows("revoked"));
}

#[rstest]
#[tokio::test]
async fn it_can_be_revoked_where_such_keys_are_turned_off(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--api-access-keys=off"]).await;
    let user = site.add_user("alice").await;
    let api = site.add_key(&user, TokenAction::Api).await;
    let alice = site.signed_in("alice").await;
    assert!(alice.get("/my/account").await.shows("Give them an access token instead. Revoke API access key"));
    let asked = alice.get("/my/api_key/revoke").await;
    assert!(asked.shows("so programs that use it are already refused."), "{}", asked.text());
    assert!(!asked.shows("reset it"), "nobody can: {}", asked.text());
    let revoked = alice.post("/my/api_key/revoke", &[("revokes", &asked.value_of("revokes"))]).await;
    assert_eq!(revoked.location(), "/my/account?notice=api_key_revoked");
    assert!(site.token(api.id).is_none());
    let account = alice.get(revoked.location()).await;
    assert!(!account.shows("Missing an API access key"), "none can be made: {}", account.text());
    assert!(alice.get("/activity").await.shows("API access key revoked"));
}
