//! An address is what was sent: the rules of a reverse proxy see `/%61uth`, not `/auth`.

use latchkey::models::keys::token::TokenAction;
use latchkey::models::services::settings::ServiceSettings;
use latchkey::server::routes;
use rstest::rstest;

use super::*;
use crate::support::site::UNREACHABLE_MAIL;

/// Every address, with a method that it supports. What `ids` has for the beginning of a path is there.
fn addresses(ids: &[(&str, i64)]) -> Vec<(Method, String)> {
    let table = routes::api().into_iter().chain(routes::pages()).chain(routes::questions());
    let of_table = table.map(|at| {
        let method = at.answers().first().expect("a method").method.as_str().parse().expect("a method");
        let id = ids.iter().find(|(start, _)| at.path().starts_with(start)).map_or(1, |(_, id)| *id).to_string();
        let path = at.path().replace("{format:json|xml}", "json").replace("{rest:.*}", "");
        let account = ids.iter().find(|(name, _)| *name == "account").map_or(1, |(_, id)| *id).to_string();
        let path = path.replace("{key_id:[0-9]+}", "1").replace("{service_account}", &account);
        (method, path.replace("{id:[0-9]+}", &id).replace("{id}", &id))
    });
    of_table.chain([(Method::GET, "/static/latchkey.css".to_owned())]).collect()
}

/// `address` with each of its characters encoded, one at a time.
fn encoded(address: &str) -> Vec<String> {
    let each = address.char_indices().skip(1);
    each.map(|(at, c)| {
        let escape = if at % 2 == 0 { format!("%{:02x}", u32::from(c)) } else { format!("%{:02X}", u32::from(c)) };
        format!("{}{escape}{}", &address[..at], &address[at + c.len_utf8()..])
    })
    .collect()
}

#[rstest]
#[tokio::test]
async fn an_address_with_an_escape_is_none_of_ours(#[values(Sqlite, Postgres)] db: Db) {
    let flags = ["--trusted-proxies=127.0.0.1", "--url=http://keys.example.org/keys"];
    let site = Site::start_with(db, &[&flags[..], &UNREACHABLE_MAIL].concat()).await;
    let root = site.add_admin("root").await;
    let key = site.add_key(&root, TokenAction::Api).await;
    let ask = async |method: &Method, address: &str| {
        Answer::of(site.request(method.clone(), address).header("X-Redmine-API-Key", &key.secret)).await
    };
    let settings = ServiceSettings::new("A wiki".to_owned(), "wiki.example.org");
    let service = site.add_service("wiki", settings).await;
    let account = site.add_service_account("account", &root).await;
    let accounts_key = site.add_access_token(&account, "account:read", "30d").await;
    let group = site.add_group("Writers", &["root"]).await;
    let ids = [
        ("account", account.id),
        ("/my/service-accounts", accounts_key.id),
        ("/my/tokens", key.id),
        ("/users", root.id),
        ("/admin/users", root.id),
        ("/admin/services", service.id),
        ("/admin/groups", group.id),
    ];
    for (method, address) in addresses(&ids) {
        let address = format!("/keys{address}");
        assert_ne!(ask(&method, &address).await.status, 404, "{method} {address}");
        for encoded in encoded(&address) {
            assert_eq!(ask(&method, &encoded).await.status, 404, "{method} {encoded}");
        }
    }
}

/// A slash at the end is ignored at most addresses, but no question and no file has another spelling.
#[rstest]
#[tokio::test]
async fn a_slash_makes_another_address_of_a_question(
    #[values(Sqlite, Postgres)] db: Db,
    #[values("", "/keys")] base: &str,
) {
    let url = format!("--url=http://keys.example.org{base}");
    let site = Site::start_with(db, &["--trusted-proxies=127.0.0.1", &url]).await;
    for address in ["/auth/nginx", "/auth/forwarded", "/static/latchkey.css"] {
        assert_ne!(Answer::of(site.get(&format!("{base}{address}"))).await.status, 404, "{address}");
        for end in ["/", "//"] {
            assert_eq!(Answer::of(site.get(&format!("{base}{address}{end}"))).await.status, 404, "{address}{end}");
        }
    }
    for address in ["/login//", "//login", "//", "/my//account/"] {
        assert_eq!(Answer::of(site.get(&format!("{base}{address}"))).await.status, 404, "{address}");
    }
}

/// It asks about an address of somebody else's.
#[rstest]
#[tokio::test]
async fn what_envoy_asks_about_may_have_escapes(#[values(Sqlite, Postgres)] db: Db) {
    let site = site_behind_proxy(db).await;
    let asked = Answer::of(site.get("/auth/envoy/p%61ge%20one").header("Host", "wiki.example.org")).await;
    assert_eq!(asked.status, 403, "{}", asked.text);
    assert!(asked.text.contains("There is no service at this address"), "{}", asked.text);
}
