//! "Rotation. A new secret for the same key (name, scopes, history); the old one goes on for a grace time chosen then
//! (none, 1 hour, 1 day, 7 days), and the page and the API show by which secret the last use came, so that one sees when
//! all programs have moved."

use rstest::rstest;

use super::*;

/// Asks for a new secret as the page does.
async fn ask(visitor: &Visitor, made: &Made, grace: &str) -> Page {
    let path = format!("{}/rotate", made.path());
    let replaces = visitor.get(&path).await.value_of("replaces");
    visitor.post(&path, &[("replaces", &replaces), ("grace", grace)]).await
}

#[rstest]
#[tokio::test]
async fn it_asks_first_and_says_until_when_the_secret_before_works(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let made = add(&site, &user, "Report", "account:read", Expiry::InDays(3)).await;
    let alice = site.signed_in("alice").await;
    assert_eq!(status(&site, &made).await, 200);
    site.later(TimeDelta::minutes(5));
    let before = rows_of_tokens(&site);
    let asked = alice.get(&format!("{}/rotate", made.path())).await;
    assert_eq!(asked.status, 200);
    for wanted in [
        "Rotate “Report” The token gets a new secret, which the next page shows once.",
        "Report Last used: 5 minutes ago",
        "No time: it stops at once",
        "1 hour until 24 Nov 2026, 10:35:00 UTC",
        "1 day until 25 Nov 2026, 09:35:00 UTC",
        // No longer than the token.
        "7 days until 27 Nov 2026, 09:30:00 UTC",
    ] {
        assert!(asked.shows(wanted), "{wanted} is not in {}", asked.text());
    }
    assert_eq!(choice(&asked, "1d"), Some(true));
    assert!(rows_of_tokens(&site) == before && status(&site, &made).await == 200, "asking changes nothing");
}

#[rstest]
#[tokio::test]
async fn both_secrets_work_for_the_time_that_was_chosen(
    #[values(Sqlite, Postgres)] db: Db,
    #[values(("0", 0), ("1h", 60), ("1d", 24 * 60), ("7d", 7 * 24 * 60))] grace: (&str, i64),
) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let old = add(&site, &user, "Report", "account:read", Expiry::Never).await;
    let alice = site.signed_in("alice").await;
    let answer = ask(&alice, &old, grace.0).await;
    assert_eq!((answer.status, answer.header("Cache-Control")), (200, Some("no-store")), "{}", answer.text());
    assert!(answer.html.contains("<title>“Report” has a new secret · Latchkey</title>"), "{}", answer.html);
    let new = Made { id: old.id, key: Key { id: 0, secret: answer.secret() } };
    let ends = (site.clock.now() + TimeDelta::minutes(grace.1)).format("%-d %b %Y, %H:%M:%S UTC");
    let fate = match grace.1 {
        0 => format!("The old secret, ending in {}, has stopped working.", old.hint()),
        _ => format!("The old secret, ending in {}, works until {ends}.", old.hint()),
    };
    assert!(answer.shows(&fate), "{fate} is not in {}", answer.text());
    assert_eq!(status(&site, &new).await, 200);
    if grace.1 > 0 {
        assert_eq!(status(&site, &old).await, 200);
        site.later(TimeDelta::minutes(grace.1) - TimeDelta::microseconds(1));
        assert_eq!(status(&site, &old).await, 200);
        site.later(TimeDelta::microseconds(1));
    }
    assert_eq!((status(&site, &old).await, status(&site, &new).await), (401, 200));
    assert_eq!(all_of(&site, &user).len(), 1, "the same token");
    let alice = site.signed_in("alice").await;
    assert!(!alice.get(&old.path()).await.html.contains(&answer.secret()), "it is not shown again");
    assert!(alice.get("/activity").await.shows("Access token “Report” rotated"));
}

