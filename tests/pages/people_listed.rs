//! The list of people: whom it shows if nothing is asked for, in which order, and what it does not understand.

use chrono::TimeDelta;
use diesel::RunQueryDsl;
use latchkey::db::DbConnection;
use latchkey::models::keys::token::TokenAction;
use latchkey::models::people::order::Order;
use rstest::rstest;

use super::*;

/// The logins in the list, from the top.
fn logins(page: &Page) -> Vec<String> {
    let about = page.html.split("class=\"about\">").skip(1).filter_map(|it| it.split_once(" · "));
    about.map(|(login, _)| login.to_owned()).collect()
}

/// user1 to user12 in an order that is none, some with capitals, and root.
async fn numbered(db: Db) -> (Site, Visitor) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    for number in [10, 2, 12, 1, 7, 11] {
        let login = if number == 2 { "User2".to_owned() } else { format!("user{number}") };
        let user = site.add_passwordless_user(&login).await;
        site.set_user(&user, &format!("firstname = 'Node', lastname = 'Nr {number}'"));
        site.later(TimeDelta::minutes(1));
    }
    for login in ["team2@example.org", "team10@example.org", "team10"] {
        site.add_passwordless_user(login).await;
    }
    let root = site.signed_in("root").await;
    (site, root)
}

/// "natural order for logins and names (user2 before user10) on both databases the same"
#[rstest]
#[tokio::test]
async fn numbers_in_logins_and_names_are_compared_as_numbers(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root) = numbered(db).await;
    let users = ["user1", "User2", "user7", "user10", "user11", "user12"];
    let teams = ["team2@example.org", "team10", "team10@example.org"];
    let by_login = [&["root"], &teams[..], &users[..]].concat();
    let list = root.get("/admin/users").await;
    assert_eq!(logins(&list), by_login);
    assert_eq!(logins(&root.get("/admin/users?sort=login").await), by_login);
    let reversed: Vec<_> = by_login.iter().rev().copied().collect();
    assert_eq!(logins(&root.get("/admin/users?sort=login:desc").await), reversed);
    let by_name = root.get("/admin/users?sort=lastname,firstname&name=node").await;
    assert_eq!(logins(&by_name), users);
    assert!(by_name.html.contains("aria-current=\"true\">Last name</a>"), "{}", by_name.html);
    assert_eq!(by_name.value_of("sort"), "lastname,firstname", "a new search keeps the order");
    // The API lists the same people first.
    let key = site.add_key(&site.user("root"), TokenAction::Api).await;
    let api = site.get_with_key("/users.json", &key).await.json();
    let api: Vec<_> = api["users"].as_array().expect("people").iter().map(|it| it["login"].as_str().unwrap()).collect();
    assert_eq!(api, by_login);
}

#[rstest]
#[tokio::test]
async fn what_the_list_is_ordered_by_is_shown(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root) = numbered(db).await;
    site.later(TimeDelta::minutes(3));
    let newest = root.get("/admin/users?sort=created_on:desc&name=node").await;
    assert_eq!(logins(&newest), ["user11", "user7", "user1", "user12", "User2", "user10"]);
    assert!(newest.shows("user11 · user11@example.org · created 4 minutes ago"), "{}", newest.text());
    let signed_in = root.get("/admin/users?sort=last_login_on:desc").await;
    assert_eq!(logins(&signed_in)[..2], ["root", "team2@example.org"], "who has never signed in comes last, by login");
    assert!(signed_in.shows("root@example.org · signed in 3 minutes ago"), "{}", signed_in.text());
    assert!(signed_in.shows("user1@example.org · never signed in"), "{}", signed_in.text());
}

#[derive(diesel::QueryableByName)]
struct Step {
    #[diesel(sql_type = diesel::sql_types::Text)]
    detail: String,
}

#[derive(diesel::QueryableByName)]
struct PostgresStep {
    #[diesel(sql_type = diesel::sql_types::Text, column_name = "QUERY PLAN")]
    detail: String,
}

/// On a long list, a page is read from the index.
#[rstest]
#[tokio::test]
async fn a_page_by_login_needs_no_sorting(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let mut connection = site.database.connect();
    let order = Order::sql(&[], &connection);
    let query = format!("SELECT * FROM users WHERE status = 'active' ORDER BY {order} LIMIT 50");
    let plan: Vec<Step> = match &mut connection {
        DbConnection::Sqlite(it) => diesel::sql_query(format!("EXPLAIN QUERY PLAN {query}")).load(it),
        DbConnection::Postgres(it) => {
            // Of a table with one row it would read all.
            diesel::sql_query("SET enable_seqscan = off").execute(it).expect("a setting");
            let plan = diesel::sql_query(format!("EXPLAIN {query}")).load::<PostgresStep>(it);
            plan.map(|steps| steps.into_iter().map(|step| Step { detail: step.detail }).collect())
        }
    }
    .expect("a plan");
    let plan = plan.into_iter().map(|step| step.detail).collect::<Vec<_>>().join("\n");
    assert!(plan.contains("users_login_natural"), "{plan}");
    assert!(!plan.contains("TEMP B-TREE") && !plan.contains("Sort"), "{plan}");
}

/// "active only is the default, as in Redmine and its API; never everybody in silence"
#[rstest]
#[tokio::test]
async fn active_people_are_listed_and_what_is_not_understood_is_told(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    site.set_user(&site.add_passwordless_user("lotte").await, "status = 'locked'");
    let root = site.signed_in("root").await;
    let list = root.get("/admin/users").await;
    assert_eq!(logins(&list), ["root"]);
    assert!(list.html.contains("<option value=\"active\" selected>Active</option>"), "{}", list.html);
    let all = root.get("/admin/users?status=").await;
    assert_eq!(logins(&all), ["lotte", "root"]);
    assert!(all.html.contains("<option value=\"\" selected>All</option>"), "{}", all.html);
    for (query, told) in [
        ("status=9", "There is no status “9”. Choose one from the list."),
        ("status=nonsense", "There is no status “nonsense”."),
        ("status=!9", "There is no status “!9”."),
        ("status=~1", "There is no status “~1”."),
        ("status=!*", "There is no status “!*”."),
        ("sort=shoe_size", "People cannot be sorted by “shoe_size”."),
        ("sort=login,password_hash", "People cannot be sorted by “login,password_hash”."),
    ] {
        let refused = root.get(&format!("/admin/users?{query}")).await;
        assert_eq!((refused.status, logins(&refused).len()), (422, 0), "{query}");
        assert!(refused.shows(told), "{query}: {}", refused.text());
        assert!(refused.shows("Show active people") && !refused.shows("0 accounts"), "{query}");
    }
}
