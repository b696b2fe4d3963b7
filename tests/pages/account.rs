//! The sidebar of *My account*: "Texts of the sidebar: `API access key created 3 months ago`, `Last used: 5 minutes ago`,
//! `Never used`, `Missing an API access key`; `Atom access key created … ago`, `Missing an Atom access key`; `Reset`."

use chrono::TimeDelta;
use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;

/// What the section of a key says.
fn section<'a>(text: &'a str, name: &str) -> &'a str {
    let from = text.find(&format!(" {name} ")).map(|at| at + 1).unwrap_or_else(|| panic!("no {name} in {text}"));
    let end = if name == "API access key" { text.find(" Atom access key ") } else { None };
    &text[from..end.unwrap_or(text.len())]
}

#[rstest]
#[tokio::test]
async fn without_keys_it_says_that_they_are_missing_and_offers_to_make_them(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    site.later(TimeDelta::days(400));
    let account = site.signed_in("alice").await.get("/my/account").await;
    let text = account.text();
    assert!(text.contains("Login: alice Created about 1 year ago"), "{text}");
    let api = "API access key Missing an API access key Lets programs call the API as you. Create API access key";
    assert_eq!(section(&text, "API access key"), api);
    let atom =
        "Atom access key Missing an Atom access key Lets a feed reader follow your activity. Create Atom access key";
    assert_eq!(section(&text, "Atom access key"), atom);
    for path in ["/my/api_key", "/my/atom_key"] {
        assert!(account.html.contains(&format!("<form action=\"{path}\" method=\"post\">")), "{path}");
    }
    assert!(!text.contains("Never used") && !text.contains("Last used"), "{text}");
}

#[rstest]
#[tokio::test]
async fn a_key_that_was_not_used_says_never_used_however_old_it_is(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let api = site.add_key(&user, TokenAction::Api).await;
    let atom = site.add_key(&user, TokenAction::Feeds).await;
    let (soon, safe) = ("Too early to say: recorded for ", "Safe to end: never used; recorded without a gap since");
    for (later, ago, verdict) in [
        (TimeDelta::zero(), "less than a minute", format!("{soon}less than a minute.")),
        (TimeDelta::minutes(1), "1 minute", format!("{soon}1 minute.")),
        (TimeDelta::days(90), "3 months", format!("{safe} 24 November 2026.")),
        (TimeDelta::days(700), "about 2 years", format!("{safe} 24 November 2026.")),
    ] {
        site.later(later);
        let alice = site.signed_in("alice").await;
        let account = alice.get("/my/account").await;
        let text = account.text();
        for (name, key, rest) in [
            (
                "API access key",
                &api,
                " Suspend API access key Allowed networks of API access key Revoke API access key Use on services",
            ),
            (
                "Atom access key",
                &atom,
                " Suspend Atom access key Allowed networks of Atom access key Revoke Atom access key",
            ),
        ] {
            let hint = &key.secret[key.secret.len() - 4..];
            let made = format!("{name} created {ago} ago Ends in ····{hint} Reset {name}{rest}");
            let expected = format!("{name} Never used {verdict} {made}");
            assert_eq!(section(&text, name), expected);
        }
        assert!(!account.html.contains("Missing an"), "{text}");
        assert!(account.html.contains("href=\"/my/api_key\"") && account.html.contains("href=\"/my/atom_key\""));
    }
}

