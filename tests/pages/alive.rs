//! A green dot means that a key is in use: it works, and was used in the last 30 days.

use chrono::TimeDelta;
use latchkey::models::keys::token::TokenAction;
use latchkey::models::services::admitted::Admitted;
use latchkey::models::services::settings::ServiceSettings;
use rstest::rstest;

use super::*;

/// How many last uses the page marks as alive, and how many it shows at all.
fn dots(page: &Page) -> (usize, usize) {
    let classes: Vec<&str> = page.html.split("class=\"").skip(1).filter_map(|it| it.split('"').next()).collect();
    let with = |name: &str| classes.iter().filter(|class| class.split_whitespace().any(|it| it == name)).count();
    (with("use-live"), with("use-seen"))
}

#[rstest]
#[tokio::test]
async fn what_was_used_lately_and_works_is_alive(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    site.add_admin("root").await;
    let lasting = site.add_access_token(&alice, "account:read", "never").await;
    let expiring = site.add_access_token(&alice, "account:read", "7d").await;
    let api = site.add_key(&alice, TokenAction::Api).await;
    let use_all = async || {
        for key in [&lasting, &expiring, &api] {
            site.get_with_key("/users/current.json", key).await;
        }
    };
    use_all().await;
    let person = format!("/admin/users/{}", alice.id);
    let alive = async || {
        let (alice, root) = (site.signed_in("alice").await, site.signed_in("root").await);
        let one = alice.get(&format!("/my/tokens/{}", lasting.id)).await;
        let (list, account) = (alice.get("/my/tokens").await, alice.get("/my/account").await);
        [&list, &one, &account, &root.get(&person).await].map(dots)
    };
    assert_eq!(alive().await, [(2, 2), (1, 1), (2, 2), (3, 3)]);
    site.later(TimeDelta::days(8));
    assert_eq!(alive().await, [(1, 2), (1, 1), (1, 2), (2, 3)], "one has expired: it was used last");
    use_all().await;
    assert_eq!(alive().await, [(1, 2), (1, 1), (2, 2), (2, 3)]);
    site.later(TimeDelta::days(30));
    assert_eq!(alive().await.map(|(alive, _)| alive), [0; 4], "nothing was used for 30 days");
    use_all().await;
    site.set_user(&alice, "status = 'locked'");
    let locked = site.signed_in("root").await.get(&person).await;
    assert_eq!(dots(&locked).0, 0, "{}", locked.text());
}

#[rstest]
#[tokio::test]
async fn a_key_that_is_turned_off_is_not_alive(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--api-access-keys=off"]).await;
    let alice = site.add_user("alice").await;
    let api = site.add_key(&alice, TokenAction::Api).await;
    site.later(TimeDelta::hours(1));
    site.database.execute(&format!("UPDATE tokens SET updated_on = '2026-11-24 09:40:00' WHERE id = {}", api.id));
    assert_eq!(dots(&site.signed_in("alice").await.get("/my/account").await), (0, 1));
}

#[rstest]
#[tokio::test]
async fn a_closed_service_is_not_alive(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let everyone = ServiceSettings { readers: Admitted::Everyone, ..ServiceSettings::new("Wiki", "wiki.example.org") };
    let service = site.add_service("wiki", everyone).await;
    let key = site.add_access_token(&root, "service:wiki:read", "30d").await;
    site.database.execute(&format!(
        "INSERT INTO service_uses VALUES ({}, {}, '2026-11-24 09:25:00', '192.0.2.1', 'curl')",
        key.id, service.id
    ));
    let visitor = site.signed_in("root").await;
    let path = format!("/admin/services/{}", service.id);
    assert_eq!(dots(&visitor.get(&path).await), (1, 1));
    site.database.execute("UPDATE services SET kept_in = 'left_file'");
    assert_eq!(dots(&visitor.get(&path).await), (0, 1));
    assert_eq!(dots(&visitor.get(&format!("{path}/remove")).await), (0, 1));
    assert_eq!(dots(&visitor.get(&format!("/my/tokens/{}", key.id)).await).0, 0, "its keys are refused there");
}

/// Each last use goes through the one macro that decides it.
#[test]
fn no_template_decides_by_itself() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("_macros.html") {
                let text = std::fs::read_to_string(&path).expect("a template");
                assert!(!text.contains("use-seen") && !text.contains("use-live"), "{}", path.display());
            }
        }
    }
}
