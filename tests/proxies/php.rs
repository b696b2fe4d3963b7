//! What a service in PHP is told: PHP makes variables of headers, and takes a dot in their names for a hyphen.

use rstest::rstest;
use serde_json::Value;

use super::*;
use crate::support::php::Php;

#[rstest]
#[tokio::test]
async fn nobody_says_who_they_are_to_php(#[values(Nginx, Caddy, Traefik, Envoy)] via: Via) {
    let scene = Scene::start(Sqlite, via).await;
    scene.set_service("wiki", "anonymous_reads = TRUE");
    let (key, php) = (scene.key("service:wiki:read").await, Php::start());
    let latchkey = scene.site.url.strip_prefix("http://").expect("an address");
    let services = Places { latchkey, wiki: php.address, blog: scene.blog.address, board: scene.board.address };
    let front = Front::start(via, Setup::WithBlog, services).await;
    let variables = |request: &Request| {
        let reply = front.send(request);
        assert_eq!(reply.status, 200, "{reply:?}");
        let body = &reply.text[reply.text.find('{').expect("JSON")..=reply.text.rfind('}').expect("JSON")];
        serde_json::from_str::<Value>(body).expect("JSON")
    };
    let names = IDENTITY.into_iter().chain(["X-API-Key", "X-Redmine-API-Key", "X-Forwarded-Host"]).chain(OVERRIDES);
    for name in names {
        let spellings = PUNCTUATION.chars().flat_map(|c| {
            let (first, rest) = name.split_once('-').expect("a hyphen");
            [name.replace('-', &c.to_string()), format!("{first}{c}{rest}")]
        });
        let forged = spellings.fold(get("/"), |request, name| request.with(name, "forged"));
        for (request, login) in [(forged.clone(), ""), (with_key(forged, &key), "alice")] {
            let seen = variables(&request);
            assert_eq!(seen["HTTP_X_LATCHKEY_USER"].as_str().unwrap_or_default(), login, "{name}: {seen}");
            assert!(!seen.to_string().contains("forged"), "{name}: {seen}");
        }
    }
}

/// So that the test above means something.
#[tokio::test]
async fn php_takes_a_dot_for_a_hyphen() {
    let php = Php::start();
    let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
    let asked = http.get(format!("http://{}/", php.address)).header("X-Latchkey.User", "forged");
    let seen = Answer::of(asked).await.json();
    assert_eq!(seen["HTTP_X_LATCHKEY_USER"], "forged");
}