#[rstest]
#[tokio::test]
async fn a_key_that_was_used_says_when_last(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let api = site.add_key(&user, TokenAction::Api).await;
    let atom = site.add_key(&user, TokenAction::Feeds).await;
    site.later(TimeDelta::days(90));
    assert_eq!(site.get_with_key("/users/current.json", &api).await.status, 200);
    let (used_at, shown_at) = ("2027-02-22T09:30:00Z", "22 Feb 2027, 09:30:00 UTC");
    for (later, ago) in [
        (TimeDelta::zero(), "less than a minute"),
        (TimeDelta::minutes(5), "5 minutes"),
        (TimeDelta::hours(20), "about 20 hours"),
    ] {
        site.later(later);
        let account = site.signed_in("alice").await.get("/my/account").await;
        let text = account.text();
        let hint = &api.secret[45..];
        let expected = format!(
            "API access key Last used: {ago} ago from 127.0.0.1 In use API access key created 3 months ago Ends in ····{hint} \
             Reset API access key Suspend API access key Allowed networks of API access key Revoke API access key Use on services"
        );
        assert_eq!(section(&text, "API access key"), expected);
        assert!(section(&text, "Atom access key").starts_with("Atom access key Never used"), "{text}");
        let time = format!("<time datetime=\"{used_at}\" title=\"{shown_at}\">{ago} ago</time>");
        assert!(account.html.contains(&time), "{time} in {}", account.html);
    }
    assert_eq!(Answer::of(site.get(&format!("/activity.atom?key={}", atom.secret))).await.status, 200);
    let text = site.signed_in("alice").await.get("/my/account").await.text();
    assert!(
        section(&text, "Atom access key").starts_with("Atom access key Last used: less than a minute ago"),
        "{text}"
    );
}

/// A flaw of the recorded system that is not repeated.
#[rstest]
#[tokio::test]
async fn a_key_used_in_the_second_it_was_made_reads_as_used(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let key = Key { id: 0, secret: alice.make_key("/my/api_key", "").await };
    assert!(alice.get("/my/account").await.shows("API access key Never used"));
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200);
    let text = alice.get("/my/account").await.text();
    assert!(text.contains("API access key Last used: less than a minute ago"), "{text}");
}

/// Nobody's keys but one's own, and no other kind of token, are to be seen.
#[rstest]
#[tokio::test]
async fn it_shows_the_keys_of_who_is_signed_in(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (alice, bob) = (site.add_user("alice").await, site.add_admin("bob").await);
    let hers = site.add_key(&alice, TokenAction::Api).await;
    site.add_key(&alice, TokenAction::Recovery).await;
    site.add_key(&alice, TokenAction::Autologin).await;
    let account = site.signed_in("bob").await.get("/my/account").await;
    assert!(account.shows("Login: bob") && account.shows("Missing an API access key"), "{}", account.text());
    assert!(!account.html.contains(&hers.secret[45..]));
    assert!(bob.admin, "even an admin's page is about the admin");
    let account = site.signed_in("alice").await.get("/my/account").await;
    assert!(account.html.contains(&hers.secret[45..]) && account.shows("Missing an Atom access key"));
    assert_eq!(account.html.matches("Ends in").count(), 1, "one key: {}", account.text());
}

/// On PostgreSQL, pages that are opened at the same time share their queries.
#[rstest]
#[tokio::test]
async fn pages_that_are_opened_at_once_show_each_their_own_keys(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let mut visitors = Vec::new();
    for (login, tokens) in [("alice", 0), ("bob", 1), ("carol", 2), ("dora", 3)] {
        let user = site.add_user(login).await;
        for _ in 0..tokens {
            site.add_access_token(&user, "account:read", "30d").await;
        }
        visitors.push((login, tokens, site.signed_in(login).await));
    }
    let pages = (0..40).map(|number| {
        let (login, tokens, visitor) = &visitors[number % visitors.len()];
        async move { (login, tokens, visitor.get("/my/account").await.text()) }
    });
    for (login, tokens, text) in futures_util::future::join_all(pages).await {
        let count = match tokens {
            0 => "No access token".to_owned(),
            1 => "1 access token".to_owned(),
            several => format!("{several} access tokens"),
        };
        assert!(text.contains(&format!("Login: {login}")) && text.contains(&count), "{login}: {text}");
    }
}

/// A hint is text, too: keys that were moved in may end in anything.
#[rstest]
#[tokio::test]
async fn the_hint_of_a_key_is_no_markup(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    site.add_foreign_key(&alice, TokenAction::Api, "moved-in-from-elsewhere-<b>&").await;
    let visitor = site.signed_in("alice").await;
    for path in ["/my/account", "/my/api_key"] {
        let page = visitor.get(path).await;
        assert!(page.html.contains("····&#60;b&#62;&#38;") && !page.html.contains("<b>"), "{path}: {}", page.html);
    }
}