#[rstest]
#[tokio::test]
async fn its_page_shows_which_secret_programs_still_use(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let old = add(&site, &user, "Report", "account:read", Expiry::Never).await;
    let alice = site.signed_in("alice").await;
    assert_eq!(status(&site, &old).await, 200);
    assert!(!alice.get(&old.path()).await.shows("active secrets"), "there is one");
    site.later(TimeDelta::minutes(1));
    let new = rotate(&site, &user, old.id, Grace::Hour).await;
    let progress = async |wanted: &str| {
        let page = alice.get(&old.path()).await;
        assert!(page.shows(&format!("2 active secrets {wanted}")), "{wanted} is not in {}", page.text());
        page
    };
    let page =
        progress("None of them has been used since the rotation. New secret Never used Created less than a minute ago")
            .await;
    let earlier = "Old secret Last used: 1 minute ago Created 1 minute ago. Works until 24 Nov 2026, 10:31:00 UTC, in about \
                   1 hour";
    assert!(page.shows(earlier), "{}", page.text());
    assert!(page.shows(&format!("····{}", old.hint())) && page.shows(&format!("····{}", new.hint())));
    assert!(page.shows("Last used with An old secret, not the new one"), "{}", page.text());

    site.later(TimeDelta::minutes(1));
    assert_eq!(status(&site, &old).await, 200);
    progress("Programs still use an old secret. The new one has not been used yet.").await;
    site.later(TimeDelta::minutes(1));
    assert_eq!(status(&site, &new).await, 200);
    let page =
        progress("The new secret was used last. Once no old secret is used any more, every program has switched.")
            .await;
    assert!(!page.shows("Last used with"), "{}", page.text());
    site.later(TimeDelta::minutes(1));
    assert_eq!(status(&site, &old).await, 200);
    progress("Some programs still use an old secret.").await;
    site.later(TimeDelta::hours(1));
    let page = site.signed_in("alice").await.get(&old.path()).await;
    assert!(!page.shows("active secrets"), "the time of grace is over: {}", page.text());
    assert!(page.shows("Last used with An old secret that no longer works"), "{}", page.text());
}

#[rstest]
#[tokio::test]
async fn when_only_the_new_secret_is_used_it_says_so(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let old = add(&site, &user, "Report", "account:read", Expiry::Never).await;
    assert_eq!(status(&site, &old).await, 200);
    site.later(TimeDelta::minutes(1));
    let new = rotate(&site, &user, old.id, Grace::Day).await;
    assert_eq!(status(&site, &new).await, 200);
    let page = site.signed_in("alice").await.get(&old.path()).await;
    assert!(page.shows("Only the new secret has been used since the rotation."), "{}", page.text());
}

#[rstest]
#[tokio::test]
async fn a_form_that_is_sent_twice_rotates_once_and_says_so(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let old = add(&site, &user, "Report", "account:read", Expiry::Never).await;
    let alice = site.signed_in("alice").await;
    let path = format!("{}/rotate", old.path());
    let replaces = alice.get(&path).await.value_of("replaces");
    let fields = [("replaces", replaces.as_str()), ("grace", "1d")];
    let new = Made { id: old.id, key: Key { id: 0, secret: alice.post(&path, &fields).await.secret() } };
    let again = alice.post(&path, &fields).await;
    assert_eq!(again.status, 409);
    assert!(again.html.contains("<title>Already rotated · Latchkey</title>"));
    assert!(
        again.shows("You have already sent this form, or rotated “Report” since you opened it."),
        "{}",
        again.text()
    );
    assert!(!again.html.contains("id=\"secret\"") && again.shows(&format!("····{}", new.hint())));
    assert_eq!((status(&site, &old).await, status(&site, &new).await), (200, 200));
    assert_eq!(site.database.number("SELECT count(*) AS number FROM tokens WHERE action = 'access'"), 2);
}

#[rstest]
#[tokio::test]
async fn too_many_secrets_at_a_time_are_refused_with_what_to_do(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let made = add(&site, &user, "Report", "account:read", Expiry::Never).await;
    let alice = site.signed_in("alice").await;
    for _ in 0..4 {
        ask(&alice, &made, "7d").await.secret();
    }
    let refused = ask(&alice, &made, "1h").await;
    assert_eq!(refused.status, 422);
    let told = "There is a problem This access token already has 5 active secrets: wait until one stops working, or";
    assert!(refused.shows(told), "{}", refused.text());
    assert_eq!(choice(&refused, "1h"), Some(true), "what was chosen is kept");
    assert!(alice.get(&made.path()).await.shows("5 active secrets"));
}

#[rstest]
#[tokio::test]
async fn what_no_form_sends_is_refused(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let made = add(&site, &user, "Report", "account:read", Expiry::Never).await;
    let id = made.id.to_string();
    let alice = site.signed_in("alice").await;
    for fields in [
        vec![],
        vec![("replaces", id.as_str())],
        vec![("grace", "1d")],
        vec![("replaces", &id), ("grace", "2d")],
        vec![("replaces", "x"), ("grace", "1d")],
        vec![("replaces", &id), ("grace", "1d"), ("grace", "7d")],
    ] {
        let answer = alice.post(&format!("{}/rotate", made.path()), &fields).await;
        assert_eq!(answer.status, 400, "{fields:?}");
    }
    assert_eq!(site.database.number("SELECT count(*) AS number FROM tokens WHERE action = 'access'"), 1);
}
