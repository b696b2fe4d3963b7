//! The table of access tokens: "name, hint, scopes in words, created, last used (relative, sorted by it on request),
//! expires ("in 3 days" stands out), state".

use latchkey::models::keys::key::KeyRefusal;
use latchkey::models::keys::key_request::KeyPolicy;
use latchkey::models::tx::Tx;
use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn where_there_is_none_it_says_what_a_token_is_for(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let list = site.signed_in("alice").await.get("/my/tokens").await;
    assert_eq!(list.status, 200);
    assert!(list.shows("An access token lets one program act for you."), "{}", list.text());
    assert!(list.html.contains("href=\"/my/tokens/new\">Create your first access token</a>"), "{}", list.html);
    assert!(!list.html.contains("<table"));
}

#[rstest]
#[tokio::test]
async fn a_row_tells_what_a_token_may_do_until_when_and_when_it_was_last_used(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let made = add(&site, &user, "Nightly <report>", "account:write tokens:read", Expiry::InDays(30)).await;
    let alice = site.signed_in("alice").await;
    let list = alice.get("/my/tokens").await;
    let row = format!(
        "Nightly <report> ends in ····{} Change your name and email; see your keys Never used Too early to say Active, \
         expires in 30 days created less than a minute ago Revoke Nightly <report>",
        made.hint()
    );
    assert_eq!(rows(&list), [row]);
    assert!(list.html.contains(&format!("<a href=\"{}\">Nightly &#60;report&#62;</a>", made.path())), "{}", list.html);
    assert!(list.html.contains(&format!("href=\"{}/revoke\"", made.path())));
    assert!(list.html.contains("datetime=\"2026-12-24T09:30:00Z\" title=\"24 Dec 2026, 09:30:00 UTC\">in 30 days<"));
    assert!(list.shows("1 access token ") && !list.html.contains(&made.key.secret));

    assert_eq!(status(&site, &made).await, 200);
    site.later(TimeDelta::minutes(5));
    let row = rows(&alice.get("/my/tokens").await).remove(0);
    assert!(row.contains("Last used 5 minutes ago In use Active, expires in 30 days created 5 minutes ago"), "{row}");
}

/// "Pages of the same process show pending uses too"
#[rstest]
#[tokio::test]
async fn a_use_that_is_still_to_be_written_shows(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let made = add(&site, &user, "Report", "account:read", Expiry::Never).await;
    let alice = site.signed_in("alice").await;
    assert_eq!(status(&site, &made).await, 200);
    let first = site.recorded_use(&made.key).expect("written before the answer");
    site.later(TimeDelta::seconds(50));
    assert_eq!(status(&site, &made).await, 200);
    site.later(TimeDelta::seconds(9));
    let row = rows(&alice.get("/my/tokens").await).remove(0);
    assert!(row.contains("Last used less than a minute ago"), "{row}");
    assert!(alice.get(&made.path()).await.shows("Last used: less than a minute ago"));
    assert_eq!(site.recorded_use(&made.key), Some(first), "which is 59 seconds ago, and would read as 1 minute");
}

#[rstest]
#[tokio::test]
async fn what_expires_within_a_week_stands_out_and_what_has_expired_says_so(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    for (name, expiry) in [("Lasting", Expiry::Never), ("Far", Expiry::InDays(8)), ("Near", Expiry::InDays(7))] {
        add(&site, &user, name, "account:read", expiry).await;
    }
    let gone = add(&site, &user, "Gone", "account:read", Expiry::On(at("2026-11-24T09:30:10"))).await;
    let alice = site.signed_in("alice").await;
    assert_eq!(status(&site, &gone).await, 200);
    let state = async |name: &str| {
        let list = alice.get("/my/tokens").await;
        let row = rows(&list).into_iter().find(|row| row.starts_with(name)).expect("a row");
        let stands_out = list.html.split("<tr").any(|row| row.contains(&format!(">{name}<")) && row.contains("soon"));
        let used = row.split_once("Never used ").or_else(|| row.split_once("Last used less than a minute ago "));
        let after = used.expect("a use").1;
        let verdict = ["In use ", "Too early to say "].into_iter().find(|verdict| after.starts_with(verdict));
        let after = after.trim_start_matches(verdict.unwrap_or_default());
        (after.to_owned(), stands_out)
    };
    assert!(state("Lasting").await.0.starts_with("Active, no expiration created"));
    assert_eq!((state("Far").await.0.starts_with("Active, expires in 8 days"), state("Far").await.1), (true, false));
    assert_eq!((state("Near").await.0.starts_with("Expires in 7 days"), state("Near").await.1), (true, true));
    assert_eq!(
        (state("Gone").await.0.starts_with("Expires in less than a minute"), state("Gone").await.1),
        (true, true)
    );

    site.later(TimeDelta::milliseconds(9_750) - TimeDelta::microseconds(1));
    assert!(state("Gone").await.0.starts_with("Expires in"));
    site.later(TimeDelta::microseconds(1));
    let (said, stands_out) = state("Gone").await;
    assert!(said.starts_with("Expired less than a minute ago") && !stands_out, "{said}");
    assert!(said.ends_with("Remove Gone"), "{said}");
    assert_eq!(status(&site, &gone).await, 401);
    site.later(days(1) + TimeDelta::seconds(1));
    let alice = site.signed_in("alice").await;
    let list = alice.get("/my/tokens").await;
    let far = rows(&list).into_iter().find(|row| row.starts_with("Far")).expect("a row");
    assert!(far.contains("Expires in 7 days") && !far.contains("Active"), "{far}");
    assert!(list.shows("Expired 1 day ago"), "it is shown until it is removed");
}

