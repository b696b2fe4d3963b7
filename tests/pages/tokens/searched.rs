//! The search among one's own access tokens: words, a state, an order.

use rstest::rstest;

use super::*;

/// The names that the page lists, in order.
fn names(page: &Page) -> String {
    let names = rows(page).into_iter().filter_map(|row| row.split(" ends in ").next().map(str::to_owned));
    names.collect::<Vec<_>>().join(", ")
}

#[rstest]
#[tokio::test]
async fn it_is_offered_where_there_are_many(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let offers = async |path: &str| alice.get(path).await.html.contains("role=\"search\"");
    assert!(!offers("/my/tokens").await);
    for number in 1..=5 {
        add(&site, &user, &format!("T{number}"), "account:read", Expiry::Never).await;
    }
    assert!(!offers("/my/tokens").await, "five can be seen at a glance");
    assert!(offers("/my/tokens?search=x").await && offers("/my/tokens?state=expired").await, "a filter is set");
    let none = alice.get("/my/tokens?search=nowhere").await;
    assert!(none.status == 200 && none.shows("0 access tokens found"), "{}", none.text());
    assert!(none.shows("No access token matches. Show all access tokens"), "{}", none.text());
    assert!(none.html.contains("href=\"/my/tokens\">Show all access tokens</a>"), "{}", none.html);
    add(&site, &user, "T6", "account:read", Expiry::Never).await;
    assert!(offers("/my/tokens").await);
}

#[rstest]
#[tokio::test]
async fn it_finds_what_is_looked_for_in_the_order_that_is_asked_for(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let mut made = Vec::new();
    for (name, expiry) in [
        ("backup NAS", Expiry::Never),
        ("Ärger & Co", Expiry::InDays(200)),
        ("Deploy", Expiry::InDays(105)),
        ("Gone", Expiry::InDays(90)),
        ("cron", Expiry::InDays(300)),
    ] {
        made.push(add(&site, &user, name, "account:read", expiry).await);
        site.later(TimeDelta::minutes(1));
    }
    let note = format!("UPDATE tokens SET note = 'Runs on the Cellar server' WHERE id = {}", made[4].id);
    site.database.execute(&note);
    for at in [0, 2] {
        assert_eq!(status(&site, &made[at]).await, 200);
    }
    site.later(days(100));
    add(&site, &user, "New", "account:read", Expiry::Never).await;
    assert_eq!(status(&site, &made[2]).await, 200);
    let alice = site.signed_in("alice").await;
    for (query, expected) in [
        ("", "New, cron, Gone, Deploy, Ärger & Co, backup NAS"),
        ("?sort=name", "backup NAS, cron, Deploy, Gone, New, Ärger & Co"),
        ("?sort=last_used", "Deploy, backup NAS, New, cron, Gone, Ärger & Co"),
        ("?sort=expiry", "Gone, Deploy, Ärger & Co, cron, New, backup NAS"),
        ("?search=ÄRGER", "Ärger & Co"),
        ("?search=server+cellar", "cron"),
        ("?search=cron+SERVER", "cron"),
        ("?search=\"cellar server\"", "cron"),
        ("?search=\"server cellar\"", ""),
        ("?search=%25", ""),
        ("?search=e&sort=name", "cron, Deploy, Gone, New, Ärger & Co"),
        ("?state=in_use", "Deploy"),
        ("?state=safe_to_end", "cron, Ärger & Co, backup NAS"),
        ("?state=too_early", "New"),
        ("?state=safe_to_end&sort=name&search=a", "backup NAS, cron"),
        ("?state=never_used", "New, cron, Gone, Ärger & Co"),
        ("?state=expires_soon", "Deploy"),
        ("?state=expired", "Gone"),
        ("?search=++&state=", "New, cron, Gone, Deploy, Ärger & Co, backup NAS"),
    ] {
        let page = alice.get(&format!("/my/tokens{query}")).await;
        assert_eq!((page.status, names(&page).as_str()), (200, expected), "{query}: {}", page.text());
    }

    let page = alice.get("/my/tokens?search=%C3%A4rger+%22%3C&state=safe_to_end&sort=name").await;
    assert_eq!(page.value_of("search"), "ärger \"<", "{}", page.html);
    assert!(page.html.contains("<option value=\"safe_to_end\" selected>Safe to end</option>"), "{}", page.html);
    assert_eq!(page.value_of("sort"), "name", "another search keeps the order");
    let html = page.html.replace("&#38;", "&");
    let address = "/my/tokens?search=%C3%A4rger+%22%3C&state=safe_to_end&sort=expiry";
    assert!(html.contains(&format!("href=\"{address}\">Expires first</a>")), "another order keeps the search: {html}");
    let advice = alice.get("/my/tokens").await;
    assert!(advice.shows("3 tokens are safe to end"), "{}", advice.text());
    assert!(advice.html.contains("href=\"/my/tokens?state=safe_to_end\">Show only"), "{}", advice.html);
}

/// "Pages of the same process show pending uses too": and sort by them.
#[rstest]
#[tokio::test]
async fn uses_that_are_still_to_be_written_count(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let first = add(&site, &user, "First", "account:read", Expiry::Never).await;
    let second = add(&site, &user, "Second", "account:read", Expiry::Never).await;
    for made in [&first, &second, &first] {
        site.later(TimeDelta::seconds(10));
        assert_eq!(status(&site, made).await, 200);
    }
    assert!(site.recorded_use(&first.key) < site.recorded_use(&second.key), "its latest use waits to be written");
    let page = site.signed_in("alice").await.get("/my/tokens?sort=last_used").await;
    assert_eq!(names(&page), "First, Second");
}

/// A state that nobody knows is not taken for all.
#[rstest]
#[tokio::test]
async fn what_cannot_be_meant_is_told(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    for number in 1..=6 {
        add(&site, &user, &format!("T{number}"), "account:read", Expiry::Never).await;
    }
    let alice = site.signed_in("alice").await;
    for (query, id, told) in [
        ("state=nonsense", "state", "Choose a state from the list".to_owned()),
        ("sort=nonsense", "sort", "Choose an order from the list".to_owned()),
        (
            &*format!("search={}", "a+".repeat(11)),
            "search",
            "The search has too many words to search for (maximum is 10)".to_owned(),
        ),
    ] {
        let page = alice.get(&format!("/my/tokens?{query}")).await;
        assert_eq!((page.status, rows(&page).len()), (422, 0), "{query}: {}", page.text());
        assert!(page.html.contains("<title>Error: Access tokens · Latchkey</title>"), "{query}");
        assert!(page.shows(&format!("There is a problem {told}")), "{query}: {}", page.text());
        assert!(page.html.contains(&format!("href=\"#{id}\"")) && page.html.contains(&format!(" id=\"{id}\"")));
        assert_eq!(page.text().matches(&told).count(), 2, "{query}: {}", page.text());
        assert!(page.shows("Nothing is listed because of the problem above. Show all access tokens"), "{query}");
    }
}
