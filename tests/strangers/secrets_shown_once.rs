//! A new secret: shown in the answer to the POST that made it, and nowhere else, ever.

use futures_util::future::join_all;
use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use crate::support::*;

/// Ids of a person's keys of one kind.
fn keys(site: &Site, action: &str) -> i64 {
    site.database.number(&format!("SELECT count(*) AS number FROM tokens WHERE action = '{action}'"))
}

/// "A new secret is shown in the answer to the POST that made it (200, `no-store`), never in a cookie or a URL." Feed readers
/// know no other place for a key than the address of the feed, so that address is shown with it, to be copied.
#[rstest]
#[tokio::test]
async fn a_new_secret_is_in_the_answer_to_its_post_and_nowhere_after_that(
    #[values(Sqlite, Postgres)] db: Db,
    #[values("/my/api_key", "/my/atom_key")] path: &str,
) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let made = alice.post(path, &[("replaces", "")]).await;
    assert_eq!(made.status, 200);
    assert_eq!(made.header("Cache-Control"), Some("no-store"));
    let secret = made.secret();
    for (name, value) in &made.headers {
        assert!(!String::from_utf8_lossy(value.as_bytes()).contains(&secret), "in the header {name}");
    }
    if let Some(cookie) = cookie::set_by(&made.headers) {
        assert!(!cookie::opened(&cookie).values().any(|value| value == secret.as_str()), "in the cookie");
    }
    let mut addresses = ["href=\"", "src=\"", "action=\""].into_iter().flat_map(|name| made.html.split(name).skip(1));
    assert!(!addresses.any(|rest| rest.split('"').next().is_some_and(|url| url.contains(&secret))), "in a URL");
    let words = made.text();
    let to_copy: Vec<&str> = words.split(' ').filter(|word| word.contains("://") && word.contains(&secret)).collect();
    let feed = format!("/activity.atom?key={secret}");
    match path {
        "/my/atom_key" => assert!(matches!(*to_copy, [address] if address.ends_with(&feed)), "{to_copy:?}"),
        _ => assert!(to_copy.is_empty(), "in a URL to be copied"),
    }
    for path in ["/my/account", path, "/activity", "/my/password", "/nothing-here"] {
        let page = alice.get(path).await;
        assert!(!page.html.contains(&secret), "{path} shows it again");
        assert!(cookie::set_by(&page.headers).is_none(), "{path} needs no new cookie");
    }
}

/// "The form names the key that it replaces, so that a form sent twice makes nothing the second time and says so."
#[rstest]
#[tokio::test]
async fn a_form_that_is_sent_twice_makes_one_key_and_says_so(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let first = alice.make_key("/my/api_key", "").await;
    let again = alice.post("/my/api_key", &[("replaces", "")]).await;
    assert_eq!(again.status, 409);
    assert!(
        again.shows(
            "No new key was created: you have already sent this form, or the key has changed since you opened it."
        )
    );
    assert!(!again.html.contains("id=\"secret\""), "no secret is shown");
    assert_eq!(keys(&site, "api"), 1);
    let first = Key { id: 0, secret: first };
    assert_eq!(site.get_with_key("/users/current.json", &first).await.status, 200, "the first one goes on");

    let asked = alice.get("/my/api_key").await;
    let replaces = asked.value_of("replaces");
    let second = Key { id: 0, secret: alice.make_key("/my/api_key", &replaces).await };
    assert_eq!(site.get_with_key("/users/current.json", &first).await.status, 401, "replaced");
    let again = alice.post("/my/api_key", &[("replaces", &replaces)]).await;
    assert_eq!(again.status, 409);
    assert_eq!(keys(&site, "api"), 1);
    assert_eq!(site.get_with_key("/users/current.json", &second).await.status, 200, "the second one goes on");
}

/// The same, when both arrive before either is answered.
#[rstest]
#[tokio::test]
async fn forms_sent_at_the_same_time_make_one_key(
    #[values(Sqlite, Postgres)] db: Db,
    #[values("nothing", "a key")] before: &str,
) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let replaces = match before {
        "nothing" => String::new(),
        _ => site.add_key(&user, TokenAction::Api).await.id.to_string(),
    };
    let fields = [("replaces", replaces.as_str())];
    let answers = join_all((0..8).map(|_| alice.post("/my/api_key", &fields))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
    assert_eq!(keys(&site, "api"), 1);
    let made = answers.iter().find(|answer| answer.status == 200).expect("one");
    let key = Key { id: 0, secret: made.secret() };
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200, "the one that was shown works");
}

/// What the form names is a key of whoever sends it, of the kind that the address says.
#[rstest]
#[tokio::test]
async fn a_form_replaces_no_key_but_the_one_it_is_about(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (alice, bob) = (site.add_user("alice").await, site.add_user("bob").await);
    let (api, feeds) = (site.add_key(&alice, TokenAction::Api).await, site.add_key(&alice, TokenAction::Feeds).await);
    let bobs = site.add_key(&bob, TokenAction::Api).await;
    let before = site.database.dump("tokens");
    let visitor = site.signed_in("alice").await;
    let session = site.database.number("SELECT max(id) AS number FROM tokens");
    assert!(session > bobs.id);
    for (what, replaces, status) in [
        ("none", String::new(), 409),
        ("another's", bobs.id.to_string(), 409),
        ("another kind", feeds.id.to_string(), 409),
        ("the session", session.to_string(), 409),
        ("one that never was", "123456789".to_owned(), 409),
        ("a number below all", "-1".to_owned(), 409),
        ("text", "x".to_owned(), 400),
        ("a number too large", "99999999999999999999".to_owned(), 400),
        ("SQL", format!("{} OR 1=1", api.id), 400),
    ] {
        let answer = visitor.post("/my/api_key", &[("replaces", &replaces)]).await;
        assert_eq!(answer.status, status, "{what}");
    }
    let unnamed = visitor.post("/my/api_key", &[]).await;
    assert_eq!(unnamed.status, 400, "a form without the field");
    let after = site.database.dump("tokens");
    assert!(after.starts_with(&before), "nothing was replaced:\n{before}\n{after}");
}