#[rstest]
#[tokio::test]
async fn the_newest_come_first_and_on_request_the_last_used(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let mut made = Vec::new();
    for name in ["A", "B", "C", "D"] {
        made.push(add(&site, &user, name, "account:read", Expiry::Never).await);
        site.later(TimeDelta::minutes(1));
    }
    assert_eq!(status(&site, &made[1]).await, 200);
    site.later(TimeDelta::minutes(1));
    let rotated = rotate(&site, &user, made[0].id, Grace::Day).await;
    assert_eq!(status(&site, &rotated).await, 200);
    let alice = site.signed_in("alice").await;
    for (query, expected) in [
        ("", ["D", "C", "B", "A"]),
        ("?sort=newest", ["D", "C", "B", "A"]),
        ("?sort=last_used", ["A", "B", "D", "C"]),
        ("?sort=newest&page=7", ["D", "C", "B", "A"]),
    ] {
        let list = alice.get(&format!("/my/tokens{query}")).await;
        let names: Vec<_> = rows(&list).iter().map(|row| row[..1].to_owned()).collect();
        assert_eq!(names, expected, "{query}");
        let chosen = if query == "?sort=last_used" { "Last used first" } else { "Newest first" };
        assert_eq!(list.html.matches("aria-current=\"true\"").count(), 1);
        assert!(list.html.contains(&format!("aria-current=\"true\">{chosen}</a>")), "{query}");
    }
}

/// "the page and the API show by which secret the last use came"
#[rstest]
#[tokio::test]
async fn a_last_use_by_an_earlier_secret_says_so(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let old = add(&site, &user, "Report", "account:read", Expiry::Never).await;
    let new = rotate(&site, &user, old.id, Grace::Day).await;
    let alice = site.signed_in("alice").await;
    assert_eq!(status(&site, &old).await, 200);
    let list = alice.get("/my/tokens").await;
    assert!(list.shows("Last used less than a minute ago with an old secret"), "{}", list.text());
    assert_eq!(rows(&list).len(), 1, "two secrets, one token");
    assert!(list.shows(&format!("····{}", new.hint())) && !list.shows(&format!("····{}", old.hint())));
    site.later(TimeDelta::minutes(1));
    assert_eq!(status(&site, &new).await, 200);
    assert!(!alice.get("/my/tokens").await.shows("with an old secret"));
}

/// "keys unused for 90 days, or without any use in 30 days of recording, stand out with a suggestion to remove them"
#[rstest]
#[tokio::test]
async fn what_nobody_needs_any_more_stands_out_with_a_suggestion(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let used = add(&site, &user, "Used", "account:read", Expiry::Never).await;
    add(&site, &user, "Unused", "account:read", Expiry::Never).await;
    add(&site, &user, "Expiring", "account:read", Expiry::InDays(31)).await;
    assert_eq!(status(&site, &used).await, 200);
    let safe = async || {
        let list = site.signed_in("alice").await.get("/my/tokens").await;
        let rows = rows(&list).into_iter().filter(|row| row.contains("Safe to end"));
        let names: Vec<_> = rows.map(|row| row.split(' ').next().expect("a name").to_owned()).collect();
        (names.join(" "), list.shows("safe to end: not used in 90 days, or never in at least 30 days of recording."))
    };
    site.later(days(30) - TimeDelta::microseconds(1));
    assert_eq!(safe().await, (String::new(), false));
    site.later(TimeDelta::microseconds(1));
    assert_eq!(safe().await, ("Expiring Unused".to_owned(), true));
    site.later(days(2));
    assert_eq!(safe().await, ("Unused".to_owned(), true), "what has expired is refused anyway");
    site.later(days(58) - TimeDelta::microseconds(1));
    assert_eq!(safe().await.0, "Unused");
    // A use is a microsecond later than the creation, at least.
    site.later(TimeDelta::microseconds(2));
    assert_eq!(safe().await.0, "Unused Used");
    let page = site.signed_in("alice").await.get(&used.path()).await;
    let told = "Safe to end: not used since 24 November 2026; recorded without a gap since 24 November 2026.";
    assert!(page.shows(told), "{}", page.text());
}

