//! The settings for a service that is only a part of its host, beside a Latchkey that is only a part of its own.

use rstest::rstest;

use super::*;
use crate::support::proxy_settings::{PROXIES, blocks};

/// A Latchkey below a path of its own host, where `root` is an administrator.
async fn site() -> (Site, Visitor) {
    let site = Site::start_with(Sqlite, &["--trusted-proxies=127.0.0.1", "--url=https://keys.example.org/keys"]).await;
    site.add_admin("root").await;
    let root = site.visitor();
    assert_eq!(root.post("/keys/login", &[("username", "root"), ("password", PASSWORD)]).await.status, 303);
    (site, root)
}

/// The proxy with what the page of the service `id` gives out for it; `file` is Traefik's for it.
async fn front(via: Via, site: &Site, root: &Visitor, (id, file): (i64, &'static str), upstream: &Upstream) -> Front {
    let path = format!("/keys/admin/services/{id}/proxy?for={}", PROXIES[via as usize]);
    let mut given = blocks(&root.get(&path).await);
    let files = match via {
        Traefik => ["traefik.yml", "latchkey.yml", file].into_iter().zip(given).collect(),
        // Its parts stand in the file.
        Envoy => vec![("envoy.yaml", given.remove(0))],
        Nginx | Caddy => vec![("the only one", given.join("\n"))],
    };
    let [wiki, blog, board] = [upstream.address; 3];
    let latchkey = site.url.strip_prefix("http://").expect("an address");
    Front::with(via, files, "/keys/login", Places { latchkey, wiki, blog, board })
}

/// Each of them takes the key out of its own addresses.
#[rstest]
#[tokio::test]
async fn all_services_of_a_host_may_accept_keys_in_the_address(#[values(Nginx, Caddy, Envoy)] via: Via) {
    let (site, root) = site().await;
    let service = |title: &str, path: &str| ServiceSettings {
        path: path.to_owned(),
        readers: Everyone,
        key_parameter: true,
        ..ServiceSettings::new(title.to_owned(), WIKI)
    };
    let wiki = site.add_service("wiki", service("The wiki", "/")).await;
    site.add_service("blog", service("The blog", "/blog")).await;
    let alice = site.add_passwordless_user("alice").await;
    let key = site.add_access_token(&alice, "service:wiki:read service:blog:read", "30d").await;
    let upstream = Upstream::start();
    let front = front(via, &site, &root, (wiki.id, "service-wiki.yml"), &upstream).await;
    for path in ["/page", "/blog/post"] {
        let reply = front.send(&get(&format!("{path}?key={}&x=1", key.secret)));
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        let arrival = upstream.arrival();
        assert_eq!(arrival.target(), format!("{path}?x=1"));
        assert!(!arrival.shows(&key.secret), "{arrival:?}");
    }
}

#[rstest]
#[tokio::test]
async fn a_part_of_a_host_is_set_up_as_the_page_says(#[values(Nginx, Caddy, Traefik, Envoy)] via: Via) {
    let (site, root) = site().await;
    // YAML would take this name for a number.
    let removes_keys = via != Traefik;
    let settings = ServiceSettings {
        path: "/docs/v1.0".to_owned(),
        readers: Everyone,
        key_parameter: removes_keys,
        ..ServiceSettings::new("The manual".to_owned(), WIKI)
    };
    let service = site.add_service("7", settings).await;
    let alice = site.add_passwordless_user("alice").await;
    let key = site.add_access_token(&alice, "service:7:read", "30d").await;
    let upstream = Upstream::start();
    let front = front(via, &site, &root, (service.id, "service-7.yml"), &upstream).await;

    let reply = front.send(&with_key(get("/docs/v1.0/page?x=1"), &key));
    assert_eq!(reply.status, 200, "{reply:?}");
    let arrival = upstream.arrival();
    assert_eq!((arrival.target(), identity(&arrival)[0].as_str()), ("/docs/v1.0/page?x=1", "alice"));
    assert!(!arrival.shows(&key.secret), "{arrival:?}");
    if removes_keys {
        assert_eq!(front.send(&get(&format!("/docs/v1.0/page?key={}&x=1", key.secret))).status, 200);
        assert_eq!(upstream.arrival().target(), "/docs/v1.0/page?x=1");
    }
    for elsewhere in ["/", "/docs", "/docs/v1x0/page", "/docs/v1.01"] {
        let reply = front.send(&with_key(get(elsewhere), &key));
        assert!([403, 404].contains(&reply.status), "{elsewhere}: {reply:?}");
    }
    assert!(upstream.arrived().is_empty(), "nothing but the manual is there");

    let ours = |path: &str| front.try_send_to(KEYS, &Request::get(KEYS, path)).expect("an answer").status;
    assert_eq!(ours("/keys/login"), 200);
    for question in ["nginx", "forwarded", "envoy/page"] {
        assert_eq!(ours(&format!("/keys/auth/{question}")), 404, "{question}");
    }
}
