//! Traefik and Envoy, by what they are documented to ask with.

use reqwest::Method;
use rstest::rstest;

use super::*;

/// The headers of an answer by which a service knows who it is from.
fn told(answer: &Answer) -> [Option<&str>; 4] {
    IDENTITY.map(|name| answer.header(name))
}

async fn services(db: Db) -> (Site, User, Key) {
    let site = Site::start_with(db, &["--trusted-proxies=127.0.0.1"]).await;
    let alice = site.add_passwordless_user("alice").await;
    add_services(&site).await;
    let key = site.add_access_token(&alice, "service:wiki:read", "30d").await;
    (site, alice, key)
}

/// As Traefik's `forwardAuth` asks: always by GET, on a host of Latchkey's own.
fn traefik(site: &Site, method: &str, address: &str) -> reqwest::RequestBuilder {
    let request = site.get("/auth/forwarded").header("User-Agent", "A Client/1.0").header("Accept-Encoding", "gzip");
    let request = request.header("X-Forwarded-For", "192.0.2.7").header("X-Forwarded-Method", method);
    let request = request.header("X-Forwarded-Proto", "https").header("X-Forwarded-Host", WIKI);
    request.header("X-Forwarded-Uri", address)
}

/// As Envoy's `ext_authz` asks: by the client's method and host, and with its address behind the prefix.
fn envoy(site: &Site, method: Method, address: &str) -> reqwest::RequestBuilder {
    let request = site.request(method, &format!("/auth/envoy{address}")).header("Host", WIKI);
    let request = request.header("User-Agent", "A Client/1.0").header("Content-Length", "0");
    let request = request.header("X-Forwarded-For", "192.0.2.7").header("X-Envoy-Internal", "true");
    request.header("X-Envoy-Expected-Rq-Timeout-Ms", "5000")
}

#[derive(Clone, Copy, Debug)]
enum Dialect {
    Traefik,
    Envoy,
}

impl Dialect {
    fn ask(self, site: &Site, method: Method, address: &str) -> reqwest::RequestBuilder {
        match self {
            Self::Traefik => traefik(site, method.as_str(), address),
            Self::Envoy => envoy(site, method, address),
        }
    }
}

use Dialect::{Envoy, Traefik};

#[rstest]
#[tokio::test]
async fn traefik_and_envoy_are_answered(
    #[values(Traefik, Envoy)] dialect: Dialect,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let (site, alice, key) = services(db).await;
    let ask = async |method: Method, address: &str, secret: Option<&str>| {
        let request = dialect.ask(&site, method, address);
        Answer::of(secret.into_iter().fold(request, |request, secret| request.bearer_auth(secret))).await
    };
    let answer = ask(Method::GET, "/page?x=1", Some(&key.secret)).await;
    let ids = [alice.id.to_string(), key.id.to_string()];
    let who = ["alice", &ids[0], &ids[1], "service:wiki:read"].map(Some);
    assert_eq!((answer.status, told(&answer)), (200, who), "{}", answer.text);
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));

    let answer = ask(Method::GET, "/blog/post", None).await;
    assert_eq!((answer.status, told(&answer)), (200, [Some(""); 4]), "{}", answer.text);

    let refusals = [
        (Method::GET, "/page", None, 401),
        (Method::GET, "/page", Some("not-a-key"), 401),
        (Method::POST, "/page", Some(key.secret.as_str()), 403),
        (Method::GET, "//blog/post", None, 400),
        (Method::GET, "/page%2f", Some(key.secret.as_str()), 400),
    ];
    for (method, address, secret, status) in refusals {
        let answer = ask(method.clone(), address, secret).await;
        assert_eq!(answer.status, status, "{method} {address}: {}", answer.text);
        assert_eq!(answer.header("WWW-Authenticate").is_some(), status != 400, "{method} {address}");
        assert_eq!(answer.header("Content-Type"), Some("application/problem+json"), "{method} {address}");
    }
}