#[rstest]
#[tokio::test]
async fn nobody_sees_those_of_others_nor_other_kinds(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (alice, bob) = (site.add_user("alice").await, site.add_admin("bob").await);
    add(&site, &alice, "Hers", "account:read", Expiry::Never).await;
    let api = site.add_key(&bob, TokenAction::Api).await;
    let list = site.signed_in("bob").await.get("/my/tokens").await;
    assert!(list.shows("Create your first access token") && !list.shows("Hers"), "{}", list.text());
    assert!(!list.html.contains(&api.secret[45..]));
    let stranger = site.visitor().get("/my/tokens?sort=last_used").await;
    assert_eq!(stranger.location(), "/login?back_url=%2Fmy%2Ftokens%3Fsort%3Dlast_used");
}

#[rstest]
#[tokio::test]
async fn who_has_as_many_as_there_may_be_is_told_instead_of_offered_more(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--access-tokens-per-user=2"]).await;
    let user = site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let first = create(&alice, &[("name", "One"), ("scopes", "account:read")]).await;
    first.secret();
    let late = alice.get("/my/tokens/new").await.value_of("after");
    let gone = add(&site, &user, "Two", "account:read", Expiry::On(at("2026-11-24T09:31:00"))).await;
    site.later(TimeDelta::minutes(1));
    assert_eq!(status(&site, &gone).await, 401, "what has expired counts until it is removed");
    let told = "You have 2 access tokens, the most that one person may have. Revoke one to create another.";
    for path in ["/my/tokens", "/my/tokens/new"] {
        let page = alice.get(path).await;
        assert_eq!((page.status, page.shows(told)), (200, true), "{path}: {}", page.text());
        assert!(!page.shows("New access token") || path.ends_with("new"), "{path}");
        assert!(!page.html.contains("name=\"scopes\""), "{path} offers the form");
    }
    let fields = [("after", &*gone.id.to_string()), ("name", "Three"), ("scopes", "account:read")];
    let refused = alice.post("/my/tokens", &fields).await;
    assert_eq!((refused.status, refused.shows(told)), (422, true), "{}", refused.text());
    let refused = alice.post("/my/tokens", &[("after", late.as_str()), fields[1], fields[2]]).await;
    assert_eq!((refused.status, refused.shows(told)), (422, true), "{}", refused.text());
    assert_eq!(all_of(&site, &user).len(), 2);
    alice.post(&format!("{}/revoke", gone.path()), &[]).await;
    create(&alice, &[("name", "Three"), ("scopes", "account:read")]).await.secret();
}

#[rstest]
#[tokio::test]
async fn more_than_a_hundred_come_in_pages_that_keep_the_order(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--access-tokens-per-user=1000"]).await;
    let user = site.add_user("alice").await;
    let user_id = user.id;
    let policy = KeyPolicy::of(&site.app.config);
    let make = move |tx: &mut Tx<'_>| -> Result<(), KeyRefusal> {
        for number in 100..230 {
            let name = format!("Token {number}");
            let new = NewKey {
                name,
                note: String::new(),
                scopes: KeyScopes::default(),
                expiry: Some(Expiry::InDays(300)),
                networks: None,
            };
            let new = NewKey { scopes: KeyScopes::of_words(["account:read"]).expect("a scope"), ..new };
            AccessToken::make(tx, user_id, &new, &policy)?;
        }
        Ok(())
    };
    site.write(make).await;
    let alice = site.signed_in("alice").await;
    let first = alice.get("/my/tokens?sort=last_used").await;
    assert!(first.shows("130 access tokens, 1 to 100 shown") && !first.html.contains("rel=\"prev\""));
    assert_eq!((rows(&first).len(), rows(&first)[0].starts_with("Token 229")), (100, true));
    let html = first.html.replace("&#38;", "&");
    assert!(html.contains("href=\"/my/tokens?sort=last_used&page=2\" rel=\"next\""), "{html}");
    for number in ["2", "3", "99999"] {
        let last = alice.get(&format!("/my/tokens?sort=last_used&page={number}")).await;
        assert!(last.shows("130 access tokens, 101 to 130 shown") && !last.html.contains("rel=\"next\""), "{number}");
        assert_eq!((rows(&last).len(), rows(&last)[29].starts_with("Token 100")), (30, true));
        assert!(last.html.contains("href=\"/my/tokens?sort=last_used\" rel=\"prev\""));
    }
}
