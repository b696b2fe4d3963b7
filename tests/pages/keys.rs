//! Making and resetting keys: the page that shows the secret, and the one that asks first.

use chrono::TimeDelta;
use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;

/// "the new secret, once, with … the curl line to try it, and a warning that it will not be shown again"
#[rstest]
#[tokio::test]
async fn a_new_api_key_comes_with_a_command_to_try_it(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let made = alice.post("/my/api_key", &[("replaces", "")]).await;
    let secret = made.secret();
    assert!(made.html.contains("<title>API access key created · Latchkey</title>"), "{}", made.html);
    assert!(made.shows("Copy it now: it will not be shown again."));
    assert!(!made.shows("has stopped working"), "there was none before");
    let input = field(&made, "secret");
    assert!(input.contains(" readonly") && input.contains("autocomplete=\"off\""), "{input}");
    assert!(made.html.contains("data-copy=\"secret\" hidden"), "Copy is for where scripts run");
    let curl = format!("curl -H 'X-Redmine-API-Key: {secret}' {}/users/current.json", site.url);
    assert!(made.shows(&curl), "{}", made.text());
    let line = made.html.split("<code id=\"curl\">").nth(1).and_then(|it| it.split_once("</code>")).expect("a line").0;
    let command = line.replace("&#39;", "'") + " --silent --noproxy '*'";
    let output = std::process::Command::new("sh").args(["-c", &command]).output().expect("a shell");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["user"]["login"], "alice");
    assert!(alice.get("/my/account").await.shows("API access key Last used: less than a minute ago"));
}

#[rstest]
#[tokio::test]
async fn a_new_atom_key_comes_with_the_address_of_the_feed(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let made = alice.post("/my/atom_key", &[("replaces", "")]).await;
    let secret = made.secret();
    assert!(made.html.contains("<title>Atom access key created · Latchkey</title>"));
    let address = format!("{}/activity.atom?key={secret}", site.url);
    assert!(made.shows(&address) && !made.shows("curl"), "{}", made.text());
}

/// "reset asks first, because programs will stop working, and says when the key was last used"
#[rstest]
#[tokio::test]
async fn a_reset_asks_first_and_says_when_the_key_was_last_used(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let key = site.add_key(&user, TokenAction::Api).await;
    let alice = site.signed_in("alice").await;
    let asked = alice.get("/my/api_key").await;
    assert_eq!(asked.status, 200);
    assert!(asked.shows("Reset your API access key?"));
    assert!(asked.shows("Programs that use this key will stop working at once."));
    assert!(asked.shows("Never used Too early to say: recorded for less than a minute."), "{}", asked.text());
    assert!(asked.shows(&format!("····{}", &key.secret[45..])));
    assert_eq!(asked.value_of("replaces"), key.id.to_string());
    assert!(asked.html.contains("<a class=\"action-link\" href=\"/my/account\">Cancel</a>"));
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200, "asking changes nothing");
    site.later(TimeDelta::hours(3));
    let asked = alice.get("/my/api_key").await;
    assert!(asked.shows("Last used: about 3 hours ago") && !asked.shows("Never used"), "{}", asked.text());
    assert!(asked.shows("API access key created about 3 hours ago"));
}

#[rstest]
#[tokio::test]
async fn a_reset_ends_the_old_key_and_shows_the_new_one(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let (api, atom) = (site.add_key(&user, TokenAction::Api).await, site.add_key(&user, TokenAction::Feeds).await);
    let alice = site.signed_in("alice").await;
    assert_eq!(site.get_with_key("/users/current.json", &api).await.status, 200);
    let replaces = alice.get("/my/api_key").await.value_of("replaces");
    let made = alice.post("/my/api_key", &[("replaces", &replaces)]).await;
    assert_eq!(made.status, 200);
    assert!(made.html.contains("<title>API access key reset · Latchkey</title>"));
    assert!(made.shows("The old key has stopped working."));
    let new = Key { id: 0, secret: made.secret() };
    assert_ne!(new.secret, api.secret);
    assert_eq!(site.get_with_key("/users/current.json", &api).await.status, 401, "the old one");
    assert!(alice.get("/my/account").await.shows("API access key Never used"), "the new one starts anew");
    assert_eq!(site.get_with_key("/users/current.json", &new).await.status, 200, "the new one");
    let feed = Answer::of(site.get(&format!("/activity.atom?key={}", atom.secret))).await;
    assert_eq!(feed.status, 200, "the other kind of key is left alone");
}

/// There is nothing to ask about where there is no key.
#[rstest]
#[tokio::test]
async fn without_a_key_there_is_nothing_to_reset(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    site.add_key(&user, TokenAction::Api).await;
    let alice = site.signed_in("alice").await;
    let answer = alice.get("/my/atom_key").await;
    assert_eq!((answer.status, answer.location()), (303, "/my/account"));
    assert_eq!(alice.get("/my/api_key").await.status, 200, "the other kind is there");
}

/// "so that a form sent twice makes nothing the second time and says so": and shows how things are.
#[rstest]
#[tokio::test]
async fn the_page_that_says_that_nothing_was_made_shows_the_key_that_there_is(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let key = site.add_key(&user, TokenAction::Api).await;
    let alice = site.signed_in("alice").await;
    let answer = alice.post("/my/api_key", &[("replaces", "")]).await;
    assert_eq!(answer.status, 409);
    assert!(answer.html.contains("<title>No new key · Latchkey</title>"));
    assert!(
        answer.shows(
            "No new key was created: you have already sent this form, or the key has changed since you opened it."
        )
    );
    assert!(
        answer.shows(
            "API access key Never used Too early to say: recorded for less than a minute. API access key created"
        )
    );
    assert!(answer.shows(&format!("····{}", &key.secret[45..])));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    CommandLine::on(&site.database).run(&["key", "revoke", &key.id.to_string()]).done();
    let answer = alice.post("/my/api_key", &[("replaces", &key.id.to_string())]).await;
    assert_eq!(answer.status, 409, "what was to be replaced is gone");
    assert!(answer.shows("Missing an API access key") && answer.shows("Create API access key"), "{}", answer.text());
}
