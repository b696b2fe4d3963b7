//! Several keys suspended at once, and switched on again: in the API, and on the page after a question.

use chrono::TimeDelta;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;

async fn post(site: &Site, key: &Key, verb: &str, body: &Value) -> Answer {
    let request = site.request(Method::POST, &format!("/admin/keys/{verb}.json")).bearer_auth(&key.secret);
    Answer::of(request.json(body)).await
}

#[rstest]
#[tokio::test]
async fn keys_of_several_people_are_refused_at_once_and_work_again(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (_, admin) = administrator(&site).await;
    let (alice, bob) = (site.add_user("alice").await, site.add_user("bob").await);
    let access = named(&site, &alice, "deploy", "account:read", "never").await;
    let api = site.add_key(&bob, TokenAction::Api).await;
    let over = named(&site, &bob, "over", "account:read", "1d").await;
    let kept = named(&site, &bob, "kept", "account:read", "never").await;
    site.later(TimeDelta::days(2));
    let (gone, these) = (4711, json!([api.id, access.id, 4711, over.id]));
    let answer = post(&site, &admin, "suspend", &json!({ "ids": these, "for": "7d" })).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let suspended = json!({ "suspended": [access.id, api.id], "unchanged": [over.id], "gone": [gone] });
    assert_eq!(answer.json(), suspended);
    for (key, expected) in [(&access, false), (&api, false), (&kept, true)] {
        assert_eq!(works(&site, key).await, expected);
    }
    let shorter = post(&site, &admin, "suspend", &json!({ "ids": [access.id], "for": "1h" })).await;
    assert_eq!(
        shorter.json(),
        json!({ "suspended": [], "unchanged": [access.id], "gone": [] }),
        "it would work earlier"
    );
    let activity = site.signed_in("alice").await.get("/activity").await;
    assert!(activity.shows("Access token “deploy” suspended") && activity.shows("by root"), "{}", activity.text());

    let resumed = post(&site, &admin, "resume", &json!({ "ids": [access.id, over.id, kept.id, gone] })).await;
    let told = json!({ "resumed": [access.id], "unchanged": [over.id, kept.id], "gone": [gone] });
    assert_eq!(resumed.json(), told, "{}", resumed.text);
    assert!(works(&site, &access).await && !works(&site, &api).await);
    site.later(TimeDelta::days(7));
    assert!(works(&site, &api).await, "at the end of the time");
}

/// "keys:write must not become more than itself"
#[rstest]
#[tokio::test]
async fn a_key_suspends_those_that_may_do_no_more_than_itself_or_none(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&root, "keys:write account:write", "2d").await;
    let brief = named(&site, &alice, "brief", "account:read", "1d").await;
    let lasting = named(&site, &alice, "lasting", "account:read", "never").await;
    let beyond = named(&site, &alice, "beyond", "tokens:read", "never").await;
    let refused = post(&site, &key, "suspend", &json!({ "ids": [lasting.id, beyond.id] })).await;
    let told = "One of these keys can do more than the key you use, so none of them was suspended.";
    assert_eq!((refused.status, refused.json()["detail"].as_str()), (403, Some(told)));
    assert!(works(&site, &lasting).await, "nothing is done by halves");

    let both = json!({ "ids": [brief.id, lasting.id], "for": "until-switched-on" });
    assert_eq!(post(&site, &key, "suspend", &both).await.json()["suspended"], json!([brief.id, lasting.id]));
    let refused = post(&site, &key, "resume", &json!({ "ids": [brief.id, lasting.id] })).await;
    let told = "One of these keys can do more, in more places or for longer, than the key you use, so none of them was switched on.";
    assert_eq!((refused.status, refused.json()["detail"].as_str()), (403, Some(told)));
    assert!(!works(&site, &brief).await, "nothing is done by halves");
    assert_eq!(post(&site, &key, "resume", &json!({ "ids": [brief.id] })).await.json()["resumed"], json!([brief.id]));
    assert!(works(&site, &brief).await);
}

