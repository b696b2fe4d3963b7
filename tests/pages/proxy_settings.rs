//! The page of a service gives out the settings of the proxy: for its own host and place, and the same as
//! `docs/forward-auth.md` has them for its examples.

use latchkey::models::services::settings::ServiceSettings;
use rstest::rstest;

use super::*;
use crate::support::proxy_settings::{Given, PROXIES, blocks};

fn documented() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/forward-auth.md");
    std::fs::read_to_string(path).expect("the page")
}

/// Both come from the templates, so none of them forgets a header that the other removes.
#[tokio::test]
async fn the_documentation_has_what_the_pages_give_out_and_nothing_else() {
    let given = Given::by_a_site().await;
    let documented = documented();
    for block in given.wiki.iter().flatten() {
        assert!(documented.contains(block), "docs/forward-auth.md lacks:\n{block}");
    }
    let Given { wiki, wiki_with_key, wiki_and_blog, blog, board: _ } = given;
    let all: Vec<String> = [wiki, wiki_with_key, wiki_and_blog, blog].into_iter().flatten().flatten().collect();
    let mut fenced = 0;
    for language in ["nginx", "caddy", "yaml"] {
        for rest in documented.split(&format!("```{language}\n")).skip(1) {
            let block = rest.split("\n```").next().expect("a block");
            assert!(all.iter().any(|given| given.contains(block)), "no page gives out:\n{block}");
            fenced += 1;
        }
    }
    assert!(fenced > 12, "{fenced}");
}

#[rstest]
#[tokio::test]
async fn what_latchkey_knows_is_filled_in_and_the_rest_is_named(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--url=https://example.org/keys", "--trusted-proxies=127.0.0.1"]).await;
    site.add_admin("root").await;
    let root = site.visitor();
    let form = [("username", "root"), ("password", PASSWORD)];
    assert_eq!(root.post("/keys/login", &form).await.status, 303);
    let at = |path: &str| ServiceSettings {
        path: path.into(),
        key_parameter: path == "/docs",
        ..ServiceSettings::new(format!("Team {path}"), "team.example.org")
    };
    let wiki = site.add_service("wiki", at("/")).await;
    site.add_service("docs", at("/docs")).await;
    let path = format!("/keys/admin/services/{}", wiki.id);
    assert!(root.get(&path).await.html.contains(&format!("{path}/proxy?for=envoy")), "it is linked");
    let latchkey = site.url.strip_prefix("http://").expect("an address");
    for proxy in PROXIES {
        let page = root.get(&format!("{path}/proxy?for={proxy}")).await;
        let all = blocks(&page).join("\n");
        let port = latchkey.rsplit(':').next().expect("a port");
        for known in ["team.example.org", "example.org", "/keys/auth/", port, "8080"] {
            assert!(all.contains(known), "{proxy}: no {known} in {all}");
        }
        for told in [&*format!("{latchkey} is where Latchkey listens"), "127.0.0.1:8080 is where Team / listens."] {
            assert!(page.shows(told), "{proxy}: {}", page.text());
        }
        for wrong in ["wiki.example.org", "keys.example.org", "answers no proxy yet", "no host of its own"] {
            assert!(!page.html.contains(wrong), "{proxy}: {wrong}");
        }
        // The file of a service is its own, the settings of a host are those of all its services.
        let is_shared = proxy != "traefik";
        assert_eq!(all.contains("/docs"), is_shared, "{proxy}: {all}");
        assert_eq!(page.shows("Several services are on team.example.org"), is_shared, "{proxy}");
        for block in (1..=blocks(&page).len()).map(|number| format!("data-copy=\"settings-{number}\"")) {
            assert!(page.html.contains(&block), "{proxy}: {block}");
        }
    }
    assert!(root.get(&format!("{path}/proxy")).await.html.contains("proxy?for=nginx\" aria-current=\"page\""));
    for nothing in ["/proxy?for=apache", "7/proxy"] {
        assert_eq!(root.get(&format!("{path}{nothing}")).await.status, 404, "{nothing}");
    }
}

#[rstest]
#[tokio::test]
async fn what_stands_in_the_way_is_told(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let root = site.signed_in("root").await;
    let service = site.add_service("wiki", ServiceSettings::new("Team wiki", "wiki.example.org")).await;
    site.database.execute("UPDATE services SET key_parameter = TRUE");
    let path = format!("/admin/services/{}/proxy?for=", service.id);
    let page = root.get(&format!("{path}traefik")).await;
    for told in [
        "Latchkey answers no proxy yet. Set LATCHKEY_TRUSTED_PROXIES",
        "Latchkey has no host of its own yet. Set LATCHKEY_URL",
        "Team wiki accepts keys in the address, which Traefik cannot remove:",
    ] {
        assert!(page.shows(told), "{told}: {}", page.text());
    }
    assert!(!root.get(&format!("{path}nginx")).await.shows("cannot remove"));
    site.database.execute("UPDATE services SET kept_in = 'left_file'");
    let page = root.get(&format!("{path}nginx")).await;
    assert!(page.shows("This service is closed") && blocks(&page).is_empty(), "{}", page.text());

    let site = Site::start_with(db, &["--url=https://wiki.example.org"]).await;
    site.add_admin("root").await;
    let root = site.signed_in("root").await;
    let service = site.add_service("wiki", ServiceSettings::new("Team wiki", "wiki.example.org")).await;
    let page = root.get(&format!("/admin/services/{}/proxy", service.id)).await;
    assert!(page.shows("This is the host of Latchkey itself") && blocks(&page).is_empty(), "{}", page.text());
}