#[rstest]
#[tokio::test]
async fn what_cannot_be_understood_is_told_and_suspends_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (_, admin) = administrator(&site).await;
    let alice = site.add_user("alice").await;
    let key = named(&site, &alice, "deploy", "account:read", "never").await;
    let before = site.database.written();
    let many: Vec<i64> = (1..=501).collect();
    for (body, told) in [
        (json!({ "ids": many }), "ids has too many keys: 501 keys are too many at once: choose at most 500"),
        (json!({ "for": "1h" }), "ids must be an array of at most 500 ids"),
        (json!({ "ids": [key.id], "for": "2h" }), "For must be 1h, 1d, 7d or until-switched-on"),
        (
            json!({ "ids": [key.id], "for": "until-switched-on", "then": "revoke" }),
            "A key that stays suspended until it is switched on again is never revoked: choose 1h, 1d or 7d",
        ),
        (json!({ "ids": [key.id], "until": "1h" }), "Unknown field \"until\": use ids, for, then"),
    ] {
        let answer = post(&site, &admin, "suspend", &body).await;
        assert_eq!((answer.status, answer.json()["detail"].as_str()), (422, Some(told)));
    }
    assert_eq!(site.database.written(), before);
}

#[rstest]
#[tokio::test]
async fn ticked_keys_are_suspended_after_a_question(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    administrator(&site).await;
    let alice = site.add_user("alice").await;
    let never = named(&site, &alice, "never", "account:read", "never").await;
    let busy = named(&site, &alice, "busy", "account:read", "never").await;
    let over = named(&site, &alice, "over", "account:read", "1d").await;
    assert!(works(&site, &busy).await);
    site.later(TimeDelta::days(2));
    let root = site.signed_in("root").await;
    let person = root.get(&format!("/admin/users/{}", alice.id)).await;
    for list in [root.get("/admin/keys").await, person] {
        assert!(list.html.contains(&format!("name=\"ids\" type=\"checkbox\" value=\"{}\"", busy.id)), "{}", list.html);
        assert!(list.html.contains("formaction=\"/admin/keys/suspend\""), "{}", list.html);
    }
    let ids = format!("ids={}&ids={}&ids={}&ids=4711", never.id, busy.id, over.id);
    let asked = root.get(&format!("/admin/keys/suspend?{ids}")).await;
    assert_eq!(asked.status, 200);
    assert!(asked.shows("Suspend 3 keys?") && asked.shows("1 key that you chose is gone already."), "{}", asked.text());
    let text = asked.text();
    let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words} in {text}"));
    assert!(place("Used in the last 30 days") < place("busy") && place("busy") < place("Not used in the last 30 days"));

    let chosen = asked.value_of("chosen");
    let fields = |span, then| [("chosen", chosen.as_str()), ("for", span), ("then", then)];
    let endless = root.post("/admin/keys/suspend", &fields("until-switched-on", "revoke")).await;
    let problem = "A key that stays suspended until it is switched on again is never revoked: choose 1h, 1d or 7d";
    assert_eq!(endless.status, 422);
    assert!(endless.shows(&format!("There is a problem {problem}")), "{}", endless.text());
    assert!(endless.shows("Suspend 3 keys?") && works(&site, &busy).await, "nothing is done yet");

    let done = root.post("/admin/keys/suspend", &fields("1d", "resume")).await;
    assert_eq!(done.status, 200);
    let told = "2 keys have been suspended. Their pages show who misses them. 1 key has expired, or is suspended for longer \
                already. 1 key that you chose is gone already.";
    assert!(done.shows(told), "{}", done.text());
    assert!(!works(&site, &busy).await && !works(&site, &never).await);
    let nothing = root.get("/admin/keys/suspend").await;
    assert!(nothing.shows("You chose no key."), "{}", nothing.text());
}

/// Whoever has no key has nothing to choose.
#[rstest]
#[tokio::test]
async fn a_person_without_keys_has_no_buttons_for_them(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let alice = site.add_user("alice").await;
    let root = site.signed_in("root").await;
    let person = root.get(&format!("/admin/users/{}", alice.id)).await;
    assert!(!person.shows("the chosen keys"), "{}", person.text());
}
